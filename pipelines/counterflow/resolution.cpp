#include "pipelines/counterflow/resolution.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>
#include <string>

#include "core/error.h"
#include "core/text.h"

namespace counterflow {
namespace {

using std::numbers::pi;
constexpr std::size_t kFrequencies = 128, kDirections = 36, kOversampling = 8;
constexpr double kWirePixels = 16, kRing = 1.25, kSmallestDisk = 0.1;
constexpr double kEdgePixels = 20, kEdgePart = 0.8, kMargin = 3, kSmallestEdge = 4;

double pixel_of(const ImageGrid& grid) { return std::max(grid.voxel_x, grid.voxel_y); }

std::vector<double> frequencies_of(const ImageGrid& grid) {
  std::vector<double> out;
  for (std::size_t k = 0; k <= kFrequencies; ++k)
    out.push_back(0.5 / pixel_of(grid) * static_cast<double>(k) / static_cast<double>(kFrequencies));
  return out;
}

double sinc(double x) { return x == 0 ? 1 : std::sin(pi * x) / (pi * x); }

// Transform of a disk of diameter d at the frequency f.
double disk(double fd) { return fd < 1e-6 ? 1 : 2 * std::cyl_bessel_j(1.0, pi * fd) / (pi * fd); }

// 1 up to a half, then a cosine to 0 at 1 (Tukey): compact blurs pass it unchanged.
double window(double part) {
  const double t = std::abs(part);
  return t <= 0.5 ? 1 : t >= 1 ? 0 : 0.5 * (1 + std::cos(2 * pi * (t - 0.5)));
}

struct Moments {
  double n = 0, sum = 0, squares = 0;
  void add(double v) {
    n += 1;
    sum += v;
    squares += v * v;
  }
  double mean() const { return n > 0 ? sum / n : 0; }
  double sum_of_squares() const { return n > 0 ? std::max(squares - sum * sum / n, 0.0) : 0; }
};

// Calls f(x, y, value) for all pixels within `reach` of a place.
template <class F>
void for_pixels_near(std::span<const double> image, const ImageGrid& grid, double x0, double y0, double reach, F&& f) {
  for (std::size_t j = 0; j < grid.ny; ++j) {
    const double y = grid.y(static_cast<double>(j)) - y0;
    if (std::abs(y) > reach) continue;
    for (std::size_t i = 0; i < grid.nx; ++i) {
      const double x = grid.x(static_cast<double>(i)) - x0;
      if (x * x + y * y <= reach * reach) f(x, y, image[j * grid.nx + i]);
    }
  }
}

std::string place_text(const Circle& c) { return "(" + number_text(c.x) + ", " + number_text(c.y) + ") mm"; }

bool is_within(const ImageGrid& grid, const Circle& c, double reach) {
  return c.x - reach >= grid.x(0) && c.x + reach <= grid.x(static_cast<double>(grid.nx) - 1) && c.y - reach >= grid.y(0) &&
         c.y + reach <= grid.y(static_cast<double>(grid.ny) - 1);
}

struct Sample {
  double x, y, value;  // from the wire's middle; less the background
};

struct WireImage {
  std::vector<Sample> samples;  // windowed
  Moments ring;
  double height = 0;  // signed, of the value furthest from the ring's mean
};

// The window's middle is where the weight of the wire's image is, not the place that was said.
WireImage wire_image(std::span<const double> image, const ImageGrid& grid, const Circle& wire) {
  const double reach = kWirePixels * pixel_of(grid);
  WireImage out;
  for_pixels_near(image, grid, wire.x, wire.y, kRing * reach, [&](double x, double y, double v) {
    if (std::hypot(x, y) > reach) out.ring.add(v);
  });
  const double background = out.ring.mean();
  double sum = 0, sum_x = 0, sum_y = 0;
  for_pixels_near(image, grid, wire.x, wire.y, 0.25 * reach, [&](double x, double y, double v) {
    const double weight = (v - background) * (v - background);
    sum += weight;
    sum_x += weight * x;
    sum_y += weight * y;
    if (std::abs(v - background) > std::abs(out.height)) out.height = v - background;
  });
  if (!(sum > 0)) return out;
  const double x0 = sum_x / sum, y0 = sum_y / sum;
  for_pixels_near(image, grid, wire.x + x0, wire.y + y0, reach, [&](double x, double y, double v) {
    out.samples.push_back({x, y, (v - background) * window(std::hypot(x, y) / reach)});
  });
  return out;
}

double transform_modulus(const std::vector<Sample>& samples, double fx, double fy) {
  double re = 0, im = 0;
  for (const Sample& s : samples) {
    const double phase = 2 * pi * (fx * s.x + fy * s.y);
    re += s.value * std::cos(phase);
    im += s.value * std::sin(phase);
  }
  return std::hypot(re, im);
}

// A round edge's values by their signed distance from the circle, in bins.
struct EdgeProfile {
  std::vector<Moments> distance, value;
  Moments inside, outside;  // of the plateaus
};

EdgeProfile edge_profile(std::span<const double> image, const ImageGrid& grid, const Circle& edge, std::span<const Circle> others,
                         double half, double bin) {
  const double margin = kMargin * pixel_of(grid);
  const auto belongs_to_other = [&](double x, double y) {
    return std::ranges::any_of(others, [&](const Circle& o) {
      if (o == edge) return false;
      const bool around = o.radius > edge.radius && std::hypot(o.x - edge.x, o.y - edge.y) < o.radius;
      const double r = std::hypot(x - o.x, y - o.y);
      return around ? r > o.radius - margin : r < o.radius + margin;
    });
  };
  EdgeProfile out;
  const std::size_t bins = static_cast<std::size_t>(std::ceil(2 * half / bin));
  out.distance.resize(bins);
  out.value.resize(bins);
  for_pixels_near(image, grid, edge.x, edge.y, edge.radius + half, [&](double x, double y, double v) {
    const double d = std::hypot(x, y) - edge.radius;
    const double at = (d + half) / bin;
    if (at < 0 || at >= static_cast<double>(bins) || belongs_to_other(x + edge.x, y + edge.y)) return;
    out.distance[static_cast<std::size_t>(at)].add(d);
    out.value[static_cast<std::size_t>(at)].add(v);
    if (d < -0.5 * half) out.inside.add(v);
    if (d > 0.5 * half) out.outside.add(v);
  });
  return out;
}

// Steps of the edge spread function between the mean places of neighbouring bins.
struct Step {
  double place, height;
};

std::vector<Step> steps_of(const EdgeProfile& profile, double half) {
  std::vector<Step> out;
  std::optional<std::size_t> before;
  for (std::size_t k = 0; k < profile.value.size(); ++k) {
    if (profile.value[k].n == 0) continue;
    if (before) {
      const double place = 0.5 * (profile.distance[*before].mean() + profile.distance[k].mean());
      out.push_back({place, (profile.value[k].mean() - profile.value[*before].mean()) * window(place / half)});
    }
    before = k;
  }
  return out;
}

}  // namespace

std::optional<double> frequency_at(const Resolution& r, double level) {
  for (std::size_t k = 1; k < r.transfer.size(); ++k)
    if (r.transfer[k] < level) {
      const double part = (r.transfer[k - 1] - level) / (r.transfer[k - 1] - r.transfer[k]);
      return r.frequency[k - 1] + part * (r.frequency[k] - r.frequency[k - 1]);
    }
  return std::nullopt;
}

std::vector<double> mean_slice(const Array<float, 4>& value, std::size_t channel) {
  std::vector<double> out(value.extent(2) * value.extent(3), 0.0);
  for (std::size_t z = 0; z < value.extent(1); ++z) {
    const auto slice = value.block(channel, z);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] += static_cast<double>(slice[i]);
  }
  for (double& v : out) v /= static_cast<double>(value.extent(1));
  return out;
}

