#include "pipelines/counterflow/statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <ostream>

#include "core/archive/image_meta.h"
#include "core/physics/material.h"
#include "core/text.h"
#include "gadgets/monoenergetic/monoenergetic.h"
#include "pipelines/counterflow/map_value.h"
#include "pipelines/counterflow/text_file.h"

namespace counterflow {
namespace {

constexpr double kMadeEnergy = 70;  // [keV] of the monoenergetic image made where the file has none

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

const ImageSeries* find_series(const std::vector<ImageSeries>& all, int number) {
  const auto found = std::ranges::find(all, number, &ImageSeries::number);
  return found == all.end() ? nullptr : &*found;
}

// What a channel should show in a region, in the file's unit; nothing where the truth does not tell.
std::optional<double> truth_of(const Truth& truth, const Region& region, const Channels& channels, const std::string& channel) {
  if (channels.quantity == "density") {
    if (std::ranges::find(truth.materials, channel) == truth.materials.end()) return std::nullopt;
    const auto is_shown = [&](const auto& part) {
      return std::abs(part.second) < 1e-9 || std::ranges::find(channels.names, part.first) != channels.names.end();
    };
    if (!std::ranges::all_of(region.densities, is_shown)) return std::nullopt;  // its density is for another basis
    return density_of(channel, region.densities);
  }
  return map_value(channels, channel, truth.materials, region.densities);
}

// Regions that a summary is about: those named after the material, else those that hold some of an element, else all.
std::vector<std::size_t> inserts_of(const Evaluation& evaluation) {
  const auto select = [&](auto&& condition) {
    std::vector<std::size_t> out;
    for (std::size_t k = 0; k < evaluation.regions.size(); ++k) {
      const Measurement& m = evaluation.regions[k];
      if (m.values > 0 && m.truth && condition(m)) out.push_back(k);
    }
    return out;
  };
  if (evaluation.unit == "mg/mL") {
    const std::string name = lower(agent_of(evaluation.quantity));
    if (auto named = select([&](const Measurement& m) { return lower(m.region.name).find(name) != std::string::npos; });
        !named.empty())
      return named;
    if (auto holding = select([](const Measurement& m) { return *m.truth > 0; }); !holding.empty()) return holding;
  }
  return select([](const Measurement&) { return true; });
}

void summarise(Evaluation& evaluation) {
  evaluation.inserts = inserts_of(evaluation);
  if (evaluation.inserts.empty()) return;
  double sum = 0, squares = 0;
  for (std::size_t k : evaluation.inserts) {
    const double error = evaluation.regions[k].mean - *evaluation.regions[k].truth;
    sum += error;
    squares += error * error;
  }
  const double n = static_cast<double>(evaluation.inserts.size());
  evaluation.bias = sum / n;
  evaluation.root_mean_square_error = std::sqrt(squares / n);
}

Evaluation evaluate_channel(const ImageSeries& series, std::size_t channel, const ImageSeries* noise, const Truth& truth) {
  const std::string& name = series.channels.names[channel];
  const DisplayUnit unit = display_unit(series.channels, name);
  Evaluation out{name, unit.name, {}, {}, {}, 0, 0};
  const bool has_bound = noise && noise->grid == series.grid && noise->value.shape() == series.value.shape();
  for (const Region& region : truth.regions) {
    const std::vector<std::size_t> pixels = pixels_of(region, truth.regions, series.grid);
    const Statistics s = statistics(series.value, channel, pixels);
    Measurement m{region, s.count, unit.scale * s.mean, unit.scale * s.deviation, {}, {}};
    if (const auto value = truth_of(truth, region, series.channels, name)) m.truth = unit.scale * *value;
    if (has_bound) m.bound = unit.scale * statistics(noise->value, channel, pixels).root_mean_square;
    out.regions.push_back(std::move(m));
  }
  summarise(out);
  if (out.inserts.empty())
    out.remark = "the scan's truth is in " + joined(truth.materials, ", ") + ": it says nothing of " + name;
  return out;
}

int places_of(const std::string& unit) { return unit == "HU" ? 1 : unit == "mg/mL" ? 3 : 4; }

// Zero where it would be written "-0.0".
double without_minus_zero(double value, int places) { return std::abs(value) < 0.5 * std::pow(10, -places) ? 0.0 : value; }

std::string number_or_dash(const std::optional<double>& value, int places) {
  return value ? fmt::format("{:.{}f}", without_minus_zero(*value, places), places) : "-";
}

std::string signed_text(double value, int places) { return fmt::format("{:+.{}f}", without_minus_zero(value, places), places); }

std::optional<double> ratio(const Measurement& m) {
  return m.bound && *m.bound > 0 ? std::optional(m.noise / *m.bound) : std::nullopt;
}

void print_region(const Measurement& m, std::size_t name_width, int places, std::ostream& out) {
  if (m.values == 0) {
    out << fmt::format("  {:<{}}  outside the images\n", m.region.name, name_width);
    return;
  }
  const std::string error = m.truth ? signed_text(m.mean - *m.truth, places) : "-";
  out << fmt::format("  {:<{}}{:>11}{:>11}{:>11}{:>11.{}f}{:>11}{:>13}\n", m.region.name, name_width,
                     number_or_dash(m.truth, places), number_or_dash(m.mean, places), error, m.noise, places,
                     number_or_dash(m.bound, places), number_or_dash(ratio(m), 2));
}

std::string number_or_nothing(const std::optional<double>& value) { return value ? fmt::format("{:.9g}", *value) : ""; }

}  // namespace

// Two passes, in double: a region's mean can be much larger than its noise.
Statistics statistics(const Array<float, 4>& value, std::size_t channel, std::span<const std::size_t> pixels) {
  Statistics out;
  out.count = pixels.size() * value.extent(1);
  if (out.count == 0) return out;
  const auto sum_of = [&](auto&& term) {
    double sum = 0;
    for (std::size_t z = 0; z < value.extent(1); ++z) {
      const auto slice = value.block(channel, z);
      for (std::size_t pixel : pixels) sum += term(static_cast<double>(slice[pixel]));
    }
    return sum;
  };
  const double n = static_cast<double>(out.count);
  out.mean = sum_of([](double v) { return v; }) / n;
  out.root_mean_square = std::sqrt(sum_of([](double v) { return v * v; }) / n);
  if (out.count > 1) out.deviation = std::sqrt(sum_of([&](double v) { return (v - out.mean) * (v - out.mean); }) / (n - 1));
  return out;
}

DisplayUnit display_unit(const Channels& channels, const std::string& channel) {
  if (channels.unit != "g/cm^3") return {channels.unit, 1};
  try {
    if (find_material(channel).composition.size() == 1) return {"mg/mL", 1000};
  } catch (const ConfigError&) {  // a name that is not of a material keeps the file's unit
  }
  return {channels.unit, 1};
}

ImageSeries made_monoenergetic(const ImageSeries& materials) {
  Image<float> image;
  image.value = materials.value;
  image.channels = std::make_shared<const Channels>(materials.channels);
  image = mixed(Monoenergetic{{kMadeEnergy}, "HU"}.mix(materials.channels.names), image);
  return {kMonoenergeticSeries + static_cast<int>(kMadeEnergy), *image.channels, materials.grid, std::move(image.value), {}};
}

std::vector<Evaluation> evaluate_images(const std::vector<ImageSeries>& series, const Truth& truth) {
  if (truth.regions.empty())
    throw DataError(
        "the scan's truth has no regions to compare with; simulate it from a phantom with regions, or give the "
        "scan /dataset/truth_regions");
  std::vector<Evaluation> out;
  bool monoenergetic = false;
  for (const ImageSeries& s : series) {
    if (s.channels.quantity == "noise") continue;
    monoenergetic = monoenergetic || s.channels.quantity == "monoenergetic";
    const ImageSeries* noise = find_series(series, noise_series(s.number));
    for (std::size_t c = 0; c < s.channels.names.size(); ++c) out.push_back(evaluate_channel(s, c, noise, truth));
  }
  const ImageSeries* materials = find_series(series, 0);
  if (!monoenergetic && materials && materials->channels.quantity == "density")
    out.push_back(evaluate_channel(made_monoenergetic(*materials), 0, nullptr, truth));
  const auto measured = [](const Evaluation& e) {
    return std::ranges::any_of(e.regions, [](const Measurement& m) { return m.values > 0; });
  };
  if (std::ranges::none_of(out, measured))
    throw DataError("no region of the truth lies within the images; are they of another scan, or of a smaller field of view?");
  return out;
}

void print_table(const std::vector<Evaluation>& evaluations, std::ostream& out) {
  for (const Evaluation& e : evaluations) {
    std::size_t width = 12;
    for (const Measurement& m : e.regions) width = std::max(width, m.region.name.size());
    out << fmt::format("{} [{}]\n  {:<{}}{:>11}{:>11}{:>11}{:>11}{:>11}{:>13}\n", e.quantity, e.unit, "region", width, "true",
                       "measured", "error", "noise", "bound", "noise/bound");
    const int places = places_of(e.unit);
    for (const Measurement& m : e.regions) print_region(m, width, places, out);
    if (!e.inserts.empty())
      out << fmt::format("  {} {}: mean bias {}, root mean square error {:.{}f}{}\n", e.inserts.size(),
                         e.inserts.size() == e.regions.size() ? "regions" : "inserts", signed_text(e.bias, places),
                         e.root_mean_square_error, places, e.unit == "1" ? "" : " " + e.unit);
    if (!e.remark.empty()) out << "  " << e.remark << "\n";
    out << "\n";
  }
}

void print_csv(const std::vector<Evaluation>& evaluations, std::ostream& out) {
  out << "quantity,unit,region,x_mm,y_mm,radius_mm,values,true,measured,error,noise,bound,noise_over_bound\n";
  for (const Evaluation& e : evaluations)
    for (const Measurement& m : e.regions) {
      const bool any = m.values > 0;
      const auto error = m.truth ? std::optional(m.mean - *m.truth) : std::nullopt;
      const auto cell = [&](const std::optional<double>& value) { return any ? number_or_nothing(value) : std::string(); };
      out << fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{}\n", csv_cell(e.quantity), e.unit, csv_cell(m.region.name),
                         number_text(m.region.x), number_text(m.region.y), number_text(m.region.radius), m.values,
                         number_or_nothing(m.truth), cell(m.mean), cell(error), cell(m.noise), cell(m.bound), cell(ratio(m)));
    }
}

}  // namespace counterflow
