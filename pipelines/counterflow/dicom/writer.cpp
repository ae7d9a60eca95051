#include "pipelines/counterflow/dicom/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "core/archive/image_slices.h"
#include "core/error.h"
#include "core/text.h"
#include "pipelines/counterflow/dicom/file.h"
#include "pipelines/counterflow/dicom/pending_folder.h"
#include "pipelines/counterflow/dicom/uid.h"
#include "pipelines/counterflow/panel.h"

namespace counterflow {
namespace {

namespace fs = std::filesystem;

// One channel of a series, its slices in a file of floats until all have come.
struct Spool {
  std::string channel;
  Channels channels;  // of the series
  ImageGrid grid;
  fs::path file;
  std::fstream floats;        // [z,y,x]
  std::vector<char> written;  // [z]
  double largest = 0;         // of the finite |values|
};

void write_slice(Spool& spool, std::size_t z, std::span<const float> values) {
  for (float v : values)
    if (std::isfinite(v)) spool.largest = std::max(spool.largest, std::abs(static_cast<double>(v)));
  spool.floats.seekp(static_cast<std::streamoff>(z * values.size_bytes()));
  spool.floats.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size_bytes()));
  if (!spool.floats) throw ArchiveError(spool.file.string() + ": cannot be written; is the disk full?");
}

std::vector<float> read_slice(Spool& spool, std::size_t z) {
  std::vector<float> values(spool.grid.nx * spool.grid.ny);
  const std::span<float> all(values);
  spool.floats.seekg(static_cast<std::streamoff>(z * all.size_bytes()));
  spool.floats.read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(all.size_bytes()));
  if (!spool.floats) throw ArchiveError(spool.file.string() + ": cannot be read back");
  return values;
}

// The finest of 1, 2, 5 times a power of ten at which 16 bits hold all values.
double step_for(double largest, double finest) {
  if (!(largest > 0)) return std::max(finest, 1.0);
  const double needed = std::max(largest / kDicomLargest, finest);
  double power = std::pow(10, std::floor(std::log10(needed)) - 1);
  for (;; power *= 10)
    for (double lead : {1.0, 2.0, 5.0})
      if (lead * power >= needed * (1 - 1e-9)) return lead * power;
}

std::string lower_words(const std::string& text) {
  std::string out;
  for (char c : text) out += std::isalnum(static_cast<unsigned char>(c)) ? static_cast<char>(std::tolower(c)) : '_';
  return out;
}

std::string description_of(const Spool& spool) {
  const std::string what = (spool.channels.quantity == "noise" ? "noise of " : "") + spool.channel;
  return (what + " [" + dicom_unit(spool.channels).codes.front().meaning + "]").substr(0, 64);
}

void check_text(const std::string& text, const char* what) {
  const auto wrong = [](unsigned char c) { return c < 32 || c == '\\'; };
  if (text.size() > 64 || std::ranges::any_of(text, wrong))
    throw ConfigError(std::string("the patient's ") + what + " '" + text +
                      "' does not fit DICOM: expected at most 64 bytes without backslashes and control characters");
}

}  // namespace

struct DicomWriter::Impl {
  Impl(const fs::path& folder, const ScanHeader& header, ImageOrigin made_by, DicomOptions asked)
      : origin(std::move(made_by)), options(std::move(asked)), pending(folder), where(folder.string()) {
    study.patient_name = options.patient_name;
    study.patient_id = options.patient_id;
    study.tube_voltage = header.system.tube_voltage;
    study.source_to_isocenter = header.geometry.source_to_isocenter;
    study.source_to_detector = header.geometry.source_to_detector;
    study.derivation = "Counterflow chain " + origin.chain + ", parameters " + origin.parameters;
  }
  Spool& spool_of(const ImageSlice& slice, const ImageGrid& grid, std::size_t channel);
  void take(const ImageSlice& slice, const ImageGrid& grid);
  DicomSeries series_of(Spool& spool, int number);
  void write_series(Spool& spool, int number);

  ImageOrigin origin;
  DicomOptions options;
  PendingFolder pending;
  std::string where;
  DicomStudy study;
  std::map<std::pair<int, std::size_t>, Spool> spools;  // by series and channel
};

Spool& DicomWriter::Impl::spool_of(const ImageSlice& slice, const ImageGrid& grid, std::size_t channel) {
  auto [found, fresh] = spools.try_emplace({slice.series, channel});
  Spool& spool = found->second;
  if (fresh) {
    spool.channel = slice.channels.names[channel];
    spool.channels = slice.channels;
    spool.grid = grid;
    spool.file = pending.temporary() / fmt::format("{}-{}.floats", slice.series, channel);
    spool.floats.open(spool.file, std::ios::binary | std::ios::in | std::ios::out | std::ios::trunc);
    spool.written.assign(grid.nz, 0);
  } else if (spool.channels != slice.channels || spool.grid != grid) {
    throw ArchiveError(where + ": two different images would go into series " + std::to_string(slice.series) +
                       "; write them to different folders");
  }
  return spool;
}

