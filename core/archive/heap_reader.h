// Data of variable length in HDF5 files: the global heap.
//
// HDF5 1.10 trusts the sizes that a heap states about itself and overruns its buffers on damaged files. So what archives keep
// there (views, XML) is read here, from the file format specification ("III.E. Disk Format: Level 1E - Global Heap"):
//   descriptor  u32 length [element], u64 address of a collection, u32 index of an object in it
//   collection  "GCOL", u8 version 1, 3 bytes, u64 size; objects: u16 index, u16 references, 4 bytes, u64 size, data padded to 8
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/archive/hdf5_file.h"

namespace counterflow {

struct HeapDescriptor {
  static constexpr std::size_t kSize = 16;  // [byte]
  std::uint32_t length = 0;                 // [element]
  std::uint64_t address = 0;
  std::uint32_t index = 0;
};
HeapDescriptor heap_descriptor(const std::byte* bytes);

class HeapReader {
 public:
  HeapReader(const std::filesystem::path& file, const hdf5::Handle& opened);
  ~HeapReader();
  HeapReader(const HeapReader&) = delete;
  HeapReader& operator=(const HeapReader&) = delete;

  // False where addresses have other than 8 bytes or do not begin at 0: such a file is left to HDF5.
  bool usable() const { return usable_; }
  // The whole object, into `out`; throws ArchiveError "WHERE: ..." unless it has exactly out.size() bytes.
  void read(const HeapDescriptor& object, std::span<std::byte> out, const std::string& where) const;
  // Bytes of the file at an address as HDF5 counts them.
  void read_bytes(std::uint64_t address, std::span<std::byte> out, const std::string& where) const;

 private:
  int descriptor_ = -1;
  bool usable_ = false;
};

// A dataset with one text of variable or fixed length, as ISMRMRD and h5py write them; at most 256 MiB.
std::string read_text(const hdf5::Handle& file, const HeapReader& heap, const std::string& path, const std::string& where);

}  // namespace counterflow
