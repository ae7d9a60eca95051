// The logarithm and its inverse, bin by bin:
//   LineIntegrals             p_b = -ln( (counts_b - background_b) / (exposure open_b) )
//   CountsFromLineIntegrals   counts_b = exposure N exp(-p_b)
// with open_b and N the counts without object at exposure 1. The second lets scans that were logged by their scanner (two
// voltages, several spectra) into the maximum-likelihood decomposition.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/gadget/forms.h"

namespace counterflow {

template <class Real>
class LineIntegrals {
 public:
  using In = Counts<Real>;
  using Out = PathLengths<Real>;
  using Params = None;
  struct State {
    std::shared_ptr<const Channels> channels;
    std::shared_ptr<std::atomic<std::uint64_t>> floored, seen;  // values of all views so far
  };
  static constexpr const char* kManual =
      R"(Takes the logarithm of each bin: line integrals of an effective attenuation, no material decomposition.

  p[bin,row,column] = -ln( (counts - background) / (exposure open) )      [1]

Counts less background below `floor` are set to it (and counted in the report), so that every value is finite; nothing flows back
through them. Where the open beam is 0 (a dead pixel), p is 0. AirCalibration must stand before it.

  <gadget><dll>counterflow_line_integrals</dll><classname>LineIntegrals</classname>
    <property name="floor" value="0.5"/></gadget>
)";

  void describe(PropertyVisitor& v) {
    v("floor", floor_, {.unit = "count", .text = "Fewest counts that a logarithm is taken of.", .min = 1e-6, .max = 1e6});
  }
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader& header) const;
  Footprint footprint(const ScanHeader& header) const;
  ScanHeader output_header(const ScanHeader& header) const;
  Out forward(const Params&, const State& state, const In& x) const;
  In adjoint(const Params&, const State&, const In& x, const Out&, const Out& y_bar, Params&) const;
  std::vector<Remark> report(const State& state) const;

 private:
  double floor_ = 0.5;
};

template <class Real>
class CountsFromLineIntegrals {
 public:
  using In = PathLengths<Real>;
  using Out = Counts<Real>;
  using Params = None;
  struct State {
    std::vector<std::size_t> bins;                    // of the scan, in the order given on
    std::shared_ptr<const Array<Real, 3>> open_beam;  // [bin,row,column], count at exposure 1
  };
  static constexpr const char* kManual =
      R"(Makes counts of line integrals, so that scans which their scanner has logged can be decomposed.

  counts[bin,row,column] = exposure open_beam exp(-p[bin,row,column])      [count]

`open_beam` sets the weight of a measurement in the likelihood, not its scale. `bins` picks some of the scan's bins, for example
two of three tube voltages; the header that later gadgets see, its bin spectra included, holds those bins only.

  <gadget><dll>counterflow_line_integrals</dll><classname>CountsFromLineIntegrals</classname>
    <property name="open_beam" value="100000"/><property name="bins" value="0 2"/></gadget>
)";

  void describe(PropertyVisitor& v) {
    v("open_beam", open_beam_, {.unit = "count", .text = "Counts of each bin without object.", .min = 1, .max = 1e12});
    v("bins", bins_, {.unit = "1", .text = "Numbers of the bins to use, from 0; empty = all.", .min = 0, .max = 1e6});
  }
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader& header) const;
  Footprint footprint(const ScanHeader& header) const;
  ScanHeader output_header(const ScanHeader& header) const;
  Out forward(const Params&, const State& state, const In& x) const;
  In adjoint(const Params&, const State& state, const In& x, const Out& y, const Out& y_bar, Params&) const;

 private:
  std::vector<std::size_t> selected(const ScanHeader& header) const;

  double open_beam_ = 1e5;
  std::vector<double> bins_;
};

}  // namespace counterflow
