#include "gadgets/monoenergetic/monoenergetic.h"

#include "core/gadget/export.h"

namespace counterflow {

template <class Real>
auto MonoenergeticImage<Real>::begin(const Params&, const ScanHeader&) const -> State {
  if (energies_.empty()) throw ConfigError("MonoenergeticImage: property 'energies': expected at least one energy, got none");
  return {};
}

template <class Real>
Footprint MonoenergeticImage<Real>::footprint(const ScanHeader& header) const {
  const ImageGrid& grid = header.grid;
  return {.message = Array<Real, 4>::size_of({energies_.size(), grid.nz, grid.ny, grid.nx}) * sizeof(Real)};
}

// Looked up for each image: a microsecond a material, and the header does not know the materials.
template <class Real>
MonoenergeticWeights MonoenergeticImage<Real>::weights(const In& x) const {
  if (!x.channels || x.channels->quantity != "density")
    throw DataError("MonoenergeticImage: expected images of densities (g/cm^3), got " +
                    (x.channels ? x.channels->quantity + " (" + x.channels->unit + ")" : std::string("an unnamed quantity")) +
                    "; it belongs after the reconstruction of decomposed materials");
  if (x.channels->names.size() != x.value.extent(0))
    throw DataError("MonoenergeticImage: expected " + std::to_string(x.channels->names.size()) + " channels as named, got " +
                    std::to_string(x.value.extent(0)));
  return monoenergetic_weights(x.channels->names, energies_, unit_ == "HU");
}

template <class Real>
auto MonoenergeticImage<Real>::forward(const Params&, const State&, const In& x) const -> Out {
  const MonoenergeticWeights w = weights(x);
  Out y;
  y.view = x.view;
  y.grid = x.grid;
  y.slice = x.slice;
  Channels channels{"monoenergetic", unit_, {}};
  for (double e : energies_) channels.names.push_back(number_text(e) + " keV");
  y.channels = std::make_shared<const Channels>(std::move(channels));
  auto shape = x.value.shape();
  shape[0] = energies_.size();
  y.value = Array<Real, 4>(shape, static_cast<Real>(w.offset));
  for (std::size_t e = 0; e < energies_.size(); ++e) {
    const auto out = y.value.block(e);
    for (std::size_t m = 0; m < x.value.extent(0); ++m) {
      const auto density = x.value.block(m);
      const Real factor = static_cast<Real>(w.weight(e, m));
      for (std::size_t i = 0; i < out.size(); ++i) out[i] += factor * density[i];
    }
  }
  return y;
}

template <class Real>
auto MonoenergeticImage<Real>::adjoint(const Params&, const State&, const In& x, const Out&, const Out& y_bar, Params&) const
    -> In {
  const MonoenergeticWeights w = weights(x);
  In x_bar = zero_like(x);
  for (std::size_t m = 0; m < x.value.extent(0); ++m) {
    const auto density_bar = x_bar.value.block(m);
    for (std::size_t e = 0; e < energies_.size(); ++e) {
      const auto bar = y_bar.value.block(e);
      const Real factor = static_cast<Real>(w.weight(e, m));
      for (std::size_t i = 0; i < bar.size(); ++i) density_bar[i] += factor * bar[i];
    }
  }
  return x_bar;
}

template class MonoenergeticImage<float>;
template class MonoenergeticImage<double>;

COUNTERFLOW_PLUGIN(COUNTERFLOW_GADGET(MonoenergeticImage))

}  // namespace counterflow
