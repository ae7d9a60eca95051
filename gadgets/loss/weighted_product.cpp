#include "gadgets/loss/weighted_product.h"

namespace counterflow::losses {
namespace {

// Each channel's plane blurred, and 0 where `compared` is.
void blur_compared(const GaussianBlur& blur, std::span<const std::uint8_t> compared, std::size_t nx,
                   std::vector<double>& planes) {
  const std::size_t pixels = compared.size();
  for (std::size_t at = 0; at < planes.size(); at += pixels) blur({planes.data() + at, pixels}, nx);
  for (std::size_t k = 0; k < planes.size(); ++k) planes[k] *= compared[k % pixels];
}

// W u, voxel by voxel.
std::vector<double> weighted(std::span<const double> weight, const std::vector<double>& u, std::size_t pixels) {
  const std::size_t n = u.size() / pixels;
  std::vector<double> out(u.size());
  for (std::size_t c = 0; c < n; ++c)
    for (std::size_t k = 0; k < n; ++k)
      for (std::size_t i = 0; i < pixels; ++i) out[c * pixels + i] += weight[c * n + k] * u[k * pixels + i];
  return out;
}

double dot(const std::vector<double>& u, const std::vector<double>& v) {
  double sum = 0;
  for (std::size_t k = 0; k < u.size(); ++k) sum += u[k] * v[k];
  return sum;
}

}  // namespace

double weighted_product(const GaussianBlur& blur, std::span<const double> weight, std::span<const std::uint8_t> compared,
                        std::size_t nx, std::vector<double> u, std::vector<double> v, std::vector<double>* bar) {
  blur_compared(blur, compared, nx, u);
  blur_compared(blur, compared, nx, v);
  bar[0] = weighted(weight, v, compared.size());
  bar[1] = weighted(weight, u, compared.size());
  const double product = dot(u, bar[0]);
  for (std::size_t h : {0u, 1u}) blur_compared(blur, compared, nx, bar[h]);
  return product;
}

double weighted_square(const GaussianBlur& blur, std::span<const double> weight, std::span<const std::uint8_t> compared,
                       std::size_t nx, std::vector<double> u, std::vector<double>* bar) {
  blur_compared(blur, compared, nx, u);
  std::vector<double> product = weighted(weight, u, compared.size());
  const double square = dot(u, product);
  if (!bar) return square;
  blur_compared(blur, compared, nx, product);
  for (double& w : product) w *= 2;
  *bar = std::move(product);
  return square;
}

}  // namespace counterflow::losses
