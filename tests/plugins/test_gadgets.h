// Small gadgets for tests of chains and of the engine: every form, trained and not, with an adjoint and without. Their formulas
// are simple enough to be computed by hand.
#pragma once
#include <cmath>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/gadget/forms.h"
#include "core/parallel.h"

namespace counterflow {

template <class Real>
std::size_t bytes_of_view(const ScanHeader& h, std::size_t channels) {
  return channels * h.geometry.rows * h.geometry.columns * sizeof(Real);
}

// y[b,i] = exp(g[b]) x[b,i], g trained.
template <class Real>
class TestGain {
 public:
  using In = Counts<Real>;
  using Out = Counts<Real>;
  struct Params {
    std::vector<Real> log_gain;  // [bin]
    template <class Self, class Visitor>
    static void each(Self& self, Visitor&& visit) {
      visit("log_gain", self.log_gain);
    }
  };
  struct State {
    std::vector<Real> gain;  // [bin]
  };
  static constexpr const char* kManual = R"(Multiplies each bin by a factor: y = exp(g) x, g learned. For tests.
<gadget><dll>counterflow_test_gadgets</dll><classname>TestGain</classname><property name="start" value="0.1"/></gadget>)";

  void describe(PropertyVisitor& v) {
    v("start", start_, {.unit = "1", .text = "Logarithm of the gain before training.", .min = -2, .max = 2});
    v("fail_at", fail_at_, {.unit = "view", .text = "View that throws; -1 = none.", .min = -1, .max = 1e9});
  }
  Params initial(const ScanHeader& h) const { return {std::vector<Real>(h.bins(), static_cast<Real>(start_))}; }
  State begin(const Params& p, const ScanHeader&) const {
    State s;
    restart(p, s);
    return s;
  }
  void restart(const Params& p, State& s) const {
    s.gain.clear();
    for (Real g : p.log_gain) s.gain.push_back(std::exp(g));
  }
  ParameterDoc parameter(const std::string&, const ScanHeader& h) const {
    return {.unit = "1", .scale = 0.1, .min = -3, .max = 3, .axes = {"bin"}, .shape = {h.bins()}};
  }
  Footprint footprint(const ScanHeader& h) const {
    return {.message = bytes_of_view<Real>(h, h.bins()), .state = h.bins() * sizeof(Real)};
  }
  Out forward(const Params&, const State& s, const In& x) const {
    if (static_cast<std::int64_t>(x.view.index) == fail_at_ && !x.view.air) throw DataError("asked to fail");
    Out y = x;
    for (std::size_t b = 0; b < s.gain.size(); ++b)
      for (Real& v : y.counts.block(b)) v *= s.gain[b];
    return y;
  }
  In adjoint(const Params&, const State& s, const In&, const Out& y, const Out& y_bar, Params& p_bar) const {
    In x_bar = y_bar;
    for (std::size_t b = 0; b < s.gain.size(); ++b) {
      const auto value = y.counts.block(b);
      const auto bar = x_bar.counts.block(b);
      for (std::size_t i = 0; i < value.size(); ++i) {
        p_bar.log_gain[b] += value[i] * bar[i];
        bar[i] *= s.gain[b];
      }
    }
    return x_bar;
  }

 private:
  double start_ = 0;
  std::int64_t fail_at_ = -1;
};

// y = x, and y.open_beam = mean of the air views at exposure 1.
template <class Real>
class TestCalibrated {
 public:
  using In = Counts<Real>;
  using Out = Counts<Real>;
  using Params = None;
  struct State {
    std::shared_ptr<Array<Real, 3>> mean;
    double exposure = 0;
  };
  static constexpr const char* kManual = R"(Learns the open beam from the air views. For tests.
<gadget><dll>counterflow_test_gadgets</dll><classname>TestCalibrated</classname></gadget>)";

  void describe(PropertyVisitor&) {}
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader& h) const {
    return {std::make_shared<Array<Real, 3>>(std::array{h.bins(), h.geometry.rows, h.geometry.columns}), 0};
  }
  Footprint footprint(const ScanHeader& h) const {
    return {.message = bytes_of_view<Real>(h, h.bins()), .state = bytes_of_view<Real>(h, h.bins())};
  }
  void restart(const Params&, State&) const {}
  void calibrate(State& s, const In& x) const {
    s.exposure += x.view.exposure;
    const Real weight = static_cast<Real>(x.view.exposure / s.exposure);
    for (std::size_t i = 0; i < x.counts.size(); ++i)
      (*s.mean)[i] += (x.counts[i] / static_cast<Real>(x.view.exposure) - (*s.mean)[i]) * weight;
  }
  Out forward(const Params&, const State& s, const In& x) const {
    if (!(s.exposure > 0)) throw DataError("no air view came before the first object view");
    Out y = x;
    y.open_beam = s.mean;
    return y;
  }
  In adjoint(const Params&, const State&, const In&, const Out&, const Out& y_bar, Params&) const {
    In x_bar = y_bar;
    x_bar.open_beam = nullptr;
    return x_bar;
  }
};

