// A gadget with its type erased. A Stage is immutable after load and shared; all of one scan lives in a Bound.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/gadget/forms.h"

namespace counterflow {

// A named piece of a stage's parameters, laid out flat.
struct ParameterBlock {
  std::string name;
  std::size_t offset = 0, size = 0;
  ParameterDoc doc = {};
};

// Parameters, State and adjoint workspace of one stage in one scan.
template <class Real>
struct Bound {
  virtual ~Bound() = default;
};

template <class Real>
class Stage {
 public:
  using M = Message<Real>;
  std::string name;  // unique in a chain; the class unless the XML names it
  std::string classname;
  std::string where;  // file:line
  virtual ~Stage() = default;

  virtual Form form() const = 0;
  virtual bool differentiable() const = 0;
  virtual bool calibrates() const = 0;
  virtual bool has_loss() const = 0;
  virtual std::size_t in() const = 0;  // index in Message
  virtual std::size_t out() const = 0;
  virtual std::vector<Property> properties() const = 0;
  virtual Footprint footprint(const ScanHeader&) const = 0;
  virtual ScanHeader output_header(const ScanHeader&) const = 0;
  virtual std::vector<std::string> parameter_names() const = 0;             // of blocks(), known without a scan
  virtual std::vector<ParameterBlock> blocks(const ScanHeader&) const = 0;  // empty: nothing to learn
  virtual std::vector<double> initial(const ScanHeader&) const = 0;

  virtual std::unique_ptr<Bound<Real>> begin(const ScanHeader&, std::span<const double> parameters) const = 0;
  virtual std::unique_ptr<Bound<Real>> copy(const Bound<Real>&) const = 0;  // references of losses and calibration included
  // The same scan once more with other parameters; false: not known how, begin() again and calibrate.
  virtual bool restart(Bound<Real>&, std::span<const double> parameters) const = 0;
  virtual std::string reference() const = 0;                    // of a loss: "", "truth" or an image file
  virtual void refer(Bound<Real>&, const M& x) const = 0;       // in order, before the first run
  virtual void calibrate(Bound<Real>&, const M& x) const = 0;   // in order, before the first object view
  virtual void calibrated(Bound<Real>&) const = 0;              // once, behind the last air view
  virtual M forward(const Bound<Real>&, const M& x) const = 0;  // Map, in parallel; a Sink passes x on
  virtual void add(Bound<Real>&, const M& x) const = 0;         // Fold and Sink, in order
  virtual void end(Bound<Real>&, const std::function<void(M)>& emit) const = 0;
  virtual M preview(const Bound<Real>&) const = 0;  // empty message: has none
  virtual double loss(const Bound<Real>&) const = 0;
  virtual std::vector<Remark> report(const Bound<Real>&) const = 0;
  virtual void adjoint_begin(Bound<Real>&, const std::vector<M>& y_bars) const = 0;  // Fold, once
  // In parallel. Adds to p_bar. A Map needs y and y_bar; a Fold and a Sink ignore them.
  virtual M adjoint(const Bound<Real>&, const M& x, const M& y, const M& y_bar, std::span<Real> p_bar) const = 0;
};

template <template <class> class Gadget, class Real>
class StageOf final : public Stage<Real> {
  using G = Gadget<Real>;
  using M = Message<Real>;
  using In = typename G::In;
  using Out = typename G::Out;
  using Params = typename G::Params;
  using State = typename G::State;
  static constexpr Form kForm = form_of<G>();

  struct NoCotangent {};
  static auto cotangent_type() {
    if constexpr (kForm == Form::fold && HasAdjoint<G>) return typename G::Cotangent();
    else return NoCotangent();
  }
  struct Scan final : Bound<Real> {
    Params p;
    State state;
    decltype(cotangent_type()) z;
  };
  static const Scan& of(const Bound<Real>& b) { return static_cast<const Scan&>(b); }
  static Scan& of(Bound<Real>& b) { return static_cast<Scan&>(b); }
  template <class T>
  static const T& get(const M& m) {
    return *std::get<Sent<T>>(m);  // cannot fail: the loader matched the types
  }
  template <class T>
  static M send(T x) {
    return Sent<T>(std::make_shared<const T>(std::move(x)));
  }
  static Params unflatten(Params p, std::span<const double> flat) {
    std::size_t n = 0;
    Params::each(p, [&](auto, auto& block) {
      for (auto& v : block) v = static_cast<Real>(flat[n++]);
    });
    return p;
  }

  ParameterDoc parameter_doc([[maybe_unused]] const std::string& block, std::size_t size,
                             [[maybe_unused]] const ScanHeader& h) const {
    ParameterDoc doc;
    if constexpr (HasParameterDoc<G>) doc = gadget_.parameter(block, h);
    if (doc.shape.empty()) doc.shape = {size};
    return doc;
  }

  G gadget_;

 public:
  explicit StageOf(PropertyReader& read) {
    gadget_.describe(read);
    read.finish();
  }
  explicit StageOf(G gadget) : gadget_(std::move(gadget)) {}

  Form form() const override { return kForm; }
  bool differentiable() const override { return HasAdjoint<G>; }
  bool calibrates() const override { return HasCalibrate<G>; }
  bool has_loss() const override { return HasLoss<G>; }
  std::size_t in() const override { return message_index<Real, In>(); }
  std::size_t out() const override { return message_index<Real, Out>(); }

