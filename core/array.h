// Row-major arrays with value semantics; the last index is contiguous.
#pragma once
#include <array>
#include <concepts>
#include <cstddef>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "core/error.h"

namespace counterflow {

// Product of two extents in 64 bits. The only place where sizes are multiplied; throws DataError when it does not fit.
inline std::size_t checked_size(std::size_t a, std::size_t b) {
  if (b != 0 && a > std::numeric_limits<std::size_t>::max() / b) throw DataError("the size of an array overflows 64 bits");
  return a * b;
}

template <class T, std::size_t N>
class Array {
 public:
  using value_type = T;
  using Shape = std::array<std::size_t, N>;

  Array() = default;
  explicit Array(Shape shape, T value = T()) : shape_(shape), data_(size_of(shape), value) {}
  // Takes the values as they are; throws DataError unless there are as many as the shape says.
  Array(Shape shape, std::vector<T> values) : shape_(shape), data_(std::move(values)) {
    if (data_.size() != size_of(shape_)) throw DataError("the values of an array are not as many as its shape says");
  }

  static std::size_t size_of(const Shape& shape) {
    std::size_t size = 1;
    for (std::size_t extent : shape) size = checked_size(size, extent);
    return size;
  }

  const Shape& shape() const { return shape_; }
  std::size_t extent(std::size_t dimension) const { return shape_[dimension]; }
  std::size_t size() const { return data_.size(); }
  bool empty() const { return data_.empty(); }
  T* data() { return data_.data(); }
  const T* data() const { return data_.data(); }
  auto begin() { return data_.begin(); }
  auto end() { return data_.end(); }
  auto begin() const { return data_.begin(); }
  auto end() const { return data_.end(); }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  std::vector<T>& values() { return data_; }
  const std::vector<T>& values() const { return data_; }

  template <std::convertible_to<std::size_t>... I>
  requires(sizeof...(I) == N) T& operator()(I... i) { return data_[offset(i...)]; }
  template <std::convertible_to<std::size_t>... I>
  requires(sizeof...(I) == N) const T& operator()(I... i) const { return data_[offset(i...)]; }

  // The contiguous block of everything below the leading indices given: a(b) of [bin,row,column] is the plane of bin b.
  template <std::convertible_to<std::size_t>... I>
  requires(sizeof...(I) < N) std::span<T> block(I... i) { return {data_.data() + block_offset(i...), block_size(sizeof...(I))}; }
  template <std::convertible_to<std::size_t>... I>
  requires(sizeof...(I) < N) std::span<const T> block(I... i)
  const { return {data_.data() + block_offset(i...), block_size(sizeof...(I))}; }

  bool operator==(const Array&) const = default;

 private:
  template <class... I>
  std::size_t offset(I... i) const {
    std::size_t at = 0, d = 0;
    ((at = at * shape_[d++] + static_cast<std::size_t>(i)), ...);
    return at;
  }
  template <class... I>
  std::size_t block_offset(I... i) const {
    return offset(i...) * block_size(sizeof...(I));
  }
  std::size_t block_size(std::size_t from) const {
    std::size_t size = 1;
    for (std::size_t d = from; d < N; ++d) size *= shape_[d];
    return size;
  }

  Shape shape_{};
  std::vector<T> data_;
};

}  // namespace counterflow
