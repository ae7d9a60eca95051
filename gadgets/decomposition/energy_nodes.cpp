#include "gadgets/decomposition/energy_nodes.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numbers>

namespace counterflow {
namespace {

using Matrix = Eigen::MatrixXd;
constexpr std::size_t kRays = 384;
constexpr double kThinnest = 1e-4;  // of the range
constexpr double kSmooth = 1e-7;    // error of counts that is worth a share twice as large
constexpr double kDark = 1e-6;      // of the open beam: fewer counts need not be right relative to themselves

Eigen::Index index(std::size_t i) { return static_cast<Eigen::Index>(i); }
auto map(const Array<double, 2>& a) {
  using Rows = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const Rows>(a.data(), index(a.extent(0)), index(a.extent(1)));
}

// Rays of the range: its corners, then a Kronecker lattice (golden ratio and its relatives) that is denser near the faces, every
// second ray drawn towards nothing, so that thin objects are there too.
Matrix lattice(const RayRange& range, double offset) {
  const std::size_t rows = range.most.size(), corners = std::size_t{1} << rows;
  Matrix a(index(kRays), index(rows));
  double root = 1.5;  // of x^(rows+1) = x + 1
  for (int k = 0; k < 60; ++k) root = std::pow(1 + root, 1. / static_cast<double>(rows + 1));
  for (std::size_t i = 0; i < kRays; ++i)
    for (std::size_t m = 0; m < rows; ++m) {
      double u = i >> m & 1 ? 1 : 0;
      if (i >= corners) {
        const double v = offset + static_cast<double>(i) * std::pow(root, -static_cast<double>(m + 1));
        u = std::pow(std::sin(std::numbers::pi / 2 * (v - std::floor(v))), 2);
      }
      a(index(i), index(m)) = range.least[m] + u * (range.most[m] - range.least[m]);
      if (i >= corners && i % 2)
        a(index(i), index(m)) *= std::pow(kThinnest, static_cast<double>(i) / static_cast<double>(kRays));
    }
  return a;
}

// [ray, energy] exp(-sum_m mu_m A_m), [ray, bin] what each bin counts of it, and what errors of that are measured by.
struct Transmissions {
  Matrix through, counted, measure;

