// /dataset/data of an archive: acquisitions as libismrmrd writes them, {head, traj, data}, the last two of variable length.
#pragma once
#include <complex>
#include <cstddef>
#include <string>
#include <vector>

#include "core/archive/acquisition.h"
#include "core/archive/record_list.h"

namespace counterflow {

class AcquisitionFile {
 public:
  AcquisitionFile(const hdf5::Handle& file, const HeapReader& heap, const std::string& where);

  std::size_t count() const { return records_.count(); }
  AcquisitionFields fields(std::size_t index) const;
  // The data of one, which must have exactly `size` complex values and no trajectory.
  void read_data(std::size_t index, std::vector<std::complex<float>>& data, std::size_t size, const std::string& where) const;

 private:
  // Members of a record that mean something here.
  struct Members {
    Member flags, scan_counter, time_stamp, samples, channels, step, repetition, user, traj, data;
  };
  Members find_members() const;

  const HeapReader& heap_;
  std::string where_;
  RecordList records_;
  Members members_;
  std::size_t unit_ = 2;  // heap elements a complex number: 2 floats, or 1 compound of two
};

}  // namespace counterflow
