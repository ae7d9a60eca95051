// What is checked of every reconstruction, a linear Fold of path lengths into images.
#pragma once
#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/testing/gradient_check.h"

namespace counterflow::testing {

// The view with the number v at its place in the scan.
inline View view_at(const ScanGeometry& g, std::size_t v) {
  View view;
  view.index = v;
  view.angle = g.first_angle + static_cast<double>(v) * g.angle_step;
  view.table_position = g.table_position(static_cast<double>(v));
  return view;
}

// View v of areal densities of "material 0", "material 1" ..., all zero.
template <class Real>
PathLengths<Real> empty_view(const ScanGeometry& g, std::size_t v, std::size_t materials) {
  Channels channels{"areal_density", "g/cm^2", {}};
  for (std::size_t m = 0; m < materials; ++m) channels.names.push_back("material " + std::to_string(m));
  return {view_at(g, v), Array<Real, 3>({materials, g.rows, g.columns}), {}, std::make_shared<const Channels>(channels)};
}

// All views of a scan, of standard normal numbers.
template <class Real>
std::vector<PathLengths<Real>> random_views(const ScanGeometry& g, std::size_t materials, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  std::vector<PathLengths<Real>> xs;
  for (std::size_t v = 0; v < g.views; ++v) {
    xs.push_back(empty_view<Real>(g, v, materials));
    for (Real& a : xs.back().areal_density) a = static_cast<Real>(normal(random));
  }
  return xs;
}

// All that the gadget gives for the views view(0), view(1) ... of the scan.
template <class G, std::invocable<std::size_t> Views>
std::vector<typename G::Out> reconstructed(const G& gadget, const ScanHeader& h, Views&& view) {
  auto state = gadget.begin({}, h);
  for (std::size_t v = 0; v < h.geometry.views; ++v) gadget.add({}, state, view(v));
  std::vector<typename G::Out> images;
  gadget.end({}, state, [&](typename G::Out image) { images.push_back(std::move(image)); });
  return images;
}
template <class G>
std::vector<typename G::Out> reconstructed(const G& gadget, const ScanHeader& h, const std::vector<typename G::In>& xs) {
  return reconstructed(gadget, h, [&](std::size_t v) { return xs.at(v); });
}

// |<A x, w> - <x, A' w>| / sum of |terms| of the first, for random x and w. The adjoint is asked for the views in an order of
// its own.
template <class Real, template <class> class G>
double transpose_error(const G<Real>& gadget, const ScanHeader& h, std::size_t materials, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  auto xs = random_views<Real>(h.geometry, materials, random);
  double left = 0, terms = 0, right = 0;
  std::vector<Sent<Image<Real>>> bars;
  for (auto& image : reconstructed(gadget, h, xs)) {
    for (Real& v : image.value) {
      const Real w = static_cast<Real>(normal(random));
      left += static_cast<double>(v) * w, terms += std::abs(static_cast<double>(v) * w);
      v = w;
    }
    bars.push_back(std::make_shared<const Image<Real>>(std::move(image)));
  }
  const auto state = gadget.begin({}, h);
  const auto z = gadget.adjoint_begin({}, state, bars);
  std::ranges::shuffle(xs, random);
  for (const auto& x : xs) {
    None none;
    const auto bar = gadget.adjoint({}, state, x, z, none);
    for (std::size_t i = 0; i < bar.areal_density.size(); ++i)
      right += static_cast<double>(bar.areal_density[i]) * static_cast<double>(x.areal_density[i]);
  }
  return terms > 0 ? std::abs(left - right) / terms : 1e300;
}

// An adjoint that is wrong by a ten-thousandth in one row of one material: what a test on the image's mean would not see.
template <class G>
struct RowForgotten : G {
  typename G::In adjoint(const None& p, const typename G::State& state, const typename G::In& x, const typename G::Cotangent& z,
                         None& p_bar) const {
    typename G::In bar = G::adjoint(p, state, x, z, p_bar);
    for (double& v : bar.areal_density.block(1, 2)) v *= 1.0001;
    return bar;
  }
};

// Of the gadget and its mutant RowForgotten on random scans.
template <class G>
AdjointErrors adjoint_errors(const ScanHeader& h, std::size_t materials) {
  AdjointErrors errors;
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::mt19937_64 random(seed);
    const auto xs = random_views<double>(h.geometry, materials, random);
    errors.add(fold_adjoint_error(G(), h, None(), xs, seed), fold_adjoint_error(RowForgotten<G>(), h, None(), xs, seed).value);
  }
  return errors;
}

}  // namespace counterflow::testing
