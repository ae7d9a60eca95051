#include "core/physics/counts_above.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <sstream>

#include "core/physics/detector_response.h"
#include "core/testing/refusal.h"

namespace counterflow {
namespace {

SpectralSystem ideal_system(std::vector<double> thresholds) {
  SpectralSystem s;
  s.bins = 4;
  s.thresholds = std::move(thresholds);
  s.tube_voltage = 120;
  s.filters = "Al 3.0";
  s.detector = "ideal";
  prepare_response(s, "");
  return s;
}

// The largest errors of counts and slopes against the model, of what a ray counts, and the number of rays.
struct Errors {
  double value = 0, slope = 0;
};
template <class Real>
Errors errors_of(const CountsModel& model, Isa isa, std::size_t bowtie_materials = 0) {
  constexpr std::size_t kRays = 37;
  const CountsAbove<Real> above(model, isa);
  const std::size_t bins = model.bins(), n = model.materials() + bowtie_materials;
  EXPECT_EQ(above.attenuators(), n);
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> u;
  std::vector<Real> density, shift(model.has_thresholds() ? kRays * bins : 0), value(kRays * bins), slope(kRays * bins);
  for (std::size_t i = 0; i < kRays; ++i)
    for (std::size_t a = 0; a < n; ++a) density.push_back(static_cast<Real>(a == 0 ? 20 * u(random) - 0.5 : 0.2 * u(random)));
  for (Real& x : shift) x = static_cast<Real>(5 * (u(random) - 0.5));
  above(density, shift, value, slope);
  double total = 0;
  for (double t : model.nominal().total) total += t;
  Errors worst;
  for (std::size_t i = 0; i < kRays; ++i) {
    const std::vector<double> own(shift.begin() + static_cast<std::ptrdiff_t>(shift.empty() ? 0 : i * bins),
                                  shift.begin() + static_cast<std::ptrdiff_t>(shift.empty() ? 0 : (i + 1) * bins));
    const BinWeights w = shift.empty() ? model.nominal() : model.shifted(own);
    const auto counted = [&](auto&& of) {
      double sum = 0;
      for (std::size_t e = 0; e < model.energies().size(); ++e) {
        double x = 0;
        for (std::size_t a = 0; a < n; ++a)
          x += (a < model.materials() ? model.attenuation()(a, e) : model.bowtie_attenuation()(a - model.materials(), e)) *
               static_cast<double>(density[i * n + a]);
        sum += of(e) * std::exp(-x) / total;
      }
      return sum;
    };
    double above_k = 0;
    const double all = counted([&](std::size_t e) {
      double sum = 0;
      for (std::size_t b = 0; b < bins; ++b) sum += w.weight(b, e);
      return sum;
    });
    for (std::size_t k = bins; k-- > 0;) {
      above_k += counted([&](std::size_t e) { return w.weight(k, e); });
      const double edge = w.edge.empty() ? 0 : counted([&](std::size_t e) { return w.edge(k, e); });
      worst.value = std::max(worst.value, std::abs(static_cast<double>(value[i * bins + k]) - above_k) / all);
      worst.slope = std::max(worst.slope, std::abs(static_cast<double>(slope[i * bins + k]) + edge) / all);
    }
  }
  std::vector<Real> alone(value.size());
  above(density, shift, alone, {});
  EXPECT_EQ(alone, value);
  return worst;
}

void expect_the_model(const CountsModel& model, std::size_t bowtie_materials = 0) {
  for (Isa isa : available_isas()) {
    const Errors wide = errors_of<double>(model, isa, bowtie_materials), narrow = errors_of<float>(model, isa, bowtie_materials);
    EXPECT_LT(wide.value, 1e-12);
    EXPECT_LT(wide.slope, 1e-12);
    EXPECT_LT(narrow.value, 5e-6);
    EXPECT_LT(narrow.slope, 5e-6);
  }
}

TEST(CountsAbove, are_the_models_for_rays_with_thresholds_of_their_own) {
  expect_the_model(CountsModel(ideal_system({25, 45, 60, 75}), {"water", "iodine", "calcium"}));
}

TEST(CountsAbove, end_where_the_last_bin_does) {
  expect_the_model(CountsModel(ideal_system({25, 45, 60, 75, 100}), {"water", "iodine"}));
}

TEST(CountsAbove, of_spectra_from_a_file_do_not_move) {
  SpectralSystem s;
  s.bins = 2;
  s.bin_spectra = "spectra.txt";
  s.tube_voltage = 100;
  std::ostringstream text;
  for (int e = 20; e <= 100; ++e)
    text << e << " " << std::exp(-std::pow((e - 40) / 9., 2)) << " " << std::exp(-std::pow((e - 70) / 9., 2)) << "\n";
  s.files["spectra.txt"] = text.str();
  expect_the_model(CountsModel(s, {"water", "iodine"}));
}

TEST(CountsAbove, know_what_a_bowtie_takes) {
  SpectralSystem s = ideal_system({25, 45, 60, 75});
  s.bowtie = "body.txt";
  s.files["body.txt"] = "angle_rad, aluminium, teflon\n-0.3 20 6\n0.3 20 6\n";
  expect_the_model(CountsModel(s, {"water", "iodine"}, 1, BowtieUse::applied), 2);
}

TEST(CountsAbove, arrays_of_other_rays_are_refused) {
  const CountsAbove<float> above(CountsModel(ideal_system({25, 45, 60, 75}), {"water", "iodine"}));
  std::vector<float> density(6), value(8), slope(4);
  EXPECT_NE(testing::refusal([&] { above(density, {}, value, {}); }), "accepted");
  density.resize(4);
  EXPECT_EQ(testing::refusal([&] { above(density, {}, value, {}); }), "accepted");
  EXPECT_NE(testing::refusal([&] { above(density, {}, value, slope); }), "accepted");
  EXPECT_NE(testing::refusal([&] { above(density, slope, value, {}); }), "accepted");
}

}  // namespace
}  // namespace counterflow
