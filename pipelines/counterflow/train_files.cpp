#include "pipelines/counterflow/train_files.h"

#include <algorithm>

#include "pipelines/counterflow/plot.h"
#include "pipelines/counterflow/text_file.h"

namespace counterflow {
namespace {

constexpr std::size_t kMostCurves = 8;

std::filesystem::path beside(const std::filesystem::path& file, const std::string& ending) {
  std::filesystem::path out = file;
  return out.replace_extension() += ending;
}

Plot loss_plot(const LearnedParameters& learned) {
  Plot plot("Training", "step", "loss");
  plot.logarithmic_y();
  const std::size_t columns = learned.columns.size();
  for (std::size_t c = 0; c < columns; ++c) {
    const std::string& name = learned.columns[c];
    if (c < 2 || name == "step_length") continue;
    Curve curve{name, {}, {}};
    for (std::size_t row = 0; row + columns <= learned.history.size(); row += columns) {
      curve.x.push_back(learned.history[row]);
      curve.y.push_back(learned.history[row + c]);
    }
    plot.add(std::move(curve));
  }
  return plot;
}

// Values along the last axis; a curve for each index of the others, at most so many, evenly taken.
Plot block_plot(const LearnedBlock& b) {
  const std::size_t n = b.shape.back(), curves = b.values.size() / std::max<std::size_t>(n, 1);
  const std::string last = b.axes.size() == b.shape.size() ? b.axes.back() : "index";
  Plot plot(b.gadget + ": " + b.name, last, b.name + " [" + b.unit + "]");
  const std::size_t shown = std::min(curves, kMostCurves);
  for (std::size_t k = 0; k < shown; ++k) {
    const std::size_t c = k * curves / shown;
    std::string name;
    for (std::size_t a = b.shape.size() - 1, rest = c; a-- > 0; rest /= b.shape[a])
      if (b.shape[a] > 1)
        name = (a < b.axes.size() ? b.axes[a] + " " : std::string()) + std::to_string(rest % b.shape[a]) +
               (name.empty() ? "" : ", ") + name;
    Curve curve{name.empty() ? b.name : name, {}, {}};
    for (std::size_t i = 0; i < n; ++i) {
      curve.x.push_back(static_cast<double>(i));
      curve.y.push_back(b.values[c * n + i]);
    }
    plot.add(std::move(curve));
  }
  return plot;
}

}  // namespace

std::vector<std::filesystem::path> write_training_pictures(const std::filesystem::path& file, const LearnedParameters& learned) {
  std::vector<std::filesystem::path> files = {beside(file, ".loss.png")};
  loss_plot(learned).write_png(files.back());
  for (const LearnedBlock& b : learned.blocks) {
    if (b.values.size() < 2) continue;
    files.push_back(beside(file, "." + b.gadget + "." + b.name + ".png"));
    block_plot(b).write_png(files.back());
  }
  return files;
}

std::vector<std::filesystem::path> write_modes(const std::filesystem::path& file, const std::vector<Mode>& modes,
                                               const ParameterSpace& space) {
  std::string text = "mode,eigenvalue,sd";
  for (const TrainedBlock& b : space.blocks())
    for (std::size_t i = 0; i < b.size; ++i) text += "," + csv_cell(b.gadget + "/" + b.name + "[" + std::to_string(i) + "]");
  text += "\n";
  Curve eigenvalues{"eigenvalue", {}, {}}, sds{"predicted sd [scale]", {}, {}};
  for (std::size_t k = 0; k < modes.size(); ++k) {
    text += std::to_string(k) + "," + number_text(modes[k].eigenvalue) + "," + number_text(modes[k].sd);
    for (double v : modes[k].direction) text += "," + number_text(v);
    text += "\n";
    eigenvalues.x.push_back(static_cast<double>(k));
    eigenvalues.y.push_back(modes[k].eigenvalue);
    sds.x.push_back(static_cast<double>(k));
    sds.y.push_back(modes[k].sd);
  }
  const std::vector<std::filesystem::path> files = {beside(file, ".modes.csv"), beside(file, ".modes.png")};
  write_text(files[0], text);
  Plot("What the losses see of the parameters", "mode", "").add(eigenvalues).add(sds).logarithmic_y().write_png(files[1]);
  return files;
}

}  // namespace counterflow
