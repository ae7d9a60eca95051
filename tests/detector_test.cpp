// What detectors do to images, and what BadPixels and PileUp undo; what shared counts do to variance. docs/detector.md quotes the
// figures that are printed here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "core/physics/counts_model.h"
#include "pipelines/simulator/forward_model.h"
#include "tests/support.h"

namespace counterflow::testing {
namespace {

std::string shipped_chain(const std::string& name) {
  std::ifstream in(source_dir() / "xml" / "chains" / (name + ".xml"));
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// The chain without one of its gadgets.
std::string without(std::string xml, const std::string& name) {
  const auto begin = xml.find("<gadget><name>" + name + "</name>"), end = xml.find("</gadget>", begin);
  EXPECT_NE(begin, std::string::npos) << name;
  return xml.erase(begin, end + 9 - begin);
}

struct Quality {
  double bias = 0;   // mean error of iodine over the rods [mg/mL]
  double rms = 0;    // root mean square error of iodine over the rods [mg/mL]
  double water = 0;  // rms departure of rings of the water channel from their mean outside the rods, and from 1 [%]
  double noise = 0;  // standard deviation of iodine in a disc of water [mg/mL]
};

Quality quality_of(const std::string& title, const std::string& chain, const Scan& scan) {
  std::vector<StageRemark> remarks;
  auto images = reconstruct(chain, scan, 2, &remarks);
  std::erase_if(images, [](const auto& i) { return i.channels->names.size() < 2; });  // the monoenergetic image
  Quality q;
  std::size_t rods = 0;
  for (const auto& region : scan.truth.regions) {
    double truth = 0;
    for (const auto& [name, density] : region.densities)
      if (name == "iodine") truth = density;
    if (region.radius > 40 || truth < 1e-3) continue;
    const double error = 1000 * (disc(images, 1, region.x, region.y, 0.8 * region.radius).mean - truth);
    q.bias += error;
    q.rms += error * error;
    ++rods;
  }
  q.bias /= static_cast<double>(rods);
  q.rms = std::sqrt(q.rms / static_cast<double>(rods));
  std::size_t rings = 0;
  for (double r = 5; r < 30; r += 1, ++rings) {
    const double outer = disc(images, 0, 0, 0, r + 1).mean, inner = disc(images, 0, 0, 0, r).mean;
    const double ring = (outer * (r + 1) * (r + 1) - inner * r * r) / (2 * r + 1);
    q.water += 1e4 * (ring - 1) * (ring - 1);
  }
  q.water = std::sqrt(q.water / static_cast<double>(rings));
  q.noise = 1000 * disc(images, 1, 0, 0, 30).deviation;
  std::printf("  %-44s iodine: bias %+8.3f, rms error %7.3f, noise %6.2f mg/mL; water rings %7.3f %%\n", title.c_str(), q.bias,
              q.rms, q.noise, q.water);
  for (const auto& r : remarks)
    if (r.stage == "bad_pixels" || r.stage == "pile_up")
      std::printf("    %s: %s: %llu of %llu\n", r.stage.c_str(), r.remark.text.c_str(),
                  static_cast<unsigned long long>(r.remark.count), static_cast<unsigned long long>(r.remark.of));
  return q;
}

TEST(RealDetector, its_images_are_those_of_a_perfect_one_but_for_what_the_gadgets_undo) {
  Scenario real = scenario("real_detector");
  if (!kSanitized) {  // fewer views of as many counts in all, at the same rate
    ScanGeometry& g = real.header.geometry;
    g.rows = real.header.grid.nz = 2;
    g.views /= 3, g.views_per_rotation /= 3, g.angle_step *= 3;
    real.acquisition.open_beam_counts *= 3, real.acquisition.air_views = 24;
    real.header.grid.nx /= 2, real.header.grid.ny /= 2, real.header.grid.voxel_x *= 2, real.header.grid.voxel_y *= 2;
  }
  if (kSanitized) real.bad_pixels = {.dead = 2, .hot = 1, .unstable = 1};  // of fewer pixels
  Scenario perfect = real, piled = real;
  perfect.dead_time = piled.dead_time = 0;
  perfect.bad_pixels = BadPixelSettings{};
  piled.dead_time = real.dead_time;
  piled.bad_pixels = BadPixelSettings{};
  const std::string whole = shipped_chain("real_detector"), plain = without(without(whole, "pile_up"), "bad_pixels");
  std::string scaled = without(whole, "bad_pixels");
  scaled.insert(scaled.find("<property name=\"dead_time\""), "<property name=\"spectrum\" value=\"none\"/>");
  const Scan scan = simulate(real), only_piled = simulate(piled);
  const Quality best = quality_of("perfect detector", plain, simulate(perfect));
  const Quality undone = quality_of("real detector, real_detector.xml", whole, scan);
  const Quality bad = quality_of("real detector without PileUp", without(whole, "pile_up"), scan);
  const Quality rings = quality_of("real detector without BadPixels", without(whole, "bad_pixels"), scan);
  const Quality counts = quality_of("pile-up only, counts scaled", scaled, only_piled);
  if (kSanitized) return;
  EXPECT_LT(undone.rms, best.rms + 0.3);
  EXPECT_LT(std::abs(undone.bias - best.bias), 0.3);
  EXPECT_LT(undone.water, best.water + 0.5);
  EXPECT_LT(undone.noise, 1.1 * best.noise);
  EXPECT_GT(bad.rms, 5 * undone.rms);
  EXPECT_GT(std::max(rings.noise / undone.noise, rings.water / undone.water), 3);
  EXPECT_GT(counts.rms, 3 * undone.rms);
}

// What is made of the areal densities of water and iodine: themselves, and attenuation at 70 keV, where noise is least.
struct Combination {
  const char* name;
  std::array<double, 2> of;  // water, iodine
};
constexpr std::array kCombinations = {Combination{"water", {1, 0}}, Combination{"iodine", {0, 1}},
                                      Combination{"70 keV", {0.1929, 5.016}}};

// Of rays near the middle of a centred cylinder, whose expectation is the same in every view; [quantity].
struct RayNoise {
  std::array<double, 3> variance{}, bound{};           // of a ray, and by the Cramer-Rao bound
  std::array<std::array<double, 3>, 3> correlation{};  // with the next column, row, corner
  double of_sums(std::size_t q) const {                // variance of sums of many rays over that of independent rays
    return 1 + 2 * (correlation[0][q] + correlation[1][q] + 2 * correlation[2][q]);
  }
};

RayNoise ray_noise(const Scan& scan) {
  const auto chain = parse_chain<float>(
      chain_of(gadget("air_calibration", "AirCalibration", {}) +
               gadget("decomposition", "MaximumLikelihood", {{"materials", "water iodine"}, {"covariance", "true"}})),
      "chain.xml", plugin_folders());
  Workers workers(2);
  ScanRun<float> run(chain, scan.header, workers);
  const std::size_t rows = scan.header.geometry.rows, columns = scan.header.geometry.columns;
  const std::size_t first = columns / 2 - columns / 8, last = columns / 2 + columns / 8;
  RayNoise out;
  std::array<std::vector<std::vector<double>>, 3> rays;  // [quantity][view][row columns + column]
  run.output = [&](const Stage<float>&, const Message<float>& m) {
    const auto& p = *std::get<Sent<PathLengths<float>>>(m);
    for (std::size_t q = 0; q < 3; ++q) {
      const auto& [w, i] = kCombinations[q].of;
      auto& values = rays[q].emplace_back(rows * columns);
      for (std::size_t k = 0; k < values.size(); ++k)
        values[k] = w * static_cast<double>(p.areal_density.block(0u)[k]) + i * static_cast<double>(p.areal_density.block(1u)[k]);
      for (std::size_t c = first; c < last; ++c)
        out.bound[q] +=
            (w * w * static_cast<double>(p.covariance(0u, 0u, c)) + 2 * w * i * static_cast<double>(p.covariance(1u, 0u, c)) +
             i * i * static_cast<double>(p.covariance(2u, 0u, c))) /
            static_cast<double>(last - first);
    }
  };
  run.forward(scan.source());
  const double n = static_cast<double>(rays[0].size());
  for (std::size_t q = 0; q < 3; ++q) {
    std::vector<double> mean(rows * columns);
    for (const auto& values : rays[q])
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += values[i] / n;
    const auto covariance = [&](std::size_t dr, std::size_t dc) {
      double sum = 0;
      for (const auto& values : rays[q])
        for (std::size_t r = 0; r + dr < rows; ++r)
          for (std::size_t c = first; c < last; ++c) {
            const std::size_t i = r * columns + c, j = (r + dr) * columns + c + dc;
            sum += (values[i] - mean[i]) * (values[j] - mean[j]);
          }
      return sum / ((n - 1) * static_cast<double>((rows - dr) * (last - first)));
    };
    out.bound[q] /= n;
    out.variance[q] = covariance(0, 0);
    for (std::size_t d = 0; d < 3; ++d) out.correlation[d][q] = covariance(d != 0, d != 1) / out.variance[q];
  }
  return out;
}

// The same to first order: an estimate moves by G = F^-1 J^T / lambda with the counts, so its covariance with that of a neighbour
// is sum_bc G_b G_c pair_bc. And of the sum of all counts, as the fourth quantity.
std::array<std::array<double, 4>, 3> expected_correlation(const Scenario& s) {
  const SimulatedScan simulated(s, response_cache());
  const ScanHeader& h = simulated.scenario().header;
  const ExpectedView view = simulated.model().object_view(0), &air = simulated.model().air_view();
  const CountsModel model(h.system, {"water", "iodine"});
  const std::size_t bins = h.bins(), c = h.geometry.columns / 2;
  std::vector<double> scale(bins);
  for (std::size_t b = 0; b < bins; ++b) scale[b] = air.counts(b, 0u, c) / model.nominal().total[b];
  const double areal_density[] = {6, 0};
  const RayModel ray = model.ray(model.nominal(), scale, {}, areal_density);
  const Array<double, 2> inverse = cramer_rao_bound(ray);
  std::array<std::array<double, 4>, 3> out{};
  for (std::size_t q = 0; q < 4; ++q) {
    std::vector<double> g(bins, 1);
    double variance = 0;
    for (std::size_t b = 0; b < bins; ++b) {
      if (q < 3) {
        g[b] = 0;
        for (std::size_t m : {0u, 1u})
          for (std::size_t k : {0u, 1u}) g[b] += kCombinations[q].of[m] * inverse(m, k) * ray.slope(b, k) / ray.lambda[b];
      }
      variance += g[b] * g[b] * ray.lambda[b];
    }
    for (std::size_t d = 0; d < 3; ++d)
      for (std::size_t b = 0; b < bins; ++b)
        for (std::size_t b2 = 0; b2 < bins; ++b2) {
          const std::size_t direction = std::array{0u, 2u, 3u}[d];  // of kPairDirections
          out[d][q] += g[b] * g[b2] * view.pairs(0u, c, (direction * bins + b) * bins + b2) / variance;
        }
  }
  return out;
}

// Standard deviation over the middle of the image of means over squares of `side` voxels, and over all slices if asked.
double deviation_of_blocks(const std::vector<Image<float>>& images, const std::array<double, 2>& of, std::size_t side,
                           bool slices) {
  const auto& grid = images[0].grid;
  double sum = 0, squares = 0, n = 0;
  const std::size_t step = slices ? images.size() : 1;
  for (std::size_t z = 0; z < images.size(); z += step)
    for (std::size_t j = 0; j + side <= grid.ny; j += side)
      for (std::size_t i = 0; i + side <= grid.nx; i += side) {
        if (std::hypot(grid.x(static_cast<double>(i)), grid.y(static_cast<double>(j))) > 25) continue;
        double mean = 0;
        for (std::size_t k = z; k < z + step; ++k)
          for (std::size_t y = j; y < j + side; ++y)
            for (std::size_t x = i; x < i + side; ++x)
              for (std::size_t m : {0u, 1u}) mean += of[m] * static_cast<double>(images[k].value(m, 0, y, x));
        mean /= static_cast<double>(side * side * step);
        sum += mean;
        squares += mean * mean;
        ++n;
      }
  return std::sqrt(squares / n - sum / n * (sum / n));
}

TEST(CorrelatedCounts, leave_the_variance_of_a_ray_at_its_bound_and_raise_that_of_regions) {
  Scenario s = scenario("correlated");
  if (kSanitized) s.header.geometry.column_pitch /= 4;  // pixels as small as they are
  const Scan shared = simulate(s);
  const auto expected = expected_correlation(s);
  s.acquisition.correlated = false;
  const Scan alone = simulate(s);
  const RayNoise a = ray_noise(alone), b = ray_noise(shared);
  const std::string chain = material_chain({{"materials", "water iodine"}}, {{"window", "hann"}});
  const auto x = reconstruct(chain, alone), y = reconstruct(chain, shared);
  std::printf("  all counts of a pixel: correlation with the next column %.3f, row %.3f, corner %.3f\n", expected[0][3],
              expected[1][3], expected[2][3]);
  for (std::size_t q = 0; q < 3; ++q) {
    const auto ratio = [&](std::size_t side, bool slices) {
      return deviation_of_blocks(y, kCombinations[q].of, side, slices) /
             deviation_of_blocks(x, kCombinations[q].of, side, slices);
    };
    std::printf(
        "  %-6s rays: variance / bound %.3f independent, %.3f correlated; correlation with the next column %+.3f (expected "
        "%+.3f), row %+.3f (%+.3f), corner %+.3f (%+.3f); variance of sums x %.2f\n",
        kCombinations[q].name, a.variance[q] / a.bound[q], b.variance[q] / b.bound[q], b.correlation[0][q], expected[0][q],
        b.correlation[1][q], expected[1][q], b.correlation[2][q], expected[2][q], b.of_sums(q));
    std::printf("         images, correlated / independent standard deviation: voxel %.3f, 2 mm square %.3f, of 4 slices %.3f\n",
                ratio(1, false), ratio(8, false), ratio(8, true));
    if (kSanitized) continue;
    EXPECT_NEAR(a.variance[q] / a.bound[q], 1, 0.02);
    EXPECT_NEAR(b.variance[q] / b.bound[q], 1, 0.02);  // the bins of a pixel are independent Poisson numbers all the same
    for (std::size_t d = 0; d < 3; ++d) {
      EXPECT_NEAR(a.correlation[d][q], 0, 0.007);  // 3 standard deviations and more, of 2e5 rays
      EXPECT_NEAR(b.correlation[d][q], expected[d][q], 0.007);
    }
  }
  if (kSanitized) return;
  EXPECT_GT(b.of_sums(2), 1.05);
  EXPECT_GT(expected[0][3], 0.02);
}

}  // namespace
}  // namespace counterflow::testing
