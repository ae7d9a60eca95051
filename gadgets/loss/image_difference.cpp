#include "gadgets/loss/image_difference.h"

#include <Eigen/Dense>
#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/parallel.h"
#include "gadgets/loss/weighted_product.h"

namespace counterflow {
namespace {

constexpr std::size_t kRowsAChunk = 16;

template <class Kind>
[[noreturn]] void refuse_setting(const std::string& what) {
  throw ConfigError(std::string(Kind::kName) + ": " + what);
}

// A positive number; 0 for other words.
double positive_number(const std::string& word) {
  double value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  return error == std::errc() && end == word.data() + word.size() && value > 0 && std::isfinite(value) ? value : 0;
}

}  // namespace

template <class Real, class Kind>
void ImageDifference<Real, Kind>::describe(PropertyVisitor& v) {
  v("reference", reference_, {.text = "truth (what a perfect scan of it would give), or a file of images on the same grid."});
  v("form", form_,
    {.text = "halves: product of the means over even and over odd slices, unbiased by noise; square: biased by it.",
     .choices = {"halves", "square"}});
  v("weights", weights_,
    {.text = "noise (inverse covariance of the reference), equal (1), or for each channel one over its unit squared."});
  v("blur", blur_,
    {.unit = "mm",
     .text = "Standard deviation of a Gaussian that differences are blurred with; 0 = none.",
     .min = 0,
     .max = 100});
  v("radius", radius_,
    {.unit = "mm", .text = "About the isocenter, within which voxels are compared; 0 = the field of view.", .min = 0});
  v("inside", inside_,
    {.unit = "1", .text = "Share of the reference's largest density above which voxels are compared.", .min = 0, .max = 0.99});
  v("border", border_, {.unit = "mm", .text = "Voxels nearer to an edge of the reference are left out.", .min = 0, .max = 100});
}

template <class Real, class Kind>
auto ImageDifference<Real, Kind>::begin(const Params&, const ScanHeader& header) const -> State {
  const bool named = weights_.size() == 1 && (weights_[0] == "noise" || weights_[0] == "equal");
  const bool numbers = !weights_.empty() && std::ranges::all_of(weights_, [](const auto& w) { return positive_number(w) > 0; });
  if (!named && !numbers)
    refuse_setting<Kind>("expected weights noise, equal or a positive number for each channel, got '" + joined(weights_, " ") +
                         "'");
  if (reference_.empty()) refuse_setting<Kind>("expected the reference truth or the name of an image file, got ''");
  State s;
  s.slices_of_scan = header.grid.nz;
  s.radius = radius_ > 0 ? radius_ : header.geometry.field_radius();
  restart({}, s);
  return s;
}

template <class Real, class Kind>
void ImageDifference<Real, Kind>::restart(const Params&, State& s) const {
  for (auto& sum : s.sum) std::ranges::fill(sum, 0.0);
  for (auto& slices : s.slices) std::ranges::fill(slices, 0.0);
  s.square = s.compared = 0;
  s.halves = std::make_shared<Halves>();
}

template <class Real, class Kind>
Footprint ImageDifference<Real, Kind>::footprint(const ScanHeader& header) const {
  constexpr std::size_t kMostMaterials = 3;
  const ImageGrid& g = header.grid;
  const std::size_t n = std::clamp<std::size_t>(header.bins(), 1, kMostMaterials);
  const std::size_t plane = checked_size(g.nx, g.ny);
  return {.state = checked_size(checked_size(plane, g.nz), (2 * n + pair_count(n)) * sizeof(Real) + 1) +
                   plane * (4 * n + 2) * sizeof(double)};
}

template <class Real, class Kind>
void ImageDifference<Real, Kind>::check(const In& x) const {
  if (!x.channels || x.channels->quantity != Kind::kQuantity)
    throw DataError(std::string(Kind::kName) + ": expected images of quantity " + Kind::kQuantity + ", got " +
                    (x.channels ? x.channels->quantity : std::string("an unnamed one")) +
                    "; set after to the gadget that makes them");
  const auto& shape = x.value.shape();
  if (shape[0] != x.channels->names.size() || shape[2] != x.grid.ny || shape[3] != x.grid.nx)
    throw DataError(std::string(Kind::kName) + ": an image is not of its " + std::to_string(x.channels->names.size()) +
                    " channels and " + std::to_string(x.grid.nx) + " x " + std::to_string(x.grid.ny) + " voxels");
}

template <class Real, class Kind>
void ImageDifference<Real, Kind>::refer(State& s, const In& x) const {
  if (reference_ != "truth" && (!x.channels || x.channels->quantity != Kind::kQuantity)) return;  // other images of a file
  check(x);
  if (by_halves() && s.slices_of_scan < 2)
    refuse_setting<Kind>("form halves needs two slices and more, got " + std::to_string(s.slices_of_scan) +
                         "; use more detector rows, or form square for images without noise");
  s.referred.push_back(x);
}

// With the first image it is known which channels are compared.
template <class Real, class Kind>
void ImageDifference<Real, Kind>::prepare(State& s, const In& x) const {
  auto reference = std::make_shared<losses::ReferenceStack<Real>>(s.referred, x, Kind::kName);
  s.referred.clear();
  reference->choose_voxels({s.radius, inside_, border_});
  s.weight = weights(*reference);
  reference->forget_covariance();
  s.blur.emplace(blur_ / x.grid.voxel_x, blur_ / x.grid.voxel_y);
  for (std::size_t h = 0; h < 2 && by_halves(); ++h) {
    s.sum[h].assign(reference->channels() * reference->pixels(), 0);
    s.slices[h].assign(reference->pixels(), 0);
  }
  s.reference = std::move(reference);
}

template <class Real, class Kind>
std::vector<double> ImageDifference<Real, Kind>::weights(const losses::ReferenceStack<Real>& reference) const {
  const std::size_t n = reference.channels();
  if (weights_[0] == "noise") return weights_by_noise(reference);
  if (weights_[0] != "equal" && weights_.size() != n)
    refuse_setting<Kind>("expected a weight for each of " + std::to_string(n) + " channels, got " +
                         std::to_string(weights_.size()));
  std::vector<double> w(n * n);
  for (std::size_t c = 0; c < n; ++c) w[c * n + c] = weights_[0] == "equal" ? 1 : positive_number(weights_[c]);
  return w;
}

template <class Real, class Kind>
std::vector<double> ImageDifference<Real, Kind>::weights_by_noise(const losses::ReferenceStack<Real>& reference) const {
  const std::size_t n = reference.channels();
  const auto covariance = reference.mean_covariance();
  if (covariance.empty())
    refuse_setting<Kind>(
        "weights noise needs the covariance of the reference, which has none; set covariance of MaximumLikelihood and noise of "
        "the "
        "reconstruction (files do not keep it), or weights to equal or numbers");
  const auto size = static_cast<Eigen::Index>(n);
  Eigen::MatrixXd matrix = Eigen::MatrixXd::Zero(size, size);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j)
      if (i == j || Kind::kCorrelated)
        matrix(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = covariance[pair_index(i, j, n)];
  const Eigen::LLT<Eigen::MatrixXd> factor(matrix);
  if (factor.info() != Eigen::Success || !matrix.allFinite())
    refuse_setting<Kind>("the covariance of the reference has no inverse; set weights to equal or numbers");
  const Eigen::MatrixXd inverse = factor.solve(Eigen::MatrixXd::Identity(size, size));
  return {inverse.data(), inverse.data() + inverse.size()};
}

// [channel,y,x]
template <class Real, class Kind>
std::vector<double> ImageDifference<Real, Kind>::difference(const In& x, std::size_t z, const Slice& reference) const {
  const std::size_t pixels = reference.compared.size();
  std::vector<double> d(x.value.extent(0) * pixels);
  for (std::size_t c = 0; c < x.value.extent(0); ++c) {
    const auto value = x.value.block(c, z);
    for (std::size_t i = 0; i < pixels; ++i)
      if (reference.compared[i])
        d[c * pixels + i] = static_cast<double>(value[i]) - static_cast<double>(reference.value[c * pixels + i]);
  }
  return d;
}

template <class Real, class Kind>
double ImageDifference<Real, Kind>::square_of(const State& s, std::vector<double> d, const Slice& reference,
                                              std::vector<double>* bar) const {
  return losses::weighted_square(*s.blur, s.weight, reference.compared, s.reference->grid().nx, std::move(d), bar);
}

template <class Real, class Kind>
void ImageDifference<Real, Kind>::consume(State& s, const In& x) const {
  if (!s.reference && s.referred.empty()) return;  // the chain runs without training
  check(x);
  if (!s.reference) prepare(s, x);
  s.halves = std::make_shared<Halves>();
  for (std::size_t z = 0; z < x.value.extent(1); ++z) {
    const Slice& reference = s.reference->at(x, z);
    const std::size_t h = (x.slice + z) % 2;
    const auto d = difference(x, z, reference);
    if (by_halves()) {
      std::ranges::transform(s.sum[h], d, s.sum[h].begin(), std::plus());
      std::ranges::transform(s.slices[h], reference.compared, s.slices[h].begin(), std::plus());
    } else {
      s.square += square_of(s, d, reference, nullptr);
      for (auto compared : reference.compared) s.compared += compared;
    }
  }
}

template <class Real, class Kind>
auto ImageDifference<Real, Kind>::halves(const State& s) const -> const Halves& {
  std::call_once(s.halves->once, [&] { compare_halves(s, *s.halves); });
  return *s.halves;
}

template <class Real, class Kind>
void ImageDifference<Real, Kind>::compare_halves(const State& s, Halves& out) const {
  const std::size_t n = s.reference->channels(), pixels = s.reference->pixels();
  std::vector<std::uint8_t> both(pixels);
  double voxels = 0;
  for (std::size_t i = 0; i < pixels; ++i) voxels += both[i] = s.slices[0][i] > 0 && s.slices[1][i] > 0;
  if (voxels == 0)
    throw DataError(std::string(Kind::kName) + ": no voxel is compared in slices of even and of odd number; " +
                    "form halves needs both, use square for a single slice without noise");
  std::vector<double> mean[2];
  const auto per_slice = [&](std::vector<double>& planes, std::size_t h) {
    for (std::size_t k = 0; k < planes.size(); ++k) planes[k] *= both[k % pixels] ? 1 / s.slices[h][k % pixels] : 0;
  };
  for (std::size_t h = 0; h < 2; ++h) {
    mean[h] = s.sum[h];
    per_slice(mean[h], h);
  }
  const double scale = 1 / (voxels * static_cast<double>(n));
  out.loss = scale * losses::weighted_product(*s.blur, s.weight, both, s.reference->grid().nx, mean[0], mean[1], out.bar);
  for (std::size_t h = 0; h < 2; ++h) {
    for (double& v : out.bar[h]) v *= scale;
    per_slice(out.bar[h], h);
  }
}

template <class Real, class Kind>
double ImageDifference<Real, Kind>::loss(const State& s) const {
  if (!s.reference) return std::numeric_limits<double>::quiet_NaN();
  if (by_halves()) return halves(s).loss;
  return s.square / (s.compared * static_cast<double>(s.reference->channels()));
}

template <class Real, class Kind>
auto ImageDifference<Real, Kind>::adjoint(const State& s, const In& x) const -> In {
  if (!s.reference)
    throw DataError(std::string(Kind::kName) +
                    ": no reference was shown before the run; train on a scan with its truth, or give a file");
  In x_bar{x.view, Array<Real, 4>(x.value.shape()), {}, x.grid, x.slice, x.channels};
  const std::size_t n = x.value.extent(0), pixels = s.reference->pixels();
  std::vector<double> own;
  for (std::size_t z = 0; z < x.value.extent(1); ++z) {
    const Slice& reference = s.reference->at(x, z);
    if (!by_halves()) square_of(s, difference(x, z, reference), reference, &own);
    const std::vector<double>& bar = by_halves() ? halves(s).bar[(x.slice + z) % 2] : own;
    const double scale = by_halves() ? 1 : 1 / (s.compared * static_cast<double>(n));
    for (std::size_t c = 0; c < n; ++c) {
      const auto to = x_bar.value.block(c, z);
      for (std::size_t i = 0; i < pixels; ++i)
        if (reference.compared[i]) to[i] = static_cast<Real>(scale * bar[c * pixels + i]);
    }
  }
  return x_bar;
}

template <class Real, class Kind>
std::vector<Remark> ImageDifference<Real, Kind>::report(const State& s) const {
  if (!s.reference) return {};
  std::uint64_t compared = 0, all = 0;
  for (const Slice& slice : s.reference->slices()) {
    for (auto v : slice.compared) compared += v;
    all += slice.compared.size();
  }
  return {{"voxels of the reference compared", compared, all}};
}

template class ImageDifference<float, MaterialDifference>;
template class ImageDifference<double, MaterialDifference>;
template class ImageDifference<float, MonoenergeticDifference>;
template class ImageDifference<double, MonoenergeticDifference>;

}  // namespace counterflow
