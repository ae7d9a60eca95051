#include "gadgets/loss/reference_likelihood.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/parallel.h"

namespace counterflow {
namespace {

constexpr std::size_t kRaysTogether = 256;
constexpr double kLeastExpected = 1e-3;  // [count] below it lambda is held there
constexpr double kLeastCount = 0.1;      // below it y ln y goes on along its tangent, so that its derivative stays finite

struct Deviance {
  double value, by_expected, by_count;
  Deviance(double y, double lambda) {
    const double l = std::max(lambda, kLeastExpected), more = std::max(y, kLeastCount) - l;
    const double log_ratio = std::log1p(more / l);  // without the cancellation of nearly equal counts
    value = 2 * (y * log_ratio - more);
    by_expected = lambda > kLeastExpected ? 2 * (1 - y / l) : 0;
    by_count = 2 * log_ratio;
  }
};

// What the pixels of a ray hold of one bin, which begins at `at`.
struct Bin {
  double count = 0, open = 0, background = 0;
  template <class Real>
  Bin(const Counts<Real>& x, std::span<const std::uint32_t> pixels, std::size_t at) {
    for (std::size_t pixel : pixels) {
      count += static_cast<double>(x.counts[at + pixel]);
      open += static_cast<double>((*x.open_beam)[at + pixel]);
      if (!x.background.empty()) background += static_cast<double>(x.background[at + pixel]);
    }
  }
};

// Where a pixel's shifts stand in a threshold_shift of either shape: [threshold,row or 1,module] or [threshold,row,column].
template <class Real>
class ShiftPlaces {
 public:
  ShiftPlaces(const ScanHeader& header, const Array<Real, 3>& shift)
      : header_(header),
        rows_(shift.extent(1)),
        across_(shift.extent(2)),
        own_(across_ == header.geometry.columns && across_ != header.modules) {}
  // Of the first threshold; the others follow stride() apart.
  std::size_t operator()(std::size_t pixel) const {
    const std::size_t row = pixel / header_.geometry.columns, column = pixel % header_.geometry.columns;
    return (rows_ > 1 ? row : 0) * across_ + (own_ ? column : header_.module_of(column));
  }
  std::size_t stride() const { return rows_ * across_; }

