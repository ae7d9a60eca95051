// Losses that compare images with a reference, MaterialReference and MonoenergeticReference (docs/losses.md): with d = x - r
// where voxels are compared and 0 elsewhere, B a blur, W a weight between channels,
//   halves   1/(N n) sum over voxels of (B d_even)^T W (B d_odd),   d_even, d_odd means over slices of even and of odd number
//   square   1/(N n) sum over voxels of (B d)^T W (B d)
// N voxels, n channels. Halves of independent noise have no noise in their mean; a square has all of it.
#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/gadget/forms.h"
#include "gadgets/loss/gaussian_blur.h"
#include "gadgets/loss/reference_stack.h"

namespace counterflow {

struct MaterialDifference {
  static constexpr const char* kName = "MaterialReference";
  static constexpr const char* kQuantity = "density";
  static constexpr bool kCorrelated = true;  // the noise of channels has an invertible covariance
  static constexpr const char* kManual =
      R"(Loss: how far material images are from a reference, in units of their noise.

  1/(N n) sum over N voxels of (B d_even)^T W (B d_odd),   d = x - reference, n materials

d_even and d_odd are means over the slices of even and of odd number: their noise is independent and drops out. W is the inverse
covariance of the noise, B a blur. The reference is what a perfect scan of the truth would give through the same chain, or a file
of images on the same grid. form="square" compares slice by slice; noise biases it, so it is for images without noise.

  <loss after="fbp"><dll>counterflow_loss</dll><classname>MaterialReference</classname>
    <property name="weights" value="noise"/><property name="border" value="3"/></loss>

weights="noise" takes the covariance of the reference: set covariance of MaximumLikelihood and noise of the reconstruction.
)";
};

struct MonoenergeticDifference {
  static constexpr const char* kName = "MonoenergeticReference";
  static constexpr const char* kQuantity = "monoenergetic";
  static constexpr bool kCorrelated = false;  // more energies than materials: each stands for itself
  static constexpr const char* kManual =
      R"(Loss: how far monoenergetic images are from a reference, in HU or in units of their noise.

  1/(N n) sum over N voxels and n energies of w (B d_even) (B d_odd),   d = x - reference

d_even and d_odd are means over the slices of even and of odd number: their noise is independent and drops out. w is one over the
variance of the noise, or 1 (weights="equal", in HU^2), B a blur. One energy cannot tell materials apart: two far from each other do.

  <loss after="monoenergetic"><dll>counterflow_loss</dll><classname>MonoenergeticReference</classname>
    <property name="weights" value="equal"/></loss>
)";
};

template <class Real, class Kind>
class ImageDifference {
 public:
  using In = Image<Real>;
  using Out = Image<Real>;
  using Params = None;
  // The loss of all slices of a run with the halves form, and its derivative in each half.
  struct Halves {
    std::once_flag once;
    double loss = 0;
    std::vector<double> bar[2];  // [channel,y,x], of each slice of a half where it is compared
  };
  struct State {
    std::size_t slices_of_scan = 0;
    double radius = 0;  // [mm]
    std::vector<Image<Real>> referred;
    std::shared_ptr<const losses::ReferenceStack<Real>> reference;
    std::optional<losses::GaussianBlur> blur;
    std::vector<double> weight;  // [channel, channel]
    // of one run
    std::vector<double> sum[2], slices[2];  // of each half: [channel,y,x] of d, [y,x] of compared slices
    double square = 0, compared = 0;
    std::shared_ptr<Halves> halves;
  };
  static constexpr const char* kManual = Kind::kManual;

  void describe(PropertyVisitor& v);
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader& header) const;
  void restart(const Params&, State& state) const;
  Footprint footprint(const ScanHeader& header) const;
  std::string reference() const { return reference_; }
  void refer(State& state, const In& x) const;

  void consume(State& state, const In& x) const;
  double loss(const State& state) const;  // NaN where there was no reference
  In adjoint(const State& state, const In& x) const;
  std::vector<Remark> report(const State& state) const;

 private:
  using Slice = typename losses::ReferenceStack<Real>::Slice;
  bool by_halves() const { return form_ == "halves"; }
  void check(const In& x) const;
  void prepare(State& state, const In& x) const;
  std::vector<double> weights(const losses::ReferenceStack<Real>& reference) const;
  std::vector<double> weights_by_noise(const losses::ReferenceStack<Real>& reference) const;
  std::vector<double> difference(const In& x, std::size_t z, const Slice& reference) const;
  double square_of(const State& state, std::vector<double> d, const Slice& reference, std::vector<double>* bar) const;
  const Halves& halves(const State& state) const;
  void compare_halves(const State& state, Halves& out) const;

  std::string reference_ = "truth";
  std::string form_ = "halves";
  std::vector<std::string> weights_ = {"noise"};
  double blur_ = 0;
  double radius_ = 0, inside_ = 0.3, border_ = 0;
};

template <class Real>
using MaterialReference = ImageDifference<Real, MaterialDifference>;
template <class Real>
using MonoenergeticReference = ImageDifference<Real, MonoenergeticDifference>;

}  // namespace counterflow
