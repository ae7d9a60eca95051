#include "gadgets/loss/known_rays.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "core/message/bowtie_rays.h"

namespace counterflow::losses {
namespace {

constexpr std::size_t kRaysPerPixel = 3;

template <class Real>
Array<Real, 4> converted(const Array<float, 4>& density) {
  Array<Real, 4> out(density.shape());
  std::ranges::copy(density, out.begin());
  return out;
}

const Truth& known(const ScanHeader& header) {
  const std::size_t slices = header.truth->density.extent(1), rows = header.geometry.rows;
  if (!header.geometry.is_cone() && slices != rows)
    throw ConfigError("expected a truth of a slice for each of " + std::to_string(rows) + " detector rows, got " +
                      std::to_string(slices) + " slices");
  return *header.truth;
}

}  // namespace

template <class Real>
KnownRays<Real>::KnownRays(const ScanHeader& header, double energy_step, const RayChoice& choice, std::size_t cache)
    : geometry_(header.geometry),
      choice_(choice),
      model_(header.system, known(header).materials, energy_step, BowtieUse::applied),
      above_(model_),
      projector_(header.geometry, header.truth->grid, {.columns = kRaysPerPixel}),
      volume_(projector_.volume(converted<Real>(header.truth->density))),
      room_(cache) {
  if (model_.bowtie()) bowtie_ = bowtie_densities<Real>(*model_.bowtie(), geometry_);
  air_ = binned(with_bowtie(Array<Real, 3>({model_.materials(), geometry_.rows, geometry_.columns})));
}

// [ray, attenuator] of all pixels.
template <class Real>
std::vector<Real> KnownRays<Real>::with_bowtie(const Array<Real, 3>& object) const {
  const std::size_t pixels = geometry_.rows * geometry_.columns, n = above_.attenuators(), materials = model_.materials();
  std::vector<Real> out(pixels * n);
  for (std::size_t i = 0; i < pixels; ++i)
    for (std::size_t a = 0; a < n; ++a)
      out[i * n + a] = a < materials ? object[a * pixels + i] : bowtie_[(a - materials) * pixels + i];
  return out;
}

// [ray, bin] at nominal thresholds.
template <class Real>
Array<Real, 2> KnownRays<Real>::binned(const std::vector<Real>& areal_density) const {
  const std::size_t bins = above_.thresholds(), rays = areal_density.size() / above_.attenuators();
  Array<Real, 2> counted({rays, bins});
  above_(areal_density, {}, counted.values(), {});
  for (std::size_t i = 0; i < rays; ++i)
    for (std::size_t b = 0; b + 1 < bins; ++b) counted(i, b) -= counted(i, b + 1);
  return counted;
}

template <class Real>
bool KnownRays<Real>::fit(const std::vector<double>& depth, std::size_t row, std::size_t column) const {
  const double here = depth[row * geometry_.columns + column];
  if (!std::isfinite(here)) return false;
  if (choice_.steepest <= 0) return true;
  const auto flat = [&](std::size_t r, std::size_t c) {
    return std::abs(depth[r * geometry_.columns + c] - here) <= choice_.steepest;
  };
  const bool along = (column == 0 || flat(row, column - 1)) && (column + 1 == geometry_.columns || flat(row, column + 1));
  return along &&
         (!geometry_.is_cone() || ((row == 0 || flat(row - 1, column)) && (row + 1 == geometry_.rows || flat(row + 1, column))));
}

template <class Real>
RayList<Real> KnownRays<Real>::list(const Counts<Real>& x) const {
  const std::size_t pixels = geometry_.rows * geometry_.columns, bins = above_.thresholds(), n = above_.attenuators();
  const std::vector<Real> density = with_bowtie(projector_.project(volume_, x.view));
  const Array<Real, 2> counted = binned(density);
  std::vector<double> depth(pixels);  // -ln(transmission); infinite where too little is left
  for (std::size_t i = 0; i < pixels; ++i) {
    double open = 0, left = 0;
    bool works = true;
    for (std::size_t b = 0; b < bins; ++b) {
      const double o = static_cast<double>((*x.open_beam)[b * pixels + i]);
      works = works && o > 0;
      open += o;
      left += o * static_cast<double>(counted(i, b)) / static_cast<double>(air_(i, b));
    }
    works = works && x.view.exposure * left >= choice_.least_counts;
    depth[i] = works ? -std::log(left / open) : std::numeric_limits<double>::infinity();
  }
  const bool sum_rows = choice_.sum_rows && (x.threshold_shift.empty() || x.threshold_shift.extent(1) == 1);
  RayList<Real> out;
  for (std::size_t column = 0; column < geometry_.columns; ++column) {
    const Real* last = nullptr;  // densities of the column's last ray
    for (std::size_t row = 0; row < geometry_.rows; ++row) {
      if (!fit(depth, row, column)) continue;
      const std::size_t i = row * geometry_.columns + column;
      const Real* own = density.data() + i * n;
      if (!(sum_rows && last && std::equal(own, own + n, last))) {
        out.areal_density.insert(out.areal_density.end(), own, own + n);
        out.first.push_back(out.first.back());
      }
      last = own;
      out.pixel.push_back(static_cast<std::uint32_t>(i));
      ++out.first.back();
    }
  }
  return out;
}

template <class Real>
std::shared_ptr<const RayList<Real>> KnownRays<Real>::of(const Counts<Real>& x) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = kept_.find(x.view.index); found != kept_.end()) return found->second;
  }
  auto made = std::make_shared<const RayList<Real>>(list(x));
  const std::lock_guard lock(mutex_);
  if (made->bytes() <= room_ && kept_.emplace(x.view.index, made).second) room_ -= made->bytes();
  return made;
}

template class KnownRays<float>;
template class KnownRays<double>;

}  // namespace counterflow::losses
