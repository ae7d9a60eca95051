#include "core/physics/material.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "core/error.h"
#include "core/physics/physics_testing.h"
#include "core/testing/refusal.h"

namespace counterflow {
namespace {

double density_of(const std::string& name) { return find_material(name).density; }

double fraction_of(const Material& material, int z) {
  for (const auto& [element, fraction] : material.composition)
    if (element == z) return fraction;
  return 0;
}

std::string refusal(const std::string& text) {
  return testing::refusal<ConfigError>([&] { find_material(text); });
}

// Figures of xraylib 4 by its own command line, cm^2/g at 40, 60, 80, 100, 120 keV.
TEST(Material, attenuation_is_that_of_xraylib_to_four_digits) {
  const std::vector<double> energies{40, 60, 80, 100, 120};
  const std::pair<const char*, std::vector<double>> table[] = {{"water", {0.26828, 0.20587, 0.18366, 0.17072, 0.16135}},
                                                               {"calcium", {1.8302, 0.65785, 0.36553, 0.25709, 0.20587}},
                                                               {"iodine", {22.096, 7.577, 3.5103, 1.9422, 1.2114}},
                                                               {"gadolinium", {6.9193, 11.752, 5.5735, 3.1092, 1.9366}}};
  for (const auto& [name, expected] : table) {
    const auto mu = mass_attenuation(find_material(name), energies);
    for (std::size_t k = 0; k < energies.size(); ++k) EXPECT_NEAR(mu[k] / expected[k], 1, 1e-4) << name << energies[k];
  }
}

TEST(Material, k_edges_stand_where_they_belong) {
  const std::pair<const char*, double> edges[] = {{"I", 33.169}, {"Gd", 50.239}, {"Cd", 26.711}, {"Te", 31.814}, {"W", 69.525}};
  for (const auto& [name, edge] : edges) {
    const auto mu = mass_attenuation(find_material(name), {edge - 0.01, edge + 0.01});
    EXPECT_GT(mu[1] / mu[0], 3) << name;
  }
}

TEST(Material, cells_count_each_side_of_an_edge_for_its_part) {
  const Material iodine = find_material("I");
  const double edge = 33.1694;
  const double mean = cell_attenuation(iodine, {33.5}, 1.0)[0];
  double sum = 0;
  constexpr int n = 20000;
  for (int k = 0; k < n; ++k) sum += mass_attenuation(iodine, {33 + (k + 0.5) / n})[0] / n;
  EXPECT_NEAR(mean / sum, 1, 1e-3);  // xraylib tabulates the edge to 1 eV
  const double below = mass_attenuation(iodine, {edge - 0.05})[0], above = mass_attenuation(iodine, {edge + 0.05})[0];
  EXPECT_NEAR(mean, below * (edge - 33) + above * (34 - edge), 0.04 * mean);
  EXPECT_NEAR(cell_attenuation(iodine, {60}, 1e-3)[0] / mass_attenuation(iodine, {60})[0], 1, 1e-6);
}

TEST(Material, every_ready_material_is_whole) {
  for (const std::string& name : ready_materials()) {
    const Material m = find_material(name);
    EXPECT_EQ(m.name, name);
    EXPECT_GT(m.density, 0) << name;
    double sum = 0;
    for (const auto& part : m.composition) sum += part.second;
    EXPECT_NEAR(sum, 1, 1e-12) << name;
  }
}

TEST(Material, names_are_looked_up_in_order) {
  EXPECT_EQ(find_material("I").composition, find_material("iodine").composition);
  EXPECT_NEAR(fraction_of(find_material("CaCO3"), 20), 0.4004, 1e-4);
  EXPECT_NEAR(fraction_of(find_material("Ca5(PO4)3OH"), 20), 0.3989, 1e-4);
  EXPECT_NEAR(fraction_of(find_material("Cd0.9Zn0.1Te"), 48), 0.4300, 1e-4);
  EXPECT_EQ(density_of("CaCO3"), 0);
  EXPECT_NEAR(density_of("Bone,_Cortical_(ICRP)"), 1.85, 1e-9);
  EXPECT_EQ(find_material("Bone, Cortical (ICRP)").composition, find_material("Bone,_Cortical_(ICRP)").composition);
  EXPECT_NEAR(fraction_of(find_material("water"), 1), fraction_of(find_material("H2O"), 1), 3e-4);
  EXPECT_NEAR(fraction_of(find_material("hydroxyapatite"), 20), fraction_of(find_material("Ca10P6O26H2"), 20), 3e-4);
  EXPECT_NEAR(fraction_of(find_material("pmma"), 6), fraction_of(find_material("C5H8O2"), 6), 3e-4);
}

TEST(Material, mixtures_and_solutions_add_masses) {
  const Material mix = find_material("1.8*water + 0.2*iodine");
  EXPECT_NEAR(fraction_of(mix, 53), 0.1, 1e-12);
  EXPECT_NEAR(mix.density, 1 / (0.9 / 1.0 + 0.1 / density_of("iodine")), 1e-12);
  const Material solution = find_material("water+5mg/mL*iodine+2g/L*Gd");
  EXPECT_NEAR(solution.density, 1.007, 1e-12);
  EXPECT_NEAR(fraction_of(solution, 53) * solution.density, 0.005, 1e-12);
  EXPECT_NEAR(fraction_of(solution, 64) * solution.density, 0.002, 1e-12);
  EXPECT_NEAR(fraction_of(solution, 8) * solution.density, fraction_of(find_material("water"), 8), 1e-12);
  EXPECT_NEAR(density_of("water+201.4mg/cm3*hydroxyapatite"), 1.2014, 1e-12);
}

TEST(Material, attenuation_of_a_mixture_is_that_of_its_parts_edges_included) {
  std::vector<double> cells;
  for (double e = 20.5; e < 120; ++e) cells.push_back(e);
  const auto water = cell_attenuation(find_material("water"), cells, 1), iodine = cell_attenuation(find_material("I"), cells, 1);
  const auto mixed = cell_attenuation(find_material("0.99*water+0.01*I"), cells, 1);
  for (std::size_t k = 0; k < cells.size(); ++k) EXPECT_NEAR(mixed[k] / (0.99 * water[k] + 0.01 * iodine[k]), 1, 1e-13);
}

// Water: 10 electrons in 18.015 g/mol; hydrogen has 2 of the 10 at Z = 1, oxygen 8 at Z = 8.
TEST(Material, electrons_of_water_are_counted_with_any_weight) {
  const Material water = find_material("water");
  EXPECT_NEAR(electron_moment(water, 0), 10 / 18.015, 5e-5);
  EXPECT_NEAR(electron_moment(water, 1), (2 * 1 + 8 * 8) / 18.015, 2e-4);
  EXPECT_NEAR(electron_moment(find_material("I"), 2), 53.0 * 53 * 53 / 126.904, 0.1);
}

TEST(Material, what_cannot_be_read_is_refused_with_the_way_out) {
  EXPECT_THAT(refusal("iodin"), ::testing::HasSubstr("got 'iodin'; did you mean 'iodine'?"));
  for (const char* wrong : {"Xx2", "Ca(", "Ca()", "Ca)", "(", "Ca0", "caCO3", "Ca-1", "Alu"})
    EXPECT_THAT(refusal(wrong), ::testing::HasSubstr("got '" + std::string(wrong) + "'"));
  EXPECT_THAT(refusal("Xx2"), ::testing::HasSubstr("got 'Xx2'"));
  EXPECT_THAT(refusal(""), ::testing::HasSubstr("got ''"));
  EXPECT_THAT(refusal("water+iodine"), ::testing::HasSubstr("write 0.9*water+0.1*iodine"));
  EXPECT_THAT(refusal("water+5mg/l*iodine"), ::testing::HasSubstr("got 'mg/l' in the term '5mg/l*iodine'"));
  EXPECT_THAT(refusal("water+-5*iodine"), ::testing::HasSubstr("got '-5*iodine'"));
  EXPECT_THAT(refusal("water++I"), ::testing::HasSubstr("got ''"));
  EXPECT_THAT(refusal("5mg/mL*iodine"), ::testing::HasSubstr("expected a solvent"));
  EXPECT_THAT(refusal("CaCO3+5mg/mL*iodine"), ::testing::HasSubstr("density of the solvent"));
  EXPECT_THAT(refusal("0*water+0*I"), ::testing::HasSubstr("sum above 0"));
  EXPECT_THROW(mass_attenuation(find_material("I"), {0.01}), DataError);
  EXPECT_THROW(mass_attenuation(find_material("I"), {NAN}), DataError);
}

TEST(Material, gammex_rods_are_those_of_the_published_table) {
  std::ifstream in(testing::outside_data() / "gammex472/gammex472.csv");
  if (!in) GTEST_SKIP() << "no gammex472.csv among the outside data";
  const int elements[] = {1, 6, 7, 8, 16, 17, 20, 53};
  std::string line;
  std::size_t rods = 0;
  while (std::getline(in, line)) {
    if (line.rfind("gammex", 0) != 0) continue;
    std::istringstream cells(line);
    std::vector<std::string> value;
    for (std::string cell; std::getline(cells, cell, ',');) value.push_back(cell);
    const Material m = find_material(value[0]);
    EXPECT_NEAR(m.density, std::stod(value[1]), 1e-12);
    for (std::size_t k = 0; k < 8; ++k) EXPECT_NEAR(fraction_of(m, elements[k]), std::stod(value[2 + k]), 1.1e-4) << line;
    ++rods;
  }
  EXPECT_EQ(rods, 15u);
}

}  // namespace
}  // namespace counterflow
