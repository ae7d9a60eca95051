// How far sums through a painted phantom are from its chords, as a reference for calibrations (docs/projector.md quotes what is
// printed).
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <utility>
#include <vector>

#include "core/geometry/ray.h"
#include "core/geometry/shape_painting.h"
#include "core/parallel.h"
#include "core/reconstruction/projector.h"

namespace counterflow {
namespace {

constexpr double kBody = 165;  // radius [mm]

constexpr double kIodine = 0.02;  // of a rod, beside 1 of water [g/cm^3]

// A body of 330 mm with eight rods of 28 mm at each of two radii, as the Gammex 472: of water, and of iodine in water.
ShapePainting gammex() {
  ShapePainting painting;
  painting.paint({Shape::cylinder({}, kBody, kBody), 0, 1.02});
  for (std::size_t rod = 0; rod < 16; ++rod) {
    const double radius = rod < 8 ? 50 : 105, angle = (static_cast<double>(rod) + (rod < 8 ? 0.5 : 0.)) * std::numbers::pi / 4;
    painting.paint({Shape::cylinder({radius * std::cos(angle), radius * std::sin(angle), 0}, 14, 14), rod % 2 == 0 ? 1u : 2u,
                    rod % 2 == 0 ? 1.05 : 1.0});
  }
  return painting;
}

// Densities of water (body and other rods) and iodine, the mean of points x points in each voxel.
Array<float, 4> painted(const ShapePainting& painting, const ImageGrid& grid, std::size_t points) {
  Array<float, 4> values({2, 1, grid.ny, grid.nx});
  parallel_chunks(grid.ny, 8, [&](std::size_t begin, std::size_t end) {
    std::vector<std::size_t> near;
    for (std::size_t i = begin * grid.nx; i < end * grid.nx; ++i) {
      const double x = grid.x(static_cast<double>(i % grid.nx)), y = grid.y(static_cast<double>(i / grid.nx));
      painting.near({x, y, 0}, grid.voxel_x, near);
      double sum[2] = {};
      for (std::size_t p = 0; p < points * points && !near.empty(); ++p) {
        const auto part = [&](std::size_t k) { return (static_cast<double>(k) + 0.5) / static_cast<double>(points) - 0.5; };
        const auto shape = painting.at({x + grid.voxel_x * part(p % points), y + grid.voxel_y * part(p / points), 0}, near);
        if (!shape) continue;
        const PaintedShape& seen = painting.shapes()[*shape];
        sum[0] += seen.density;
        sum[1] += seen.material == 2 ? kIodine : 0;
      }
      for (std::size_t c = 0; c < 2; ++c)
        values(c, 0, i / grid.nx, i % grid.nx) = static_cast<float>(sum[c] / static_cast<double>(points * points));
    }
  });
  return values;
}

// Of a kind of columns: root of the mean square over columns and views, and over columns of the mean over views; the largest of
// those.
struct Errors {
  double square = 0, mean_square = 0;
  std::size_t columns = 0;
  void add(double rms, double mean) { square += rms * rms, mean_square += mean * mean, ++columns; }
  double rms() const { return std::sqrt(square / static_cast<double>(columns)); }
  double bias() const { return std::sqrt(mean_square / static_cast<double>(columns)); }
};

struct Scan {
  ScanGeometry geometry;
  std::vector<View> views;
  std::vector<Array<double, 3>> exact;  // [view][material,1,column]
};

Scan scan_of(const ShapePainting& painting, std::size_t views) {
  Scan scan;
  ScanGeometry& g = scan.geometry;
  g.columns = 888, g.rows = 1, g.views = g.views_per_rotation = views;
  g.angle_step = 2 * std::numbers::pi / static_cast<double>(views);
  g.source_to_isocenter = 541, g.source_to_detector = 949, g.column_pitch = 0.75, g.row_pitch = 1;
  g.column_offset = 0.25;
  constexpr std::size_t kRays = 16;
  scan.views.resize(views), scan.exact.resize(views);
  parallel_chunks(views, 4, [&](std::size_t begin, std::size_t end) {
    RayWorkspace workspace;
    std::vector<double> sums(3);
    for (std::size_t v = begin; v < end; ++v) {
      scan.views[v].angle = static_cast<double>(v) * g.angle_step;
      scan.exact[v] = Array<double, 3>({2, 1, g.columns});
      for (std::size_t k = 0; k < g.columns; ++k)
        for (std::size_t i = 0; i < kRays; ++i) {
          const double column = static_cast<double>(k) + (static_cast<double>(i) + 0.5) / kRays - 0.5;
          std::fill(sums.begin(), sums.end(), 0.0);
          painting.integrate(ray_of(g, scan.views[v].angle, column, 0), workspace, sums);
          scan.exact[v](0, 0, k) += (sums[0] + sums[1] + sums[2]) / kRays, scan.exact[v](1, 0, k) += kIodine * sums[2] / kRays;
        }
    }
  });
  return scan;
}

// Errors of a material in columns by the depth below the body's edge at which they pass [mm]: -2 to 2, to 10, and more.
std::array<Errors, 3> errors(const Scan& scan, const std::vector<Array<float, 3>>& sums, std::size_t material) {
  std::array<Errors, 3> errors;
  const ScanGeometry& g = scan.geometry;
  for (std::size_t k = 0; k < g.columns; ++k) {
    const double depth = kBody - std::abs(g.source_to_isocenter * std::sin(g.fan_angle(static_cast<double>(k))));
    if (depth < -2) continue;
    double square = 0, mean = 0;
    for (std::size_t v = 0; v < sums.size(); ++v) {
      const double error = static_cast<double>(sums[v](material, 0, k)) - scan.exact[v](material, 0, k);
      square += error * error / static_cast<double>(sums.size()), mean += error / static_cast<double>(sums.size());
    }
    errors[depth < 2 ? 0 : depth < 10 ? 1 : 2].add(std::sqrt(square), mean);
  }
  return errors;
}

void print(const char* what, const std::array<Errors, 3>& errors) {
  std::printf("%s [mg/cm^2]", what);
  for (const auto& [where, e] : {std::pair{"grazing", errors[0]}, {"2 to 10 mm deep", errors[1]}, {"deeper", errors[2]}})
    std::printf("; %s: rms %.2f, of a column's mean %.2f", where, 1000 * e.rms(), 1000 * e.bias());
  std::printf("\n");
}

TEST(ProjectorAccuracy, a_phantom_of_partial_volumes_gives_its_line_integrals) {
  const ShapePainting painting = gammex();
  const Scan scan = scan_of(painting, 120);
  std::vector<double> fine_rms;
  for (const double voxel : {0.7, 0.35}) {
    ImageGrid grid;
    grid.nx = grid.ny = voxel == 0.7 ? 512 : 1024, grid.voxel_x = grid.voxel_y = voxel;
    const Array<float, 4> values = painted(painting, grid, 4);
    for (const std::size_t rays : {1, 3}) {
      const Projector<float> projector(scan.geometry, grid, {rays, 1});
      const auto sums = projector.project(projector.volume(values), scan.views);
      const auto water = errors(scan, sums, 0), iodine = errors(scan, sums, 1);
      std::printf("voxels of %.2f mm, %zu rays a pixel\n", voxel, rays);
      print("  water", water), print("  iodine", iodine);
      EXPECT_LT(water[2].rms(), 0.008);
      EXPECT_LT(water[2].bias(), 0.0013);
      EXPECT_LT(iodine[2].rms(), 0.0005);
      EXPECT_LT(iodine[2].bias(), 0.0001);
      if (rays == 3) fine_rms.push_back(water[2].rms());
    }
  }
  EXPECT_LT(fine_rms[1], 0.5 * fine_rms[0]);
}

// Standard deviation of the error of a view of a disc, relative to its largest chord, with the voxels painted finely. Pixels of 1
// mm.
double disc_error(Beam beam, std::size_t n, std::size_t rays) {
  ScanGeometry g;
  g.beam = beam;
  g.columns = 101, g.views = g.views_per_rotation = 1, g.angle_step = 1;
  g.column_pitch = g.row_pitch = 1, g.column_offset = 0.4;
  if (beam != Beam::parallel) g.source_to_isocenter = 60, g.source_to_detector = 95, g.column_pitch = 95. / 60;
  ImageGrid grid;
  grid.nx = grid.ny = n;
  grid.voxel_x = grid.voxel_y = 80. / static_cast<double>(n);
  grid.voxel_z = 400;  // constant along z
  constexpr double kX = 3.1, kY = -7.4, kRadius = 23.7, kDensity = 1.3;
  constexpr int kPoints = 16;
  Array<double, 4> values({1, 1, n, n});
  for (std::size_t j = 0; j < n; ++j)
    for (std::size_t i = 0; i < n; ++i)
      for (int p = 0; p < kPoints * kPoints; ++p) {
        const double x = grid.x(static_cast<double>(i) + (p % kPoints + 0.5) / kPoints - 0.5);
        const double y = grid.y(static_cast<double>(j) + (p / kPoints + 0.5) / kPoints - 0.5);
        values(0, 0, j, i) += (std::hypot(x - kX, y - kY) < kRadius) * kDensity / (kPoints * kPoints);
      }
  const Projector<double> projector(g, grid, {rays, 1});
  const LineVolume<double> volume = projector.volume(values);
  double sum = 0, count = 0;
  for (const double angle : {0., std::numbers::pi / 4, std::numbers::pi / 2, 0.3, 1.2, 2.2, 3.6, 5.9}) {
    View view;
    view.angle = angle;
    const auto got = projector.project(volume, view);
    for (std::size_t k = 0; k < g.columns; ++k) {
      double expected = 0;
      constexpr int kFine = 64;
      for (int i = 0; i < kFine; ++i) {
        const Ray ray = ray_of(g, angle, static_cast<double>(k) + (i + 0.5) / kFine - 0.5, 0);
        const double distance = (kX - ray.origin.x) * ray.direction.y - (kY - ray.origin.y) * ray.direction.x;
        expected += kDensity * 2 * std::sqrt(std::max(0., kRadius * kRadius - distance * distance)) / 10 / kFine;
      }
      sum += std::pow(got(0, 0, k) - expected, 2), ++count;
    }
  }
  return std::sqrt(sum / count) / (kDensity * 2 * kRadius / 10);
}

TEST(ProjectorAccuracy, sums_approach_the_chords_of_a_disc_as_voxels_shrink) {
  for (const Beam beam : {Beam::fan_arc, Beam::fan_flat, Beam::parallel, Beam::cone_arc, Beam::cone_flat}) {
    const double coarse = disc_error(beam, 40, 4), middle = disc_error(beam, 80, 4), fine = disc_error(beam, 160, 4);
    std::printf("%s: rms error of the largest chord at voxels of 2, 1, 0.5 mm: %.5f %.5f %.5f\n", beam_name(beam).data(), coarse,
                middle, fine);
    // A chord rises as the square root of the distance from the edge: the error falls as the voxel, or its power 1 1/2 of pixels.
    EXPECT_LT(middle, 0.6 * coarse) << beam_name(beam);
    EXPECT_LT(fine, 0.6 * middle) << beam_name(beam);
    EXPECT_LT(fine, 0.002) << beam_name(beam);
  }
}

}  // namespace
}  // namespace counterflow
