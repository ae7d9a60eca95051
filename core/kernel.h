// Run-time choice among the three compilations of a kernel source (cmake/counterflow.cmake: counterflow_kernel).
// A kernel header, included by the kernel's source and by its caller, declares the same functions in each namespace, by their type:
//   using F = void(...);  namespace counterflow::kernel_baseline { F f; }  ... kernel_avx2 ... kernel_avx512
// and the caller writes  choose<F>(kernel_baseline::f, kernel_avx2::f, kernel_avx512::f)(...).
#pragma once
#include <vector>

namespace counterflow {

enum class Isa { baseline, avx2, avx512 };

// The best that this CPU has; the environment variable COUNTERFLOW_ISA = baseline | avx2 | avx512 lowers it.
Isa best_isa();
// All that this CPU can run, for tests of each against the plain reference.
std::vector<Isa> available_isas();

template <class Function>
Function* choose(Function* baseline, Function* avx2, Function* avx512, Isa isa = best_isa()) {
  return isa == Isa::avx512 ? avx512 : isa == Isa::avx2 ? avx2 : baseline;
}

}  // namespace counterflow