  Transmissions(const Array<double, 2>& mu, const Array<double, 2>& weight, const Matrix& rays) {
    through = (-rays * map(mu)).array().exp();
    counted = through * map(weight).transpose();
    measure = counted.rowwise() + kDark * map(weight).rowwise().sum().transpose();
  }
};

// Energies in the order in which a greedy choice takes them: columns of [bin and ray, energy] w_b t / P_b, those chosen projected
// out.
std::vector<std::size_t> greedy(const Transmissions& t, const Array<double, 2>& weight, std::size_t count) {
  const Eigen::Index rays = t.through.rows(), energies = t.through.cols();
  Matrix rest(rays * index(weight.extent(0)), energies);
  for (std::size_t b = 0; b < weight.extent(0); ++b)
    for (Eigen::Index e = 0; e < energies; ++e)
      rest.col(e).segment(index(b) * rays, rays) =
          t.through.col(e).array() / t.measure.col(index(b)).array() * weight(b, static_cast<std::size_t>(e));
  std::vector<std::size_t> chosen;
  for (std::size_t k = 0; k < count; ++k) {
    Eigen::Index worst;
    if (!(rest.colwise().squaredNorm().maxCoeff(&worst) > 0)) break;
    chosen.push_back(static_cast<std::size_t>(worst));
    const Eigen::VectorXd direction = rest.col(worst).normalized();
    const Eigen::RowVectorXd along = direction.transpose() * rest;
    rest.noalias() -= direction * along;
    rest.col(worst).setZero();
  }
  std::ranges::sort(chosen);
  return chosen;
}

// Shares [node, energy] by least squares, each ray in units of what its weakest bin counts, smoothed (Tikhonov) the more the less
// an energy matters, so that large shares do not cancel each other.
Matrix shares(const Transmissions& t, const std::vector<std::size_t>& node, const Array<double, 2>& weight) {
  const Eigen::VectorXd scale = t.measure.rowwise().minCoeff().cwiseInverse();
  Matrix at_nodes(t.through.rows(), index(node.size()));
  for (std::size_t j = 0; j < node.size(); ++j) at_nodes.col(index(j)) = scale.asDiagonal() * t.through.col(index(node[j]));
  const Eigen::BDCSVD<Matrix> svd(at_nodes, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const Eigen::VectorXd value = svd.singularValues();
  Matrix share = svd.matrixU().transpose() * (scale.asDiagonal() * t.through);
  for (Eigen::Index e = 0; e < share.cols(); ++e) {
    const double smooth = kSmooth / (map(weight).col(e).maxCoeff() + 1e-30);
    share.col(e).array() *= value.array() / (value.array().square() + smooth * smooth);
  }
  return svd.matrixV() * share;
}

}  // namespace

Array<double, 2> EnergyNodes::weights(const Array<double, 2>& spectra) const {
  Array<double, 2> out({spectra.extent(0), energy.size()});
  for (std::size_t c = 0; c < spectra.extent(0); ++c)
    for (std::size_t e = 0; e < spectra.extent(1); ++e)
      for (std::size_t j = 0; j < energy.size(); ++j) out(c, j) += share(e, j) * spectra(c, e);
  return out;
}

Array<double, 2> EnergyNodes::values(const Array<double, 2>& attenuation) const {
  Array<double, 2> out({attenuation.extent(0), energy.size()});
  for (std::size_t m = 0; m < attenuation.extent(0); ++m)
    for (std::size_t j = 0; j < energy.size(); ++j) out(m, j) = attenuation(m, energy[j]);
  return out;
}

EnergyNodes choose_nodes(const Array<double, 2>& attenuation, const Array<double, 2>& weight, const RayRange& range,
                         std::size_t count) {
  const Transmissions t(attenuation, weight, lattice(range, 0.5));
  EnergyNodes nodes{greedy(t, weight, std::min(count, attenuation.extent(1))), {}};
  const Matrix share = shares(t, nodes.energy, weight);
  nodes.share = Array<double, 2>({attenuation.extent(1), nodes.energy.size()});
  for (std::size_t e = 0; e < nodes.share.extent(0); ++e)
    for (std::size_t j = 0; j < nodes.share.extent(1); ++j) nodes.share(e, j) = share(index(j), index(e));
  return nodes;
}

NodeError node_error(const EnergyNodes& nodes, const Array<double, 2>& attenuation, std::size_t materials,
                     const Array<double, 2>& weight, const RayRange& range) {
  const Matrix rays = lattice(range, 0.125);
  const Transmissions all(attenuation, weight, rays), few(nodes.values(attenuation), nodes.weights(weight), rays);
  const Matrix mu = map(attenuation).topRows(index(materials)), w = map(weight);
  NodeError worst;
  for (Eigen::Index i = 0; i < rays.rows(); ++i) {
    const Eigen::VectorXd lambda = all.counted.row(i) / w.sum();  // for 1 open-beam count in all bins
    const Eigen::VectorXd error = (few.counted.row(i) - all.counted.row(i)).cwiseQuotient(all.measure.row(i));
    const Matrix slope = mu * all.through.row(i).asDiagonal() * w.transpose() / w.sum();  // [material, bin]
    // The length of Newton's step from the right areal densities, F^-1 sum_b J_b error_b.
    const Eigen::VectorXd pull =
        slope * error.cwiseProduct(all.measure.row(i).transpose()).cwiseQuotient(all.counted.row(i).transpose());
    const Matrix fisher = slope * lambda.cwiseInverse().asDiagonal() * slope.transpose();
    worst.counts = std::max(worst.counts, error.cwiseAbs().maxCoeff());
    worst.sigmas = std::max(worst.sigmas, std::sqrt(pull.dot(fisher.ldlt().solve(pull))));
  }
  return worst;
}

Array<double, 2> largest_part(const Array<double, 2>& spectra, const Array<double, 2>& attenuation,
                              const Array<double, 2>& weight, const RayRange& range) {
  const Transmissions t(attenuation, weight, lattice(range, 0.125));
  const Matrix part = t.through * map(spectra).transpose();
  Array<double, 2> out({spectra.extent(0), weight.extent(0)});
  for (std::size_t s = 0; s < out.extent(0); ++s)
    for (std::size_t b = 0; b < out.extent(1); ++b)
      out(s, b) = part.col(index(s)).cwiseQuotient(t.measure.col(index(b))).cwiseAbs().maxCoeff();
  return out;
}

}  // namespace counterflow
