// Vectors of rays, one ray a lane, as long as the instruction set of this compilation has them; exp2 and log on them.
// Included by kernel sources only (core/kernel.h); everything is local to its compilation.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

#if defined(__AVX512F__)
constexpr std::size_t kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr std::size_t kVectorBytes = 32;
#else
constexpr std::size_t kVectorBytes = 16;
#endif

template <class Real>
struct Lanes;
template <>
struct Lanes<float> {
  typedef float V __attribute__((vector_size(kVectorBytes)));
  typedef std::int32_t I __attribute__((vector_size(kVectorBytes)));  // masks: 0 or -1
  typedef std::uint32_t U __attribute__((vector_size(kVectorBytes)));
  static constexpr std::size_t kCount = kVectorBytes / 4;
  static constexpr float kEpsilon = 1.1920929e-7F, kTiny = 1e-30F, kHuge = 1e30F;
  static constexpr float kMagic = 12582912.F;  // 1.5 * 2^23: adding it rounds to an integer in the low bits
  static constexpr float kMaxExponent = 115;
  static constexpr int kMantissa = 23;
  static constexpr std::int32_t kRootHalf = 0x3f3504f3;
  // 2^f on [-1/2, 1/2], minimax, relative error 7.5e-8
  static constexpr float kExp2[] = {1.00000007165F,   0.693146967065F,   0.240221197237F,
                                    0.0555071327186F, 0.00967554134312F, 0.0013276472632F};
};
template <>
struct Lanes<double> {
  typedef double V __attribute__((vector_size(kVectorBytes)));
  typedef std::int64_t I __attribute__((vector_size(kVectorBytes)));
  typedef std::uint64_t U __attribute__((vector_size(kVectorBytes)));
  static constexpr std::size_t kCount = kVectorBytes / 8;
  static constexpr double kEpsilon = 2.220446049250313e-16, kTiny = 1e-200, kHuge = 1e200;
  static constexpr double kMagic = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr double kMaxExponent = 900;
  static constexpr int kMantissa = 52;
  static constexpr std::int64_t kRootHalf = 0x3fe6a09e667f3bcd;
  // relative error 3e-18
  static constexpr double kExp2[] = {0.9999999999999999971,     0.69314718055994533046,     0.24022650695910156204,
                                     0.055504108664819921605,   0.0096181291075883352443,   0.0013333558146789921722,
                                     0.00015403530462514432062, 0.000015252733489988525649, 1.321543308967639918e-6,
                                     1.0178198021671930844e-7,  7.0741056135081427963e-9,   4.4352827069572771511e-10};
};

template <class Real>
using Vector = typename Lanes<Real>::V;
template <class Real>
using Mask = typename Lanes<Real>::I;

template <class Real>
Vector<Real> load(const Real* p) {
  Vector<Real> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class Real>
void store(Real* p, Vector<Real> v) {
  __builtin_memcpy(p, &v, sizeof v);
}
template <class Real>
Vector<Real> all(Real value) {
  return Vector<Real>{} + value;
}
template <class M>
bool any(M mask) {
  bool found = false;
  for (std::size_t i = 0; i < sizeof(M) / sizeof(mask[0]); ++i) found |= mask[i] != 0;
  return found;
}
template <class V>
V magnitude(V v) {
  return v < 0 ? -v : v;
}
template <class V>
V larger(V a, V b) {
  return a > b ? a : b;
}
template <class V>
V smaller(V a, V b) {
  return a < b ? a : b;
}

// 2^x by rounding to an integer, a polynomial, and adding the integer to the exponent's bits.
template <class Real>
inline __attribute__((always_inline)) Vector<Real> exp2(Vector<Real> x) {
  using L = Lanes<Real>;
  using U = typename L::U;
  x = larger(x, all<Real>(-L::kMaxExponent));
  x = smaller(x, all<Real>(L::kMaxExponent));
  const Vector<Real> n = x + L::kMagic;
  const Vector<Real> f = x - (n - L::kMagic);
  constexpr std::size_t terms = sizeof(L::kExp2) / sizeof(Real);
  Vector<Real> p = all<Real>(L::kExp2[terms - 1]);
  for (std::size_t k = terms - 1; k-- > 0;) p = p * f + L::kExp2[k];
  return (Vector<Real>)((U)p + ((U)n << L::kMantissa));
}

// log(1 + x) - x for |x| < 0.42; relative error 1e-8 in float, 2e-16 in double. With s = x/(2+x): log(1+x) = 2 (s + s^3/3 + ...),
// x - 2s = x s.
template <class V>
V log1p_minus_x(V x) {
  using Real = std::remove_cvref_t<decltype(x[0])>;
  const V s = x / (2 + x), q = s * s;
  constexpr int terms = sizeof(Real) == 8 ? 10 : 5;
  V series = V{} + static_cast<Real>(1. / (2 * terms + 1));
#pragma GCC unroll 10
  for (int k = terms - 1; k > 0; --k) series = series * q + static_cast<Real>(1. / (2 * k + 1));
  return 2 * s * q * series - x * s;
}

// z = 2^k (1 + x), x in [sqrt(1/2) - 1, sqrt(2) - 1]; z > 0.
template <class Real>
void split(Vector<Real> z, Vector<Real>& k, Vector<Real>& x) {
  using L = Lanes<Real>;
  using U = typename L::U;
  const Mask<Real> exponent = ((Mask<Real>)z - L::kRootHalf) >> L::kMantissa;
  k = __builtin_convertvector(exponent, Vector<Real>);
  x = (Vector<Real>)((U)z - ((U)exponent << L::kMantissa)) - 1;
}
constexpr double kLn2 = 0.6931471805599453;

template <class Real>
Vector<Real> log(Vector<Real> z) {
  Vector<Real> k, x;
  split<Real>(z, k, x);
  return k * static_cast<Real>(kLn2) + x + log1p_minus_x(x);
}

// x - log(1 + x) >= 0 without cancellation, x > -1.
template <class Real>
Vector<Real> x_minus_log1p(Vector<Real> x) {
  Vector<Real> k, m;
  split<Real>(1 + x, k, m);
  m = k == 0 ? x : m;
  return (x - m) - log1p_minus_x(m) - k * static_cast<Real>(kLn2);
}

}  // namespace
}  // namespace counterflow::COUNTERFLOW_KERNEL
