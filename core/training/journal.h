// What a search has asked of its problem, and the answers. A search that starts again with its journal hears the same answers,
// bit for bit, without a pass over the scans, and goes on from there: so a method whose state cannot be saved is resumed.
#pragma once
#include <cstddef>
#include <vector>

#include "core/training/optimiser.h"

namespace counterflow {

class Journal {
 public:
  std::vector<double> state() const { return {record_.begin(), record_.begin() + static_cast<std::ptrdiff_t>(at_)}; }
  void resume(std::vector<double> record) { record_ = std::move(record), at_ = 0; }

  LossEvaluation evaluate(Problem& problem, std::span<const double> u) {
    LossEvaluation e;
    if (at_ == record_.size()) {
      e = problem.evaluate(u, {});
      append({e.loss, e.prior, static_cast<double>(e.losses.size())});
      append(e.losses);
      append(e.gradient);
    } else {
      e.loss = take();
      e.prior = take();
      e.losses = take(static_cast<std::size_t>(take()));
      e.gradient = take(u.size());
    }
    return e;
  }
  std::vector<double> curvature(Problem& problem, std::span<const double> u, std::span<const double> v) {
    if (at_ < record_.size()) return take(u.size());
    auto product = problem.curvature(u, v);
    append(product);
    return product;
  }

 private:
  void append(const std::vector<double>& values) {
    record_.insert(record_.end(), values.begin(), values.end());
    at_ = record_.size();
  }
  double take() { return take(1)[0]; }
  std::vector<double> take(std::size_t n) {
    if (record_.size() - at_ < n) throw ArchiveError("the checkpoint is of another training: its journal ends within an answer");
    const auto from = record_.begin() + static_cast<std::ptrdiff_t>(at_);
    at_ += n;
    return {from, from + static_cast<std::ptrdiff_t>(n)};
  }

  std::vector<double> record_;
  std::size_t at_ = 0;
};

}  // namespace counterflow
