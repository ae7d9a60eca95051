// Where source, detector and image stand. Conventions: right-handed, isocenter at the origin, z along the table.
//
// The source at angle b stands at R (cos b, sin b); the central ray runs from there through the isocenter. The ray of fan
// angle g is the central ray turned by g about the source, counter-clockwise seen from +z. Column k of an arc has
// g = u_k / source_to_detector with u_k = (k - (columns-1)/2 - column_offset) column_pitch; of a flat detector tan g is
// that. Parallel: the ray of column k runs along -(cos b, sin b) at the offset u_k along (sin b, -cos b), pitch at the
// isocenter. Row r lies at z = (r - (rows-1)/2 - row_offset) row_pitch on the detector.
// For fan and parallel geometries each row is a slice of its own. The isocenter stands at the table's position, the patient's z:
// 0 unless a view says otherwise; in a helical scan, of a true cone, it moves evenly.
#pragma once
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>

#include "core/error.h"

namespace counterflow {

enum class Beam { fan_arc, fan_flat, parallel, cone_arc, cone_flat };

std::string_view beam_name(Beam beam);  // "fan-arc", ...
Beam beam_of(std::string_view name);    // throws ConfigError naming the nearest

struct ScanGeometry {
  Beam beam = Beam::fan_arc;
  std::size_t columns = 0, rows = 1;
  std::size_t views = 0, views_per_rotation = 0;  // object views
  double source_to_isocenter = 0;                 // [mm]; 0 for parallel
  double source_to_detector = 0;                  // [mm]; 0 for parallel
  double column_pitch = 0, row_pitch = 0;         // at the detector, along the arc for an arc [mm]
  double column_offset = 0, row_offset = 0;       // central ray at (columns-1)/2 + offset [element]
  double first_angle = 0, angle_step = 0;         // nominal [rad]; a clockwise source has a negative step
  double table_feed = 0;            // of the isocenter along the patient's z in a full turn, signed; 0: standing [mm]
  double first_table_position = 0;  // nominal, of a helical scan [mm]
  double rotation_time = 0;         // of a full turn [s]; 0 = not known

  // u of column k at the detector [mm].
  double column_position(double k) const { return (k - (static_cast<double>(columns) - 1) / 2 - column_offset) * column_pitch; }
  // z of row r's slice at the isocenter [mm].
  double slice_position(double r) const { return (r - (static_cast<double>(rows) - 1) / 2 - row_offset) * slice_spacing(); }
  double slice_spacing() const {
    return beam == Beam::parallel ? row_pitch : row_pitch * source_to_isocenter / source_to_detector;
  }
  bool is_fan() const { return beam == Beam::fan_arc || beam == Beam::fan_flat; }
  bool is_cone() const { return beam == Beam::cone_arc || beam == Beam::cone_flat; }
  bool is_arc() const { return beam == Beam::fan_arc || beam == Beam::cone_arc; }
  bool is_helical() const { return table_feed != 0; }
  // Feed in a full turn over the detector's height, at the isocenter.
  double pitch() const { return std::abs(table_feed) / (static_cast<double>(rows) * slice_spacing()); }
  // Nominal patient's z of the isocenter in an object view, which may be fractional [mm].
  double table_position(double view) const {
    return first_table_position + table_feed * view / static_cast<double>(views_per_rotation);
  }
  // Fan angle of column k [rad]; 0 for parallel beams.
  double fan_angle(double k) const {
    if (beam == Beam::parallel) return 0;
    const double t = column_position(k) / source_to_detector;
    return is_arc() ? t : std::atan(t);
  }
  // Radius about the isocenter that every view sees [mm].
  double field_radius() const;

  // The same detector after summing `row_factor` rows and `column_factor` columns; throws ConfigError unless they divide.
  ScanGeometry summed(std::size_t row_factor, std::size_t column_factor) const;

  // Throws ConfigError naming the first value that makes no sense.
  void check() const;
  // For gadgets that know circular scans only: throws ConfigError where the table moves.
  void require_standing_table() const;

  bool operator==(const ScanGeometry&) const = default;
};

// The image grid: voxel (i,j,k) has its centre at centre + (index - (n-1)/2) voxel_size; by default the centre of the grid is
// the isocenter. z is the patient's.
struct ImageGrid {
  std::size_t nx = 0, ny = 0, nz = 1;
  double voxel_x = 1, voxel_y = 1, voxel_z = 1;     // [mm]
  double centre_x = 0, centre_y = 0, centre_z = 0;  // of the grid, from the isocenter [mm]
  double x(double i) const { return centre_x + (i - (static_cast<double>(nx) - 1) / 2) * voxel_x; }
  double y(double j) const { return centre_y + (j - (static_cast<double>(ny) - 1) / 2) * voxel_y; }
  double z(double k) const { return centre_z + (k - (static_cast<double>(nz) - 1) / 2) * voxel_z; }
  bool operator==(const ImageGrid&) const = default;
};

}  // namespace counterflow
