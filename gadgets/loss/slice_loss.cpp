#include "gadgets/loss/slice_loss.h"

#include "gadgets/loss/image_check.h"

namespace counterflow {

template <class Real, class Measure>
void SliceLoss<Real, Measure>::describe(PropertyVisitor& v) {
  v("sigma", sigma_,
    {.unit = "the image's",
     .text = "What counts as 1: one number, or one for each channel of the image.",
     .min = 1e-12,
     .max = 1e6});
  v("radius", radius_,
    {.unit = "mm", .text = "About the isocenter, within which voxels count; 0 = the field of view.", .min = 0});
  measure_.describe(v);
}

template <class Real, class Measure>
auto SliceLoss<Real, Measure>::begin(const Params&, const ScanHeader& header) const -> State {
  State s;
  s.radius = radius_ > 0 ? radius_ : header.geometry.field_radius();
  return s;
}

template <class Real, class Measure>
Footprint SliceLoss<Real, Measure>::footprint(const ScanHeader& header) const {
  return {.state = sizeof(State) + measure_.plan(header.grid, begin({}, header).radius).bytes()};
}

template <class Real, class Measure>
void SliceLoss<Real, Measure>::check(const State& s, const In& x) const {
  losses::check_described(x, Measure::kName);
  if (s.plan && (*x.channels != s.channels || x.grid != s.grid))
    throw DataError(std::string(Measure::kName) + ": expected images of " + joined(s.channels.names, ", ") +
                    " on one grid, got others too");
}

template <class Real, class Measure>
void SliceLoss<Real, Measure>::prepare(State& s, const In& x) const {
  s.channels = *x.channels;
  s.grid = x.grid;
  s.sigma = losses::sigma_of_channels(sigma_, s.channels.names.size(), Measure::kName);
  s.plan = std::make_shared<const typename Measure::Plan>(measure_.plan(x.grid, s.radius));
  if (s.plan->voxels() == 0)
    throw ConfigError(std::string(Measure::kName) + ": no voxel of the images lies within " + number_text(s.radius) +
                      " mm of the isocenter; set radius, or images that reach around the isocenter");
}

// Of one plane of x; adds scale dm/dx to `bar` unless it is empty.
template <class Real, class Measure>
double SliceLoss<Real, Measure>::measured(const State& s, const In& x, std::size_t c, std::size_t z, double scale,
                                          std::vector<double>& bar) const {
  const auto value = x.value.block(c, z);
  std::vector<double> u(value.begin(), value.end());
  for (double& v : u) v /= s.sigma[c];
  return (*s.plan)(u, scale / s.sigma[c], bar);
}

template <class Real, class Measure>
void SliceLoss<Real, Measure>::consume(State& s, const In& x) const {
  check(s, x);
  if (!s.plan) prepare(s, x);
  std::vector<double> none;
  for (std::size_t z = 0; z < x.value.extent(1); ++z)
    for (std::size_t c = 0; c < s.sigma.size(); ++c) s.sum += measured(s, x, c, z, 0, none);
  s.slices += x.value.extent(1);
}

template <class Real, class Measure>
double SliceLoss<Real, Measure>::loss(const State& s) const {
  return s.slices == 0 ? 0 : s.sum / static_cast<double>(s.slices * s.sigma.size());
}

template <class Real, class Measure>
auto SliceLoss<Real, Measure>::adjoint(const State& s, const In& x) const -> In {
  check(s, x);
  In x_bar{x.view, Array<Real, 4>(x.value.shape()), {}, x.grid, x.slice, x.channels};
  const double scale = 1 / static_cast<double>(s.slices * s.sigma.size());
  for (std::size_t z = 0; z < x.value.extent(1); ++z)
    for (std::size_t c = 0; c < s.sigma.size(); ++c) {
      std::vector<double> bar(x.grid.nx * x.grid.ny);
      measured(s, x, c, z, scale, bar);
      std::ranges::transform(bar, x_bar.value.block(c, z).begin(), [](double v) { return static_cast<Real>(v); });
    }
  return x_bar;
}

template <class Real, class Measure>
std::vector<Remark> SliceLoss<Real, Measure>::report(const State& s) const {
  if (!s.plan) return {};
  return {{"voxels of a slice within the radius", s.plan->voxels(), s.grid.nx * s.grid.ny}};
}

template class SliceLoss<float, losses::RingMeasure>;
template class SliceLoss<double, losses::RingMeasure>;
template class SliceLoss<float, losses::VariationMeasure>;
template class SliceLoss<double, losses::VariationMeasure>;

}  // namespace counterflow
