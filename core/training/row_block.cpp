#include "core/training/row_block.h"

#include <algorithm>

namespace counterflow {
namespace {

template <class T>
Array<T, 3> rows_of(const Array<T, 3>& all, RowBlock block) {
  if (all.empty() || all.extent(1) == 1) return all;  // one for all rows
  Array<T, 3> some({all.extent(0), block.rows, all.extent(2)});
  const std::size_t n = all.extent(2);
  for (std::size_t c = 0; c < all.extent(0); ++c)
    std::copy_n(all.data() + (c * all.extent(1) + block.first) * n, block.rows * n, some.data() + c * block.rows * n);
  return some;
}

std::shared_ptr<const Truth> slices_of(const Truth& truth, RowBlock block, const ImageGrid& grid) {
  auto some = std::make_shared<Truth>(truth);
  if (truth.density.empty()) return some;
  some->grid.nz = grid.nz;
  some->grid.centre_z = grid.centre_z;
  const auto& all = truth.density;
  some->density = Array<float, 4>({all.extent(0), block.rows, all.extent(2), all.extent(3)});
  const std::size_t n = all.extent(2) * all.extent(3);
  for (std::size_t m = 0; m < all.extent(0); ++m)
    std::copy_n(all.data() + (m * all.extent(1) + block.first) * n, block.rows * n, some->density.data() + m * block.rows * n);
  return some;
}

}  // namespace

ScanHeader block_header(const ScanHeader& scan, RowBlock block) {
  const ScanGeometry& g = scan.geometry;
  if (block.rows == g.rows) return scan;
  if (g.is_cone() || scan.grid.nz != g.rows)
    throw ConfigError("<training>: blocks of detector rows need scans whose rows are slices of their own, got " +
                      std::string(beam_name(g.beam)) + " with " + std::to_string(g.rows) + " rows and " +
                      std::to_string(scan.grid.nz) + " slices; leave rows_per_block out");
  if (block.rows == 0 || block.first + block.rows > g.rows)
    throw ConfigError("<training>: expected a block within " + std::to_string(g.rows) + " detector rows");
  const auto last = [](std::size_t n) { return (static_cast<double>(n) - 1) / 2; };
  const double down = last(g.rows) - last(block.rows) - static_cast<double>(block.first);
  ScanHeader out = scan;
  out.geometry.rows = out.grid.nz = block.rows;
  out.geometry.row_offset = g.row_offset + down;
  out.grid.centre_z = scan.grid.centre_z - down * scan.grid.voxel_z;
  if (scan.truth) out.truth = slices_of(*scan.truth, block, out.grid);
  return out;
}

template <class Real>
Source<Real> block_source(Source<Real> scan, RowBlock block) {
  return [scan = std::move(scan), block]() -> Message<Real> {
    const Message<Real> message = scan();
    if (const auto* counts = std::get_if<Sent<Counts<Real>>>(&message)) {
      auto some = std::make_shared<Counts<Real>>();
      some->view = (*counts)->view;
      some->counts = rows_of((*counts)->counts, block);
      some->background = rows_of((*counts)->background, block);
      some->threshold_shift = rows_of((*counts)->threshold_shift, block);
      return Sent<Counts<Real>>(std::move(some));
    }
    if (const auto* paths = std::get_if<Sent<PathLengths<Real>>>(&message)) {
      auto some = std::make_shared<PathLengths<Real>>();
      some->view = (*paths)->view;
      some->channels = (*paths)->channels;
      some->areal_density = rows_of((*paths)->areal_density, block);
      return Sent<PathLengths<Real>>(std::move(some));
    }
    return message;
  };
}
template Source<float> block_source(Source<float>, RowBlock);
template Source<double> block_source(Source<double>, RowBlock);

}  // namespace counterflow
