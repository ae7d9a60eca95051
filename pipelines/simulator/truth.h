// What the images of a scenario should show: the basis equivalents of its materials on the image grid and in its regions.
#pragma once
#include "core/message/truth.h"
#include "pipelines/simulator/scenario.h"

namespace counterflow {

// The scenario's system must have its response. Each voxel is the mean of samples x samples points (x samples along z where
// the phantom changes with z).
Truth truth_of(const Scenario& scenario);

}  // namespace counterflow
