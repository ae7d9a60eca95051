// A training of a second: a known phantom of four rows, each a unit of its own, seen by a detector whose thresholds stand off.
#pragma once
#include <filesystem>
#include <string>

#include "core/archive/learned_parameters.h"
#include "core/error.h"
#include "core/testing/folder.h"
#include "pipelines/counterflow/test_command.h"

namespace counterflow::testing {

inline constexpr std::size_t kSmallRows = 4;

class SmallTraining {
 public:
  SmallTraining() {
    write_file(folder_ / "scenario.xml", R"(<scenario>
  <geometry beam="fan-arc" columns="32" rows="4" views="24" source_to_isocenter="570" source_to_detector="1040"
            column_pitch="20.8" row_pitch="1.3"/>
  <tube voltage="120" filters="Al 3.0"/>
  <detector sensor="ideal" thresholds="30 51 62 72 83" modules="4"/>
  <acquisition open_beam_counts="1e6" air_views="2" seed="21"/>
  <sampling energy_step="1" column_rays="1"/>
  <drift module_sigma="1" air="nominal" seed="1"/>
  <phantom>
    <ellipse material="water" rx="100"/>
    <ellipse name="iodine" material="water+9mg/mL*iodine" rx="25" x="40"/>
  </phantom>
  <image nx="32" voxel="11"/>
  <truth materials="water iodine"/>
</scenario>)");
    write_file(chain(), R"(<configuration><version>2</version>
  <stream>
    <gadget><dll>counterflow_air_calibration</dll><classname>AirCalibration</classname></gadget>
    <gadget><name>drift</name><dll>counterflow_bin_drift</dll><classname>BinDrift</classname></gadget>
    <gadget><dll>counterflow_decomposition</dll><classname>MaximumLikelihood</classname>
      <property name="materials" value="water iodine"/></gadget>
    <gadget><dll>counterflow_fbp</dll><classname>FilteredBackprojection</classname></gadget>
  </stream>
  <training rows_per_block="1">
    <parameter gadget="drift" weight="1e-6"/>
    <loss><dll>counterflow_loss</dll><classname>MaterialReference</classname>
      <property name="form" value="square"/><property name="weights" value="equal"/></loss>
    <optimiser name="lbfgs" iterations="6" decrease="0" tolerance="0"/>
  </training>
</configuration>)");
    const Result made =
        run("simulate " + (folder_ / "scenario.xml").string() + " --quiet --cache \"\" -o " + (folder_ / "scan.h5").string());
    if (made.code != 0) throw Error(made.text);
  }
  std::filesystem::path chain() const { return folder_ / "chain.xml"; }
  std::filesystem::path scan() const { return folder_ / "scan.h5"; }
  std::filesystem::path output(const std::string& name) const { return folder_ / (name + ".h5"); }
  const Folder& folder() const { return folder_; }

  // Arguments of the command.
  std::string train(const std::string& name, const std::string& more = "") const {
    return "train " + chain().string() + " " + scan().string() + " --cache \"\" -o " + output(name).string() + " " + more;
  }
  LearnedParameters learned(const std::string& name) const { return read_parameters(output(name)); }

 private:
  Folder folder_;
};

// Number of the first or last step that a training has told of; 0 = none.
inline int first_step(const std::string& text) {
  const auto at = text.find("\nstep ");
  return at == std::string::npos ? 0 : std::stoi(text.substr(at + 6));
}
inline int last_step(const std::string& text) {
  const auto at = text.rfind("\nstep ");
  return at == std::string::npos ? 0 : std::stoi(text.substr(at + 6));
}

}  // namespace counterflow::testing
