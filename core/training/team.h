// Processes that train together. The first leads: it alone searches, reads and writes checkpoints and results, and tells the
// others what to compute. This one is a process alone; mpirun's are in pipelines/counterflow/ranks.h.
#pragma once
#include <functional>
#include <vector>

#include "core/error.h"

namespace counterflow {

// What failed on a member, as all of them hear it.
struct TeamError : Error {
  using Error::Error;
};

class Team {
 public:
  virtual ~Team() = default;
  virtual std::size_t size() const { return 1; }
  virtual std::size_t rank() const { return 0; }
  bool leads() const { return rank() == 0; }
  // Threads that are this member's share of its machine; 0 = all cores.
  virtual int threads() const { return 0; }

  // All that a member does. An error is told once, by the first member.
  virtual void work(const std::function<void()>& all) { all(); }

  // What follows is done by all members, in the same order.
  // Each does its part. What fails on one is thrown on all, as a TeamError: that of the first member which failed.
  virtual void together(const std::function<void()>& part) { part(); }
  // The first member's words, on all.
  virtual void tell(std::vector<double>& /*words*/) {}
  // Each gives the vectors of its own units, others empty; the first gets those of all.
  virtual void gather(std::vector<std::vector<double>>& /*of_units*/) {}
};

}  // namespace counterflow
