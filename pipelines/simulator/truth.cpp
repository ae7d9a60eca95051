#include "pipelines/simulator/truth.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <numeric>

#include "core/parallel.h"
#include "core/physics/counts_model.h"

namespace counterflow {
namespace {

// Water-equivalent depth of the object in the middle of the image [mm]: the mean over directions.
double depth_of(const Scenario& scenario) {
  constexpr std::size_t kDirections = 36;
  const double reach = scenario.phantom.painting.reach() + 1;
  RayWorkspace workspace;
  std::vector<double> areal_density(scenario.phantom.materials.size());
  double sum = 0;
  for (std::size_t k = 0; k < kDirections; ++k) {
    const double angle = std::numbers::pi * static_cast<double>(k) / kDirections;
    const Vector3 way{std::cos(angle), std::sin(angle), 0};
    std::fill(areal_density.begin(), areal_density.end(), 0.0);
    scenario.phantom.painting.integrate({{-reach * way.x, -reach * way.y, scenario.header.grid.centre_z}, way}, workspace,
                                        areal_density);
    sum += std::accumulate(areal_density.begin(), areal_density.end(), 0.0);
  }
  return 10 * sum / kDirections;
}

// Basis densities of anything painted, each kind once.
class Equivalents {
 public:
  explicit Equivalents(const Scenario& scenario) {
    std::vector<Mixture> mixtures;
    const auto add = [&](const std::string& material, double density) {
      if (known_.try_emplace({material, density}, mixtures.size()).second) mixtures.push_back({material, density});
    };
    for (const auto& shape : scenario.phantom.painting.shapes()) add(scenario.phantom.materials[shape.material], shape.density);
    for (const auto& region : scenario.phantom.regions) add(region.material, region.density);
    densities_ = basis_equivalents(scenario.header.system, scenario.truth.materials, mixtures, depth_of(scenario));
  }
  const std::vector<double>& of(const std::string& material, double density) const {
    return densities_[known_.at({material, density})];
  }

 private:
  std::map<std::pair<std::string, double>, std::size_t> known_;
  std::vector<std::vector<double>> densities_;  // [kind][material]
};

// z of slice k: that of the detector row where each row is a slice.
double slice_z(const ScanHeader& header, double k) {
  const ScanGeometry& g = header.geometry;
  return g.is_fan() || g.beam == Beam::parallel ? g.slice_position(k) : header.grid.z(k);
}

struct Sampler {
  const Scenario& scenario;
  const std::vector<std::vector<double>>& densities;  // [shape] of [material]
  Truth& truth;

  void row(std::size_t z, std::size_t y) const {
    const ImageGrid& grid = scenario.header.grid;
    const std::size_t n = per_side(), along_z = samples_along_z();
    const auto part = [](std::size_t i, std::size_t of) {
      return (static_cast<double>(i) + 0.5) / static_cast<double>(of) - 0.5;
    };
    const double half_diagonal = std::hypot(grid.voxel_x, grid.voxel_y, along_z > 1 ? grid.voxel_z : 0) / 2;
    const double z_center = slice_z(scenario.header, static_cast<double>(z)), y_center = static_cast<double>(y);
    std::vector<double> sum(truth.materials.size());
    std::vector<std::size_t> near;
    for (std::size_t x = 0; x < grid.nx; ++x) {
      std::fill(sum.begin(), sum.end(), 0.0);
      const double x_center = static_cast<double>(x);
      scenario.phantom.painting.near({grid.x(x_center), grid.y(y_center), z_center}, half_diagonal, near);
      for (std::size_t i = 0; !near.empty() && i < n * n * along_z; ++i)
        add({grid.x(x_center + part(i % n, n)), grid.y(y_center + part(i / n % n, n)),
             z_center + grid.voxel_z * part(i / (n * n), along_z)},
            near, sum);
      for (std::size_t m = 0; m < sum.size(); ++m)
        truth.density(m, z, y, x) = static_cast<float>(sum[m] / static_cast<double>(n * n * along_z));
    }
  }

 private:
  std::size_t per_side() const { return static_cast<std::size_t>(scenario.truth.samples); }
  std::size_t samples_along_z() const { return scenario.phantom.painting.z_invariant() ? 1 : per_side(); }
  void add(Vector3 point, const std::vector<std::size_t>& near, std::vector<double>& sum) const {
    const auto shape = scenario.phantom.painting.at(point, near);
    for (std::size_t m = 0; shape && m < sum.size(); ++m) sum[m] += densities[*shape][m];
  }
};

}  // namespace

Truth truth_of(const Scenario& scenario) {
  const ImageGrid& grid = scenario.header.grid;
  Truth truth;
  truth.materials = scenario.truth.materials;
  truth.grid = grid;
  truth.density = Array<float, 4>({truth.materials.size(), grid.nz, grid.ny, grid.nx});
  const Equivalents equivalents(scenario);
  std::vector<std::vector<double>> densities;
  for (const auto& shape : scenario.phantom.painting.shapes())
    densities.push_back(equivalents.of(scenario.phantom.materials[shape.material], shape.density));
  const bool same = scenario.phantom.painting.z_invariant();
  const Sampler sampler{scenario, densities, truth};
  parallel_chunks((same ? 1 : grid.nz) * grid.ny, 8, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) sampler.row(i / grid.ny, i % grid.ny);
  });
  for (std::size_t m = 0; m < truth.materials.size(); ++m)
    for (std::size_t z = 1; same && z < grid.nz; ++z)
      std::ranges::copy(truth.density.block(m, 0u), truth.density.block(m, z).begin());
  for (const auto& region : scenario.phantom.regions) {
    Region out{region.name, region.x, region.y, region.radius, {}};
    const auto& values = equivalents.of(region.material, region.density);
    for (std::size_t m = 0; m < values.size(); ++m) out.densities.emplace_back(truth.materials[m], values[m]);
    truth.regions.push_back(std::move(out));
  }
  return truth;
}

}  // namespace counterflow
