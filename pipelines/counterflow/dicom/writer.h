// A folder of DICOM series, one a channel of each series that an image file would hold (docs/dicom.md).
#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "core/archive/image_file.h"
#include "core/message/scan_header.h"

namespace counterflow {

struct DicomOptions {
  std::string patient_name = "Anonymous^Scan", patient_id = "ANONYMOUS";
};

// Images go to disk as they come, one slice in memory at a time; finish() turns them to DICOM once their range is known. Until
// then nothing stands under the folder's name.
class DicomWriter {
 public:
  // Throws ArchiveError where the folder cannot be written or holds what is not ours, ConfigError for a name that DICOM cannot
  // hold.
  DicomWriter(const std::filesystem::path& folder, const ScanHeader& header, ImageOrigin origin, DicomOptions options = {});
  ~DicomWriter();

  void write(const Image<float>& image);
  // `scan` tells scans apart: the study and the frame of reference are named after it. Throws ArchiveError for missing slices.
  void finish(const std::string& scan);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace counterflow
