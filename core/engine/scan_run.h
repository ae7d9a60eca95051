// One scan through one chain: forward, and backward through the adjoints. All that is mutable lives here; the chain is shared.
//
// A chain is cut into groups: the gadgets that a message meets from the scan, or from a Fold, up to the next Folds. A group is
// streamed (core/engine/stream.h) with one message a token: its Maps run in parallel, its Sinks, Folds and the output in order.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/chain/chain.h"
#include "core/engine/stream.h"

namespace counterflow {

// Where messages come from: air views first, then object views in order; an empty message at the end.
template <class Real>
using Source = std::function<Message<Real>()>;

// What is remembered between forward and backward: every message, or nothing (the scan is read and computed again).
enum class Tape { none, keep, recompute };

struct StageRemark {
  std::string stage;
  Remark remark;
};

template <class Real>
class ScanRun {
 public:
  using M = Message<Real>;
  // What leaves the chain, in order, with the stage that gave it; previews too.
  using Output = std::function<void(const Stage<Real>&, const M&)>;
  // Cotangents of the scan's own object views, in order; asking for them takes the gradient through the whole chain.
  using InputCotangent = std::function<void(const M&)>;

  // `parameters` [stage][flat]; empty = each gadget's initial ones. Throws ConfigError where a gadget refuses the scan.
  ScanRun(const Chain<Real>& chain, const ScanHeader& header, Workers& workers, std::vector<std::vector<double>> parameters = {});

  // Another run of the same chain over the same scan: calibrated and shown references as this one; then restart().
  ScanRun(const ScanRun& other);

  Output output;
  double preview_interval = 0;  // [s]; 0 = no previews

  // The same scan once more, with other parameters. What does not depend on them is kept: tables, and what air views gave.
  void restart(std::vector<std::vector<double>> parameters);
  // Before the first forward(): shows each loss that asks for the truth what it would see of a perfect scan. `perfect` gives the
  // counts that the true object would have given for a view as it comes to a decomposition. Then restart().
  using Perfect = std::function<Sent<Counts<Real>>(std::size_t stage, const Counts<Real>& x)>;
  void refer(const Source<Real>& source, const Perfect& perfect);
  // Shows one loss a reference image.
  void refer(std::size_t stage, const M& image);

  // Streams the scan through the chain; returns the weighted sum of the losses.
  double forward(const Source<Real>& source, Tape tape = Tape::none);
  // After forward(): the gradient of the summed losses in the parameters [stage][flat], summed in message order in double, from
  // the first trained gadget on. `again` replays the scan (not used with Tape::keep).
  std::vector<std::vector<double>> backward(const Source<Real>& again, Tape tape, const InputCotangent& input = nullptr);

  // Gauss-Newton: the same with each loss's cotangent replaced by scale (that in `plus` - that in `minus`), two runs that have
  // gone forward(source, Tape::recompute) with parameters moved a little either way.
  struct Difference {
    const ScanRun& plus;
    const ScanRun& minus;
    double scale = 1;
  };
  std::vector<std::vector<double>> backward(const Source<Real>& again, Tape tape, const Difference& difference);

  // What each stage has done by now [stage]; may be asked on any thread while the scan runs.
  struct Activity {
    std::uint64_t messages = 0, nanoseconds = 0;  // time summed over threads
    std::uint64_t waiting = 0;                    // messages that its source has done and it has not
  };
  std::vector<Activity> activity() const;

  std::vector<StageRemark> report() const;
  // Losses, stage by stage, after forward(); not weighted.
  std::vector<double> losses() const;

 private:
  static constexpr std::size_t kScan = Chain<Real>::kScan;
  struct Group {
    std::size_t root;                 // kScan, or the Fold whose outputs enter
    std::vector<std::size_t> stages;  // in the chain's order
  };
  struct Token {
    M input;
    std::vector<M> out;                    // of each of the group's stages; empty for Folds
    std::vector<std::vector<Real>> p_bar;  // backward: of each of the group's stages
    M input_bar;
    std::size_t number = 0;  // in its group
  };

  struct Count {
    std::atomic<std::uint64_t> messages{0}, nanoseconds{0};
  };

  template <class F>
  void timed(std::size_t stage, bool done, F&& f) const;
  template <class F>
  void guard(std::size_t stage, const M& message, F&& f) const;
  void divide_into_groups();
  const M& input_of(const Token& token, const Group& group, std::size_t local) const;
  void calibrate(const M& air);
  void calibrate_stage(std::size_t stage, const M& air);
  void finish_calibration();
  using Finish = std::function<void(Token&, const Group&)>;
  void bind(std::size_t stage, const std::vector<double>& parameters);
  void stream_groups(const Source<Real>& source, Tape tape, const Finish& finish);
  M next_of_scan(const Source<Real>& source, bool& object_seen);
  bool runs(std::size_t stage) const { return output || watched_[stage]; }  // nobody sees what others give
  void work_forward(Token& token, const Group& group) const;
  M perfected(std::size_t stage, const M& x) const;
  void finish_forward(Token& token, const Group& group);
  void finish_reference(Token& token, const Group& group);
  void end_folds(const Group& group);
  void show_preview(std::size_t fold);
  std::vector<std::vector<double>> backward(const Source<Real>& again, Tape tape, const InputCotangent& input,
                                            const Difference* difference);
  void work_backward(Token& token, const Group& group, std::size_t first, const Difference* difference) const;
  M loss_cotangent(std::size_t stage, const M& x) const;
  Token replayed(const Token& token, const Group& group) const;
  void begin_adjoint(const Group& group, std::size_t first);

  const Chain<Real>& chain_;
  Workers& workers_;
  std::vector<ScanHeader> headers_;  // [stage]
  std::vector<std::unique_ptr<Bound<Real>>> bound_;
  std::vector<std::size_t> sizes_;   // parameters of a stage
  std::unique_ptr<Count[]> counts_;  // [stage], and of the scan itself behind them
  std::vector<Group> groups_;
  std::vector<std::size_t> local_;           // index of a stage within its group
  std::vector<bool> watched_;                // [stage] a Sink takes from it, or from what does; all without a loss
  std::vector<std::vector<M>> emitted_;      // by Folds [stage]
  std::vector<std::vector<M>> emitted_bar_;  // their cotangents
  std::vector<std::vector<Token>> kept_;     // [group], Tape::keep
  std::vector<M> air_;                       // air views still needed, where several gadgets calibrate
  std::vector<std::size_t> calibrating_;
  std::vector<bool> calibrated_;  // [stage], by an earlier run
  Perfect perfect_;               // while the truth is shown
  double last_preview_ = 0;
};

extern template class ScanRun<float>;
extern template class ScanRun<double>;

}  // namespace counterflow
