// /dataset/data of an archive: acquisitions as libismrmrd writes them, {head, traj, data}, the last two of variable length.
#pragma once
#include <complex>
#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "core/archive/acquisition.h"
#include "core/archive/hdf5_file.h"
#include "core/archive/heap_reader.h"

namespace counterflow {

class AcquisitionFile {
 public:
  AcquisitionFile(const hdf5::Handle& file, const HeapReader& heap, const std::string& where);

  std::size_t count() const { return count_; }
  // The headers of `n` acquisitions from `first`.
  std::vector<AcquisitionFields> fields(std::size_t first, std::size_t n) const;
  // The data of one, which must have exactly `size` complex values and no trajectory.
  void read_data(std::size_t index, std::vector<std::complex<float>>& data, std::size_t size, const std::string& where) const;

 private:
  void find_layout();
  void read_by_heap(std::size_t index, std::vector<std::complex<float>>& data, const std::string& where) const;
  void read_by_hdf5(std::size_t index, std::vector<std::complex<float>>& data, const std::string& where) const;

  const HeapReader& heap_;
  std::string where_;
  hdf5::Handle dataset_;
  std::size_t count_ = 0;
  std::size_t record_ = 0, traj_at_ = 0, data_at_ = 0;  // of a record in the file [byte]
  std::size_t unit_ = 2;                                // heap elements a complex number: 2 floats or 1 compound
  std::size_t chunk_ = 0;                               // records a chunk; 0 = not in plain chunks: left to HDF5
};

}  // namespace counterflow
