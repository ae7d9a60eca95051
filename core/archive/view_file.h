// The views of an archive in either form (docs/format.md): plain, as acquisitions in /dataset/data; compact, as integers in
// /dataset/counts beside their headers in /dataset/view_headers.
#pragma once
#include <ismrmrd/ismrmrd.h>

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include "core/archive/archive.h"
#include "core/archive/hdf5_file.h"
#include "core/archive/heap_reader.h"

namespace counterflow {

class ViewFile {
 public:
  virtual ~ViewFile() = default;
  virtual ArchiveForm form() const = 0;
  virtual std::size_t count() const = 0;
  virtual ISMRMRD::AcquisitionHeader header(std::size_t index) const = 0;
  // The values [bin,row,column] of one; throws ArchiveError "WHERE: ..." unless they have the shape of the scan's views.
  virtual void read(std::size_t index, Array<float, 3>& values, const std::string& where) = 0;
};
// Whichever form the file has; `heap` must outlive it. Nothing that the file says of sizes is believed but against `scan`.
std::unique_ptr<ViewFile> open_views(const hdf5::Handle& file, const HeapReader& heap, const ScanHeader& scan,
                                     const std::string& where);

class ViewWriter {
 public:
  virtual ~ViewWriter() = default;
  virtual void write(const ISMRMRD::AcquisitionHeader& head, const Array<float, 3>& values, const std::string& where) = 0;
};
// Makes the file. It must be destroyed before the file is opened again.
std::unique_ptr<ViewWriter> create_views(const std::filesystem::path& file, const ScanHeader& scan, ArchiveForm form);

// The two forms. `create_views` and `open_views` choose.
std::unique_ptr<ViewFile> open_plain(const hdf5::Handle& file, const HeapReader& heap, const ScanHeader& scan,
                                     const std::string& where);
std::unique_ptr<ViewFile> open_compact(const hdf5::Handle& file, const HeapReader& heap, const ScanHeader& scan,
                                       const std::string& where);
std::unique_ptr<ViewWriter> create_plain(const std::filesystem::path& file, const ScanHeader& scan);
std::unique_ptr<ViewWriter> create_compact(const std::filesystem::path& file, const ScanHeader& scan);

}  // namespace counterflow
