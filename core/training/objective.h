// The loss of a chain over archives as a function of what it learns, with its gradient by one pass forward and one backward.
//
//   loss(u) = mean over units of [ sum over losses of weight x loss ] + prior(u)
//
// A unit is a scan, or a block of a scan's detector rows. Units are dealt to the members of a team (one process, or the ranks of
// mpirun), neighbours to the same; their results are summed by the first member, in the units' order, in double: the same bits
// for any number of members and threads.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/engine/scan_run.h"
#include "core/training/optimiser.h"
#include "core/training/parameter_space.h"
#include "core/training/row_block.h"
#include "core/training/team.h"

namespace counterflow {

// An archive to learn from.
template <class Real>
struct TrainingScan {
  std::string name;                       // of messages
  ScanHeader header;                      // what `read` adds may be missing
  std::function<Source<Real>()> open;     // its views from the first air view on, each time
  std::function<void(ScanHeader&)> read;  // once, by a member that has units of it: checks it, adds the truth
};

// Images of a file as messages, for losses whose reference is a file's name.
template <class Real>
using ReferenceImages = std::function<std::vector<Message<Real>>(const std::string& file)>;

struct ObjectiveSettings {
  std::size_t memory = std::size_t{4} << 30;  // bytes that messages kept between forward and backward may take
  std::size_t rows_per_block = 0;             // 0: all rows of a scan together
};

template <class Real>
class Objective final : public Problem {
 public:
  // Throws ConfigError for what a loss lacks: truth, images. Begins every run and shows the losses their references.
  Objective(const Chain<Real>& chain, std::vector<TrainingScan<Real>> scans, const ParameterSpace& space, Workers& workers,
            const ObjectiveSettings& settings, Team& team, const ReferenceImages<Real>& images);
  ~Objective() override;

  // On the first member: does the work, in which the objective may be asked anything below. On the others: computes what that
  // asks for, until the work is done or has failed.
  void lead(const std::function<void()>& work);

  std::size_t size() const override { return space_.size(); }
  std::size_t units() const override;
  LossEvaluation evaluate(std::span<const double> u, std::span<const std::size_t> units) override;
  std::vector<double> curvature(std::span<const double> u, std::span<const double> v) override;
  // The gradient's changes when the counts of all scans are drawn anew (Poisson, about the counts themselves) so many times: as
  // large as the noise of the gradient itself.
  std::vector<std::vector<double>> gradient_noise(std::span<const double> u, std::size_t draws, std::uint64_t seed);

  // Names of the chain's losses, in the order of LossEvaluation::losses.
  const std::vector<std::string>& loss_names() const { return loss_names_; }
  // Whether messages are kept between forward and backward, and what that takes [bytes, the largest unit].
  Tape tape() const { return tape_; }
  std::size_t tape_bytes() const { return tape_bytes_; }

 private:
  struct Unit;
  struct Order;
  bool mine(std::size_t unit) const { return unit * team_.size() / units_.size() == team_.rank(); }
  void check_truth() const;
  void begin(Unit& unit, const ReferenceImages<Real>& images);
  Order told(Order order);
  void follow();
  LossEvaluation evaluate(const Order& order);
  std::vector<double> evaluate_unit(Unit& unit, const ChainParameters& parameters, const Order& order);
  std::vector<double> curvature(const Order& order);
  std::vector<double> curvature_of_unit(Unit& unit, std::span<const double> u, std::span<const double> v);

  const Chain<Real>& chain_;
  const ParameterSpace& space_;
  Workers& workers_;
  Team& team_;
  std::vector<std::unique_ptr<Unit>> units_;
  std::vector<std::size_t> loss_stages_;
  std::vector<std::string> loss_names_;
  Tape tape_ = Tape::keep;
  std::size_t tape_bytes_ = 0;
};

extern template class Objective<float>;
extern template class Objective<double>;

}  // namespace counterflow
