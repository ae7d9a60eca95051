// Acquisitions as the NHLBI's encoder compresses them (flag 54): floats as integers of a few bits over one scale.
#pragma once
#include <cstddef>
#include <span>
#include <vector>

namespace counterflow::wire {

// The `count` floats of a blob: u64 floats, f32 scale, u8 bits (13 bytes without gaps), then two's-complement integers of `bits`
// bits, lowest first; value = integer / scale. Throws DataError where the blob is not that, or not of `count` floats.
std::vector<float> nhlbi_floats(std::span<const std::byte> blob, std::size_t count);

}  // namespace counterflow::wire
