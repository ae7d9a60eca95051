#include <xraylib.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/physics/material.h"
#include "core/text.h"

namespace counterflow {
namespace {

// CS_Total of one element; the domain of xraylib's tables is 0.1 to 1000 keV.
double element_attenuation(int z, double energy) {
  if (!(energy <= 1000)) throw DataError("expected energies of 0.1 to 1000 keV, got " + number_text(energy) + " keV");
  xrl_error* error = nullptr;
  const double value = CS_Total(z, energy, &error);
  if (!error) return value;
  const std::string message = error->message;
  xrl_error_free(error);
  throw DataError("no attenuation of element " + std::to_string(z) + " at " + number_text(energy) + " keV (" + message +
                  "); energies lie from 0.1 to 1000 keV");
}

// Ends of the smooth pieces of [from, to]: itself, cut at the element's K, L and M edges.
std::vector<double> pieces(int z, double from, double to) {
  std::vector<double> ends{from, to};
  for (const int shell : {K_SHELL, L1_SHELL, L2_SHELL, L3_SHELL, M1_SHELL, M2_SHELL, M3_SHELL, M4_SHELL, M5_SHELL}) {
    const double edge = EdgeEnergy(z, shell, nullptr);  // 0 where the element has no such shell
    if (edge > from && edge < to) ends.push_back(edge);
  }
  std::sort(ends.begin(), ends.end());
  return ends;
}

// Mean over [from, to]: Gauss and Legendre's rule of 4 nodes on each smooth piece.
double element_mean(int z, double from, double to) {
  constexpr double node[] = {-0.8611363115940526, -0.3399810435848563, 0.3399810435848563, 0.8611363115940526};
  constexpr double weight[] = {0.3478548451374538, 0.6521451548625461, 0.6521451548625461, 0.3478548451374538};
  const std::vector<double> ends = pieces(z, from, to);
  double integral = 0;
  for (std::size_t p = 0; p + 1 < ends.size(); ++p) {
    const double half = (ends[p + 1] - ends[p]) / 2, middle = (ends[p + 1] + ends[p]) / 2;
    for (int k = 0; k < 4; ++k) integral += half * weight[k] * element_attenuation(z, middle + half * node[k]);
  }
  return integral / (to - from);
}

}  // namespace

std::vector<double> mass_attenuation(const Material& material, const std::vector<double>& energies) {
  std::vector<double> mu(energies.size());
  for (const auto& [z, fraction] : material.composition)
    for (std::size_t k = 0; k < mu.size(); ++k) mu[k] += fraction * element_attenuation(z, energies[k]);
  return mu;
}

// xraylib rounds atomic weights to two decimals, which is 0.2 % of hydrogen's (IUPAC 2021: 1.008) and below 0.05 % of all
// others'.
double electron_moment(const Material& material, double power) {
  double sum = 0;
  for (const auto& [z, fraction] : material.composition)
    sum += fraction * z / (z == 1 ? 1.008 : AtomicWeight(z, nullptr)) * std::pow(z, power);
  return sum;
}

// Element by element, so that the attenuation of a mixture is that of its parts to rounding.
std::vector<double> cell_attenuation(const Material& material, const std::vector<double>& energies, double step) {
  if (!(step > 0)) throw DataError("expected cells of positive width, got " + number_text(step) + " keV");
  std::vector<double> mu(energies.size());
  for (const auto& [z, fraction] : material.composition)
    for (std::size_t k = 0; k < mu.size(); ++k)
      mu[k] += fraction * element_mean(z, energies[k] - step / 2, energies[k] + step / 2);
  return mu;
}

}  // namespace counterflow
