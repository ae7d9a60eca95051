// What else stands in an archive, copied into another.
#pragma once
#include <string>

#include "core/archive/hdf5_file.h"
#include "core/archive/heap_reader.h"

namespace counterflow {

// Copies groups, texts and plain arrays (numbers, records; no filters, nothing of variable length) below `group` of `from`, but
// what `to` has already and what `leave_out` names by its path. Attributes are not copied. HDF5's own H5Ocopy crashes on damaged
// files. Throws ArchiveError "WHERE: ..." for what cannot be copied, so that nothing is lost unseen.
void copy_objects(const hdf5::Handle& from, const HeapReader& heap, const hdf5::Handle& to, const std::string& group,
                  const std::vector<std::string>& leave_out, const std::string& where);

}  // namespace counterflow
