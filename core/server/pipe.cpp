#include "core/server/pipe.h"

#include <ismrmrd/ismrmrd.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <istream>
#include <ostream>

#include "core/archive/acquisition.h"
#include "core/archive/image_slices.h"
#include "core/archive/named_files.h"
#include "core/archive/scan_header_xml.h"
#include "core/text.h"

namespace counterflow {
namespace {

static_assert(std::endian::native == std::endian::little, "the protocol is little-endian and so is this code");

enum Id : std::uint16_t { kHeader = 3, kClose = 4, kText = 5, kAcquisition = 1008, kImage = 1022 };

constexpr std::size_t kLargestHeader = std::size_t{1} << 20, kLargestText = std::size_t{64} << 10;
constexpr std::size_t kAcquisitionHeaderSize = 340, kImageHeaderSize = 198;
static_assert(sizeof(ISMRMRD::ISMRMRD_AcquisitionHeader) == kAcquisitionHeaderSize);
static_assert(sizeof(ISMRMRD::ISMRMRD_ImageHeader) == kImageHeaderSize);

template <class T>
void put(std::ostream& out, const T& value) {
  out.write(reinterpret_cast<const char*>(&value), sizeof value);
}

void put_text(std::ostream& out, Id id, const std::string& text) {
  put(out, id);
  put(out, static_cast<std::uint32_t>(text.size()));
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
}

void check_written(std::ostream& out) {
  if (!out) throw ArchiveError("the output pipe was closed by its reader before everything was written");
}

// Bytes of the stream, counted, so that an error can say where.
class Bytes {
 public:
  explicit Bytes(std::istream& in) : in_(in) {}

  void read(void* to, std::size_t n, const char* what) {
    in_.read(static_cast<char*>(to), static_cast<std::streamsize>(n));
    at_ += static_cast<std::size_t>(in_.gcount());
    if (static_cast<std::size_t>(in_.gcount()) != n)
      throw DataError("the stream ends at byte " + std::to_string(at_) + " in the middle of " + what + ": expected " +
                      std::to_string(n) + " bytes, got " + std::to_string(in_.gcount()));
  }
  template <class T>
  T get(const char* what) {
    T value;
    read(&value, sizeof value, what);
    return value;
  }
  std::string text(const char* what, std::size_t largest) {
    const std::size_t n = get<std::uint32_t>(what);
    if (n > largest)
      throw DataError(std::string(what) + " claims " + std::to_string(n) + " bytes at byte " + std::to_string(at_) +
                      "; at most " + std::to_string(largest) + " are accepted");
    std::string text(n, '\0');
    read(text.data(), n, what);
    return text;
  }
  std::uint16_t id() {
    std::uint16_t id = 0;
    in_.read(reinterpret_cast<char*>(&id), sizeof id);
    at_ += static_cast<std::size_t>(in_.gcount());
    if (in_.gcount() != sizeof id)
      throw DataError("the stream ends at byte " + std::to_string(at_) + " without CLOSE (id 4): the scan is incomplete");
    return id;
  }
  std::string place() const { return " at byte " + std::to_string(at_); }

 private:
  std::istream& in_;
  std::size_t at_ = 0;
};

}  // namespace

struct PipeReader::Impl {
  Impl(std::istream& in, const std::vector<std::filesystem::path>& data_folders) : bytes(in) {
    const std::uint16_t id = bytes.id();
    if (id != kHeader) throw DataError("expected a header (id 3) at the start of the stream, got id " + std::to_string(id));
    header = header_from_xml(bytes.text("the header", kLargestHeader), "standard input").header;
    read_named_files(header.system, data_folders, "standard input");
    Channels named{"line_integral", "1", {}};
    for (std::size_t b = 0; b < header.bins(); ++b) named.names.push_back("bin " + std::to_string(b));
    channels = std::make_shared<const Channels>(std::move(named));
    sequence = std::make_unique<ViewSequence>(header, "standard input");
  }

  template <class Real>
  Message<Real> next_acquisition();

