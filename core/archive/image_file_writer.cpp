#include <ismrmrd/dataset.h>

#include <map>

#include "core/archive/hdf5_file.h"
#include "core/archive/image_file.h"
#include "core/archive/image_slices.h"
#include "core/archive/pending_file.h"
#include "core/error.h"

namespace counterflow {
namespace {

struct Series {
  Channels channels;
  ImageGrid grid;
  std::vector<char> written;  // [slice]
};

}  // namespace

struct ImageFileWriter::Impl {
  Impl(const std::filesystem::path& file, ImageOrigin made_by);
  void write(const ImageSlice& slice, const ImageGrid& grid);

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

void ImageFileWriter::Impl::write(const ImageSlice& slice, const ImageGrid& grid) {
  auto [found, fresh] = all.try_emplace(slice.series);
  Series& series = found->second;
  if (fresh) series = {slice.channels, grid, std::vector<char>(grid.nz, 0)};
  else if (series.channels != slice.channels || series.grid != grid)
    throw ArchiveError(where + ": two different images would go into series " + std::to_string(slice.series) +
                       "; write them to different files");
  char& written = series.written[slice.slice];
  if (written)
    throw ArchiveError(where + ": series " + std::to_string(slice.series) + ": slice " + std::to_string(slice.slice) +
                       " came twice");
  dataset->appendImage("image_" + std::to_string(slice.series), slice.image);
  written = 1;
}

ImageFileWriter::ImageFileWriter(const std::filesystem::path& file, ImageOrigin origin)
    : impl_(std::make_unique<Impl>(file, std::move(origin))) {}
ImageFileWriter::~ImageFileWriter() = default;

void ImageFileWriter::write(const Image<float>& image) {
  const hdf5::Quiet quiet;
  try {
    for_each_slice(image, impl_->origin, impl_->where, [&](const ImageSlice& slice) { impl_->write(slice, image.grid); });
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw ArchiveError(impl_->where + ": cannot be written; is the disk full? (" + error.what() + ")");
  }
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
