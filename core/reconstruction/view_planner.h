// The rays of any view of a scan, ready to be followed through a grid.
#pragma once
#include <array>
#include <vector>

#include "core/geometry/scan_geometry.h"
#include "core/message/view.h"
#include "core/reconstruction/view_rays.h"

namespace counterflow::projection {

// Across which lines rays are followed: those of voxels with the same x, or with the same y.
enum class Across { x, y };
inline constexpr std::array kWays{Across::x, Across::y};

// Rays of neighbouring columns that cross the same lines in the same direction, so that none crosses another on the grid.
struct RayBundle {
  Across across = Across::x;
  std::size_t first_column = 0;
  std::vector<Crossing> crossings;  // of successive columns
  std::vector<double> length;       // from line to line in the plane of the source [cm]
};

class ViewPlanner {
 public:
  ViewPlanner(const ScanGeometry& geometry, const ImageGrid& grid);
  std::vector<RayBundle> bundles(const View& view) const;
  // Length of a ray of a cone over that of the same column in the plane of the source; 1 for fans and parallel beams.
  double slant(std::size_t column, std::size_t row) const;
  std::size_t lines(Across across) const { return across == Across::x ? grid_.nx : grid_.ny; }
  std::size_t places(Across across) const { return across == Across::x ? grid_.ny : grid_.nx; }

 private:
  // In the plane of the source, at source angle 0 or as turned [mm].
  struct PlaneRay {
    double x, y, way_x, way_y, reach;  // (way_x, way_y) has length 1
  };
  PlaneRay turned(const PlaneRay& ray, double cosine, double sine) const;
  Crossing crossing(Across across, const PlaneRay& ray, double table_position) const;
  RayBundle begun(Across across, std::size_t first_column) const;
  double row_height(double row) const;  // on the detector [mm]

  ScanGeometry geometry_;
  ImageGrid grid_;
  std::vector<PlaneRay> rays_;  // [column] at source angle 0
};

}  // namespace counterflow::projection
