// One-dimensional datasets of records in plain chunks or in one piece, as libismrmrd writes acquisitions, headers and attributes
// of images. The bytes are read past HDF5, which overruns its buffers where sizes in the file are damaged; HDF5 only says where a
// chunk lies.
#pragma once
#include <cstddef>
#include <optional>
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
  bool has(const std::vector<std::string>& names) const { return find(names).has_value(); }
  // The member named by a path such as {"head", "idx", "repetition"}; throws unless it is there and has `size` bytes.
  Member member(const std::vector<std::string>& names, std::size_t size) const;

 private:
  std::optional<Member> find(const std::vector<std::string>& names) const;

  const HeapReader& heap_;
  std::string where_;
  hdf5::Handle dataset_, type_;
  std::size_t count_ = 0, record_ = 0, chunk_ = 0;
  std::optional<haddr_t> address_;  // of the records where they lie in one piece
};

// Where the chunk that begins at `start` lies in the file.
struct ChunkPlace {
  haddr_t address = HADDR_UNDEF;
  hsize_t size = 0;           // [byte] as stored
  unsigned not_filtered = 0;  // a bit for each filter that was left out
};
// Throws ArchiveError "WHERE: ..." where it was not written.
ChunkPlace chunk_place(const hdf5::Handle& dataset, const std::vector<hsize_t>& start, const std::string& where);

// Reads the chunk that begins at `start` into `out`, which must have just its size.
void read_chunk(const hdf5::Handle& dataset, const HeapReader& heap, const std::vector<hsize_t>& start, std::span<std::byte> out,
                const std::string& where);

}  // namespace counterflow
