// What a training can see of its parameters: the eigenvectors q of Gauss-Newton's matrix H at u, and how far the minimum is
// predicted to lie from the true parameters along each. To first order the minimum misses them by -H^-1 (g + P u_true), g what
// noise adds to the gradient and P the prior's second derivatives, so along q
//   sd^2 = [ var(q^T g) + sum_i ((P q)_i sigma_i / scale_i)^2 ] / eigenvalue^2,
// var by drawing the counts of the scans anew, and the true parameters as far from the start as their priors' sigma. All in the
// variables u, of which 1 is a parameter's scale. Where nothing but the prior speaks, sd is its sigma.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "core/training/objective.h"

namespace counterflow {

struct Mode {
  double eigenvalue = 0;
  double sd = 0;
  std::vector<double> direction;  // of length 1 in u
};

// From the best seen to the worst. Costs size() products and `draws` gradients; `progress` is told how many of them are done.
template <class Real>
std::vector<Mode> observability(Objective<Real>& objective, const ParameterSpace& space, std::span<const double> u,
                                std::size_t draws, std::uint64_t seed, const std::function<void(std::size_t)>& progress = {});

}  // namespace counterflow
