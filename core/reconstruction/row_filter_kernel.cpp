// One source, compiled for each instruction set (counterflow_kernel); COUNTERFLOW_KERNEL names its namespace.
#include "core/reconstruction/row_filter_kernel.h"

#include "core/lanes.h"

namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

using fbp::FilterRow;
using fbp::RowTransform;

template <class Real>
constexpr std::size_t kLane = Lanes<Real>::kCount;

template <class Real>
struct Complex {
  Vector<Real> re, im;
  friend Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
  friend Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
  friend Complex operator*(Real s, Complex a) { return {s * a.re, s * a.im}; }
  Complex turned(Real c, Real s) const { return {c * re - s * im, c * im + s * re}; }
  Complex times_minus_i() const { return {im, -re}; }
};

// Elements of a buffer: two vectors each. `re` and `im` are 0 and kLane, exchanged for the inverse.
template <class Real>
struct Parts {
  std::size_t re, im;
  Complex<Real> get(const Real* p) const { return {load(p + re), load(p + im)}; }
  void put(Real* p, Complex<Real> v) const {
    store(p + re, v.re);
    store(p + im, v.im);
  }
};

// The transforms of 2 to 5 numbers, in place.
template <class Real>
inline void butterfly(Complex<Real> (&a)[2]) {
  const auto difference = a[0] - a[1];
  a[0] = a[0] + a[1];
  a[1] = difference;
}
template <class Real>
inline void butterfly(Complex<Real> (&a)[3]) {
  const auto sum = a[1] + a[2], difference = (Real(0.86602540378443865) * (a[1] - a[2])).times_minus_i();
  const auto middle = a[0] - Real(0.5) * sum;
  a[0] = a[0] + sum;
  a[1] = middle + difference;
  a[2] = middle - difference;
}
template <class Real>
inline void butterfly(Complex<Real> (&a)[4]) {
  const auto even = a[0] + a[2], odd = a[1] + a[3], low = a[0] - a[2], high = (a[1] - a[3]).times_minus_i();
  a[0] = even + odd;
  a[1] = low + high;
  a[2] = even - odd;
  a[3] = low - high;
}
template <class Real>
inline void butterfly(Complex<Real> (&a)[5]) {
  constexpr Real c1 = Real(0.30901699437494742), c2 = Real(-0.80901699437494742);
  constexpr Real s1 = Real(0.95105651629515357), s2 = Real(0.58778525229247313);
  const auto p = a[1] + a[4], q = a[2] + a[3], u = a[1] - a[4], v = a[2] - a[3];
  const auto x = a[0] + c1 * p + c2 * q, y = a[0] + c2 * p + c1 * q;
  const auto s = (s1 * u + s2 * v).times_minus_i(), t = (s2 * u - s1 * v).times_minus_i();
  a[0] = a[0] + p + q;
  a[1] = x + s;
  a[2] = y + t;
  a[3] = y - t;
  a[4] = x - s;
}

// One pass over n / radix = m groups; `stride` elements were already brought into order.
template <int radix, class Real>
inline void pass(std::size_t m, std::size_t stride, const Real* twiddles, Parts<Real> parts, const Real* from, Real* to) {
  constexpr std::size_t element = 2 * kLane<Real>;
  for (std::size_t p = 0; p < m; ++p, twiddles += 2 * (radix - 1))
    for (std::size_t q = 0; q < stride; ++q) {
      Complex<Real> a[radix];
      for (std::size_t k = 0; k < radix; ++k) a[k] = parts.get(from + (q + stride * (p + k * m)) * element);
      butterfly<Real>(a);
      Real* const y = to + (q + stride * radix * p) * element;
      parts.put(y, a[0]);
      for (std::size_t j = 1; j < radix; ++j)
        parts.put(y + j * stride * element, a[j].turned(twiddles[2 * j - 2], twiddles[2 * j - 1]));
    }
}

// Transforms `from`, with `to` as room; returns where the result lies.
template <class Real>
inline Real* transform(const RowTransform<Real>& plan, Parts<Real> parts, Real* from, Real* to) {
  std::size_t n = plan.length, stride = 1;
  const Real* twiddles = plan.twiddles;
  for (std::size_t i = 0; i < plan.passes; ++i) {
    const std::size_t radix = static_cast<std::size_t>(plan.radices[i]), m = n / radix;
    if (radix == 4) pass<4>(m, stride, twiddles, parts, from, to);
    else if (radix == 2) pass<2>(m, stride, twiddles, parts, from, to);
    else if (radix == 3) pass<3>(m, stride, twiddles, parts, from, to);
    else pass<5>(m, stride, twiddles, parts, from, to);
    twiddles += 2 * (radix - 1) * m;
    stride *= radix;
    n = m;
    Real* const swap = from;
    from = to;
    to = swap;
  }
  return from;
}

