// Where the results of a run go, chosen by their type: images to an image file, path lengths to an archive of line integrals, or
// images to a pipe, or images to a folder of DICOM.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "core/archive/image_file.h"
#include "core/chain/chain.h"
#include "core/message/scan_header.h"
#include "pipelines/counterflow/dicom/writer.h"

namespace counterflow {

class Output {
 public:
  virtual ~Output() = default;
  virtual void observe(const Message<float>& /*view*/) {}  // a view of the scan, before it runs; they come in order
  virtual void write(const Message<float>& message) = 0;
  virtual void finish() = 0;  // only then the file stands under its name
};

// `target` is a file or "-"; with `dicom` it is a folder. Throws ConfigError where the chain's results have no writer.
std::unique_ptr<Output> open_output(const std::string& target, const Chain<float>& chain, const ScanHeader& header,
                                    const ImageOrigin& origin, const std::optional<DicomOptions>& dicom = std::nullopt);

}  // namespace counterflow
