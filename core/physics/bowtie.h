// A bowtie filter: a known attenuator at the tube, thicker towards the edges of the fan, where patients are thin.
#pragma once
#include <string>
#include <vector>

#include "core/array.h"
#include "core/physics/spectral_system.h"

namespace counterflow {

class Bowtie {
 public:
  // The text of a bowtie file. The first line names the materials (texts of find_material, with or without a heading for the
  // angles before them); each further line has a fan angle [rad], ascending, and a thickness [mm] a material, along the ray in
  // the plane of the fan. '#' begins a comment; commas or white space separate. Materials that are nowhere thick are left out.
  // `name` is for errors: throws ConfigError with the line.
  Bowtie(const std::string& text, const std::string& name);

  const std::vector<std::string>& materials() const { return materials_; }

  // [material] areal density [g/cm^2] on the ray of a fan angle [rad], linear between the lines of the file. The filter is the
  // same for every z, so that a ray that leaves the plane of the fan by the angle a passes 1/cos a = `lengthening` times as much.
  // Throws ConfigError for angles beyond the file's.
  std::vector<double> areal_density(double fan_angle, double lengthening = 1) const;

 private:
  std::string name_;
  std::vector<std::string> materials_;
  std::vector<double> angles_;  // [line]
  Array<double, 2> density_;    // [material, line] g/cm^2
};

// The bowtie that a system names; throws ConfigError where its file was not read.
Bowtie bowtie_of(const SpectralSystem& system);

}  // namespace counterflow