template <class Real>
inline void multiply(const RowTransform<Real>& plan, Real* at) {
  const Parts<Real> parts{0, kLane<Real>};
  for (std::size_t i = 0; i < plan.length; ++i, at += 2 * kLane<Real>)
    parts.put(at, parts.get(at).turned(plan.response[2 * i], plan.response[2 * i + 1]));
}

// Whether these lanes lie side by side in memory, as get(row) says where each begins.
template <class Real, class Get>
inline bool side_by_side(const FilterRow<Real>* rows, std::size_t count, Get&& get) {
  bool good = count == kLane<Real>;
  for (std::size_t l = 0; l < count; ++l) good &= get(rows[2 * l]) == get(rows[0]) + l && rows[2 * l].in;
  return good;
}

// Every other row into one part of every element.
template <class Real>
inline void read_rows(const FilterRow<Real>* rows, std::size_t count, std::size_t columns, Real* part) {
  constexpr std::size_t element = 2 * kLane<Real>;
  if (!rows[0].before && side_by_side(rows, count, [](const FilterRow<Real>& row) { return row.in; })) {
    for (std::size_t k = 0; k < columns; ++k) store(part + k * element, load(rows[0].in + k * rows[0].in_step));
    return;
  }
  for (std::size_t l = 0; l < kLane<Real>; ++l) {
    const FilterRow<Real> row = l < count ? rows[2 * l] : FilterRow<Real>();
    if (!row.in)
      for (std::size_t k = 0; k < columns; ++k) part[k * element + l] = 0;
    else if (row.before)
      for (std::size_t k = 0; k < columns; ++k) part[k * element + l] = row.before[k] * row.in[k * row.in_step];
    else
      for (std::size_t k = 0; k < columns; ++k) part[k * element + l] = row.in[k * row.in_step];
  }
}

template <class Real>
inline void write_rows(const FilterRow<Real>* rows, std::size_t count, std::size_t columns, const Real* part) {
  constexpr std::size_t element = 2 * kLane<Real>;
  if (!rows[0].after && side_by_side(rows, count, [](const FilterRow<Real>& row) { return row.out; })) {
    for (std::size_t k = 0; k < columns; ++k) store(rows[0].out + k * rows[0].out_step, load(part + k * element));
    return;
  }
  for (std::size_t l = 0; l < count; ++l) {
    const FilterRow<Real>& row = rows[2 * l];
    if (!row.in) continue;
    if (row.after)
      for (std::size_t k = 0; k < columns; ++k) row.out[k * row.out_step] = row.after[k] * part[k * element + l];
    else
      for (std::size_t k = 0; k < columns; ++k) row.out[k * row.out_step] = part[k * element + l];
  }
}

template <class Real>
void filter_all(const RowTransform<Real>& plan, const FilterRow<Real>* rows, std::size_t pairs, std::size_t skip, Real* room) {
  constexpr std::size_t lanes = kLane<Real>;
  Real *const a = room, *const b = room + 2 * lanes * plan.length;
  for (std::size_t first = 0; first < pairs; first += lanes, rows += 2 * lanes) {
    const std::size_t count = pairs - first < lanes ? pairs - first : lanes;
    read_rows(rows, count, plan.columns, a);
    read_rows(rows + 1, count, plan.columns, a + lanes);
    for (std::size_t i = 2 * lanes * plan.columns; i < 2 * lanes * plan.length; ++i) a[i] = 0;
    Real* const spectrum = transform<Real>(plan, {0, lanes}, a, b);
    multiply(plan, spectrum);
    const Real* const result = transform<Real>(plan, {lanes, 0}, spectrum, spectrum == a ? b : a);
    write_rows(rows, count, plan.columns - skip, result);
    write_rows(rows + 1, count, plan.columns - skip, result + lanes);
  }
}

}  // namespace

void filter_rows(const RowTransform<float>& plan, const FilterRow<float>* rows, std::size_t pairs, std::size_t skip,
                 float* room) {
  filter_all(plan, rows, pairs, skip, room);
}
void filter_rows(const RowTransform<double>& plan, const FilterRow<double>* rows, std::size_t pairs, std::size_t skip,
                 double* room) {
  filter_all(plan, rows, pairs, skip, room);
}

}  // namespace counterflow::COUNTERFLOW_KERNEL
