// An AcquisitionHeader as a record of an HDF5 file: its type, and its members wherever a file's own type has them.
#pragma once
#include <ismrmrd/ismrmrd.h>

#include <cstddef>
#include <string>
#include <vector>

#include "core/archive/record_list.h"

namespace counterflow {

// The compound type of an AcquisitionHeader in memory and, without gaps, in files, as libismrmrd writes it.
hdf5::Handle acquisition_header_type();

class AcquisitionRecords {
 public:
  // `path` leads from a record to the header: {"head"} in /dataset/data, {} in a list of headers. Throws ArchiveError unless all
  // members are there that mean something here; the others are 0 where they are missing.
  AcquisitionRecords(const RecordList& records, const std::vector<std::string>& path);
  ISMRMRD::AcquisitionHeader header(const std::vector<std::byte>& record) const;

 private:
  struct Part {
    Member from;
    std::size_t to;  // offset in an AcquisitionHeader
  };
  std::vector<Part> parts_;
};

}  // namespace counterflow