// y = max(x, floor), without an adjoint.
template <class Real>
class TestNoAdjoint {
 public:
  using In = Counts<Real>;
  using Out = Counts<Real>;
  using Params = None;
  using State = None;
  static constexpr const char* kManual = R"(Lifts counts to a floor; has no adjoint. For tests.
<gadget><dll>counterflow_test_gadgets</dll><classname>TestNoAdjoint</classname><property name="floor" value="0.5"/></gadget>)";

  void describe(PropertyVisitor& v) {
    v("floor", floor_, {.unit = "count", .text = "Smallest count that passes.", .min = 0, .max = 1e9});
  }
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader&) const { return {}; }
  Footprint footprint(const ScanHeader& h) const { return {.message = bytes_of_view<Real>(h, h.bins())}; }
  Out forward(const Params&, const State&, const In& x) const {
    Out y = x;
    for (Real& v : y.counts) v = std::max(v, static_cast<Real>(floor_));
    return y;
  }

 private:
  double floor_ = 0.5;
};

// A + c A^3 = sum_b w[b] ln(open[b] / x[b]) for each ray, w trained; adjoint by the implicit function theorem: (1 + 3 c A^2) v =
// A_bar.
template <class Real>
class TestToPaths {
 public:
  using In = Counts<Real>;
  using Out = PathLengths<Real>;
  struct Params {
    std::vector<Real> weight;  // [bin]
    template <class Self, class Visitor>
    static void each(Self& self, Visitor&& visit) {
      visit("weight", self.weight);
    }
  };
  using State = None;
  static constexpr const char* kManual =
      R"(One path length a ray from all bins: A + c A^3 = sum w ln(open / x), w learned. For tests.
<gadget><dll>counterflow_test_gadgets</dll><classname>TestToPaths</classname><property name="curvature" value="0.05"/></gadget>)";

  void describe(PropertyVisitor& v) {
    v("curvature", curvature_, {.unit = "cm^4/g^2", .text = "Strength of the cubic term.", .min = 0, .max = 1});
  }
  Params initial(const ScanHeader& h) const { return {std::vector<Real>(h.bins(), Real(1) / static_cast<Real>(h.bins()))}; }
  State begin(const Params&, const ScanHeader&) const { return {}; }
  Footprint footprint(const ScanHeader& h) const { return {.message = bytes_of_view<Real>(h, 1)}; }
  Out forward(const Params& p, const State&, const In& x) const {
    if (!x.open_beam) throw DataError("needs an open beam: put an air calibration before it");
    const Real c = static_cast<Real>(curvature_);
    const std::size_t rays = x.counts.extent(1) * x.counts.extent(2);
    Out y;
    y.view = x.view;
    y.areal_density = Array<Real, 3>({1, x.counts.extent(1), x.counts.extent(2)});
    for (std::size_t i = 0; i < rays; ++i) {
      Real sum = 0;
      for (std::size_t b = 0; b < p.weight.size(); ++b)
        sum += p.weight[b] * std::log((*x.open_beam)[b * rays + i] / x.counts[b * rays + i]);
      Real a = sum;
      for (int k = 0; k < 12; ++k) a -= (a + c * a * a * a - sum) / (1 + 3 * c * a * a);
      y.areal_density[i] = a;
    }
    return y;
  }
  In adjoint(const Params& p, const State&, const In& x, const Out& y, const Out& y_bar, Params& p_bar) const {
    const std::size_t rays = y.areal_density.size();
    In x_bar = zero_like(x);
    x_bar.open_beam = nullptr;
    for (std::size_t i = 0; i < rays; ++i) {
      const Real a = y.areal_density[i];
      const Real v = y_bar.areal_density[i] / (1 + 3 * static_cast<Real>(curvature_) * a * a);
      for (std::size_t b = 0; b < p.weight.size(); ++b) {
        x_bar.counts[b * rays + i] = -p.weight[b] * v / x.counts[b * rays + i];
        p_bar.weight[b] += v * std::log((*x.open_beam)[b * rays + i] / x.counts[b * rays + i]);
      }
    }
    return x_bar;
  }

 private:
  double curvature_ = 0.05;
};

