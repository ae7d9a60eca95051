// Arrays of any order of axes as views.
#pragma once
#include <string>
#include <vector>

#include "core/archive/array_file.h"
#include "core/array.h"
#include "pipelines/counterflow/import_settings.h"

namespace counterflow {

// [bin] of [view,row,column]. One array a bin, or one with an axis "bin". Throws ArchiveError naming the array that does not fit.
std::vector<Array<float, 3>> read_bins(const std::vector<std::string>& names, const ArrayLayout& layout);

// The bins of one array.
std::vector<Array<float, 3>> bins_of(const StoredArray& stored, const ArrayLayout& layout, const std::string& name);

}  // namespace counterflow
