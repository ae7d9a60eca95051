// Where the results of a run go, chosen by their type: images to an image file, path lengths to an archive of line integrals, or
// images to a pipe.
#pragma once
#include <memory>
#include <string>

#include "core/archive/image_file.h"
#include "core/chain/chain.h"
#include "core/message/scan_header.h"

namespace counterflow {

class Output {
 public:
  virtual ~Output() = default;
  virtual void write(const Message<float>& message) = 0;
  virtual void finish() = 0;  // only then the file stands under its name
};

// `target` is a file or "-". Throws ConfigError where the chain's results have no writer.
std::unique_ptr<Output> open_output(const std::string& target, const Chain<float>& chain, const ScanHeader& header,
                                    const ImageOrigin& origin);

}  // namespace counterflow
