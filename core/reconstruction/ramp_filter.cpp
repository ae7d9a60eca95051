#include "core/reconstruction/ramp_filter.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include <kissfft/kissfft.hh>
#pragma GCC diagnostic pop

namespace counterflow::fbp {
namespace {

constexpr double kPi = std::numbers::pi;

// Smallest 2^a 3^b 5^c that holds the linear convolution of two rows.
std::size_t transform_length(std::size_t columns) {
  const auto smooth = [](std::size_t n) {
    for (std::size_t p : {2u, 3u, 5u})
      while (n % p == 0) n /= p;
    return n == 1;
  };
  std::size_t n = 2 * columns;
  while (!smooth(n)) ++n;
  return n;
}

using Spectrum = std::vector<std::complex<double>>;

Spectrum transform(const Spectrum& in, bool inverse) {
  Spectrum out(in.size());
  kissfft<double>(in.size(), inverse).transform(in.data(), out.data());
  return out;
}

// The ramp's kernel at lag l of a circle of n.
double ramp_kernel(std::size_t l, std::size_t n, double arc_spacing) {
  const std::size_t lag = std::min(l, n - l);
  if (lag == 0) return 0.25;
  if (lag % 2 == 0) return 0;
  const double at = static_cast<double>(lag), angle = at * arc_spacing;
  if (angle > 0.95 * kPi) return 0;  // longer than the detector
  const double arc = angle > 0 ? angle / std::sin(angle) : 1;
  return -arc * arc / (kPi * kPi * at * at);
}

Spectrum ramp_spectrum(const FilterSettings& s, std::size_t n) {
  Spectrum kernel(n);
  for (std::size_t l = 0; l < n; ++l) kernel[l] = ramp_kernel(l, n, s.arc_spacing);
  Spectrum spectrum = transform(kernel, false);
  for (std::size_t i = 0; i < n; ++i) {
    const double f = 2 * static_cast<double>(std::min(i, n - i)) / static_cast<double>(n);
    spectrum[i] = spectrum[i].real() * window_gain(s.window, s.cutoff, f);  // even: the imaginary part is rounding
  }
  return spectrum;
}

// Spectrum of h(l) h(l + shift), from the spectrum of h.
Spectrum product_spectrum(const Spectrum& ramp, std::size_t shift) {
  const std::size_t n = ramp.size();
  const Spectrum h = transform(ramp, true);
  Spectrum product(n);
  for (std::size_t l = 0; l < n; ++l)
    product[l] = h[l].real() * h[(l + shift) % n].real() / (static_cast<double>(n) * static_cast<double>(n));
  return transform(product, false);
}

template <class Real>
std::vector<std::complex<Real>> response(const Spectrum& spectrum) {
  std::vector<std::complex<Real>> out;
  const double n = static_cast<double>(spectrum.size());
  for (const auto& v : spectrum) out.emplace_back(static_cast<Real>(v.real() / n), static_cast<Real>(v.imag() / n));
  return out;
}

}  // namespace

const std::vector<std::string>& windows() {
  static const std::vector<std::string> names{"ram-lak", "shepp-logan", "cosine", "hann", "hamming"};
  return names;
}

double window_gain(const std::string& window, double cutoff, double f) {
  const double t = f / cutoff;
  if (t > 1 + 1e-12) return 0;
  if (window == "shepp-logan") return t == 0 ? 1 : std::sin(kPi * t / 2) / (kPi * t / 2);
  if (window == "cosine") return std::cos(kPi * t / 2);
  if (window == "hann") return 0.5 + 0.5 * std::cos(kPi * t);
  if (window == "hamming") return 0.54 + 0.46 * std::cos(kPi * t);
  return 1;
}

template <class Real>
struct RampFilter<Real>::Transforms {
  explicit Transforms(std::size_t n) : forward(n, false), inverse(n, true) {}
  kissfft<Real> forward, inverse;  // const transforms of lengths 2^a 3^b 5^c touch no shared scratch memory
};

template <class Real>
RampFilter<Real>::RampFilter(const FilterSettings& s) : columns_(s.columns) {
  const std::size_t n = transform_length(s.columns);
  const Spectrum ramp = ramp_spectrum(s, n);
  ramp_ = response<Real>(ramp);
  if (s.variance) {
    squared_ = response<Real>(product_spectrum(ramp, 0));
    neighbour_ = response<Real>(product_spectrum(ramp, 1));
  }
  transforms_ = std::make_unique<Transforms>(n);
}

template <class Real>
RampFilter<Real>::~RampFilter() = default;
template <class Real>
RampFilter<Real>::RampFilter(RampFilter&&) noexcept = default;

template <class Real>
typename RampFilter<Real>::Rows RampFilter<Real>::rows() const {
  return {std::vector<Complex>(ramp_.size()), std::vector<Complex>(ramp_.size())};
}

template <class Real>
void RampFilter<Real>::analyse(Rows& rows) const {
  std::fill(rows.value.begin() + static_cast<std::ptrdiff_t>(columns_), rows.value.end(), Complex());
  transforms_->forward.transform(rows.value.data(), rows.spectrum.data());
}

template <class Real>
void RampFilter<Real>::multiply(const std::vector<Complex>& with, const std::vector<Complex>& spectrum, Rows& out) const {
  for (std::size_t i = 0; i < with.size(); ++i) out.spectrum[i] = spectrum[i] * with[i];
  transforms_->inverse.transform(out.spectrum.data(), out.value.data());
}

template <class Real>
void RampFilter<Real>::filter(Rows& rows) const {
  analyse(rows);
  multiply(ramp_, rows.spectrum, rows);
}

template <class Real>
void RampFilter<Real>::variances(Rows& variance, Rows& neighbour) const {
  analyse(variance);
  multiply(neighbour_, variance.spectrum, neighbour);
  multiply(squared_, variance.spectrum, variance);
}

template class RampFilter<float>;
template class RampFilter<double>;

}  // namespace counterflow::fbp
