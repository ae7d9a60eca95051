#include "core/reconstruction/ramp_filter.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <numbers>

namespace counterflow::fbp {
namespace {

constexpr double kPi = std::numbers::pi;

// Radices whose product is n; empty where n has a factor other than 2, 3 and 5.
std::vector<int> factors(std::size_t n) {
  std::vector<int> radices;
  for (int radix : {4, 2, 3, 5})
    for (; n % static_cast<std::size_t>(radix) == 0; n /= static_cast<std::size_t>(radix)) radices.push_back(radix);
  return n == 1 ? radices : std::vector<int>();
}

// Radices of the shortest circle that holds the linear convolution of two rows.
std::vector<int> transform_radices(std::size_t columns) {
  std::size_t n = 2 * columns;
  while (factors(n).empty()) ++n;
  return factors(n);
}

template <class Real>
std::vector<Real> twiddle_table(std::size_t n, const std::vector<int>& radices) {
  std::vector<Real> table;
  for (int radix : radices) {
    const std::size_t m = n / static_cast<std::size_t>(radix);
    for (std::size_t p = 0; p < m; ++p)
      for (int j = 1; j < radix; ++j) {
        const double angle = -2 * kPi * static_cast<double>(p) * j / static_cast<double>(n);
        table.push_back(static_cast<Real>(std::cos(angle)));
        table.push_back(static_cast<Real>(std::sin(angle)));
      }
    n = m;
  }
  return table;
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

// sum_l value[l] exp(-2 pi i l k / n) for all k, plainly: once a scan.
std::vector<std::complex<double>> spectrum_of(const std::vector<double>& value) {
  const std::size_t n = value.size();
  std::vector<std::complex<double>> root(n), sums(n);
  for (std::size_t l = 0; l < n; ++l) root[l] = std::polar(1.0, -2 * kPi * static_cast<double>(l) / static_cast<double>(n));
  for (std::size_t l = 0; l < n; ++l) {
    if (value[l] == 0) continue;
    for (std::size_t k = 0, at = 0; k < n; ++k, at = at + l < n ? at + l : at + l - n) sums[k] += value[l] * root[at];
  }
  return sums;
}

// Spectrum of the windowed ramp: real, as the kernel is even.
std::vector<double> ramp_spectrum(const FilterSettings& s, std::size_t n) {
  std::vector<double> kernel(n), gain(n);
  for (std::size_t l = 0; l < n; ++l) kernel[l] = ramp_kernel(l, n, s.arc_spacing);
  const auto spectrum = spectrum_of(kernel);
  for (std::size_t i = 0; i < n; ++i) {
    const double f = 2 * static_cast<double>(std::min(i, n - i)) / static_cast<double>(n);
    gain[i] = spectrum[i].real() * window_gain(s.window, s.cutoff, f);
  }
  return gain;
}

// h(l) h(l + shift), from the spectrum of h.
std::vector<double> kernel_product(const std::vector<double>& ramp, std::size_t shift) {
  const std::size_t n = ramp.size();
  const auto h = spectrum_of(ramp);  // n h(l): even, so that there and back are the same
  std::vector<double> product(n);
  for (std::size_t l = 0; l < n; ++l)
    product[l] = h[l].real() * h[(l + shift) % n].real() / (static_cast<double>(n) * static_cast<double>(n));
  return product;
}

template <class Real, class Spectrum>
std::vector<Real> response(const Spectrum& spectrum) {
  std::vector<Real> out;
  for (const std::complex<double> v : spectrum)
    for (double part : {v.real(), v.imag()}) out.push_back(static_cast<Real>(part / static_cast<double>(spectrum.size())));
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
RampFilter<Real>::RampFilter(const FilterSettings& s, Isa isa)
    : isa_(isa), columns_(s.columns), radices_(transform_radices(s.columns)) {
  std::size_t n = 1;
  for (int radix : radices_) n *= static_cast<std::size_t>(radix);
  twiddles_ = twiddle_table<Real>(n, radices_);
  const std::vector<double> ramp = ramp_spectrum(s, n);
  ramp_ = response<Real>(ramp);
  if (!s.variance) return;
  squared_ = response<Real>(spectrum_of(kernel_product(ramp, 0)));
  neighbour_ = response<Real>(spectrum_of(kernel_product(ramp, 1)));
}

template <class Real>
void RampFilter<Real>::filter(std::span<const FilterRow<Real>> rows, Room& room, Kernel kernel) const {
  if (rows.size() % 2 == 1) {
    const FilterRow<Real> alone[] = {rows.back(), {}};
    filter(alone, room, kernel);
    return filter(rows.first(rows.size() - 1), room, kernel);
  }
  const auto& response = kernel == Kernel::ramp ? ramp_ : kernel == Kernel::squared ? squared_ : neighbour_;
  RowTransform<Real> plan;
  plan.columns = columns_;
  plan.length = response.size() / 2;
  plan.radices = radices_.data();
  plan.passes = radices_.size();
  plan.twiddles = twiddles_.data();
  plan.response = response.data();
  if (!room) room = std::make_unique_for_overwrite<Real[]>(4 * kFilterLanes * plan.length);
  choose<FilterRows<Real>>(kernel_baseline::filter_rows, kernel_avx2::filter_rows, kernel_avx512::filter_rows, isa_)(
      plan, rows.data(), rows.size() / 2, kernel == Kernel::neighbours ? 1 : 0, room.get());
}

template class RampFilter<float>;
template class RampFilter<double>;

}  // namespace counterflow::fbp
