#include "pipelines/counterflow/quality.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <sstream>

#include "core/archive/test_scan.h"
#include "pipelines/counterflow/test_blur.h"

namespace counterflow {
namespace {

using testing::gaussian_frequency;
using ::testing::HasSubstr;
using ::testing::Not;

// Water with a rod that shows in iodine only, noise, and a blur of 0.8 mm.
struct Scene {
  ImageGrid grid{.nx = 120, .ny = 110, .nz = 4, .voxel_x = 0.6, .voxel_y = 0.6};
  std::vector<Region> regions{{"body", 12, 0, 20, {}}, {"iodine rod", -20, 0, 10, {}}};
  ImageSeries images{0, {"density", "g/cm^3", {"water", "iodine"}}, grid, Array<float, 4>({2, 4, 110, 120}), {}};

  Scene() {
    std::vector<double> rod(grid.nx * grid.ny, 0.0);
    testing::add_disk(rod, grid, -20, 0, 10, 0.8, 0.02);
    std::mt19937_64 random(5);
    std::normal_distribution<double> normal;
    for (std::size_t z = 0; z < grid.nz; ++z)
      for (std::size_t i = 0; i < rod.size(); ++i) {
        images.value.block(0u, z)[i] = static_cast<float>(1 + 0.01 * normal(random));
        images.value.block(1u, z)[i] = static_cast<float>(rod[i] + 0.0004 * normal(random));
      }
  }
};

TEST(Quality, finds_an_edge_and_a_uniform_region_by_itself_in_units_for_people) {
  const Scene scene;
  const auto q = measure_quality({scene.images}, scene.regions);
  ASSERT_EQ(q.size(), 2u);
  EXPECT_FALSE(q[0].resolution);  // water is flat
  EXPECT_THAT(q[0].resolution_remark, HasSubstr("15 times the noise"));
  ASSERT_TRUE(q[1].resolution);
  EXPECT_EQ(q[1].unit, "mg/mL");
  EXPECT_EQ(q[1].resolution_from, "edge of iodine rod");
  EXPECT_NEAR(q[1].resolution->contrast, 20, 0.1);
  EXPECT_NEAR(*frequency_at(*q[1].resolution, 0.5) / gaussian_frequency(0.5, 0.8), 1, 0.03);
  ASSERT_TRUE(q[1].noise);
  EXPECT_EQ(q[1].noise_from, "body");
  EXPECT_EQ(q[1].noise->side, 32u);
  EXPECT_NEAR(std::sqrt(q[1].noise->variance), 0.4, 0.02);
  EXPECT_NEAR(q[1].deviation, 0.4, 0.02);
  EXPECT_NEAR(q[0].deviation, 0.01, 0.0005);
}

TEST(Quality, prefers_a_wire) {
  Scene scene;
  std::vector<double> wire(scene.grid.nx * scene.grid.ny, 0.0);
  testing::add_disk(wire, scene.grid, 14, -15, 0.3, 0.8, 1);
  for (std::size_t z = 0; z < scene.grid.nz; ++z)
    for (std::size_t i = 0; i < wire.size(); ++i) scene.images.value.block(1u, z)[i] += static_cast<float>(wire[i]);
  scene.regions.push_back({"wire", 14, -15, 0.3, {}});
  const auto q = measure_quality({scene.images}, scene.regions);
  ASSERT_TRUE(q[1].resolution);
  EXPECT_EQ(q[1].resolution_from, "wire");
  EXPECT_NEAR(*frequency_at(*q[1].resolution, 0.5) / gaussian_frequency(0.5, 0.8), 1, 0.03);
}

TEST(Quality, is_measured_where_it_is_asked_for_without_a_truth) {
  const Scene scene;
  const auto q = measure_quality({scene.images}, {}, {.edge = Circle{-20, 0, 10}, .uniform = Circle{14, 0, 15}});
  ASSERT_TRUE(q[1].resolution && q[1].noise);
  EXPECT_EQ(q[1].resolution_from, "edge");
  EXPECT_EQ(q[1].noise_from, "uniform");
  EXPECT_EQ(q[1].noise->side, 32u);
  EXPECT_THROW(measure_quality({scene.images}, {}, {.edge = Circle{-20, 0, 1}}), DataError);
  EXPECT_THROW(measure_quality({scene.images}, {}, {.uniform = Circle{500, 0, 15}}), DataError);
  const auto none = measure_quality({scene.images}, {});
  EXPECT_FALSE(none[1].resolution || none[1].noise);
  EXPECT_THAT(none[1].noise_remark, HasSubstr("no uniform region"));
}

TEST(Quality, is_printed_as_two_tables_and_written_as_curves) {
  const Scene scene;
  const testing::Folder folder;
  const auto q = measure_quality({scene.images}, scene.regions);
  std::ostringstream table;
  print_quality(q, table);
  EXPECT_THAT(table.str(), HasSubstr("resolution (MTF)\n"));
  EXPECT_THAT(table.str(), HasSubstr("\n  iodine [mg/mL]  edge of iodine rod"));
  EXPECT_THAT(table.str(), HasSubstr("\nnoise (NPS)\n"));
  write_quality(q, folder / "plots");
  EXPECT_THAT(testing::read_file(folder / "plots/mtf.csv"), HasSubstr("\niodine,edge of iodine rod,0,1\n"));
  EXPECT_THAT(testing::read_file(folder / "plots/mtf.csv"), Not(HasSubstr("water,")));
  EXPECT_THAT(testing::read_file(folder / "plots/nps.csv"), HasSubstr("\nwater,g/cm^3,body,"));
  for (const char* picture : {"mtf.png", "nps_1_water.png", "nps_2_iodine.png"})
    EXPECT_THAT(testing::read_file(folder / (std::string("plots/") + picture)), HasSubstr("PNG"));
}

}  // namespace
}  // namespace counterflow
