// What a training can see of its parameters: the eigenvectors of Gauss-Newton's matrix H at u, and how well each is determined.
// A mode's predicted standard deviation is that of the minimum along it, sqrt(var(q^T gradient)) / eigenvalue, var found by
// drawing the counts of the scans anew; all in the variables u, of which 1 is a parameter's scale.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "core/training/objective.h"

namespace counterflow {

struct Mode {
  double eigenvalue = 0;
  double sd = 0;                  // without the prior's help beyond what it adds to the eigenvalue
  std::vector<double> direction;  // of length 1 in u
};

// From the best seen to the worst. Costs size() products and `draws` gradients; `progress` is told how many of them are done.
template <class Real>
std::vector<Mode> observability(Objective<Real>& objective, std::span<const double> u, std::size_t draws, std::uint64_t seed,
                                const std::function<void(std::size_t)>& progress = {});

}  // namespace counterflow
