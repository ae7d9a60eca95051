// Products of differences between images, weighted between channels, and their derivatives.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gadgets/loss/gaussian_blur.h"

namespace counterflow::losses {

// sum over compared voxels of (B u)^T W (B v), of u and v [channel,y,x] that are 0 where `compared` [y,x] is; W [channel,
// channel] symmetric. bar[0], bar[1] get the derivatives in u and v, 0 where `compared` is.
double weighted_product(const GaussianBlur& blur, std::span<const double> weight, std::span<const std::uint8_t> compared,
                        std::size_t nx, std::vector<double> u, std::vector<double> v, std::vector<double>* bar);

// The same with v = u; `bar` may be null.
double weighted_square(const GaussianBlur& blur, std::span<const double> weight, std::span<const std::uint8_t> compared,
                       std::size_t nx, std::vector<double> u, std::vector<double>* bar);

}  // namespace counterflow::losses
