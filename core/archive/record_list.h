// One-dimensional datasets of records in plain chunks, as libismrmrd writes acquisitions, headers and attributes of images. The
// bytes are read past HDF5, which overruns its buffers where sizes in the file are damaged; HDF5 only says where a chunk lies.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "core/archive/hdf5_file.h"
#include "core/archive/heap_reader.h"

namespace counterflow {

// A member of a record, for numbers and arrays of numbers, little-endian.
struct Member {
  std::size_t offset = 0, size = 0;  // [byte]
};

class RecordList {
 public:
  // Throws ArchiveError "WHERE: ..." for another layout.
  RecordList(const hdf5::Handle& file, const HeapReader& heap, const std::string& path, const std::string& where);

  std::size_t count() const { return count_; }
  std::size_t record_size() const { return record_; }
  const hdf5::Handle& dataset() const { return dataset_; }
  // The bytes of record `index`.
  void read(std::size_t index, std::vector<std::byte>& record, const std::string& where) const;
  // The member named by a path such as {"head", "idx", "repetition"}; throws unless it is there and has `size` bytes.
  Member member(const std::vector<std::string>& names, std::size_t size) const;

 private:
  const HeapReader& heap_;
  std::string where_;
  hdf5::Handle dataset_, type_;
  std::size_t count_ = 0, record_ = 0, chunk_ = 0;
};

// Reads the chunk that begins at `start` into `out`, which must have just its size.
void read_chunk(const hdf5::Handle& dataset, const HeapReader& heap, const std::vector<hsize_t>& start, std::span<std::byte> out,
                const std::string& where);

}  // namespace counterflow