  std::vector<Property> properties() const override {
    G copy = gadget_;
    PropertyList list;
    copy.describe(list);
    for (auto& property : list.properties) property.assign = nullptr;  // it would write to the copy
    return list.properties;
  }
  Footprint footprint(const ScanHeader& h) const override { return gadget_.footprint(h); }
  ScanHeader output_header(const ScanHeader& h) const override {
    if constexpr (HasOutputHeader<G>) return gadget_.output_header(h);
    else return h;
  }
  std::vector<std::string> parameter_names() const override {
    std::vector<std::string> names;
    const Params p{};
    Params::each(p, [&](auto block_name, const auto&) { names.emplace_back(block_name); });
    return names;
  }
  std::vector<ParameterBlock> blocks(const ScanHeader& h) const override {
    std::vector<ParameterBlock> out;
    std::size_t n = 0;
    const Params p = gadget_.initial(h);
    Params::each(p, [&](auto block_name, const auto& block) {
      out.push_back({block_name, n, block.size(), parameter_doc(block_name, block.size(), h)});
      n += block.size();
    });
    return out;
  }
  std::vector<double> initial(const ScanHeader& h) const override {
    std::vector<double> flat;
    const Params p = gadget_.initial(h);
    Params::each(p, [&](auto, const auto& block) { flat.insert(flat.end(), block.begin(), block.end()); });
    return flat;
  }

  std::unique_ptr<Bound<Real>> begin(const ScanHeader& h, std::span<const double> flat) const override {
    auto scan = std::make_unique<Scan>();
    scan->p = unflatten(gadget_.initial(h), flat);
    scan->state = gadget_.begin(scan->p, h);
    return scan;
  }
  bool restart([[maybe_unused]] Bound<Real>& b, [[maybe_unused]] std::span<const double> flat) const override {
    if constexpr (HasRestart<G>) {
      of(b).p = unflatten(std::move(of(b).p), flat);
      gadget_.restart(of(b).p, of(b).state);
      of(b).z = {};
    }
    return HasRestart<G> || (kForm == Form::map && std::is_same_v<Params, None>);  // such a Map's State never changes
  }
  std::string reference() const override {
    if constexpr (HasReference<G>) return gadget_.reference();
    else return "";
  }
  void refer([[maybe_unused]] Bound<Real>& b, [[maybe_unused]] const M& x) const override {
    if constexpr (HasReference<G>) gadget_.refer(of(b).state, get<In>(x));
  }
  std::unique_ptr<Bound<Real>> copy(const Bound<Real>& b) const override { return std::make_unique<Scan>(of(b)); }
  void calibrate([[maybe_unused]] Bound<Real>& b, [[maybe_unused]] const M& x) const override {
    if constexpr (HasCalibrate<G>) gadget_.calibrate(of(b).state, get<In>(x));
  }
  void calibrated([[maybe_unused]] Bound<Real>& b) const override {
    if constexpr (HasCalibrated<G>) gadget_.calibrated(of(b).state);
  }
  M forward([[maybe_unused]] const Bound<Real>& b, const M& x) const override {
    if constexpr (kForm == Form::map) return send(gadget_.forward(of(b).p, of(b).state, get<In>(x)));
    else return x;
  }
  void add([[maybe_unused]] Bound<Real>& b, [[maybe_unused]] const M& x) const override {
    if constexpr (kForm == Form::fold) gadget_.add(of(b).p, of(b).state, get<In>(x));
    else if constexpr (kForm == Form::sink) gadget_.consume(of(b).state, get<In>(x));
  }
  void end([[maybe_unused]] Bound<Real>& b, [[maybe_unused]] const std::function<void(M)>& emit) const override {
    if constexpr (kForm == Form::fold) gadget_.end(of(b).p, of(b).state, [&](Out y) { emit(send(std::move(y))); });
  }
  M preview([[maybe_unused]] const Bound<Real>& b) const override {
    if constexpr (HasPreview<G>) return send(gadget_.preview(of(b).state));
    else return {};
  }
  double loss([[maybe_unused]] const Bound<Real>& b) const override {
    if constexpr (HasLoss<G>) return gadget_.loss(of(b).state);
    else return 0;
  }
  std::vector<Remark> report([[maybe_unused]] const Bound<Real>& b) const override {
    if constexpr (HasReport<G>) return gadget_.report(of(b).state);
    else return {};
  }
  void adjoint_begin([[maybe_unused]] Bound<Real>& b, [[maybe_unused]] const std::vector<M>& y_bars) const override {
    if constexpr (kForm == Form::fold && HasAdjoint<G>) {
      std::vector<Sent<Out>> bars;
      for (const auto& m : y_bars) bars.push_back(m.index() == 0 ? nullptr : std::get<Sent<Out>>(m));
      of(b).z = gadget_.adjoint_begin(of(b).p, of(b).state, bars);
    }
  }
  M adjoint([[maybe_unused]] const Bound<Real>& b, [[maybe_unused]] const M& x, [[maybe_unused]] const M& y,
            [[maybe_unused]] const M& y_bar, [[maybe_unused]] std::span<Real> p_bar) const override {
    if constexpr (!HasAdjoint<G>) {
      throw ConfigError(this->where + ": " + this->name + " has no adjoint");  // unreachable: refused at load
    } else {
      Params bar = zero_like(of(b).p);
      M x_bar;
      if constexpr (kForm == Form::map)
        x_bar = send(gadget_.adjoint(of(b).p, of(b).state, get<In>(x), get<Out>(y), get<Out>(y_bar), bar));
      else if constexpr (kForm == Form::fold) x_bar = send(gadget_.adjoint(of(b).p, of(b).state, get<In>(x), of(b).z, bar));
      else x_bar = send(gadget_.adjoint(of(b).state, get<In>(x)));
      std::size_t n = 0;
      Params::each(bar, [&](auto, const auto& block) {
        for (auto v : block) p_bar[n++] += v;
      });
      return x_bar;
    }
  }
};

}  // namespace counterflow