// image[c,r,0,i] = sum over views of s (1 + cos(angle)/4) x[c,r,(i + view) mod n] / views, s trained; one image a row.
template <class Real>
class TestFold {
 public:
  using In = PathLengths<Real>;
  using Out = Image<Real>;
  struct Params {
    std::vector<Real> scale;  // [1]
    template <class Self, class Visitor>
    static void each(Self& self, Visitor&& visit) {
      visit("scale", self.scale);
    }
  };
  struct State {
    Array<Real, 4> image;  // [channel,row,1,column]
    Real per_view = 1;
    std::size_t rows = 1;
    View last;
  };
  using Cotangent = Array<Real, 4>;
  static constexpr const char* kManual = R"(A toy linear reconstruction, one image a row, scaled by s learned. For tests.
<gadget><dll>counterflow_test_gadgets</dll><classname>TestFold</classname></gadget>)";

  void describe(PropertyVisitor&) {}
  Params initial(const ScanHeader&) const { return {{Real(1)}}; }
  State begin(const Params&, const ScanHeader& h) const {
    return {{}, Real(1) / static_cast<Real>(h.geometry.views), h.geometry.rows, {}};
  }
  Footprint footprint(const ScanHeader& h) const {
    const std::size_t row = h.geometry.columns * sizeof(Real);
    return {.message = row, .state = h.geometry.rows * row, .emitted = h.geometry.rows};
  }
  void add(const Params& p, State& s, const In& x) const {
    const auto& a = x.areal_density;
    if (s.image.empty()) s.image = Array<Real, 4>({a.extent(0), a.extent(1), 1, a.extent(2)});
    const Real w = weight(s, x.view) * p.scale[0];
    const std::size_t n = a.extent(2), lines = a.extent(0) * a.extent(1);
    parallel_chunks(lines * n, 64, [&](std::size_t begin, std::size_t end) {
      for (std::size_t k = begin; k < end; ++k) s.image[k] += w * a[k / n * n + (k % n + x.view.index) % n];
    });
    s.last = x.view;
  }
  template <class Emit>
  void end(const Params&, const State& s, Emit emit) const {
    if (s.image.empty()) return;
    for (std::size_t r = 0; r < s.image.extent(1); ++r) {
      Out y;
      y.view = s.last;
      y.slice = r;
      y.value = Array<Real, 4>({s.image.extent(0), 1, 1, s.image.extent(3)});
      for (std::size_t c = 0; c < s.image.extent(0); ++c)
        for (std::size_t i = 0; i < s.image.extent(3); ++i) y.value(c, 0, 0, i) = s.image(c, r, 0, i);
      emit(std::move(y));
    }
  }
  Out preview(const State& s) const {
    Out y;
    y.view = s.last;
    y.view.preview = true;
    y.value = s.image;
    return y;
  }
  // [channel,row,1,column] again, from one cotangent a row.
  Cotangent adjoint_begin(const Params&, const State& s, const std::vector<std::shared_ptr<const Out>>& y_bars) const {
    Cotangent z({s.image.extent(0), s.image.extent(1), 1, s.image.extent(3)});
    for (std::size_t r = 0; r < y_bars.size(); ++r)
      for (std::size_t c = 0; y_bars[r] && c < z.extent(0); ++c)
        for (std::size_t i = 0; i < z.extent(3); ++i) z(c, r, 0, i) = y_bars[r]->value(c, 0, 0, i);
    return z;
  }
  In adjoint(const Params& p, const State& s, const In& x, const Cotangent& z, Params& p_bar) const {
    In x_bar = zero_like(x);
    const Real w = weight(s, x.view);
    const std::size_t n = x.areal_density.extent(2);
    for (std::size_t k = 0; k < z.size(); ++k) {
      const std::size_t from = k / n * n + (k % n + x.view.index) % n;
      x_bar.areal_density[from] = p.scale[0] * w * z[k];
      p_bar.scale[0] += w * z[k] * x.areal_density[from];
    }
    return x_bar;
  }

 private:
  static Real weight(const State& s, const View& view) { return s.per_view * static_cast<Real>(1 + std::cos(view.angle) / 4); }
};

