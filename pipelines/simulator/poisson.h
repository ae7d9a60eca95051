// Exact Poisson numbers for any mean: inversion below 10, transformed rejection with squeeze (PTRS) above
// (W. Hoermann, "The transformed rejection method for generating Poisson random variables", 1993).
#pragma once
#include <cmath>
#include <cstdint>

#include "core/random.h"

namespace counterflow {

// log k!: a table to 15, Stirling's series above (relative error below 1e-15).
double log_factorial(double k);

class Poisson {
 public:
  // Throws DataError unless mean is finite and not negative.
  explicit Poisson(double mean);
  // A number of mean and variance `mean`; exact below 2^53.
  double operator()(Philox& random) const { return mean_ < kLeastRejection ? inverted(random) : rejected(random); }

 private:
  static constexpr double kLeastRejection = 10;
  double inverted(Philox& random) const;
  double rejected(Philox& random) const;

  double mean_;
  double start_ = 1;                                                       // exp(-mean), for inversion
  double log_mean_ = 0, a_ = 0, b_ = 0, v_r_ = 0, log_inverse_alpha_ = 0;  // Hoermann's names
};

}  // namespace counterflow
