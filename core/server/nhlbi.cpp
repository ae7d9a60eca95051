#include "core/server/nhlbi.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>

#include "core/array.h"
#include "core/text.h"

namespace counterflow::wire {
namespace {

constexpr std::size_t kHead = 13;

struct NhlbiHead {
  std::uint64_t floats = 0;
  float scale = 0;
  std::uint8_t bits = 0;
};

NhlbiHead head_of(std::span<const std::byte> blob) {
  if (blob.size() < kHead)
    throw DataError("compressed data have a head of " + std::to_string(kHead) + " bytes, got " + std::to_string(blob.size()) +
                    " bytes in all");
  NhlbiHead head;
  std::memcpy(&head.floats, blob.data(), 8);
  std::memcpy(&head.scale, blob.data() + 8, 4);
  std::memcpy(&head.bits, blob.data() + 12, 1);
  return head;
}

}  // namespace

std::vector<float> nhlbi_floats(std::span<const std::byte> blob, std::size_t count) {
  const NhlbiHead head = head_of(blob);
  if (head.floats != count)
    throw DataError("expected " + std::to_string(count) + " compressed floats, got " + std::to_string(head.floats));
  if (head.bits < 1 || head.bits > 32)
    throw DataError("expected compressed floats of 1 to 32 bits, got " + std::to_string(head.bits));
  if (!(head.scale > 0))  // infinite where all values are 0
    throw DataError("expected a positive scale of compressed floats, got " + number_text(static_cast<double>(head.scale)));
  const std::uint64_t bits = checked_size(count, head.bits), needed = bits / 8 + (bits % 8 != 0);
  // The encoder rounds the number of bits to a float, which may give some bytes too many.
  const auto rounded = static_cast<std::uint64_t>(std::ceil(static_cast<float>(bits) / 8.0f));
  const std::size_t size = blob.size() - kHead;
  if (size != needed && (size != rounded || rounded < needed))
    throw DataError("expected " + std::to_string(needed) + " bytes of compressed floats, got " + std::to_string(size));

  const std::uint64_t mask = (std::uint64_t{1} << head.bits) - 1, sign = std::uint64_t{1} << (head.bits - 1);
  const std::byte* from = blob.data() + kHead;
  std::vector<float> values(count);
  std::uint64_t held = 0;  // bits not yet used, lowest first
  unsigned holds = 0;
  for (float& value : values) {
    for (; holds < head.bits; holds += 8) held |= std::to_integer<std::uint64_t>(*from++) << holds;
    const auto integer = static_cast<std::int64_t>(((held & mask) ^ sign) - sign);
    value = static_cast<float>(integer) / head.scale;
    held >>= head.bits;
    holds -= head.bits;
  }
  return values;
}

}  // namespace counterflow::wire
