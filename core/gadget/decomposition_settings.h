// What gadgets that turn photon counts into areal densities have in common: what they are asked, what they refuse, and how they
// group rays.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/gadget/pixel_sums.h"
#include "core/gadget/property.h"
#include "core/message/message.h"
#include "core/message/scan_header.h"

namespace counterflow {

// Rays that share their thresholds.
struct RayGroup {
  RayRectangle range;
  std::size_t shift_row = 0, module = 0;  // where their shifts stand
  std::vector<double> shift = {};         // [threshold] keV; empty = nominal
};

struct DecompositionSettings {
  static constexpr std::size_t kMaterials = 3, kBins = 8;  // at most

  std::string gadget;  // in messages
  std::vector<std::string> materials = {"water", "iodine"};
  double energy_step = 1;  // [keV]
  std::int64_t sum_rows = 1, sum_columns = 1;
  bool covariance = false;
  std::vector<double> failed_value = {0};  // [g/cm^2] one, or one a material
  std::string air_thresholds = "nominal";

  void describe_model(PropertyVisitor& v);  // materials, energy_step
  void describe_sums(PropertyVisitor& v);   // sum_rows, sum_columns
  // covariance, failed_value of "rays without `what`", air_thresholds
  void describe_results(PropertyVisitor& v, const std::string& what);

  std::size_t channels() const { return materials.size(); }
  std::size_t arrays() const { return channels() + (covariance ? pair_count(channels()) : 0); }  // of a message
  double failed_value_of(std::size_t material) const { return failed_value[failed_value.size() == 1 ? 0 : material]; }
  bool air_moves() const { return air_thresholds == "shifted"; }
  Summing summing() const { return {static_cast<std::size_t>(sum_rows), static_cast<std::size_t>(sum_columns)}; }
  ScanGeometry rays(const ScanGeometry& pixels) const { return pixels.summed(summing().rows, summing().columns); }
  std::shared_ptr<const Channels> areal_densities() const;

  // Throws ConfigError for what contradicts itself or the scan.
  void check(const ScanHeader& header) const;
  ScanHeader output_header(const ScanHeader& header) const;  // of a scan that was checked
  // Throws DataError for a view of another shape, without open beam, or with threshold shifts where there are no thresholds.
  template <class Real>
  void check(const ScanHeader& header, const Counts<Real>& x, bool has_thresholds) const;
  // And unless the shifts are [threshold,row or 1,module], and not of single rows where rows are summed. `layout` of the message.
  template <class Real>
  void check_shifts(const ScanHeader& header, const Counts<Real>& x, const char* layout) const;
  [[noreturn]] void refuse(const View& view, const std::string& what) const;

  // All rays of a view, by shifts [threshold,row or 1,module].
  template <class Real>
  std::vector<RayGroup> groups(const ScanHeader& header, const Array<Real, 3>& shift) const;
};

}  // namespace counterflow
