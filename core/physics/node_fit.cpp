#include "core/physics/node_fit.h"

namespace counterflow {

NodeFit::Vector NodeFit::residual(const Vector& x, Matrix* jacobian) const {
  const Eigen::Index materials = points_.cols(), stride = 1 + materials, nodes = x.size() / stride;
  const Eigen::Map<const Matrix> theta(x.data(), nodes, stride);
  const Matrix attenuation = theta.rightCols(materials).array().exp();
  Matrix part = (-points_ * attenuation.transpose()).rowwise() + theta.col(0).transpose();  // [point, node]
  part = part.array().exp();
  const Vector sum = part.rowwise().sum();
  if (jacobian) {
    jacobian->resize(points_.rows(), x.size());
    for (Eigen::Index n = 0; n < nodes; ++n) {
      const Vector share = weight_.cwiseProduct(part.col(n)).cwiseQuotient(sum);
      jacobian->col(n * stride) = share;
      for (Eigen::Index m = 0; m < materials; ++m)
        jacobian->col(n * stride + 1 + m) = -attenuation(n, m) * share.cwiseProduct(points_.col(m));
    }
  }
  return weight_.cwiseProduct((sum.array().log()).matrix() - value_);
}

NodeFit::Vector NodeFit::solve(Vector x, int iterations, double hold) const {
  const Vector first = x;
  Matrix jacobian;
  Vector r = residual(x, &jacobian), held = Vector::Zero(x.size());
  const auto objective = [&](const Vector& at, const Vector& error) {
    return error.squaredNorm() + held.dot((at - first).cwiseAbs2());
  };
  double damping = 1e-2;
  for (int k = 0; k < iterations && damping < 1e12; ++k) {
    Eigen::MatrixXd h = jacobian.transpose() * jacobian;
    if (k == 0) held = Vector::Constant(x.size(), hold * h.diagonal().maxCoeff());
    const Vector gradient = jacobian.transpose() * r + held.cwiseProduct(x - first);
    h.diagonal() += held;
    const Vector diagonal = h.diagonal().array() + 1e-12 * h.diagonal().maxCoeff();
    h.diagonal() += damping * diagonal;
    const Vector next = x - h.ldlt().solve(gradient);
    const Vector s = residual(next, nullptr);
    const double before = objective(x, r), after = objective(next, s);
    if (!(after < before)) {
      damping *= 4;
      continue;
    }
    x = next;
    r = residual(x, &jacobian);
    damping /= 5;
    if (after > (1 - 1e-6) * before) break;
  }
  return x;
}

double NodeFit::largest_error(const Vector& x) const { return residual(x, nullptr).cwiseAbs().maxCoeff(); }

}  // namespace counterflow
