// The rays of a scan of a known object: what each passes, and which are fit to compare counts by.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "core/message/message.h"
#include "core/message/scan_header.h"
#include "core/physics/counts_above.h"
#include "core/reconstruction/projector.h"

namespace counterflow::losses {

// Those left out by what would be counted behind the object at nominal thresholds.
struct RayChoice {
  double least_counts = 0;  // of all bins together
  double steepest = 0;      // change of -ln(transmission) from pixel to pixel; 0 = any
  bool sum_rows = false;    // rays of one column that pass the same matter are one
};

// Each ray ends in one pixel, or in several rows of a column whose counts add up.
template <class Real>
struct RayList {
  std::vector<std::uint32_t> pixel;        // row columns + column, ray by ray
  std::vector<std::uint32_t> first = {0};  // [ray + 1] in pixel
  std::vector<Real> areal_density;         // [ray, attenuator] g/cm^2, of the object, then of the bowtie
  std::size_t rays() const { return first.size() - 1; }
  std::span<const std::uint32_t> pixels(std::size_t ray) const {
    return {pixel.data() + first[ray], first[ray + 1] - first[ray]};
  }
  std::size_t bytes() const { return (pixel.size() + first.size()) * sizeof(pixel[0]) + areal_density.size() * sizeof(Real); }
};

template <class Real>
class KnownRays {
 public:
  // `header` has a truth with densities. Throws ConfigError where rays cannot be traced through it. Lists are kept up to `cache`
  // bytes and made again beyond that.
  KnownRays(const ScanHeader& header, double energy_step, const RayChoice& choice, std::size_t cache);

  // Of the view of x. In parallel.
  std::shared_ptr<const RayList<Real>> of(const Counts<Real>& x);

  const CountsModel& model() const { return model_; }
  const CountsAbove<Real>& above() const { return above_; }
  // [pixel, bin] what the bin counts without object at nominal thresholds, behind the bowtie, in units of CountsAbove.
  const Array<Real, 2>& air() const { return air_; }

 private:
  RayList<Real> list(const Counts<Real>& x) const;
  std::vector<Real> with_bowtie(const Array<Real, 3>& object) const;
  Array<Real, 2> binned(const std::vector<Real>& areal_density) const;
  bool fit(const std::vector<double>& depth, std::size_t row, std::size_t column) const;

  ScanGeometry geometry_;
  RayChoice choice_;
  CountsModel model_;
  CountsAbove<Real> above_;
  Projector<Real> projector_;
  LineVolume<Real> volume_;
  Array<Real, 3> bowtie_;  // [material,row,column] g/cm^2
  Array<Real, 2> air_;

  std::mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<const RayList<Real>>> kept_;  // [view]
  std::size_t room_;                                                    // [byte] left for more
};

extern template class KnownRays<float>;
extern template class KnownRays<double>;

}  // namespace counterflow::losses
