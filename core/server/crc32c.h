// CRC32C (Castagnoli, polynomial 0x1EDC6F41, reflected, initial and final inversion), by the processor's own instructions.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace counterflow::wire {

// Of `bytes`, behind those whose CRC is `before`: crc32c(b, crc32c(a)) is that of a and b in a row.
std::uint32_t crc32c(std::span<const std::byte> bytes, std::uint32_t before = 0);

}  // namespace counterflow::wire
