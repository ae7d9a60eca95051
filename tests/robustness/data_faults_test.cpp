// Views that cannot be: each is refused by name, as it comes and before a gadget sees it, and harms no later scan. Views that
// are only bad go through a chain of real gadgets, and what becomes of their pixels is counted.
#include <gmock/gmock.h>

#include <cmath>
#include <functional>
#include <limits>
#include <sstream>

#include "core/archive/acquisition.h"
#include "core/server/pipe.h"
#include "core/testing/refusal.h"
#include "tests/robustness/toy.h"
#include "tests/support.h"

namespace counterflow::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

using Views = std::vector<Counts<float>>;

Views all_views() {
  Views views;
  for (const auto& view : toy_views<float>()) views.push_back(*std::get<Sent<Counts<float>>>(view));
  return views;
}

// A view as it goes over a pipe, whatever its shape.
std::string bytes_of(const Counts<float>& view, std::size_t counter) {
  ScanHeader h = toy_header();
  h.system.bins = view.counts.extent(0);
  h.geometry.rows = view.counts.extent(1);
  h.geometry.columns = view.counts.extent(2);
  ISMRMRD::Acquisition acquisition;
  fill_acquisition(acquisition, view.view, view.counts, h, counter, false);
  const std::uint16_t id = 1008;
  const auto text = [](const void* data, std::size_t size) { return std::string(static_cast<const char*>(data), size); };
  return text(&id, sizeof id) + text(&acquisition.getHead(), sizeof acquisition.getHead()) +
         text(acquisition.getDataPtr(), view.counts.size() * sizeof(std::complex<float>));
}

// The scan as it comes over a pipe.
Came<float> run_views(const Views& views) {
  std::stringstream stream;
  PipeScanWriter(stream, toy_header());
  for (std::size_t k = 0; k < views.size(); ++k) stream << bytes_of(views[k], k);
  stream.write("\4", 2);
  Came<float> came;
  try {
    PipeReader reader(stream);
    const auto chain = parse_chain<float>(toy_chain(toy_gadgets()), "toy.xml", test_plugins());
    Workers workers(2);
    ScanRun<float> run(chain, reader.header(), workers);
    run.output = [&](const auto&, const auto& m) { came.images.push_back(std::get<Sent<Image<float>>>(m)->value); };
    run.forward([&] { return reader.next<float>(); });
  } catch (const Error& error) {
    came.error = error.what();
  }
  return came;
}

struct Case {
  std::string name;
  std::function<void(Views&)> change;
  std::string words;
};

std::vector<Case> refused() {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const std::size_t at = kToyAir + 5;
  const auto value = [&](std::size_t view, float v) { return [=](Views& x) { x[view].counts[7] = v; }; };
  const auto shape = [&](std::size_t bins, std::size_t rows, std::size_t columns) {
    return [=](Views& x) { x[at].counts = Array<float, 3>({bins, rows, columns}, 1); };
  };
  return {{"NaN", value(at, nan), "view 5"},
          {"NaN in an air view", value(1, nan), "view 1"},
          {"infinity", value(at, infinity), "view 5"},
          {"minus infinity", value(at, -infinity), "view 5"},
          {"a negative count", value(at, -1), "view 5"},
          {"a missing view", [=](Views& x) { x.erase(x.begin() + at); }, "view"},
          {"the last view missing", [](Views& x) { x.pop_back(); }, "view"},
          {"the first view missing", [](Views& x) { x.erase(x.begin() + kToyAir); }, "view"},
          {"a view twice", [=](Views& x) { x.insert(x.begin() + at, x[at]); }, "view"},
          {"two views swapped", [=](Views& x) { std::swap(x[at], x[at + 1]); }, "view"},
          {"all views backwards", [](Views& x) { std::reverse(x.begin() + kToyAir, x.end()); }, "view"},
          {"an air view among the others", [=](Views& x) { std::swap(x[0], x[at]); }, "view"},
          {"one view too many",
           [](Views& x) {
             x.push_back(x.back());
             ++x.back().view.index;
           },
           "view"},
          {"no view at all", [](Views& x) { x.clear(); }, "view"},
          {"a bin less", shape(1, 3, 17), "expected"},
          {"a row less", shape(2, 2, 17), "expected"},
          {"a column more", shape(2, 3, 18), "expected"},
          {"columns and rows exchanged", shape(2, 17, 3), "expected"},
          {"no column", shape(2, 3, 0), "expected"}};
}

TEST(DataFault, views_that_cannot_be_are_refused_by_name) {
  ASSERT_EQ(run_views(all_views()), run_toy<float>(toy_chain(toy_gadgets()), toy_views<float>()));
  for (const Case& wrong : refused()) {
    Views views = all_views();
    wrong.change(views);
    std::string error;
    Came<float> came;
    try {
      came = run_views(views);
    } catch (const std::exception& problem) {
      ADD_FAILURE() << wrong.name << ": " << problem.what();
    }
    EXPECT_THAT(came.error, AllOf(HasSubstr("standard input"), HasSubstr(wrong.words))) << wrong.name;
    EXPECT_TRUE(came.images.empty()) << wrong.name;
    expect_unharmed(wrong.name);
  }
}

Scenario small_scenario() {
  Scenario s = scenario("iodine_rods");
  auto& g = s.header.geometry;
  g.rows = 1;
  g.views = g.views_per_rotation = 24;
  g.angle_step = 2 * M_PI / 24;
  g.column_pitch *= static_cast<double>(g.columns) / 48;
  g.columns = 48;
  s.header.modules = 4;
  s.header.grid = {.nx = 32, .ny = 32, .nz = 1, .voxel_x = 11.2, .voxel_y = 11.2, .voxel_z = g.slice_spacing()};
  s.acquisition.air_views = 3;
  return s;
}

// Dead and saturated pixels among good ones, through air calibration, decomposition and reconstruction.
TEST(DataFault, zero_and_saturated_counts_leave_no_uncounted_nan) {
  const std::string chain = material_chain({{"materials", "water iodine"}}, {});
  const Scan good = simulate(small_scenario());
  const auto once = reconstruct(chain, good);
  for (const float value : {0.0f, 1e9f, 65535.0f, 1e-30f, 1e30f})
    for (const bool whole_view : {false, true}) {
      Scan scan = good;
      for (std::size_t v = 3 + 10; v < 3 + 12; ++v) {
        auto bad = std::make_shared<Counts<float>>(*std::get<Sent<Counts<float>>>(scan.views[v]));
        for (std::size_t i = 0; i < bad->counts.size(); i += whole_view ? 1 : 11) bad->counts[i] = value;
        scan.views[v] = Sent<Counts<float>>(std::move(bad));
      }
      std::vector<StageRemark> remarks;
      std::vector<Image<float>> images;
      const std::string error = refusal([&] { images = reconstruct(chain, scan, 2, &remarks); });
      std::uint64_t counted = 0, strange = 0;
      for (const auto& [stage, remark] : remarks) counted += remark.count;
      for (const auto& image : images)
        for (const float x : image.value) strange += !std::isfinite(x);
      EXPECT_TRUE(error != "accepted" || counted > 0 || strange == 0)
          << value << ": " << strange << " values that are no numbers";
      const auto again = reconstruct(chain, good);
      ASSERT_EQ(again.size(), once.size());
      EXPECT_EQ(again[0].value, once[0].value) << "after " << value;
    }
}

}  // namespace
}  // namespace counterflow::testing
