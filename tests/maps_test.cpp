// Maps made of material images, from simulated scans, against the truth and the bound. Figures are printed; docs/maps.md quotes
// them.
#include <gtest/gtest.h>

#include <cstdio>

#include "core/physics/counts_model.h"
#include "core/physics/detector_response.h"
#include "core/physics/material.h"
#include "gadgets/maps/effective_z.h"
#include "gadgets/maps/linear_maps.h"
#include "pipelines/counterflow/map_value.h"
#include "tests/support.h"

namespace counterflow::testing {
namespace {

// A small noisy scan of rods of iodine in water: a quarter of the columns and views, 12 rows.
Scan small_scan(double counts) {
  Scenario s = scenario("iodine_rods");
  if (!kSanitized) {
    auto& g = s.header.geometry;
    g.columns /= 2, g.column_pitch *= 2, g.column_offset /= 2;
    g.views /= 2, g.views_per_rotation /= 2, g.angle_step *= 2;
    g.rows = 12;
    s.header.grid.nx /= 2, s.header.grid.ny /= 2;
    s.header.grid.voxel_x *= 2, s.header.grid.voxel_y *= 2;
    s.header.grid.nz = g.rows;
  }
  s.header.modules = 1;
  s.acquisition.open_beam_counts = counts;
  return simulate(s);
}

std::string chain_with(const std::string& maps) {
  return chain_of(gadget("air_calibration", "AirCalibration", {}) +
                  gadget("decomposition", "MaximumLikelihood",
                         {{"materials", "water iodine"}, {"covariance", "true"}, {"bias_correction", "cox-snell"}}) +
                  "<gadget><name>fbp</name><dll>counterflow_fbp</dll><classname>FilteredBackprojection</classname>" +
                  "<property name=\"noise\" value=\"true\"/></gadget>" + maps);
}

// Images of one quantity.
std::vector<Image<float>> of_quantity(const std::vector<Image<float>>& images, const std::string& quantity) {
  std::vector<Image<float>> out;
  for (const auto& image : images)
    if (image.channels->quantity == quantity) out.push_back(image);
  return out;
}

// Noise over the bound, mean over the rods.
double noise_over_bound(const std::vector<Image<float>>& images, std::size_t channel, const Truth& truth) {
  std::vector<Image<float>> bound = images;
  for (Image<float>& image : bound) image.value = noise_of(image);
  double sum = 0, rods = 0;
  for (const Region& r : truth.regions) {
    if (r.radius > 40) continue;
    const double noise = disc(images, channel, r.x, r.y, 0.8 * r.radius).deviation;
    const double limit = disc(bound, channel, r.x, r.y, 0.8 * r.radius).mean;
    sum += noise / limit, rods += 1;
  }
  return sum / rods;
}

TEST(Maps, monoenergetic_images_have_the_noise_that_the_bound_of_all_materials_says) {
  const Scan scan = small_scan(4e5);
  const auto images =
      reconstruct(chain_with(gadget("monoenergetic", "MonoenergeticImage", {{"energies", "50 70 120"}}, "fbp")), scan);
  const auto hu = of_quantity(images, "monoenergetic"), materials = of_quantity(images, "density");
  ASSERT_EQ(hu.size(), materials.size());
  const auto expect_bound = [&](const std::vector<Image<float>>& of, std::size_t channel) {
    const double ratio = noise_over_bound(of, channel, scan.truth);
    std::printf("  %-8s noise / bound %.3f\n", of[0].channels->names[channel].c_str(), ratio);
    EXPECT_GT(ratio, 0.1);
    if (!kSanitized) {
      EXPECT_GT(ratio, 0.97);
      EXPECT_LT(ratio, 1.02);
    }
  };
  for (std::size_t k : {0u, 1u, 2u}) expect_bound(hu, k);
  for (std::size_t k : {0u, 1u}) expect_bound(materials, k);
}

// Largest departure from the truth of one channel's mean over the rods, printed rod by rod.
double largest_error(const std::vector<Image<float>>& images, const Truth& truth) {
  const Channels& channels = *images.at(0).channels;
  double worst = 0;
  for (const Region& r : truth.regions) {
    if (r.radius > 40) continue;
    const double expected = map_value(channels, channels.names[0], truth.materials, r.densities).value();
    const double mean = disc(images, 0, r.x, r.y, 0.8 * r.radius).mean;
    std::printf("  %-22s %-16s true %9.4f  measured %9.4f %s\n", channels.names[0].c_str(), r.name.c_str(), expected, mean,
                channels.unit.c_str());
    worst = std::max(worst, std::abs(mean - expected));
  }
  return worst;
}

TEST(Maps, of_iodine_in_water_show_what_the_densities_say) {
  const Scan scan = small_scan(1e7);  // many counts: effective Z is not linear in the noise
  const auto images =
      reconstruct(chain_with(gadget("maps", "ContrastMap", {}, "fbp") + gadget("monoenergetic", "VirtualNonContrast", {}, "fbp") +
                             gadget("maps", "ElectronDensity", {}, "fbp") + gadget("maps", "EffectiveZ", {}, "fbp")),
                  scan);
  const std::pair<const char*, double> limits[] = {
      {"concentration", 0.3}, {"virtual_non_contrast", 4}, {"electron_density", 0.004}, {"effective_z", 0.1}};
  for (const auto& [quantity, limit] : limits) {
    const auto map = of_quantity(images, quantity);
    ASSERT_FALSE(map.empty()) << quantity;
    const double error = largest_error(map, scan.truth), ratio = noise_over_bound(map, 0, scan.truth);
    std::printf("  %s: largest error %.4f, noise / bound %.3f\n", quantity, error, ratio);
    if (!kSanitized) {
      EXPECT_LT(error, limit) << quantity;
      EXPECT_GT(ratio, 0.95) << quantity;
      EXPECT_LT(ratio, 1.05) << quantity;
    }
  }
}

// Electron density and effective Z of tissues, from their own composition and from what a basis makes of them.
TEST(Maps, of_tissues_depend_on_the_basis) {
  const ScanHeader header = scenario("gammex").header;
  SpectralSystem system = header.system;
  system.pixel_columns = header.geometry.column_pitch, system.pixel_rows = header.geometry.row_pitch;
  prepare_response(system, response_cache());
  const std::vector<std::pair<std::string, double>> things{{"adipose", 0.95},
                                                           {"muscle", 1.05},
                                                           {"liver", 1.06},
                                                           {"pmma", 1.19},
                                                           {"water+10mg/mL*iodine", 1.01},
                                                           {"water+100mg/mL*calcium", 1.1},
                                                           {"bone", 1.92}};
  std::vector<Mixture> mixtures;
  for (const auto& [name, density] : things) mixtures.push_back({name, density});
  for (const std::vector<std::string>& basis : {std::vector<std::string>{"water", "iodine"}, {"water", "calcium"}}) {
    const auto equivalents = basis_equivalents(system, basis, mixtures, 150);
    for (std::size_t k = 0; k < things.size(); ++k) {
      const auto& [name, density] = things[k];
      const double electrons = Electrons{}.mix({name}).value(0, std::vector<double>{density});
      const double z = PowerLaw({name}).value(&density, nullptr);
      const double shown = Electrons{}.mix(basis).value(0, equivalents[k]),
                   shown_z = PowerLaw(basis).value(equivalents[k].data(), nullptr);
      std::printf("  %s + %s: %-24s electron density %.4f shown %.4f (%+.2f %%), effective Z %.2f shown %.2f\n", basis[0].c_str(),
                  basis[1].c_str(), name.c_str(), electrons, shown, 100 * (shown / electrons - 1), z, shown_z);
      const bool soft = k < 3;
      if (soft) {
        EXPECT_LT(std::abs(shown / electrons - 1), 0.005) << name;
      }
      const bool within = name.find(basis[1]) != std::string::npos;
      if (within) {
        EXPECT_NEAR(shown, electrons, 1e-6) << name;
        EXPECT_NEAR(shown_z, z, 1e-5) << name;
      }
    }
  }
}

}  // namespace
}  // namespace counterflow::testing
