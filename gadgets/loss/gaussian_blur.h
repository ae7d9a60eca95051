// Convolution of planes with a Gaussian, nothing beyond the border: separable, symmetric, and so its own adjoint.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace counterflow::losses {

class GaussianBlur {
 public:
  // Standard deviations [voxel] along x and y; 0 = none. Weights add up to 1 and end at 4 standard deviations.
  GaussianBlur(double sigma_x, double sigma_y);
  // `plane` [y,x], `nx` long in x.
  void operator()(std::span<double> plane, std::size_t nx) const;

 private:
  std::vector<double> x_, y_;  // [distance] weights from the middle on
};

}  // namespace counterflow::losses
