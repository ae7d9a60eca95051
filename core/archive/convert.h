// A scan from one form of archive into the other.
#pragma once
#include <cstddef>
#include <filesystem>
#include <functional>

#include "core/archive/archive.h"

namespace counterflow {

ArchiveForm archive_form(const std::filesystem::path& file);

// Writes the views of `from` to `to` in a form, their acquisition headers bit for bit, one view at a time; all else of the file
// (header, truth, what was injected, anything that stands beside them) is copied, see copy_objects.h. Files that the header names
// are not looked for. `progress` is told the views done and all. Throws ArchiveError for a scan that a reader refuses, and for
// views that are no whole counts below 2^32 where the form is compact. `to` appears whole or not at all; it may be `from`.
void convert_archive(const std::filesystem::path& from, const std::filesystem::path& to, ArchiveForm form,
                     const std::function<void(std::size_t done, std::size_t all)>& progress = {});

}  // namespace counterflow
