#include "gadgets/monoenergetic/least_noise.h"

#include "gadgets/monoenergetic/monoenergetic.h"

namespace counterflow {
namespace {

// w_i w_j of each energy, off-diagonal pairs twice: the variance is their sum with the covariance. [energy, pair]
Array<double, 2> pair_weights(const ChannelMix& mix) {
  const std::size_t n = mix.weight.extent(1);
  Array<double, 2> out({mix.weight.extent(0), pair_count(n)});
  for (std::size_t e = 0; e < out.extent(0); ++e)
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = i; j < n; ++j) out(e, pair_index(i, j, n)) = (i == j ? 1 : 2) * mix.weight(e, i) * mix.weight(e, j);
  return out;
}

}  // namespace

template <class Real>
auto LeastNoise<Real>::begin(const Params&, const ScanHeader&) const -> State {
  if (lowest_ > highest_)
    throw ConfigError("LeastNoise: expected a highest energy from " + number_text(lowest_) + " keV on, got " +
                      number_text(highest_) + " keV");
  return {};
}

template <class Real>
auto LeastNoise<Real>::forward(const Params&, const State&, const In& x) const -> Out {
  const auto& materials = materials_of(x, "LeastNoise");
  if (x.covariance.empty())
    throw DataError("LeastNoise: expected material images with a covariance, got none; set noise=\"true\" on the reconstruction");
  std::vector<double> energies;
  for (double e = lowest_; e <= highest_; e += 1) energies.push_back(e);
  const Array<double, 2> weight = pair_weights(Monoenergetic{energies, "HU"}.mix(materials));
  Out y = image_like(x, {"energy_of_least_noise", "keV", {"energy of least noise"}}, 0);
  y.covariance = {};
  const std::size_t voxels = y.value.size(), pairs = weight.extent(1);
  for (std::size_t i = 0; i < voxels; ++i) {
    double least = 0;
    for (std::size_t e = 0; e < energies.size(); ++e) {
      double variance = 0;
      for (std::size_t k = 0; k < pairs; ++k) variance += weight(e, k) * static_cast<double>(x.covariance[k * voxels + i]);
      if (variance > 0 && (least == 0 || variance < least)) least = variance, y.value[i] = static_cast<Real>(energies[e]);
    }
  }
  return y;
}

template class LeastNoise<float>;
template class LeastNoise<double>;

}  // namespace counterflow
