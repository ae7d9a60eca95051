// Least squares of the logarithm of a sum of exponentials. Private to effective_spectra.cpp.
#pragma once
#include <Eigen/Dense>
#include <cstddef>

namespace counterflow {

// value_p ~ ln sum_n exp(x_n0 - sum_m exp(x_nm) A_pm): parameters x [node, 1 + material], row-major.
class NodeFit {
 public:
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Vector = Eigen::VectorXd;
  // `points` [point, material] g/cm^2, `weight` [point] of the errors.
  NodeFit(const Matrix& points, Vector value, Vector weight)
      : points_(points), value_(std::move(value)), weight_(std::move(weight)) {}

  // From x by Levenberg and Marquardt's method; `hold` > 0 keeps parameters near the first x (in units of the curvature).
  Vector solve(Vector x, int iterations, double hold = 0) const;
  double largest_error(const Vector& x) const;

 private:
  Vector residual(const Vector& x, Matrix* jacobian) const;

  const Matrix& points_;
  Vector value_, weight_;
};

}  // namespace counterflow
