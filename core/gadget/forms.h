// The three forms of a gadget, told apart by the functions that its class has. A gadget is a small immutable value class,
// a template on Real, with
//   using In, Out, Params, State;                    In and Out are messages (core/message/message.h)
//   static constexpr const char* kManual;            one sentence and the formula, then an example in XML
//   void describe(PropertyVisitor&);                 its properties
//   Params initial(const ScanHeader&) const;         parameters before any training
//   State begin(const Params&, const ScanHeader&) const;   tables, weights, geometry of one scan
//   Footprint footprint(const ScanHeader&) const;    memory, printed by `counterflow check`
// and either
//   Map   Out forward(p, state, x) const                               in parallel; State is frozen
//         In adjoint(p, state, x, y, y_bar, p_bar) const               x_bar = (dy/dx)^T y_bar, p_bar += (dy/dp)^T y_bar
//   Fold  void add(p, state, x) const                                  in order
//         void end(p, state, emit) const                               emit(Out) for each result
//         Cotangent adjoint_begin(p, state, y_bars) const              once; a solve goes here
//         In adjoint(p, state, x, z, p_bar) const                      per input, in parallel
//         Out preview(state) const                                     optional
//   Sink  void consume(state, x) const                                 in order; Out = In goes on unchanged
//         double loss(state) const, In adjoint(state, x) const         of losses
// Optional on each: void calibrate(state, x) const (air views, in order, before the first object view) and with it
// void calibrated(state) const (once behind the last air view, also where none came); ScanHeader output_header(header) const
// (what later gadgets are told, when the detector changes); std::vector<Remark> report(state).
// Optional for training: ParameterDoc parameter(name, header) const (unit, scale and axes of a block of Params);
// void restart(p, state) const (the same scan once more with other parameters: turns the State of a finished run into what
// begin() and the calibration would give, keeping what does not depend on p; without it both are done again,
// but for Maps without Params, whose State never changes); of a loss:
// std::string reference() const ("" = none, "truth", or the name of an image file) and with it void refer(state, x) const (in
// order, before the first run: what the loss would see of a perfect scan of the truth). Having an adjoint is what differentiable
// means; there is no flag.
#pragma once
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "core/gadget/property.h"
#include "core/message/message.h"
#include "core/message/scan_header.h"

namespace counterflow {

// Params or State of a gadget that has none.
struct None {
  template <class Self, class Visitor>
  static void each(Self&, Visitor&&) {}
};

// Memory that a gadget takes [bytes]: of one message that it gives, of one scan's State, and the messages a Fold emits.
struct Footprint {
  std::size_t message = 0;
  std::size_t state = 0;
  std::size_t emitted = 1;
};

// What is known of a block of parameters beside its values.
struct ParameterDoc {
  std::string unit = "1";
  double scale = 1;  // a typical change, in `unit`: what an optimiser takes for 1
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  std::vector<std::string> axes = {};   // of the block, "node", "threshold", "module"; empty = one axis without a name
  std::vector<std::size_t> shape = {};  // extents of the axes; empty = {size}
};

// Something worth telling at the end of a scan: "rays without a finite optimum", 12 of 5898240.
struct Remark {
  std::string text;
  std::uint64_t count = 0, of = 0;
};

template <class G>
concept HasForward = requires {
  &G::forward;
};
template <class G>
concept HasAdjoint = requires {
  &G::adjoint;
};
template <class G>
concept HasAdd = requires {
  &G::add;
};
template <class G>
concept HasConsume = requires {
  &G::consume;
};
template <class G>
concept HasCalibrate = requires {
  &G::calibrate;
};
template <class G>
concept HasCalibrated = requires {
  &G::calibrated;
};
template <class G>
concept HasPreview = requires {
  &G::preview;
};
template <class G>
concept HasOutputHeader = requires {
  &G::output_header;
};
template <class G>
concept HasReport = requires {
  &G::report;
};
template <class G>
concept HasLoss = requires {
  &G::loss;
};
template <class G>
concept HasParameterDoc = requires {
  &G::parameter;
};
template <class G>
concept HasRestart = requires {
  &G::restart;
};
template <class G>
concept HasReference = requires {
  &G::refer;
  &G::reference;
};

enum class Form { map, fold, sink };

template <class G>
constexpr Form form_of() {
  static_assert(HasForward<G> + HasAdd<G> + HasConsume<G> == 1, "a gadget has exactly one of forward, add, consume");
  return HasForward<G> ? Form::map : HasAdd<G> ? Form::fold : Form::sink;
}

inline const char* form_name(Form form) { return form == Form::map ? "Map" : form == Form::fold ? "Fold" : "Sink"; }

}  // namespace counterflow
