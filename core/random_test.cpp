#include "core/random.h"

#include <gtest/gtest.h>

#include <set>

namespace counterflow {
namespace {

// Known answers of the authors' own implementation (Random123, kat_vectors).
TEST(Random, philox_gives_the_published_answers) {
  using Block = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}), (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Random, a_stream_can_be_had_again_and_others_differ) {
  Philox first(7, 3, 5), again(7, 3, 5);
  for (int i = 0; i < 9; ++i) EXPECT_EQ(first.next(), again.next());
  std::set<std::uint64_t> seen;
  for (std::uint64_t seed = 0; seed < 10; ++seed)
    for (std::uint64_t a = 0; a < 10; ++a)
      for (std::uint64_t b = 0; b < 10; ++b) {
        Philox stream(seed, a, b);
        for (int i = 0; i < 4; ++i) seen.insert(stream.next());
      }
  EXPECT_EQ(seen.size(), 4000u);
}

// Means over n = 4e5 numbers lie within 5 standard errors; the first numbers of many streams are as good as one stream.
TEST(Random, moments_are_those_of_the_distributions) {
  constexpr int n = 400000;
  double uniform = 0, uniform2 = 0, normal = 0, normal2 = 0, normal4 = 0, across = 0;
  Philox stream(1, 2);
  for (int i = 0; i < n; ++i) {
    const double u = stream.uniform(), z = stream.normal();
    ASSERT_TRUE(u > 0 && u < 1);
    uniform += u / n, uniform2 += u * u / n;
    normal += z / n, normal2 += z * z / n, normal4 += z * z * z * z / n;
    across += Philox(1, 2, static_cast<std::uint64_t>(i)).uniform() / n;
  }
  const double error = 5 / std::sqrt(n);
  EXPECT_NEAR(uniform, 0.5, error * std::sqrt(1.0 / 12));
  EXPECT_NEAR(across, 0.5, error * std::sqrt(1.0 / 12));
  EXPECT_NEAR(uniform2, 1.0 / 3, error * std::sqrt(4.0 / 45));
  EXPECT_NEAR(normal, 0, error);
  EXPECT_NEAR(normal2, 1, error * std::sqrt(2.0));
  EXPECT_NEAR(normal4, 3, error * std::sqrt(96.0));
}

}  // namespace
}  // namespace counterflow
