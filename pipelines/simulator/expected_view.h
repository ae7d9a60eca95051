// What the pixels of one view are expected to count, and how their counts scatter about it.
#pragma once
#include "core/array.h"

namespace counterflow {

struct ExpectedView {
  Array<double, 3> counts;  // [bin,row,column]
  // [row or 1,column,pair] photons that meet a pixel and are counted twice (core/physics/count_pairs.h); empty: independent
  // counts
  Array<double, 3> pairs;
  Array<double, 2> spread;  // [row,column] standard deviation of a pixel's sum over the bins over Poisson's; empty: 1
};

}  // namespace counterflow