// y = factor x.
template <class Real>
class TestScale {
 public:
  using In = Image<Real>;
  using Out = Image<Real>;
  using Params = None;
  using State = None;
  static constexpr const char* kManual = R"(Multiplies images by a factor. For tests.
<gadget><dll>counterflow_test_gadgets</dll><classname>TestScale</classname><property name="factor" value="2"/></gadget>)";

  void describe(PropertyVisitor& v) {
    v("factor", factor_, {.unit = "1", .text = "The factor.", .min = -1e6, .max = 1e6});
    v("note", note_, {.text = "Any text; nothing is done with it."});
  }
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader&) const { return {}; }
  Footprint footprint(const ScanHeader& h) const { return {.message = h.geometry.columns * sizeof(Real)}; }
  Out forward(const Params&, const State&, const In& x) const {
    Out y = x;
    for (Real& v : y.value) v *= static_cast<Real>(factor_);
    return y;
  }
  In adjoint(const Params&, const State&, const In&, const Out&, const Out& y_bar, Params&) const {
    In x_bar = y_bar;
    for (Real& v : x_bar.value) v *= static_cast<Real>(factor_);
    return x_bar;
  }

 private:
  double factor_ = 2;
  std::string note_;
};

// loss = mean of (x - reference)^2 / 2 over all values of all messages of type T.
template <class Real, class T>
class MeanSquareOf {
 public:
  using In = T;
  using Out = T;
  using Params = None;
  struct State {
    double sum = 0;
    std::uint64_t n = 0;
    double wanted = 0;  // mean over what refer() saw
    std::uint64_t referred = 0;
  };
  void describe(PropertyVisitor& v) {
    v("reference", reference_, {.unit = "1", .text = "Value wanted everywhere.", .min = -1e6, .max = 1e6});
    v("of_truth", of_truth_, {.text = "Whether the mean of the truth is wanted instead."});
  }
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader&) const { return {}; }
  void restart(const Params&, State& s) const { s.sum = 0, s.n = 0; }
  std::string reference() const { return of_truth_ ? "truth" : ""; }
  void refer(State& s, const In& x) const {
    T::each(x, [&](auto, const auto& block) {
      for (Real v : block) s.wanted += (static_cast<double>(v) - s.wanted) / static_cast<double>(++s.referred);
    });
  }
  Footprint footprint(const ScanHeader&) const { return {.state = sizeof(State)}; }
  void consume(State& s, const In& x) const {
    if (x.view.preview) return;
    T::each(x, [&](auto, const auto& block) {
      for (Real v : block) s.sum += 0.5 * (static_cast<double>(v) - wanted(s)) * (static_cast<double>(v) - wanted(s));
      s.n += block.size();
    });
  }
  double loss(const State& s) const { return s.n ? s.sum / static_cast<double>(s.n) : 0; }
  In adjoint(const State& s, const In& x) const {
    In x_bar = x;
    T::each(x_bar, [&](auto, auto& block) {
      for (Real& v : block) v = (v - static_cast<Real>(wanted(s))) / static_cast<Real>(s.n);
    });
    return x_bar;
  }
  std::vector<Remark> report(const State& s) const { return {{"values compared", s.n, s.n}}; }

 private:
  double wanted(const State& s) const { return s.referred ? s.wanted : reference_; }
  double reference_ = 1;
  bool of_truth_ = false;
};

template <class Real>
class TestMeanSquare : public MeanSquareOf<Real, Image<Real>> {
 public:
  static constexpr const char* kManual = R"(Loss on images: mean of (x - reference)^2 / 2. For tests.
<loss><dll>counterflow_test_gadgets</dll><classname>TestMeanSquare</classname><property name="reference" value="0.8"/></loss>)";
};

template <class Real>
class TestPathLoss : public MeanSquareOf<Real, PathLengths<Real>> {
 public:
  static constexpr const char* kManual = R"(Loss on path lengths: mean of (x - reference)^2 / 2. For tests.
<loss after="paths"><dll>counterflow_test_gadgets</dll><classname>TestPathLoss</classname></loss>)";
};

// Counts the images that pass; a Sink without a loss.
template <class Real>
class TestObserver {
 public:
  using In = Image<Real>;
  using Out = Image<Real>;
  using Params = None;
  struct State {
    std::uint64_t seen = 0, previews = 0;
  };
  static constexpr const char* kManual = R"(Counts the images that pass. For tests.
<gadget><dll>counterflow_test_gadgets</dll><classname>TestObserver</classname></gadget>)";

  void describe(PropertyVisitor&) {}
  Params initial(const ScanHeader&) const { return {}; }
  State begin(const Params&, const ScanHeader&) const { return {}; }
  Footprint footprint(const ScanHeader&) const { return {.state = sizeof(State)}; }
  void consume(State& s, const In& x) const { ++(x.view.preview ? s.previews : s.seen); }
  std::vector<Remark> report(const State& s) const {
    return {{"images seen", s.seen, s.seen}, {"previews seen", s.previews, s.previews}};
  }
};

}  // namespace counterflow
