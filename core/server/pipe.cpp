#include "core/server/pipe.h"

#include <algorithm>
#include <istream>
#include <ostream>

#include "core/archive/named_files.h"
#include "core/archive/scan_header_xml.h"
#include "core/server/frame_head.h"
#include "core/server/view_codec.h"

namespace counterflow {
namespace {

constexpr const char* kInput = "standard input";

void write_to(std::ostream& out, const wire::Outgoing& bytes) {
  for (const auto piece : bytes.pieces(bytes.size()))
    out.write(reinterpret_cast<const char*>(piece.data()), static_cast<std::streamsize>(piece.size()));
  if (!out) throw ArchiveError("the output pipe was closed by its reader before everything was written");
}

void write_header(std::ostream& out, const ScanHeader& header) {
  wire::Outgoing bytes;
  wire::put_header(bytes, header_to_xml(header));
  write_to(out, bytes);
}

void write_close(std::ostream& out) {
  wire::Outgoing bytes;
  wire::put_close(bytes);
  write_to(out, bytes);
  out.flush();
  write_to(out, {});
}

}  // namespace

struct PipeReader::Impl {
  Impl(std::istream& stream, const std::vector<std::filesystem::path>& data_folders) : in(stream) {
    header = header_from_xml(read_header().xml, kInput).header;
    read_named_files(header.system, data_folders, kInput);
    decoder.emplace(header, kInput);
    parser.enter(wire::Phase::stream);
    parser.expect(header);
  }

  wire::Header read_header();
  wire::Frame next_frame();
  wire::Frame read_frame();

  std::istream& in;
  wire::FrameParser parser{wire::Phase::header};
  ScanHeader header;
  std::optional<wire::ViewDecoder> decoder;
  bool closed = false;
};

// Blocks for the bytes of one message and reads none behind it.
wire::Frame PipeReader::Impl::read_frame() {
  const std::uint64_t at = parser.position();
  std::optional<wire::Frame> frame;
  while (!(frame = parser.next())) {
    const auto space = parser.space()[0];
    const std::size_t n = std::min(space.size(), parser.missing());
    in.read(reinterpret_cast<char*>(space.data()), static_cast<std::streamsize>(n));
    const auto got = static_cast<std::size_t>(in.gcount());
    parser.commit(got);
    if (got == n) continue;
    parser.end();
    throw ProtocolError("the stream ends at byte " + std::to_string(parser.position()) +
                        " without CLOSE (id 4): the scan is incomplete");
  }
  if (std::holds_alternative<wire::Query>(*frame)) wire::refuse(wire::Id::query, at, "on a pipe nobody answers");
  if (std::holds_alternative<wire::Wish>(*frame)) wire::refuse(wire::Id::wish, at, "on a pipe images are all there is");
  return std::move(*frame);
}

wire::Frame PipeReader::Impl::next_frame() {
  try {
    return read_frame();
  } catch (const ProtocolError& error) {
    throw ProtocolError(std::string(kInput) + ": " + error.what());
  }
}

wire::Header PipeReader::Impl::read_header() {
  while (true) {
    wire::Frame frame = next_frame();
    if (auto* message = std::get_if<wire::Header>(&frame)) return std::move(*message);
    if (std::holds_alternative<wire::Close>(frame))
      throw ProtocolError("expected a header (id 3) at the start of the stream, got close (id 4)");
  }
}

PipeReader::PipeReader(std::istream& in, const std::vector<std::filesystem::path>& data_folders)
    : impl_(std::make_unique<Impl>(in, data_folders)) {}
PipeReader::~PipeReader() = default;

const ScanHeader& PipeReader::header() const { return impl_->header; }

template <class Real>
Message<Real> PipeReader::next() {
  while (!impl_->closed) {
    const wire::Frame frame = impl_->next_frame();
    if (const auto* acquisition = std::get_if<wire::Acquisition>(&frame)) return impl_->decoder->decode<Real>(*acquisition);
    if (const auto* view = std::get_if<wire::CompactView>(&frame)) return impl_->decoder->decode<Real>(*view);
    impl_->closed = std::holds_alternative<wire::Close>(frame);
  }
  impl_->decoder->finish();
  return {};
}
template Message<float> PipeReader::next<float>();
template Message<double> PipeReader::next<double>();

PipeWriter::PipeWriter(std::ostream& out, const ScanHeader& header, ImageOrigin origin) : out_(out), origin_(std::move(origin)) {
  write_header(out_, header);
}

void PipeWriter::write(const Image<float>& image) {
  for_each_slice(image, origin_, "standard output", [&](const ImageSlice& slice) {
    wire::Outgoing bytes;
    wire::put_image(bytes, slice);
    write_to(out_, bytes);
  });
}

void PipeWriter::finish() { write_close(out_); }

PipeScanWriter::PipeScanWriter(std::ostream& out, const ScanHeader& header) : out_(out), header_(header) {
  write_header(out_, header);
}

void PipeScanWriter::write(const Message<float>& view) {
  wire::Outgoing bytes;
  wire::put_acquisition(bytes, view, header_, written_++);
  write_to(out_, bytes);
}

// The views outlive the calls.
void PipeScanWriter::write(const Counts<float>& view) {
  write(Message<float>(Sent<Counts<float>>(std::shared_ptr<void>(), &view)));
}
void PipeScanWriter::write(const PathLengths<float>& view) {
  write(Message<float>(Sent<PathLengths<float>>(std::shared_ptr<void>(), &view)));
}

void PipeScanWriter::finish() { write_close(out_); }

}  // namespace counterflow
