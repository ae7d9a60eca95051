#include <ismrmrd/dataset.h>

#include <array>
#include <complex>
#include <cstring>
#include <map>

#include "core/archive/hdf5_file.h"
#include "core/archive/header_parameters.h"
#include "core/archive/image_file.h"
#include "core/archive/image_meta.h"
#include "core/archive/image_slices.h"
#include "core/archive/pending_file.h"
#include "core/error.h"

namespace counterflow {
namespace {

// What all images of a series have in common, and which of its slices there are.
struct Series {
  std::string meta;
  std::array<std::size_t, 5> shape{};  // pixel type, channels, z, y, x
  std::vector<bool> written;           // [slice]
};

std::array<std::size_t, 5> shape_of(const ISMRMRD::ISMRMRD_ImageHeader& head) {
  return {head.data_type, head.channels, head.matrix_size[2], head.matrix_size[1], head.matrix_size[0]};
}

// How many slices a series says that it has; 0 where it does not.
std::size_t slices_of(const std::string& meta, const std::string& where) {
  const MetaValues values = meta_from_xml(meta, where);
  const auto found = values.find("slices");
  const auto n = found == values.end() || found->second.size() != 1 ? std::nullopt : finite_number(found->second.front());
  return n && *n >= 1 && *n <= 65536 ? static_cast<std::size_t>(*n) : 0;
}

// What is thrown by libraries, as an error of ours.
template <class Write>
void write_or_say(const std::string& where, const Write& write) {
  const hdf5::Quiet quiet;
  try {
    write();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw ArchiveError(where + ": cannot be written; is the disk full? (" + error.what() + ")");
  }
}

}  // namespace

struct ImageFileWriter::Impl {
  Impl(const std::filesystem::path& file, ImageOrigin made_by);
  template <class T>
  void append(const ISMRMRD::Image<T>& image);
  template <class T>
  void append(const ISMRMRD::ISMRMRD_ImageHeader& head, std::string_view meta, std::span<const std::byte> pixels);
  void append_any(const ISMRMRD::ISMRMRD_ImageHeader& head, std::string_view meta, std::span<const std::byte> pixels);

  std::string where;
  ImageOrigin origin;
  PendingFile pending;
  std::unique_ptr<ISMRMRD::Dataset> dataset;
  std::map<int, Series> all;
};

ImageFileWriter::Impl::Impl(const std::filesystem::path& file, ImageOrigin made_by)
    : where(file.string()), origin(std::move(made_by)), pending(file) {
  const hdf5::Quiet quiet;
  hdf5::create(pending.temporary());
  dataset = std::make_unique<ISMRMRD::Dataset>(pending.temporary().c_str(), "images", true);
}

template <class T>
void ImageFileWriter::Impl::append(const ISMRMRD::Image<T>& image) {
  const int number = image.getImageSeriesIndex();
  const std::size_t slice = image.getSlice();
  const std::string place = where + ": series " + std::to_string(number);
  std::string meta;
  image.getAttributeString(meta);
  auto [found, fresh] = all.try_emplace(number);
  Series& series = found->second;
  if (fresh) series = {meta, shape_of(image.getHead()), std::vector<bool>(slices_of(meta, place))};
  else if (series.meta != meta || series.shape != shape_of(image.getHead()))
    throw ArchiveError(where + ": two different images would go into series " + std::to_string(number) +
                       "; write them to different files");
  if (series.written.size() <= slice) series.written.resize(slice + 1);
  if (series.written[slice]) throw ArchiveError(place + ": slice " + std::to_string(slice) + " came twice");
  dataset->appendImage("image_" + std::to_string(number), image);
  series.written[slice] = true;
}

template <class T>
void ImageFileWriter::Impl::append(const ISMRMRD::ISMRMRD_ImageHeader& head, std::string_view meta,
                                   std::span<const std::byte> pixels) {
  const std::uint16_t x = head.matrix_size[0], y = head.matrix_size[1], z = head.matrix_size[2], channels = head.channels;
  const std::size_t values = checked_size(checked_size(checked_size(x, y), z), channels);
  if (pixels.size() != checked_size(values, sizeof(T)))
    throw ArchiveError(where + ": an image has " + std::to_string(pixels.size()) + " bytes of pixels, its header counts " +
                       std::to_string(values) + " of " + std::to_string(sizeof(T)));
  ISMRMRD::Image<T> image(x, y, z, channels);
  ISMRMRD::ImageHeader copy;
  static_cast<ISMRMRD::ISMRMRD_ImageHeader&>(copy) = head;
  image.setHead(copy);
  image.setAttributeString(std::string(meta));
  if (!pixels.empty()) std::memcpy(image.getDataPtr(), pixels.data(), pixels.size());
  append(image);
}

void ImageFileWriter::Impl::append_any(const ISMRMRD::ISMRMRD_ImageHeader& head, std::string_view meta,
                                       std::span<const std::byte> pixels) {
  switch (head.data_type) {
    case ISMRMRD::ISMRMRD_USHORT:
      return append<std::uint16_t>(head, meta, pixels);
    case ISMRMRD::ISMRMRD_SHORT:
      return append<std::int16_t>(head, meta, pixels);
    case ISMRMRD::ISMRMRD_UINT:
      return append<std::uint32_t>(head, meta, pixels);
    case ISMRMRD::ISMRMRD_INT:
      return append<std::int32_t>(head, meta, pixels);
    case ISMRMRD::ISMRMRD_FLOAT:
      return append<float>(head, meta, pixels);
    case ISMRMRD::ISMRMRD_DOUBLE:
      return append<double>(head, meta, pixels);
    case ISMRMRD::ISMRMRD_CXFLOAT:
      return append<std::complex<float>>(head, meta, pixels);
    case ISMRMRD::ISMRMRD_CXDOUBLE:
      return append<std::complex<double>>(head, meta, pixels);
    default:
      throw ArchiveError(where + ": an image has pixels of type " + std::to_string(head.data_type) + "; there are 1 to 8");
  }
}

ImageFileWriter::ImageFileWriter(const std::filesystem::path& file, ImageOrigin origin)
    : impl_(std::make_unique<Impl>(file, std::move(origin))) {}
ImageFileWriter::~ImageFileWriter() = default;

void ImageFileWriter::write(const Image<float>& image) {
  write_or_say(impl_->where, [&] {
    for_each_slice(image, impl_->origin, impl_->where, [&](const ImageSlice& slice) { impl_->append(*slice.image); });
  });
}

void ImageFileWriter::write(const ISMRMRD::ISMRMRD_ImageHeader& head, std::string_view meta, std::span<const std::byte> pixels) {
  write_or_say(impl_->where, [&] { impl_->append_any(head, meta, pixels); });
}

void ImageFileWriter::finish() {
  Impl& w = *impl_;
  if (w.all.empty()) throw ArchiveError(w.where + ": there was no image to write");
  for (const auto& [number, series] : w.all)
    for (std::size_t slice = 0; slice < series.written.size(); ++slice)
      if (!series.written[slice])
        throw ArchiveError(w.where + ": series " + std::to_string(number) + ": slice " + std::to_string(slice) + " is missing");
  w.dataset.reset();
  w.pending.finish();
}

}  // namespace counterflow