 private:
  const ScanHeader& header_;
  std::size_t rows_, across_;
  bool own_;
};

}  // namespace

// Some rays of a view, and what their derivatives are added to.
template <class Real>
struct ReferenceLikelihood<Real>::Part {
  const losses::RayList<Real>& list;
  std::size_t begin = 0, end = 0;
  In* bar = nullptr;                         // counts and background; null: no derivatives
  std::vector<double>* shift_bar = nullptr;  // like threshold_shift
  double scale = 1;                          // of the derivatives
  std::size_t rays() const { return end - begin; }
};

// What these rays count above their thresholds; and in air, where that moves with them.
template <class Real>
struct ReferenceLikelihood<Real>::Counted {
  std::size_t bins = 0;
  std::vector<Real> value, slope, air, air_slope;  // [ray, threshold]
  double in_bin(const std::vector<Real>& above, std::size_t ray, std::size_t b) const {
    const Real* at = above.data() + ray * bins + b;
    return static_cast<double>(at[0]) - (b + 1 < bins ? static_cast<double>(at[1]) : 0);
  }
};

template <class Real>
void ReferenceLikelihood<Real>::describe(PropertyVisitor& v) {
  v("energy_step", energy_step_, {.unit = "keV", .text = "Width of the cells of the energy integral.", .min = 0.05, .max = 10});
  v("least_counts", least_counts_,
    {.unit = "count", .text = "Rays with fewer expected counts of all bins together are left out.", .min = 0});
  v("steepest", steepest_,
    {.unit = "1", .text = "Rays whose -ln(transmission) differs more from a neighbour's are left out; 0 = none.", .min = 0});
  v("sum_rows", sum_rows_,
    {.text = "Whether counts of the rays of a column that pass the same matter, with the same shifts, are added before."});
  v("air_thresholds", air_thresholds_,
    {.text = "Thresholds at the air scan: nominal, or shifted like those of the view.", .choices = {"nominal", "shifted"}});
  v("cache", cache_, {.unit = "MiB", .text = "Memory for line integrals, which else are made again.", .min = 0, .max = 1 << 20});
}

template <class Real>
auto ReferenceLikelihood<Real>::begin(const Params&, const ScanHeader& header) const -> State {
  if (header.quantity != Quantity::counts)
    throw ConfigError("ReferenceLikelihood: expected counts, the scan holds line integrals");
  State s;
  s.header = header;
  if (header.truth && !header.truth->density.empty())
    s.known = std::make_shared<losses::KnownRays<Real>>(header, energy_step_,
                                                        losses::RayChoice{least_counts_, steepest_, sum_rows_}, cache_bytes());
  return s;
}

template <class Real>
Footprint ReferenceLikelihood<Real>::footprint(const ScanHeader& header) const {
  constexpr std::size_t kMostMaterials = 3;
  const ImageGrid& grid = header.truth ? header.truth->grid : header.grid;
  const std::size_t volume = checked_size(checked_size(grid.nx, grid.ny), std::max(grid.nz, header.geometry.rows));
  const std::size_t a_ray = 2 * sizeof(std::uint32_t) + kMostMaterials * sizeof(Real);
  const std::size_t rays = checked_size(checked_size(header.geometry.views, header.geometry.rows), header.geometry.columns);
  return {.state = 2 * kMostMaterials * sizeof(Real) * volume + std::min(cache_bytes(), checked_size(rays, a_ray))};
}

template <class Real>
void ReferenceLikelihood<Real>::check(const State& s, const In& x) const {
  const auto refuse = [&](const std::string& what) {
    throw DataError("ReferenceLikelihood: view " + std::to_string(x.view.index) + ": " + what);
  };
  const ScanGeometry& g = s.header.geometry;
  const Array<std::size_t, 3>::Shape shape{s.known->model().bins(), g.rows, g.columns};
  if (!x.open_beam) refuse("has no open beam; put AirCalibration before it");
  if (x.counts.shape() != shape || x.open_beam->shape() != shape || (!x.background.empty() && x.background.shape() != shape))
    refuse("counts, open beam and background are not all of " + std::to_string(shape[0]) + " bins, " + std::to_string(g.rows) +
           " rows and " + std::to_string(g.columns) + " columns");
  if (x.threshold_shift.empty()) return;
  const auto& t = x.threshold_shift.shape();
  const bool of_modules = t[2] == s.header.modules && (t[1] == 1 || t[1] == g.rows), own = t[2] == g.columns && t[1] == g.rows;
  if (t[0] != shape[0] || !(of_modules || own))
    refuse("expected threshold shifts [threshold,row or 1,module] or [threshold,row,column], got [" + std::to_string(t[0]) + "," +
           std::to_string(t[1]) + "," + std::to_string(t[2]) + "]");
  check_shifts(s, x);
}

template <class Real>
void ReferenceLikelihood<Real>::check_shifts(const State& s, const In& x) const {
  const std::size_t bins = x.threshold_shift.extent(0), places = x.threshold_shift.size() / bins;
  std::vector<double> shift(bins);
  for (std::size_t i = 0; i < places; ++i) {
    for (std::size_t k = 0; k < bins; ++k) shift[k] = static_cast<double>(x.threshold_shift[k * places + i]);
    s.known->model().check_shift(shift);
  }
}

template <class Real>
auto ReferenceLikelihood<Real>::count(const State& s, const In& x, const Part& part) const -> Counted {
  const CountsAbove<Real>& above = s.known->above();
  const std::size_t bins = above.thresholds(), n = above.attenuators(), materials = s.known->model().materials();
  const bool shifts = !x.threshold_shift.empty();
  const std::size_t size = part.rays() * bins, slopes = shifts && part.bar ? size : 0;
  const auto first = part.list.areal_density.begin();
  std::vector<Real> density(first + static_cast<std::ptrdiff_t>(part.begin * n),
                            first + static_cast<std::ptrdiff_t>(part.end * n));
  std::vector<Real> shift(shifts ? size : 0);
  const ShiftPlaces<Real> places(s.header, x.threshold_shift);
  for (std::size_t i = 0; i < part.rays() && shifts; ++i) {
    const std::size_t place = places(part.list.pixels(part.begin + i)[0]);
    for (std::size_t k = 0; k < bins; ++k) shift[i * bins + k] = x.threshold_shift[place + k * places.stride()];
  }
  Counted out{bins, std::vector<Real>(size), std::vector<Real>(slopes), {}, {}};
  above(density, shift, out.value, out.slope);
  if (!shifts || air_thresholds_ != "shifted") return out;
  for (std::size_t k = 0; k < density.size(); ++k)
    if (k % n < materials) density[k] = 0;
  out.air.resize(size);
  out.air_slope.resize(slopes);
  above(density, shift, out.air, out.air_slope);
  return out;
}

// The sum of deviances of the part.
template <class Real>
double ReferenceLikelihood<Real>::compare(const State& s, const In& x, const Part& part) const {
  const Counted counted = count(s, x, part);
  const std::size_t pixels = x.counts.size() / counted.bins;
  const ShiftPlaces<Real> places(s.header, x.threshold_shift);
  double sum = 0;
  for (std::size_t i = 0; i < part.rays(); ++i) {
    const auto of_ray = part.list.pixels(part.begin + i);
    const std::size_t place = part.shift_bar ? places(of_ray[0]) : 0;
    for (std::size_t b = 0; b < counted.bins; ++b) {
      const Bin bin(x, of_ray, b * pixels);
      const double air =
          counted.air.empty() ? static_cast<double>(s.known->air()(of_ray[0], b)) : counted.in_bin(counted.air, i, b);
      const double behind = counted.in_bin(counted.value, i, b), factor = x.view.exposure * bin.open / air;
      const Deviance d(bin.count, factor * behind + bin.background);
      sum += d.value;
      if (!part.bar) continue;
      for (std::size_t pixel : of_ray) {
        part.bar->counts[b * pixels + pixel] = static_cast<Real>(part.scale * d.by_count);
        if (!x.background.empty()) part.bar->background[b * pixels + pixel] = static_cast<Real>(part.scale * d.by_expected);
      }
      for (std::size_t k = b; k < std::min(b + 2, counted.bins) && part.shift_bar; ++k) {
        const std::size_t of = i * counted.bins + k;
        const double in_air = counted.air.empty() ? 0 : behind / air * static_cast<double>(counted.air_slope[of]);
        const double slope = factor * (static_cast<double>(counted.slope[of]) - in_air);
        (*part.shift_bar)[place + k * places.stride()] += (k == b ? 1 : -1) * part.scale * d.by_expected * slope;
      }
    }
  }
  return sum;
}

template <class Real>
void ReferenceLikelihood<Real>::refer(State& s, const In& x) const {
  if (!s.known) return;
  check(s, x);
  s.known->of(x);
}

template <class Real>
void ReferenceLikelihood<Real>::consume(State& s, const In& x) const {
  if (!s.known) return;  // the chain runs without training
  check(s, x);
  const auto list = s.known->of(x);
  std::vector<double> sums((list->rays() + kRaysTogether - 1) / kRaysTogether);
  parallel_chunks(list->rays(), kRaysTogether, [&](std::size_t begin, std::size_t end) {
    sums[begin / kRaysTogether] = compare(s, x, {*list, begin, end});
  });
  for (double sum : sums) s.sum += sum;
  s.rays += list->rays();
  s.compared += list->pixel.size();
  s.seen += x.counts.size() / x.counts.extent(0);
}

template <class Real>
double ReferenceLikelihood<Real>::loss(const State& s) const {
  if (!s.known) return std::numeric_limits<double>::quiet_NaN();
  if (s.rays == 0)
    throw DataError("ReferenceLikelihood: no ray of the scan is fit to compare; lower least_counts or raise steepest");
  return s.sum / static_cast<double>(s.rays * s.known->model().bins());
}

template <class Real>
auto ReferenceLikelihood<Real>::adjoint(const State& s, const In& x) const -> In {
  if (!s.known) throw DataError("ReferenceLikelihood: the object is not known; train on a scan with the densities of its truth");
  check(s, x);
  In x_bar = zero_like(x);
  std::vector<double> shift_bar(x.threshold_shift.size());
  const auto list = s.known->of(x);
  const double scale = 1 / static_cast<double>(s.rays * s.known->model().bins());
  for (std::size_t begin = 0; begin < list->rays(); begin += kRaysTogether)
    compare(
        s, x,
        {*list, begin, std::min(list->rays(), begin + kRaysTogether), &x_bar, shift_bar.empty() ? nullptr : &shift_bar, scale});
  std::ranges::transform(shift_bar, x_bar.threshold_shift.begin(), [](double v) { return static_cast<Real>(v); });
  return x_bar;
}

template <class Real>
std::vector<Remark> ReferenceLikelihood<Real>::report(const State& s) const {
  if (!s.known) return {};
  return {{"rays compared", s.compared, s.seen}};
}

template class ReferenceLikelihood<float>;
template class ReferenceLikelihood<double>;

}  // namespace counterflow
