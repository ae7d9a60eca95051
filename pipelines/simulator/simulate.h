// From a scenario to an archive of counts with its truth.
#pragma once
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>

#include "core/archive/archive.h"
#include "core/engine/stream.h"
#include "core/message/message.h"
#include "pipelines/simulator/scenario.h"

namespace counterflow {

class ForwardModel;
class PixelFaults;

// A scan view by view, in any order: every view is the same whoever asks for it, and when.
class SimulatedScan {
 public:
  // Prepares the detector's response (kept in the folder `cache`; empty: nowhere).
  SimulatedScan(Scenario scenario, const std::filesystem::path& cache);
  ~SimulatedScan();

  const Scenario& scenario() const { return *scenario_; }
  const ForwardModel& model() const { return *model_; }
  const PixelFaults& faults() const { return *faults_; }
  std::size_t air_views() const { return static_cast<std::size_t>(scenario_->acquisition.air_views); }
  // Air views come first: index in [0, air_views + views).
  std::size_t size() const { return air_views() + scenario_->header.geometry.views; }
  Counts<float> view(std::size_t index) const;

 private:
  std::unique_ptr<Scenario> scenario_;  // the model points into it
  std::unique_ptr<ForwardModel> model_;
  std::unique_ptr<PixelFaults> faults_;
};

using SimulationProgress = std::function<void(std::size_t done, std::size_t total)>;

// Gives every view to `take`, in order, air views first; views are made in parallel and few of them are alive.
void for_each_view(const SimulatedScan& scan, Workers& workers, const std::function<void(const Counts<float>&)>& take,
                   const SimulationProgress& progress = {});

// Writes the archive with truth and what was injected.
void simulate_scan(const SimulatedScan& scan, Workers& workers, const std::filesystem::path& output,
                   const SimulationProgress& progress = {}, ArchiveForm form = ArchiveForm::plain);

}  // namespace counterflow
