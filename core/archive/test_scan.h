// A small scan for tests of archives: all sizes different, all values random.
#pragma once
#include <filesystem>
#include <random>
#include <vector>

#include "core/archive/archive.h"
#include "core/testing/folder.h"
#include "core/testing/refusal.h"

namespace counterflow::testing {

inline ScanHeader small_header(Quantity quantity = Quantity::counts) {
  ScanHeader h;
  h.quantity = quantity;
  h.geometry = {.beam = Beam::fan_arc,
                .columns = 7,
                .rows = 5,
                .views = 4,
                .views_per_rotation = 3,
                .source_to_isocenter = 541.3,
                .source_to_detector = 949.1,
                .column_pitch = 1.0123456789,
                .row_pitch = 0.7,
                .column_offset = 0.25,
                .row_offset = -0.125,
                .first_angle = 0.1,
                .angle_step = -2.0943951023931953};
  h.system.bins = 3;
  h.system.thresholds = {25, 51.5, 65.25};
  h.system.tube_voltage = 120;
  h.system.filters = "Al 3.0; Ti 0.9";
  h.system.detector = "CdTe 1.6";
  h.system.pixel_columns = h.geometry.column_pitch;
  h.system.pixel_rows = h.geometry.row_pitch;
  h.grid = {.nx = 4, .ny = 6, .nz = 5, .voxel_x = 0.5, .voxel_y = 0.25, .voxel_z = h.geometry.slice_spacing()};
  h.modules = 2;
  return h;
}

// Air views first, then object views; everything from one seed.
inline std::vector<Counts<float>> small_views(const ScanHeader& h, std::size_t air = 2, int largest = (1 << 24) - 1) {
  std::mt19937 random(7);
  std::uniform_int_distribution<int> count(0, largest);
  std::vector<Counts<float>> views;
  for (std::size_t i = 0; i < air + h.geometry.views; ++i) {
    Counts<float> c;
    const bool is_air = i < air;
    const std::size_t index = is_air ? i : i - air;
    c.view = {.index = index,
              .angle = h.geometry.first_angle + static_cast<double>(index) * h.geometry.angle_step,
              .exposure = 0.75,
              .table_position = 12.5,
              .time = 0.001 * static_cast<double>(i),
              .rotation = is_air ? 0 : index / h.geometry.views_per_rotation,
              .air = is_air};
    if (is_air) c.view.angle = 0;
    c.counts = Array<float, 3>({h.bins(), h.geometry.rows, h.geometry.columns});
    for (float& v : c.counts) v = static_cast<float>(count(random));
    views.push_back(std::move(c));
  }
  return views;
}

inline void write_scan(const std::filesystem::path& file, const ScanHeader& h, const std::vector<Counts<float>>& views,
                       ArchiveForm form = ArchiveForm::plain) {
  ArchiveWriter writer(file, h, form);
  for (const auto& view : views) writer.write(view);
  writer.finish();
}

}  // namespace counterflow::testing