Resolution wire_resolution(std::span<const double> image, const ImageGrid& grid, const Circle& wire) {
  const std::string what = "the wire at " + place_text(wire);
  if (!is_within(grid, wire, kRing * kWirePixels * pixel_of(grid)))
    throw DataError(what + " and the " + number_text(kRing * kWirePixels) + " pixels around it are not within the image");
  const WireImage pixels = wire_image(image, grid, wire);
  if (pixels.samples.empty()) throw DataError("there is no wire at " + place_text(wire) + ": the image is flat there");
  Resolution out;
  out.contrast = pixels.height;
  out.noise = std::sqrt(pixels.ring.sum_of_squares() / std::max(pixels.ring.n - 1, 1.0));
  const double whole = transform_modulus(pixels.samples, 0, 0);
  for (double f : frequencies_of(grid)) {
    const double own = disk(2 * f * wire.radius);
    if (own < kSmallestDisk) break;
    double sum = 0;
    for (std::size_t k = 0; k < kDirections; ++k) {
      const double angle = pi * static_cast<double>(k) / static_cast<double>(kDirections);
      sum += transform_modulus(pixels.samples, f * std::cos(angle), f * std::sin(angle));
    }
    out.frequency.push_back(f);
    out.transfer.push_back(sum / static_cast<double>(kDirections) / (whole * own));
  }
  return out;
}

Resolution edge_resolution(std::span<const double> image, const ImageGrid& grid, const Circle& edge,
                           std::span<const Circle> others) {
  const double pixel = pixel_of(grid), bin = pixel / static_cast<double>(kOversampling);
  const std::string what = "the edge about " + place_text(edge);
  if (edge.radius < kSmallestEdge * pixel)
    throw DataError(what + " is too small: expected a radius of at least " + number_text(kSmallestEdge) + " pixels");
  const double half = std::min(kEdgePart * edge.radius, kEdgePixels * pixel);
  const EdgeProfile profile = edge_profile(image, grid, edge, others, half, bin);
  const auto filled = std::ranges::count_if(profile.value, [](const Moments& m) { return m.n > 0; });
  if (2 * static_cast<std::size_t>(filled) < profile.value.size() || profile.inside.n < 10 || profile.outside.n < 10)
    throw DataError(what + ": too little of it is within the image and free of other regions");
  Resolution out;
  out.contrast = profile.inside.mean() - profile.outside.mean();
  const double n = profile.inside.n + profile.outside.n;
  out.noise = std::sqrt((profile.inside.sum_of_squares() + profile.outside.sum_of_squares()) / (n - 2));
  const std::vector<Step> steps = steps_of(profile, half);
  double whole = 0;
  for (const Step& s : steps) whole += s.height;
  for (double f : frequencies_of(grid)) {
    std::complex<double> sum = 0;
    for (const Step& s : steps) sum += std::polar(1.0, -2 * pi * f * s.place) * s.height;
    const double of_bins = sinc(f * bin);  // once of the mean within a bin, once of the difference
    out.frequency.push_back(f);
    out.transfer.push_back(std::abs(sum) / (std::abs(whole) * of_bins * of_bins));
  }
  return out;
}

}  // namespace counterflow
