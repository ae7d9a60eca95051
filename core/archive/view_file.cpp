#include "core/archive/view_file.h"

namespace counterflow {

std::unique_ptr<ViewFile> open_views(const hdf5::Handle& file, const HeapReader& heap, const ScanHeader& scan,
                                     const std::string& where) {
  const bool plain = hdf5::exists(file, "/dataset/data"), compact = hdf5::exists(file, "/dataset/counts");
  if (plain && compact)
    throw ArchiveError(where + ": holds its views twice, as /dataset/data and as /dataset/counts; remove one of them");
  return compact ? open_compact(file, heap, scan, where) : open_plain(file, heap, scan, where);
}

std::unique_ptr<ViewWriter> create_views(const std::filesystem::path& file, const ScanHeader& scan, ArchiveForm form) {
  return form == ArchiveForm::compact ? create_compact(file, scan) : create_plain(file, scan);
}

}  // namespace counterflow
