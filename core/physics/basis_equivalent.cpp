// What mixtures are in a basis (docs/decisions/0007-truth-in-a-basis.md).
#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/physics/counts_model.h"

namespace counterflow {
namespace {

constexpr double kSlab = 2;          // [cm]
constexpr double kLargestDepth = 2;  // of the slab, in attenuation lengths of the counts

// Rays of a model whose materials are: the basis, water, the mixtures.
class SlabRays {
 public:
  SlabRays(const CountsModel& model, std::size_t basis, double water)
      : model_(model),
        basis_(basis),
        water_(water),
        weights_(model.bowtie() ? model.behind_bowtie(model.nominal(), model.bowtie()->areal_density(0)) : model.nominal()) {
    const std::vector<double>& total = weights_.total;
    scale_.assign(model.bins(), 1 / std::accumulate(total.begin(), total.end(), 0.0));
  }

  // `densities` of the basis, or `extra` of material `which`, behind the water [g/cm^2].
  RayModel ray(const Eigen::VectorXd& areal_density, std::size_t which = 0, double extra = 0) const {
    std::vector<double> a(model_.materials(), 0.0);
    for (std::size_t m = 0; m < basis_; ++m) a[m] = areal_density(static_cast<Eigen::Index>(m));
    a[basis_] = water_;
    a[which] += extra;
    return model_.ray(weights_, scale_, {}, a);
  }

  // Thickness of a slab of material `which` at a density [cm].
  double thickness(std::size_t which, double density) const {
    const RayModel open = ray(Eigen::VectorXd::Zero(static_cast<Eigen::Index>(basis_)));
    double counts = 0, slope = 0;
    for (std::size_t b = 0; b < open.lambda.size(); ++b) {
      counts += open.lambda[b];
      slope -= open.slope(b, which);
    }
    return std::min(kSlab, kLargestDepth * counts / (slope * density));
  }

  // Fisher scoring from zero; in units of the information's own diagonal, so that light and heavy materials are alike.
  Eigen::VectorXd most_likely(const std::vector<double>& counts) const {
    const auto n = static_cast<Eigen::Index>(basis_);
    Eigen::VectorXd a = Eigen::VectorXd::Zero(n);
    for (int iteration = 0; iteration < 200; ++iteration) {
      const RayModel now = ray(a);
      Eigen::MatrixXd information = Eigen::MatrixXd::Zero(n, n);
      Eigen::VectorXd gradient = Eigen::VectorXd::Zero(n);
      for (std::size_t b = 0; b < counts.size(); ++b) {
        Eigen::VectorXd slope(n);
        for (Eigen::Index m = 0; m < n; ++m) slope(m) = now.slope(b, static_cast<std::size_t>(m));
        information += slope * slope.transpose() / now.lambda[b];
        gradient += slope * (1 - counts[b] / now.lambda[b]);
      }
      const Eigen::VectorXd unit = information.diagonal().cwiseSqrt().cwiseInverse();
      const Eigen::FullPivLU<Eigen::MatrixXd> solver(unit.asDiagonal() * information * unit.asDiagonal());
      if (!solver.isInvertible() || solver.rcond() < 1e-13)
        throw ConfigError("expected basis materials that the energy bins can tell apart: use fewer, or more bins");
      const Eigen::VectorXd step = unit.asDiagonal() * solver.solve(unit.asDiagonal() * gradient);
      a -= step;
      if (step.norm() <= 1e-14 * a.norm()) break;
    }
    return a;
  }

 private:
  const CountsModel& model_;
  std::size_t basis_;
  double water_;  // [g/cm^2]
  BinWeights weights_;
  std::vector<double> scale_;
};

}  // namespace

std::vector<std::vector<double>> basis_equivalents(const SpectralSystem& system, const std::vector<std::string>& basis,
                                                   const std::vector<Mixture>& mixtures, double behind_mm) {
  std::vector<std::string> all = basis;
  all.push_back("water");
  for (const Mixture& mixture : mixtures) all.push_back(mixture.material);
  const CountsModel model(system, all, 1.0, BowtieUse::applied);
  const SlabRays rays(model, basis.size(), behind_mm * 0.1);
  std::vector<std::vector<double>> out;
  for (std::size_t k = 0; k < mixtures.size(); ++k) {
    const double density = mixtures[k].density;
    if (!(density >= 0)) throw ConfigError("expected a density of at least 0 g/cm^3 of '" + mixtures[k].material + "'");
    std::vector<double> equivalent(basis.size(), 0.0);
    if (density > 0) {
      const std::size_t which = basis.size() + 1 + k;
      const double thickness = rays.thickness(which, density);
      const auto none = Eigen::VectorXd::Zero(static_cast<Eigen::Index>(basis.size()));
      const Eigen::VectorXd found = rays.most_likely(rays.ray(none, which, thickness * density).lambda) / thickness;
      std::copy(found.begin(), found.end(), equivalent.begin());
    }
    out.push_back(std::move(equivalent));
  }
  return out;
}

}  // namespace counterflow
