// Counter-based random numbers: any stream of any seed can be had at once, so that nothing depends on the order of the work.
#pragma once
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>

namespace counterflow {

// Philox4x32 with 10 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
inline std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0], b = std::uint64_t{0xCD9E8D57} * counter[2];
    const auto high = [](std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); };
    const auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
    counter = {high(b) ^ counter[1] ^ key[0], low(b), high(a) ^ counter[3] ^ key[1], low(a)};
    key = {key[0] + 0x9E3779B9u, key[1] + 0xBB67AE85u};
  }
  return counter;
}

// One stream of random numbers. The pair (stream_a, stream_b) is enciphered under the seed into 128 bits: 64 become the key and
// 64 the upper half of the counter, whose lower half is the running index. That map is one to one, so the streams of a seed never
// meet.
class Philox {
 public:
  Philox(std::uint64_t seed, std::uint64_t stream_a, std::uint64_t stream_b = 0) {
    const Block stream = philox4x32({low(stream_a), high(stream_a), low(stream_b), high(stream_b)}, {low(seed), high(seed)});
    key_ = {stream[0], stream[1]};
    upper_ = {stream[2], stream[3]};
  }

  // 64 random bits.
  std::uint64_t next() {
    if (index_ % 2 == 0) block_ = philox4x32({low(index_ / 2), high(index_ / 2), upper_[0], upper_[1]}, key_);
    const std::size_t at = index_++ % 2 * 2;
    return std::uint64_t{block_[at + 1]} << 32 | block_[at];
  }

  // Uniform in (0, 1): the middle of one of 2^53 equal cells, rounded to 53 bits; never 0 and never 1.
  double uniform() {
    const double value = (static_cast<double>(next() >> 11) + 0.5) * 0x1p-53;
    return value < 1 ? value : 1 - 0x1p-53;
  }

  // Standard normal (Box and Muller, 1958); the second of each pair is kept for the next call.
  double normal() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    const double radius = std::sqrt(-2 * std::log(uniform())), angle = 2 * std::numbers::pi * uniform();
    spare_ = radius * std::sin(angle);
    has_spare_ = true;
    return radius * std::cos(angle);
  }

 private:
  using Block = std::array<std::uint32_t, 4>;
  static std::uint32_t low(std::uint64_t v) { return static_cast<std::uint32_t>(v); }
  static std::uint32_t high(std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); }

  std::array<std::uint32_t, 2> key_{}, upper_{};
  Block block_{};
  std::uint64_t index_ = 0;
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace counterflow
