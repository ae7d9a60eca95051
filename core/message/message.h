// What travels. The cotangent of a T is a T of the same shape and view. Every array has its shape and unit beside it and is
// named by each(), so that gradient checks, sums and dumps need no second list. Messages are immutable once sent.
// Templates on Real: a chain runs in float and is checked in double.
#pragma once
#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "core/array.h"
#include "core/geometry/scan_geometry.h"
#include "core/message/view.h"

namespace counterflow {

// What the leading index of a PathLengths or an Image counts: materials, bins or energies.
struct Channels {
  std::string quantity;            // areal_density, line_integral; density, attenuation, monoenergetic
  std::string unit;                // g/cm^2, 1; g/cm^3, 1/cm, HU
  std::vector<std::string> names;  // "water", "iodine"; "bin 0"; "70 keV"
  bool operator==(const Channels&) const = default;
};

// One view of photon counts.
template <class Real>
struct Counts {
  static constexpr const char* kName = "Counts";
  View view;
  Array<Real, 3> counts;                            // [bin,row,column], count
  Array<Real, 3> background;                        // [bin,row,column], count: expected additive counts (scatter); empty = 0
  Array<Real, 3> threshold_shift;                   // [threshold,row or 1,module], keV: true minus nominal; empty = 0
  std::shared_ptr<const Array<Real, 3>> open_beam;  // [bin,row,column], count at exposure 1; constant of the scan
  template <class Self, class Visitor>
  static void each(Self& self, Visitor&& visit) {
    visit("counts", self.counts);
    visit("background", self.background);
    visit("threshold_shift", self.threshold_shift);
  }
};

// One view of line integrals: areal densities of materials, or plain -ln(counts/open beam) of each bin.
template <class Real>
struct PathLengths {
  static constexpr const char* kName = "PathLengths";
  View view;
  Array<Real, 3> areal_density;  // [channel,row,column], g/cm^2 (1 for line integrals)
  Array<Real, 3> covariance;     // [pair,row,column], g^2/cm^4: upper triangle by rows; empty unless asked for; not in each()
  std::shared_ptr<const Channels> channels;
  Array<Real, 3> residual = {};  // [bin,row,column], sigma: what the decomposition leaves of the counts; empty unless asked for
  template <class Self, class Visitor>
  static void each(Self& self, Visitor&& visit) {
    visit("areal_density", self.areal_density);
    visit("residual", self.residual);
  }
};

// One slice or volume.
template <class Real>
struct Image {
  static constexpr const char* kName = "Image";
  View view;                  // of the last view that went in; says whether it is a preview
  Array<Real, 4> value;       // [channel,z,y,x], in channels->unit
  Array<Real, 4> covariance;  // [pair,z,y,x], unit squared, by the bound: as PathLengths::covariance; not in each()
  ImageGrid grid;             // of the whole volume
  std::size_t slice = 0;      // index in z of value's first slice in that volume
  std::shared_ptr<const Channels> channels;
  template <class Self, class Visitor>
  static void each(Self& self, Visitor&& visit) {
    visit("value", self.value);
  }
};

// Pairs of n channels, and the place of the pair (i, j) in a covariance.
constexpr std::size_t pair_count(std::size_t n) { return n * (n + 1) / 2; }
constexpr std::size_t pair_index(std::size_t i, std::size_t j, std::size_t n) {
  return i <= j ? i * n - i * (i + 1) / 2 + j : pair_index(j, i, n);
}

// Standard deviation of every voxel by the bound, [channel,z,y,x] in channels->unit; empty where the covariance is.
template <class Real>
Array<Real, 4> noise_of(const Image<Real>& image) {
  if (image.covariance.empty()) return {};
  Array<Real, 4> noise(image.value.shape());
  for (std::size_t c = 0; c < noise.extent(0); ++c) {
    const auto variance = image.covariance.block(pair_index(c, c, noise.extent(0)));
    std::transform(variance.begin(), variance.end(), noise.block(c).begin(),
                   [](Real v) { return v > 0 ? std::sqrt(v) : Real(0); });
  }
  return noise;
}

template <class T>
using Sent = std::shared_ptr<const T>;

template <class Real>
using Message = std::variant<std::monostate, Sent<Counts<Real>>, Sent<PathLengths<Real>>, Sent<Image<Real>>>;

// Index of a type in Message, and the name of an index.
template <class Real, class T>
constexpr std::size_t message_index() {
  return []<class... P>(std::type_identity<std::variant<P...>>) {
    std::size_t index = 0;
    static_cast<void>((... && (!std::is_same_v<P, Sent<T>> && (++index, true))));
    return index;
  }(std::type_identity<Message<Real>>{});
}
inline const char* message_name(std::size_t index) {
  constexpr const char* names[] = {"nothing", Counts<float>::kName, PathLengths<float>::kName, Image<float>::kName};
  return names[index];
}

// The view of a message; a default one for an empty message.
template <class Real>
const View& view_of(const Message<Real>& message) {
  static const View none;
  return std::visit(
      [](const auto& sent) -> const View& {
        if constexpr (requires { sent->view; }) return sent->view;
        else return none;
      },
      message);
}

// The same message with every differentiable array zero: the start of a cotangent.
template <class T>
T zero_like(T x) {
  T::each(x, [](auto, auto& block) {
    for (auto& v : block) v = 0;
  });
  return x;
}

// a + b, block by block, where cotangents meet. An empty block is zero; an empty message is zero.
template <class T>
T add_blocks(T a, const T& b) {
  using Block = std::remove_cvref_t<decltype(a)>;
  std::vector<const void*> others;
  Block::each(b, [&](auto, const auto& block) { others.push_back(&block); });
  std::size_t k = 0;
  Block::each(a, [&]<class B>(auto, B& block) {
    const auto& other = *static_cast<const B*>(others[k++]);
    if (block.empty()) block = other;
    else if (!other.empty()) {
      if (block.size() != other.size()) throw DataError("two cotangents of one message have different shapes");
      for (std::size_t i = 0; i < block.size(); ++i) block[i] += other[i];
    }
  });
  return a;
}

// factor times a cotangent.
template <class Real>
Message<Real> scaled(const Message<Real>& a, double factor) {
  if (factor == 1) return a;
  return std::visit(
      [&]<class P>(const P& p) -> Message<Real> {
        if constexpr (std::is_same_v<P, std::monostate>) return {};
        else {
          auto copy = std::make_shared<std::remove_const_t<typename P::element_type>>(*p);
          std::remove_cvref_t<decltype(*copy)>::each(*copy, [&](auto, auto& block) {
            for (auto& v : block) v *= static_cast<Real>(factor);
          });
          return P(std::move(copy));
        }
      },
      a);
}

template <class Real>
Message<Real> add(const Message<Real>& a, const Message<Real>& b) {
  if (a.index() == 0) return b;
  if (b.index() == 0) return a;
  return std::visit(
      [&]<class P>(const P& p) -> Message<Real> {
        if constexpr (std::is_same_v<P, std::monostate>) return b;
        else
          return P(std::make_shared<typename P::element_type>(
              add_blocks(std::remove_const_t<typename P::element_type>(*p), *std::get<P>(b))));
      },
      a);
}

}  // namespace counterflow