  Bytes bytes;
  ScanHeader header;
  std::shared_ptr<const Channels> channels;
  std::unique_ptr<ViewSequence> sequence;
  std::vector<std::complex<float>> buffer;
  bool closed = false;
};

template <class Real>
Message<Real> PipeReader::Impl::next_acquisition() {
  const auto head = bytes.get<ISMRMRD::ISMRMRD_AcquisitionHeader>("an acquisition's header");
  const std::uint16_t dimensions = head.trajectory_dimensions;
  if (dimensions != 0)
    throw DataError("an acquisition has " + std::to_string(dimensions) + " trajectory dimensions" + bytes.place() +
                    "; a view of counts has none");
  const View view = sequence->accept(fields_of(head));  // refuses samples and channels that are not the header's
  buffer.resize(checked_size(header.bins() * header.geometry.rows, header.geometry.columns));
  bytes.read(buffer.data(), checked_size(buffer.size(), sizeof buffer[0]), "an acquisition's data");
  Array<float, 3> values = values_of<float>(buffer.data(), header);
  check_values(values, header.quantity, "standard input, view " + std::to_string(view.index));
  Array<Real, 3> converted(values.shape());
  std::copy(values.begin(), values.end(), converted.begin());
  if (header.quantity == Quantity::counts) {
    auto x = std::make_shared<Counts<Real>>();
    x->view = view;
    x->counts = std::move(converted);
    return Sent<Counts<Real>>(std::move(x));
  }
  auto x = std::make_shared<PathLengths<Real>>();
  x->view = view;
  x->areal_density = std::move(converted);
  x->channels = channels;
  return Sent<PathLengths<Real>>(std::move(x));
}

PipeReader::PipeReader(std::istream& in, const std::vector<std::filesystem::path>& data_folders)
    : impl_(std::make_unique<Impl>(in, data_folders)) {}
PipeReader::~PipeReader() = default;

const ScanHeader& PipeReader::header() const { return impl_->header; }

template <class Real>
Message<Real> PipeReader::next() {
  while (!impl_->closed) {
    const std::uint16_t id = impl_->bytes.id();
    if (id == kAcquisition) return impl_->next_acquisition<Real>();
    if (id == kText) impl_->bytes.text("a text", kLargestText);
    else if (id == kClose) impl_->closed = true;
    else
      throw DataError("unknown message id " + std::to_string(id) + impl_->bytes.place() +
                      "; expected 1008 (acquisition), 5 (text) or 4 (close)");
  }
  impl_->sequence->finish();
  return {};
}
template Message<float> PipeReader::next<float>();
template Message<double> PipeReader::next<double>();

PipeWriter::PipeWriter(std::ostream& out, const ScanHeader& header, ImageOrigin origin) : out_(out), origin_(std::move(origin)) {
  put_text(out_, kHeader, header_to_xml(header));
}

void PipeWriter::write(const Image<float>& image) {
  for_each_slice(image, origin_, "standard output", [&](const ImageSlice& slice) {
    put(out_, kImage);
    put(out_, slice.image.getHead());
    std::string meta;
    slice.image.getAttributeString(meta);
    put(out_, static_cast<std::uint64_t>(meta.size()));
    out_.write(meta.data(), static_cast<std::streamsize>(meta.size()));
    const std::size_t values =
        checked_size(checked_size(slice.image.getMatrixSizeX(), slice.image.getMatrixSizeY()), slice.image.getNumberOfChannels());
    out_.write(reinterpret_cast<const char*>(slice.image.getDataPtr()), static_cast<std::streamsize>(values * sizeof(float)));
  });
  check_written(out_);
}

void PipeWriter::finish() {
  put(out_, kClose);
  out_.flush();
  check_written(out_);
}

PipeScanWriter::PipeScanWriter(std::ostream& out, const ScanHeader& header) : out_(out), header_(header) {
  put_text(out_, kHeader, header_to_xml(header));
}

void PipeScanWriter::write_values(const View& view, const Array<float, 3>& values) {
  const bool last = !view.air && view.index + 1 == header_.geometry.views;
  ISMRMRD::Acquisition acquisition;
  fill_acquisition(acquisition, view, values, header_, written_++, last);
  put(out_, kAcquisition);
  put(out_, acquisition.getHead());
  out_.write(reinterpret_cast<const char*>(acquisition.getDataPtr()),
             static_cast<std::streamsize>(checked_size(values.size(), sizeof(std::complex<float>))));
  check_written(out_);
}

void PipeScanWriter::write(const Counts<float>& view) { write_values(view.view, view.counts); }
void PipeScanWriter::write(const PathLengths<float>& view) { write_values(view.view, view.areal_density); }

void PipeScanWriter::finish() {
  put(out_, kClose);
  out_.flush();
  check_written(out_);
}

}  // namespace counterflow
