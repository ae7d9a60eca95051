// Plain numeric arrays from files, for import: NumPy (.npy, format 1 to 3) and HDF5 (also MATLAB 7.3).
#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace counterflow {

struct StoredArray {
  std::vector<std::size_t> shape;
  std::vector<float> values;  // row-major: the last index of `shape` is contiguous
};

// "file.npy", or "file.h5:/path/of/dataset". Throws ArchiveError. MATLAB writes the indices of its arrays in reverse: what is
// a(column, view) there has the shape [view, column] here.
StoredArray read_array(const std::string& name);

}  // namespace counterflow
