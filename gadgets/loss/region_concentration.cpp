#include "gadgets/loss/region_concentration.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "gadgets/loss/image_check.h"

namespace counterflow {
namespace {

constexpr std::size_t kNumbersAPlace = 3;  // x, y, radius

[[noreturn]] void refuse_setting(const std::string& what) { throw ConfigError("RegionConcentration: " + what); }
[[noreturn]] void refuse(const std::string& what) { throw DataError("RegionConcentration: " + what); }

}  // namespace

template <class Real>
void RegionConcentration<Real>::describe(PropertyVisitor& v) {
  v("places", places_, {.unit = "mm", .text = "x, y, radius of each place; none = the regions of the scan's truth."});
  v("materials", materials_, {.text = "Channels that values are given of; none = all of the image."});
  v("values", values_, {.unit = "g/cm^3", .text = "For each place, the value of each material."});
  v("sigma", sigma_,
    {.unit = "g/cm^3", .text = "What counts as 1: one number, or one for each channel of the image.", .min = 1e-12, .max = 1e6});
  v("part", part_, {.unit = "1", .text = "Part of a place's radius that is averaged over.", .min = 0.05, .max = 1});
}

// With values by the names of materials_; by number where these come from the image.
template <class Real>
std::vector<Region> RegionConcentration<Real>::given() const {
  const std::size_t n = places_.size() / kNumbersAPlace;
  if (places_.size() % kNumbersAPlace != 0)
    refuse_setting("expected x, y and radius of each place, got " + std::to_string(places_.size()) + " numbers");
  if (values_.empty() || values_.size() % n != 0 || (!materials_.empty() && values_.size() != n * materials_.size()))
    refuse_setting("expected a value of each material for each of " + std::to_string(n) + " places, got " +
                   std::to_string(values_.size()) + " values");
  std::vector<Region> regions;
  for (std::size_t k = 0; k < n; ++k) {
    const double* p = places_.data() + kNumbersAPlace * k;
    if (!(p[2] > 0)) refuse_setting("expected places with a radius, got " + number_text(p[2]) + " mm");
    regions.push_back({"place " + std::to_string(k), p[0], p[1], p[2], {}});
    const std::size_t each = values_.size() / n;
    for (std::size_t m = 0; m < each; ++m)
      regions.back().densities.emplace_back(materials_.empty() ? std::to_string(m) : materials_[m], values_[k * each + m]);
  }
  return regions;
}

template <class Real>
auto RegionConcentration<Real>::begin(const Params&, const ScanHeader& header) const -> State {
  State s;
  s.from_truth = places_.empty();
  if (!s.from_truth) s.regions = given();
  else if (header.truth) s.regions = header.truth->regions;
  if (s.from_truth && header.truth && s.regions.empty())
    refuse_setting("the scan's truth has no regions; give places, materials and values");
  if (s.from_truth && !(values_.empty() && materials_.empty()))
    refuse_setting("expected places with the values, got values or materials alone");
  return s;
}

template <class Real>
void RegionConcentration<Real>::restart(const Params&, State& s) const {
  for (Place& place : s.places) {
    std::ranges::fill(place.sum, 0.0);
    place.voxels = 0;
  }
}

template <class Real>
Footprint RegionConcentration<Real>::footprint(const ScanHeader& header) const {
  return {.state = 2 * sizeof(std::size_t) * checked_size(header.grid.nx, header.grid.ny)};  // places may stand in others
}

template <class Real>
void RegionConcentration<Real>::check(const State& s, const In& x) const {
  losses::check_described(x, "RegionConcentration");
  if (!s.places.empty() && (*x.channels != s.channels || x.grid != s.grid))
    refuse("expected images of " + joined(s.channels.names, ", ") + " on one grid, got others too");
}

// Values by the rule that what a region does not name is not in it; a region that holds what images do not show is for another
// basis, and not known.
template <class Real>
auto RegionConcentration<Real>::place(const State& s, const Region& region) const -> Place {
  const auto& names = s.channels.names;
  Place p{region, pixels_of(region, s.from_truth ? s.regions : std::vector<Region>{}, s.grid, part_),
          std::vector<bool>(names.size(), s.from_truth), std::vector<double>(names.size())};
  for (std::size_t m = 0; m < region.densities.size(); ++m) {
    const auto& [material, density] = region.densities[m];
    const bool by_number = !s.from_truth && materials_.empty();
    const std::size_t c = by_number ? m : static_cast<std::size_t>(std::ranges::find(names, material) - names.begin());
    if (c < names.size()) p.known[c] = true, p.value[c] = density;
    else if (!s.from_truth)
      refuse("expected images with " + (by_number ? std::to_string(m + 1) + " channels" : material) + ", got " +
             joined(names, ", "));
    else if (std::abs(density) > 1e-9) return {region, {}, {}, {}};
  }
  if (p.pixels.empty() && !s.from_truth)
    refuse("the place at (" + number_text(region.x) + ", " + number_text(region.y) + ") mm holds no voxel's centre");
  p.sum.resize(names.size());
  return p;
}

template <class Real>
void RegionConcentration<Real>::prepare(State& s, const In& x) const {
  s.channels = *x.channels;
  s.grid = x.grid;
  s.sigma = losses::sigma_of_channels(sigma_, s.channels.names.size(), "RegionConcentration");
  for (const Region& region : s.regions)
    if (Place p = place(s, region); !p.pixels.empty()) {
      s.pairs += static_cast<double>(std::ranges::count(p.known, true));
      s.places.push_back(std::move(p));
    }
  if (s.places.empty())
    refuse("no region of the scan's truth lies in the images and is in their materials " + joined(s.channels.names, ", ") +
           "; give places, materials and values");
}

template <class Real>
void RegionConcentration<Real>::consume(State& s, const In& x) const {
  if (s.regions.empty()) return;  // the chain runs without training
  check(s, x);
  if (s.places.empty()) prepare(s, x);
  for (Place& p : s.places) {
    for (std::size_t z = 0; z < x.value.extent(1); ++z)
      for (std::size_t c = 0; c < p.sum.size(); ++c)
        for (std::size_t i : p.pixels) p.sum[c] += static_cast<double>(x.value.block(c, z)[i]);
    p.voxels += static_cast<double>(p.pixels.size() * x.value.extent(1));
  }
}

template <class Real>
double RegionConcentration<Real>::loss(const State& s) const {
  if (s.places.empty()) return std::numeric_limits<double>::quiet_NaN();
  double sum = 0;
  for (const Place& p : s.places)
    for (std::size_t c = 0; c < p.sum.size(); ++c)
      if (p.known[c]) sum += std::pow((p.mean(c) - p.value[c]) / s.sigma[c], 2);
  return sum / s.pairs;
}

template <class Real>
auto RegionConcentration<Real>::adjoint(const State& s, const In& x) const -> In {
  if (s.places.empty()) refuse("no place is known; train on a scan with its truth, or give places, materials and values");
  In x_bar{x.view, Array<Real, 4>(x.value.shape()), {}, x.grid, x.slice, x.channels};
  for (const Place& p : s.places)
    for (std::size_t c = 0; c < p.sum.size(); ++c) {
      if (!p.known[c]) continue;
      const double bar = 2 * (p.mean(c) - p.value[c]) / (s.sigma[c] * s.sigma[c] * s.pairs * p.voxels);
      for (std::size_t z = 0; z < x.value.extent(1); ++z)
        for (std::size_t i : p.pixels) x_bar.value.block(c, z)[i] += static_cast<Real>(bar);
    }
  return x_bar;
}

template <class Real>
std::vector<Remark> RegionConcentration<Real>::report(const State& s) const {
  if (s.places.empty()) return {};
  return {{"places compared", s.places.size(), s.regions.size()}};
}

template class RegionConcentration<float>;
template class RegionConcentration<double>;

}  // namespace counterflow
