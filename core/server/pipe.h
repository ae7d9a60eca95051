// Messages on pipes (docs/protocol.md): in comes a header, then views, as acquisitions or compact, then CLOSE; out go the header,
// images and CLOSE.
#pragma once
#include <filesystem>
#include <iosfwd>
#include <memory>
#include <vector>

#include "core/archive/image_file.h"
#include "core/message/message.h"
#include "core/message/scan_header.h"

namespace counterflow {

// Reads a scan, and from the stream no more than the next message. Texts and waveforms are passed over. Throws ProtocolError
// naming the message and the byte where the stream is not what the protocol says, ArchiveError where a view is not the scan's.
class PipeReader {
 public:
  explicit PipeReader(std::istream& in, const std::vector<std::filesystem::path>& data_folders = {});
  ~PipeReader();
  const ScanHeader& header() const;
  // The next view; an empty message after CLOSE, when every view that the header promised has come.
  template <class Real>
  Message<Real> next();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Writes images.
class PipeWriter {
 public:
  PipeWriter(std::ostream& out, const ScanHeader& header, ImageOrigin origin);
  void write(const Image<float>& image);
  void finish();

 private:
  std::ostream& out_;
  ImageOrigin origin_;
};

// Writes a scan, for `counterflow simulate -o -` and tests.
class PipeScanWriter {
 public:
  PipeScanWriter(std::ostream& out, const ScanHeader& header);
  void write(const Counts<float>& view);
  void write(const PathLengths<float>& view);
  void finish();

 private:
  void write(const Message<float>& view);

  std::ostream& out_;
  ScanHeader header_;
  std::size_t written_ = 0;
};

}  // namespace counterflow
