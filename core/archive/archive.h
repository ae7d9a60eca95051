// Scan archives: ISMRMRD HDF5 files in the schema "counterflow/1" (docs/format.md).
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/message/message.h"
#include "core/message/scan_header.h"

namespace counterflow {

// How the views of a scan are stored: as ISMRMRD acquisitions, or as compressed integers, four and more times smaller.
enum class ArchiveForm { plain, compact };

// Reads a scan view by view: air views first, then object views in order. Everything is checked as it comes; throws ArchiveError
// naming the file, the view and what is wrong (NaN, negative, missing or repeated views, wrong shapes, missing parameters).
class ArchiveReader {
 public:
  // Files named in the header are looked for beside the scan, then in `data_folders`.
  explicit ArchiveReader(const std::filesystem::path& file, const std::vector<std::filesystem::path>& data_folders = {});
  ~ArchiveReader();
  ArchiveReader(ArchiveReader&&) noexcept;

  const ScanHeader& header() const;
  ArchiveForm form() const;
  std::size_t air_views() const;
  // Checks every view without keeping any, so that no image of a bad scan is ever begun.
  void check_all();
  // The next view: Counts for counts, PathLengths (channels = bins) for line integrals; an empty message at the end.
  template <class Real>
  Message<Real> next();
  void rewind();
  std::optional<Truth> truth();    // on the grid of the header
  ScanHeader header_with_truth();  // the header that carries the truth too, where the file has one

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Writes to a temporary beside `file`; finish() makes it appear whole under its name. Without finish() nothing is left.
class ArchiveWriter {
 public:
  ArchiveWriter(const std::filesystem::path& file, const ScanHeader& header, ArchiveForm form = ArchiveForm::plain);
  ~ArchiveWriter();
  void write(const Counts<float>& view);
  void write(const PathLengths<float>& view);  // a scan of line integrals
  void write(const Truth& truth);              // on the grid of the header
  void write_injected(const std::string& name, const std::vector<std::size_t>& shape, const std::vector<double>& values);
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// HDF5 cleans up when a program ends. Where a damaged file could not be closed it prints, or crashes, once more; a program that
// reads files of others calls this before anything else, and does without. All that is written is closed before anyway.
void leave_damaged_files_at_exit();

}  // namespace counterflow
