#include "core/training/parameter_space.h"

#include <algorithm>
#include <cmath>

namespace counterflow {
namespace {

[[noreturn]] void refuse(const std::string& file, const TrainedBlock& b, const std::string& what) {
  throw ConfigError(file + ": <training>: parameter '" + b.name + "' of " + b.gadget + ": " + what);
}

void fill_in(const std::string& file, TrainedBlock& b) {
  TrainedParameter& s = b.settings;
  if (s.sigma == 0) s.sigma = b.doc.scale;
  if (s.smooth_sigma == 0) s.smooth_sigma = s.sigma;
  if (!s.smooth.empty() && std::ranges::find(b.doc.axes, s.smooth) == b.doc.axes.end())
    refuse(file, b, "it has no axis '" + s.smooth + "'" + did_you_mean(s.smooth, b.doc.axes));
  s.min = std::max(s.min, b.doc.min);
  s.max = std::min(s.max, b.doc.max);
  if (!(s.min < s.max))
    refuse(file, b, "expected bounds within " + number_text(b.doc.min) + " to " + number_text(b.doc.max) + " " + b.doc.unit);
}

}  // namespace

template <class Real>
ParameterSpace::ParameterSpace(const Chain<Real>& chain, const ScanHeader& scan, ChainParameters start)
    : start_(std::move(start)) {
  const auto headers = chain.headers(scan);
  for (std::size_t k = 0; k < chain.stages.size(); ++k) {
    if (chain.places[k].trained.empty()) continue;
    for (const ParameterBlock& block : chain.stages[k]->blocks(headers[k]))
      for (const TrainedParameter& trained : chain.places[k].trained) {
        if (trained.name != block.name) continue;
        TrainedBlock b{k,          block.offset, size_,  block.size, chain.stages[k]->name, chain.stages[k]->classname,
                       block.name, block.doc,    trained};
        fill_in(chain.file, b);
        for (std::size_t i = 0; i < b.size; ++i)
          if (!(start_of(b, i) > b.settings.min && start_of(b, i) < b.settings.max))
            refuse(chain.file, b,
                   "it starts at " + number_text(start_of(b, i)) + " " + b.doc.unit + ", expected a start inside its bounds " +
                       number_text(b.settings.min) + " to " + number_text(b.settings.max));
        size_ += b.size;
        if (b.size > 0) blocks_.push_back(std::move(b));
      }
  }
  if (size_ == 0)
    throw ConfigError(chain.file + ": <training>: nothing is trained; name a <parameter gadget=\"...\"/> that has values");
}
template ParameterSpace::ParameterSpace(const Chain<float>&, const ScanHeader&, ChainParameters);
template ParameterSpace::ParameterSpace(const Chain<double>&, const ScanHeader&, ChainParameters);

ParameterSpace::Bounds ParameterSpace::bounds(const TrainedBlock& b) {
  constexpr double kUnbounded = 1e200;
  if (b.settings.min < -kUnbounded || b.settings.max > kUnbounded) return {};
  return {(b.settings.min + b.settings.max) / 2, (b.settings.max - b.settings.min) / 2};
}

double ParameterSpace::value(const TrainedBlock& b, std::size_t i, double u) const {
  const auto [middle, half] = bounds(b);
  const double p0 = start_of(b, i);
  if (half == 0) return p0 + b.doc.scale * u;
  const double s = (p0 - middle) / half, t = s / std::sqrt(1 - s * s) + u * b.doc.scale / half;
  return middle + half * t / std::sqrt(1 + t * t);
}

double ParameterSpace::slope(const TrainedBlock& b, std::size_t i, double u) const {
  const auto [middle, half] = bounds(b);
  if (half == 0) return b.doc.scale;
  const double s = (start_of(b, i) - middle) / half, t = s / std::sqrt(1 - s * s) + u * b.doc.scale / half;
  return b.doc.scale / ((1 + t * t) * std::sqrt(1 + t * t));
}

ChainParameters ParameterSpace::at(std::span<const double> u) const {
  ChainParameters p = start_;
  for (const TrainedBlock& b : blocks_)
    for (std::size_t i = 0; i < b.size; ++i) p[b.stage][b.offset + i] = value(b, i, u[b.first + i]);
  return p;
}

std::vector<double> ParameterSpace::values(const TrainedBlock& b, std::span<const double> u) const {
  std::vector<double> out(b.size);
  for (std::size_t i = 0; i < b.size; ++i) out[i] = value(b, i, u[b.first + i]);
  return out;
}

std::vector<double> ParameterSpace::pulled_back(const ChainParameters& gradient, std::span<const double> u) const {
  std::vector<double> out(size_);
  for (const TrainedBlock& b : blocks_)
    for (std::size_t i = 0; i < b.size; ++i) out[b.first + i] = gradient[b.stage][b.offset + i] * slope(b, i, u[b.first + i]);
  return out;
}

// Distance of neighbours along the axis that shall be smooth, and the axis' extent.
std::size_t ParameterSpace::stride(const TrainedBlock& b, std::size_t& extent) const {
  std::size_t axis = 0, n = 1;
  while (b.doc.axes[axis] != b.settings.smooth) ++axis;
  for (std::size_t a = axis + 1; a < b.doc.shape.size(); ++a) n *= b.doc.shape[a];
  extent = b.doc.shape[axis];
  return n;
}

double ParameterSpace::prior(std::span<const double> u, std::span<double> gradient) const {
  double sum = 0;
  for (const TrainedBlock& b : blocks_) {
    const TrainedParameter& s = b.settings;
    const std::vector<double> p = values(b, u);
    std::vector<double> p_bar(b.size);
    double inside = 0;
    for (std::size_t i = 0; i < b.size; ++i) {
      const double r = (p[i] - start_of(b, i)) / s.sigma;
      inside += r * r;
      p_bar[i] += r / s.sigma;
    }
    std::size_t extent = 0;
    const std::size_t n = s.smooth.empty() ? 0 : stride(b, extent);
    for (std::size_t i = 0; n > 0 && i + n < b.size; ++i) {
      if (i / n % extent + 1 == extent) continue;
      const double r = (p[i + n] - p[i]) / s.smooth_sigma;
      inside += r * r;
      p_bar[i + n] += r / s.smooth_sigma;
      p_bar[i] -= r / s.smooth_sigma;
    }
    sum += s.weight / 2 * inside;
    for (std::size_t i = 0; i < b.size; ++i) gradient[b.first + i] += s.weight * p_bar[i] * slope(b, i, u[b.first + i]);
  }
  return sum;
}

void ParameterSpace::add_prior_product(std::span<const double> u, std::span<const double> v, std::span<double> product) const {
  for (const TrainedBlock& b : blocks_) {
    const TrainedParameter& s = b.settings;
    std::vector<double> dp(b.size), out(b.size);
    for (std::size_t i = 0; i < b.size; ++i) {
      dp[i] = slope(b, i, u[b.first + i]) * v[b.first + i];
      out[i] = dp[i] / (s.sigma * s.sigma);
    }
    std::size_t extent = 0;
    const std::size_t n = s.smooth.empty() ? 0 : stride(b, extent);
    for (std::size_t i = 0; n > 0 && i + n < b.size; ++i) {
      if (i / n % extent + 1 == extent) continue;
      const double r = (dp[i + n] - dp[i]) / (s.smooth_sigma * s.smooth_sigma);
      out[i + n] += r;
      out[i] -= r;
    }
    for (std::size_t i = 0; i < b.size; ++i) product[b.first + i] += s.weight * slope(b, i, u[b.first + i]) * out[i];
  }
}

std::string block_text(const TrainedBlock& b) {
  std::string text = b.gadget + "/" + b.name + " [" + b.doc.unit + "]:";
  for (std::size_t a = 0; a < b.doc.shape.size(); ++a)
    text += (a > 0 ? " x" : "") + (a < b.doc.axes.size() ? " " + b.doc.axes[a] : std::string()) + " " +
            std::to_string(b.doc.shape[a]);
  return text;
}

}  // namespace counterflow
