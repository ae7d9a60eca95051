// The ready materials: compositions as published, before renormalisation.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace counterflow {

struct ReadyMaterial {
  std::string name;
  double density = 0;                               // [g/cm^3]; 0 = the element's own
  std::vector<std::pair<int, double>> composition;  // atomic number, mass fraction; sums to 1 within rounding
};

const std::vector<ReadyMaterial>& material_library();

}  // namespace counterflow
