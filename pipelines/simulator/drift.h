// How far true thresholds stand above nominal ones:
//   shift(threshold, row, column, t) = common + slow t + module(threshold, module of column) + pixel(threshold, row, column)
//                                      + dispersion(threshold, row, column),        t in [0,1] over the object views.
// Air views have the dispersion only, or with air="drifted" all of it at t = 0.
#pragma once
#include <cstddef>
#include <span>

#include "core/array.h"
#include "pipelines/simulator/scenario.h"

namespace counterflow {

class ThresholdDrift {
 public:
  // Draws modules, pixels and dispersion from the seed. Throws ConfigError where thresholds would cross or leave what the model
  // of counts can follow (`largest` keV).
  ThresholdDrift(const Scenario& scenario, double largest);

  bool any() const { return any_; }
  bool by_pixel() const { return by_pixel_; }  // pixels of a module differ
  bool in_time() const { return settings_.slow != 0; }
  std::size_t thresholds() const { return module_.extent(0); }  // lower edges: bins

  // What all pixels of a module share [keV].
  double module_shift(std::size_t threshold, std::size_t module, double t, bool air) const;
  // What a pixel adds to it [keV]; only where by_pixel().
  double pixel_shift(std::size_t threshold, std::size_t row, std::size_t column, bool air) const;
  // Smallest and largest shift of the whole scan [keV].
  std::pair<double, double> range() const { return range_; }

  const Array<double, 2>& modules() const { return module_; }  // [threshold,module] keV
  const Array<double, 3>& pixels() const { return pixel_; }    // [threshold,row,column] keV; empty = 0
  const Array<double, 3>& dispersion() const { return dispersion_; }

 private:
  void find_range(const Scenario& scenario);
  void check_order(const Scenario& scenario) const;

  DriftSettings settings_;
  bool any_ = false, by_pixel_ = false, air_drifted_ = false;
  Array<double, 2> module_;
  Array<double, 3> pixel_, dispersion_;
  std::pair<double, double> range_{0, 0};
};

}  // namespace counterflow