void DicomWriter::Impl::take(const ImageSlice& slice, const ImageGrid& grid) {
  const std::size_t pixels = grid.nx * grid.ny;
  for (std::size_t c = 0; c < slice.channels.names.size(); ++c) {
    Spool& spool = spool_of(slice, grid, c);
    if (spool.written[slice.slice])
      throw ArchiveError(where + ": series " + std::to_string(slice.series) + ": slice " + std::to_string(slice.slice) +
                         " came twice");
    write_slice(spool, slice.slice, {slice.image->getDataPtr() + c * pixels, pixels});
    spool.written[slice.slice] = 1;
  }
}

DicomSeries DicomWriter::Impl::series_of(Spool& spool, int number) {
  DicomSeries series;
  series.unit = dicom_unit(spool.channels);
  series.description = description_of(spool);
  series.number = number;
  series.grid = spool.grid;
  series.step = step_for(spool.largest * series.unit.scale, series.unit.finest_step);
  series.uid = Digest()
                   .add("series")
                   .add(study.uid)
                   .add(origin.chain)
                   .add(origin.parameters)
                   .add(std::to_string(number))
                   .add(series.description)
                   .uid();
  const bool noise = spool.channels.quantity == "noise";
  Window window{-160, 240};  // centre 40, width 400
  if (noise || series.unit.rescale_type != "HU") {
    window = percentiles(read_slice(spool, spool.grid.nz / 2), 0.005, 0.995);
    window = {noise ? 0 : window.low * series.unit.scale, window.high * series.unit.scale};
  }
  series.window_centre = (window.low + window.high) / 2;
  series.window_width = std::max(window.high - window.low, series.step);
  return series;
}

void DicomWriter::Impl::write_series(Spool& spool, int number) {
  const DicomSeries series = series_of(spool, number);
  const fs::path folder = pending.temporary() / fmt::format("{:02}_{}{}", number, lower_words(spool.channel),
                                                            spool.channels.quantity == "noise" ? "_noise" : "");
  fs::create_directory(folder);
  std::vector<std::int16_t> stored(spool.grid.nx * spool.grid.ny);
  const double steps = series.unit.scale / series.step;
  for (std::size_t z = 0; z < spool.grid.nz; ++z) {
    const std::vector<float> values = read_slice(spool, z);
    for (std::size_t i = 0; i < values.size(); ++i)
      stored[i] = std::isfinite(values[i]) ? static_cast<std::int16_t>(std::lround(static_cast<double>(values[i]) * steps))
                                           : kDicomPadding;
    const bool padded = std::ranges::find(stored, kDicomPadding) != stored.end();
    const std::string uid = Digest()
                                .add("instance")
                                .add(series.uid)
                                .add(std::to_string(z))
                                .add(number_text(series.step))
                                .add(std::as_bytes(std::span(stored)))
                                .uid();
    write_dicom(folder / fmt::format("{:04}.dcm", z + 1), study, series, {uid, z, stored, padded});
  }
  spool.floats.close();
  fs::remove(spool.file);
}

DicomWriter::DicomWriter(const fs::path& folder, const ScanHeader& header, ImageOrigin origin, DicomOptions options) {
  check_text(options.patient_name, "name");
  check_text(options.patient_id, "ID");
  impl_ = std::make_unique<Impl>(folder, header, std::move(origin), std::move(options));
}
DicomWriter::~DicomWriter() = default;

void DicomWriter::write(const Image<float>& image) {
  for_each_slice(image, impl_->origin, impl_->where, [&](const ImageSlice& slice) { impl_->take(slice, image.grid); });
}

void DicomWriter::finish(const std::string& scan) {
  Impl& w = *impl_;
  if (w.spools.empty()) throw ArchiveError(w.where + ": there was no image to write");
  for (const auto& [key, spool] : w.spools)
    if (const auto missing = std::ranges::find(spool.written, 0); missing != spool.written.end())
      throw ArchiveError(w.where + ": series " + std::to_string(key.first) + ": slice " +
                         std::to_string(missing - spool.written.begin()) + " is missing");
  w.study.uid = Digest().add("study").add(scan).add(w.options.patient_name).add(w.options.patient_id).uid();
  w.study.frame_of_reference_uid = Digest().add("frame of reference").add(w.study.uid).uid();
  int number = 0;
  try {
    for (auto& [key, spool] : w.spools) w.write_series(spool, ++number);
  } catch (const fs::filesystem_error& error) {
    throw ArchiveError(w.where + ": cannot be written: " + error.code().message());
  }
  w.pending.finish();
}

}  // namespace counterflow
