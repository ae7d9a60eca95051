#include "pipelines/counterflow/noise_power.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <kissfft/kissfft.hh>

#include "core/error.h"

namespace counterflow {
namespace {

using Complex = std::complex<double>;

// Subtracts the least-squares quadratic. On a square grid 1, x, y, x y, x^2 - <x^2>, y^2 - <y^2> are orthogonal.
void detrend(std::vector<Complex>& square, std::size_t side) {
  const double n = static_cast<double>(side), spread = (n * n - 1) / 12;  // <x^2> of x = i - (n-1)/2
  const auto basis = [&](int k, std::size_t i, std::size_t j) {
    const double x = static_cast<double>(i) - (n - 1) / 2, y = static_cast<double>(j) - (n - 1) / 2;
    const double all[] = {1, x, y, x * y, x * x - spread, y * y - spread};
    return all[k];
  };
  for (int k = 0; k < 6; ++k) {
    double product = 0, norm = 0;
    for (std::size_t j = 0; j < side; ++j)
      for (std::size_t i = 0; i < side; ++i) {
        const double b = basis(k, i, j);
        product += b * square[j * side + i].real();
        norm += b * b;
      }
    for (std::size_t j = 0; j < side; ++j)
      for (std::size_t i = 0; i < side; ++i) square[j * side + i] -= product / norm * basis(k, i, j);
  }
}

// Rows, then columns, in place.
void transform(std::vector<Complex>& square, std::size_t side, const kissfft<double>& fft) {
  std::vector<Complex> line(side), out(side);
  for (std::size_t j = 0; j < side; ++j) {
    std::copy_n(square.begin() + static_cast<std::ptrdiff_t>(j * side), side, line.begin());
    fft.transform(line.data(), out.data());
    std::ranges::copy(out, square.begin() + static_cast<std::ptrdiff_t>(j * side));
  }
  for (std::size_t i = 0; i < side; ++i) {
    for (std::size_t j = 0; j < side; ++j) line[j] = square[j * side + i];
    fft.transform(line.data(), out.data());
    for (std::size_t j = 0; j < side; ++j) square[j * side + i] = out[j];
  }
}

// Mean over rings about frequency 0.
void average_rings(NoisePower& out, const std::vector<double>& power, const ImageGrid& grid) {
  const std::size_t side = out.side, rings = side / 2;
  const double n = static_cast<double>(side), width = 1 / (n * std::min(grid.voxel_x, grid.voxel_y));
  std::vector<double> sum(rings + 1, 0), radius(rings + 1, 0), count(rings + 1, 0);
  const auto frequency = [&](std::size_t k, double pixel) {
    return (static_cast<double>(k) - (k > side / 2 ? n : 0)) / (n * pixel);
  };
  for (std::size_t j = 0; j < side; ++j)
    for (std::size_t i = 0; i < side; ++i) {
      const double f = std::hypot(frequency(i, grid.voxel_x), frequency(j, grid.voxel_y));
      const auto ring = static_cast<std::size_t>(std::lround(f / width));
      if (ring > rings) continue;  // corners
      sum[ring] += power[j * side + i];
      radius[ring] += f;
      count[ring] += 1;
    }
  for (std::size_t ring = 1; ring <= rings; ++ring)
    if (count[ring] > 0) {
      out.frequency.push_back(radius[ring] / count[ring]);
      out.power.push_back(sum[ring] / count[ring]);
    }
}

}  // namespace

double NoisePower::peak() const {
  if (power.empty()) return 0;
  return frequency[static_cast<std::size_t>(std::ranges::max_element(power) - power.begin())];
}

double NoisePower::mean() const {
  double sum = 0, weighted = 0;
  for (std::size_t k = 0; k < power.size(); ++k) {
    sum += power[k];
    weighted += frequency[k] * power[k];
  }
  return sum > 0 ? weighted / sum : 0;
}

std::vector<Corner> squares_on(std::span<const std::size_t> pixels, const ImageGrid& grid, std::size_t side) {
  if (pixels.empty() || side < 2) return {};
  // sums[(y, x)]: marked pixels above and to the left, so that a square is full where its count is side^2
  std::vector<std::size_t> sums((grid.nx + 1) * (grid.ny + 1), 0);
  for (std::size_t pixel : pixels) sums[(pixel / grid.nx + 1) * (grid.nx + 1) + pixel % grid.nx + 1] = 1;
  for (std::size_t y = 1; y <= grid.ny; ++y)
    for (std::size_t x = 1; x <= grid.nx; ++x) {
      const std::size_t at = y * (grid.nx + 1) + x;
      sums[at] += sums[at - 1] + sums[at - grid.nx - 1] - sums[at - grid.nx - 2];
    }
  const auto is_full = [&](std::size_t x, std::size_t y) {
    const std::size_t low = y * (grid.nx + 1) + x, high = low + side * (grid.nx + 1);
    return sums[high + side] + sums[low] - sums[high] - sums[low + side] == side * side;
  };
  // Every first corner within half a side is tried; the one that gives most squares is taken.
  std::vector<Corner> best;
  const std::size_t step = side / 2;
  for (std::size_t y0 = 0; y0 < step; ++y0)
    for (std::size_t x0 = 0; x0 < step; ++x0) {
      std::vector<Corner> found;
      for (std::size_t y = y0; y + side <= grid.ny; y += step)
        for (std::size_t x = x0; x + side <= grid.nx; x += step)
          if (is_full(x, y)) found.push_back({x, y});
      if (found.size() > best.size()) best = std::move(found);
    }
  return best;
}

NoisePower noise_power(const Array<float, 4>& value, std::size_t channel, const ImageGrid& grid, std::span<const Corner> corners,
                       std::size_t side) {
  if (corners.empty() || side < 4) throw DataError("a noise power spectrum needs a square of at least 4 pixels");
  NoisePower out{.side = side, .squares = corners.size() * value.extent(1)};
  const kissfft<double> fft(side, false);
  std::vector<Complex> square(side * side);
  std::vector<double> power(side * side, 0.0);
  for (std::size_t z = 0; z < value.extent(1); ++z) {
    const auto slice = value.block(channel, z);
    for (const Corner& c : corners) {
      for (std::size_t j = 0; j < side; ++j)
        for (std::size_t i = 0; i < side; ++i) square[j * side + i] = static_cast<double>(slice[(c.y + j) * grid.nx + c.x + i]);
      detrend(square, side);
      transform(square, side, fft);
      for (std::size_t k = 0; k < power.size(); ++k) power[k] += std::norm(square[k]);
    }
  }
  const double n = static_cast<double>(side), area = grid.voxel_x * grid.voxel_y;
  for (double& p : power) p *= area / (n * n * static_cast<double>(out.squares));
  for (double p : power) out.variance += p / (n * n * area);  // each covers 1 / (n dx) x 1 / (n dy)
  average_rings(out, power, grid);
  return out;
}

}  // namespace counterflow
