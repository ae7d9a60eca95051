// What things are made of, and how they attenuate.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace counterflow {

struct Material {
  std::string name;
  double density = 0;                               // [g/cm^3]; 0 = not known
  std::vector<std::pair<int, double>> composition;  // atomic number, mass fraction; fractions sum to 1
};

// The material that a text names. In order:
//   a ready name            "water", "iodine", "calcium", "adipose", "bone", "solid_water", "gammex_472_i5_0", ...
//   an element's symbol     "I", "Gd"
//   a compound              "H2O", "CaCO3", "Gd2O3"
//   a NIST name             "Bone, Cortical (ICRP)" (with '_' for ' ' where words are separated by spaces)
//   a mixture by mass       "0.9*water+0.1*iodine": fractions are renormalised
//   a solution              "water+5mg/mL*iodine": each solute adds its concentration to the density
// Throws ConfigError naming the nearest ready name.
Material find_material(const std::string& text);
std::vector<std::string> ready_materials();

// Sum of Z^power over the electrons of a gram [mol/g]: sum over elements of fraction Z/A Z^power. Power 0 counts the electrons.
double electron_moment(const Material& material, double power);

// Total mass attenuation [cm^2/g] with coherent scatter, at each energy [keV]. Source: xraylib 4 (Schoonjans et al., 2011).
std::vector<double> mass_attenuation(const Material& material, const std::vector<double>& energies);

// Mean over cells of width `step` centred at `energies`, so that a K edge inside a cell counts for its part of it.
std::vector<double> cell_attenuation(const Material& material, const std::vector<double>& energies, double step);

}  // namespace counterflow
