// Counts, open beam and background of a view, neighbours summed, in the layout [bin,row,column] of the kernels.
#pragma once
#include "core/message/message.h"
#include "gadgets/proxy_decomposition/proxy_kernel.h"

namespace counterflow {

template <class Real>
class SummedRays {
 public:
  // Refers to `x` where nothing is summed. Pixels whose open beam is not positive are left out of sums.
  SummedRays(const Counts<Real>& x, std::size_t sum_rows, std::size_t sum_columns);

  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }
  // `count` neighbours from (row, column) on; they may run over several rows.
  ProxyRays<Real> rays(std::size_t row, std::size_t column, std::size_t count) const;
  // A cotangent of sums to every pixel that was summed.
  Array<Real, 3> spread(Array<Real, 3> bar) const;

 private:
  bool sums() const { return sum_rows_ * sum_columns_ > 1; }
  bool alive(std::size_t row, std::size_t column) const;
  Array<Real, 3> sum(const Array<Real, 3>& values) const;

  const Counts<Real>& x_;
  std::size_t sum_rows_, sum_columns_, rows_, columns_;
  Array<Real, 3> counts_, open_, background_;  // empty where nothing is summed
};

}  // namespace counterflow
