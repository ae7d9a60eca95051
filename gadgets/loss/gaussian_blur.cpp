#include "gadgets/loss/gaussian_blur.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"

namespace counterflow::losses {
namespace {

constexpr double kReach = 4;  // [standard deviations]
constexpr std::size_t kRowsAChunk = 16;

std::vector<double> half_of_gaussian(double sigma) {
  std::vector<double> w{1};
  if (sigma <= 0) return w;
  double sum = 1;
  for (double d = 1; d <= std::ceil(kReach * sigma); ++d) {
    w.push_back(std::exp(-d * d / (2 * sigma * sigma)));
    sum += 2 * w.back();
  }
  for (double& v : w) v /= sum;
  return w;
}

// to[i] = sum_d w_d (from[i - d] + from[i + d]) of lines of n numbers `stride` apart; `across` neighbouring lines at a time.
void convolve(const std::vector<double>& w, const double* from, double* to, std::size_t n, std::size_t stride,
              std::size_t across) {
  for (std::size_t i = 0; i < n; ++i) {
    double* at = to + i * stride;
    std::fill_n(at, across, 0.0);
    const auto add = [&](std::size_t j, double weight) {
      for (std::size_t k = 0; k < across; ++k) at[k] += weight * from[j * stride + k];
    };
    add(i, w[0]);
    for (std::size_t d = 1; d < w.size(); ++d) {
      if (d <= i) add(i - d, w[d]);
      if (i + d < n) add(i + d, w[d]);
    }
  }
}

}  // namespace

GaussianBlur::GaussianBlur(double sigma_x, double sigma_y) : x_(half_of_gaussian(sigma_x)), y_(half_of_gaussian(sigma_y)) {}

void GaussianBlur::operator()(std::span<double> plane, std::size_t nx) const {
  if (x_.size() == 1 && y_.size() == 1) return;
  const std::size_t ny = plane.size() / nx;
  std::vector<double> between(plane.size());
  parallel_chunks(ny, kRowsAChunk, [&](std::size_t begin, std::size_t end) {
    for (std::size_t y = begin; y < end; ++y) convolve(x_, plane.data() + y * nx, between.data() + y * nx, nx, 1, 1);
  });
  parallel_chunks(nx, kRowsAChunk, [&](std::size_t begin, std::size_t end) {
    convolve(y_, between.data() + begin, plane.data() + begin, ny, nx, end - begin);
  });
}

}  // namespace counterflow::losses
