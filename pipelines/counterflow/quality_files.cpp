// Curves of resolution and noise as files.
#include <fmt/format.h>

#include <cctype>
#include <limits>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "pipelines/counterflow/plot.h"
#include "pipelines/counterflow/quality.h"
#include "pipelines/counterflow/text_file.h"

namespace counterflow {
namespace {

constexpr double kPerCm = 10;  // lp/cm of 1/mm

std::vector<double> scaled(std::vector<double> values, double factor) {
  for (double& v : values) v *= factor;
  return values;
}

std::string file_part(const std::string& text) {
  std::string out;
  for (char c : text) out += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return out;
}

std::string power_unit(const std::string& unit) {
  return (unit.find('/') == std::string::npos ? unit : "(" + unit + ")") + "^2 mm^2";
}

std::string table_of(const std::vector<Quality>& all, bool noise) {
  std::string text =
      noise ? "quantity,unit,region,frequency_lp_per_cm,nps_unit2_mm2\n" : "quantity,from,frequency_lp_per_cm,mtf\n";
  for (const Quality& q : all) {
    if (noise ? !q.noise : !q.resolution) continue;
    const auto& x = noise ? q.noise->frequency : q.resolution->frequency;
    const auto& y = noise ? q.noise->power : q.resolution->transfer;
    const std::string head =
        csv_cell(q.quantity) + (noise ? "," + q.unit + "," + csv_cell(q.noise_from) : "," + csv_cell(q.resolution_from));
    for (std::size_t k = 0; k < x.size(); ++k) text += fmt::format("{},{:.9g},{:.9g}\n", head, kPerCm * x[k], y[k]);
  }
  return text;
}

Plot noise_plot(const Quality& q) {
  Plot plot(fmt::format("Noise power of {} in {}", q.quantity, q.noise_from), "spatial frequency [lp/cm]",
            "NPS [" + power_unit(q.unit) + "]");
  Curve curve{"", scaled(q.noise->frequency, kPerCm), q.noise->power};
  curve.x.insert(curve.x.begin(), 0);  // the axis begins at 0, where the trend took the noise
  curve.y.insert(curve.y.begin(), std::numeric_limits<double>::quiet_NaN());
  return plot.add(std::move(curve));
}

}  // namespace

std::vector<std::filesystem::path> write_quality(const std::vector<Quality>& all, const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) throw ArchiveError(folder.string() + ": cannot be made: " + error.message());
  std::vector<std::filesystem::path> files;
  Plot transfer("Modulation transfer", "spatial frequency [lp/cm]", "MTF");
  bool any_transfer = false, any_noise = false;
  for (std::size_t k = 0; k < all.size(); ++k) {
    const Quality& q = all[k];
    if (q.resolution) {
      transfer.add({q.quantity, scaled(q.resolution->frequency, kPerCm), q.resolution->transfer});
      any_transfer = true;
    }
    if (!q.noise) continue;
    any_noise = true;
    files.push_back(folder / fmt::format("nps_{}_{}.png", k + 1, file_part(q.quantity)));
    noise_plot(q).write_png(files.back());
  }
  if (any_noise) write_text(files.emplace_back(folder / "nps.csv"), table_of(all, true));
  if (any_transfer) {
    transfer.write_png(files.emplace_back(folder / "mtf.png"));
    write_text(files.emplace_back(folder / "mtf.csv"), table_of(all, false));
  }
  return files;
}

}  // namespace counterflow
