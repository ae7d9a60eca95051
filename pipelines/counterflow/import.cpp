#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <ostream>

#include "core/archive/archive.h"
#include "core/archive/named_files.h"
#include "core/archive/pending_file.h"
#include "core/error.h"
#include "core/text.h"
#include "pipelines/counterflow/import_arrays.h"
#include "pipelines/counterflow/import_center.h"
#include "pipelines/counterflow/import_settings.h"
#include "pipelines/counterflow/import_spectra.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {
namespace {

using Bins = std::vector<Array<float, 3>>;

// Line integrals of the central row; of counts their logarithm, up to a constant.
Array<float, 2> central_row(const Array<float, 3>& bin, Quantity quantity) {
  Array<float, 2> out({bin.extent(0), bin.extent(2)});
  float largest = 1;
  for (float v : bin) largest = std::max(largest, v);
  for (std::size_t v = 0; v < bin.extent(0); ++v)
    for (std::size_t c = 0; c < bin.extent(2); ++c) {
      const float value = bin(v, bin.extent(1) / 2, c);
      out(v, c) = quantity == Quantity::counts ? std::log(largest / std::max(value, 0.5f)) : value;
    }
  return out;
}

// The offset of each bin, and whether the source might turn the other way; returns the mean offset.
double center_of(const Bins& bins, const ScanHeader& header, std::ostream& out) {
  double sum = 0;
  for (std::size_t b = 0; b < bins.size(); ++b) {
    const Array<float, 2> row = central_row(bins[b], header.quantity);
    const Center center = find_center(row, header.geometry);
    out << fmt::format("bin {}: column offset {:.3f}, opposite rays disagree by {:.3g}\n", b, center.offset, center.disagreement);
    sum += center.offset;
    if (header.geometry.beam == Beam::parallel) continue;  // these agree either way
    ScanGeometry other = header.geometry;
    other.angle_step = -other.angle_step;
    const Center turned = find_center(row, other);
    if (turned.disagreement < center.disagreement)
      out << fmt::format(
          "bin {}: the rays agree better ({:.3g}) if the source turns the other way: change clockwise in the XML\n", b,
          turned.disagreement);
  }
  return sum / static_cast<double>(bins.size());
}

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
}

// A file that the scan names goes beside it, unless it stands there already. One that import has made may be replaced.
void put_beside(const std::filesystem::path& scan, const std::string& name, const std::string& content, bool replace) {
  const std::filesystem::path file = folder_of(scan) / name;
  if (std::ifstream in(file, std::ios::binary); in) {
    const std::string there{std::istreambuf_iterator<char>(in), {}};
    if (there == content) return;
    if (!replace)
      throw ArchiveError(file.string() +
                         ": is another file of the same name as one that the scan needs; write the scan elsewhere");
  }
  PendingFile pending(file);
  std::ofstream to(pending.temporary(), std::ios::binary);
  to << content;
  to.close();
  if (!to) throw ArchiveError(file.string() + ": cannot be written; is the disk full?");
  pending.finish();
}

void add_spectra(ScanHeader& header, const ImportSettings& settings, const ImportOptions& options, const CommonOptions& common) {
  std::vector<std::filesystem::path> folders{folder_of(options.geometry)};
  folders.insert(folders.end(), common.data.begin(), common.data.end());
  read_named_files(header.system, folders, options.geometry.string());
  if (!settings.bins.empty()) {
    header.system.bin_spectra = options.output.stem().string() + "_spectra.txt";
    header.system.files[header.system.bin_spectra] = effective_spectra(settings.bins);
  }
}

template <class Sent>
Array<float, 3>& values(Sent& message) {
  if constexpr (requires { message.counts; }) return message.counts;
  else return message.areal_density;
}

template <class Sent>
void write_views(ArchiveWriter& writer, const Bins& bins, const ScanGeometry& g) {
  for (std::size_t v = 0; v < g.views; ++v) {
    Sent message;
    message.view.index = v;
    message.view.angle = g.first_angle + static_cast<double>(v) * g.angle_step;
    message.view.rotation = v / g.views_per_rotation;
    values(message) = Array<float, 3>({bins.size(), g.rows, g.columns});
    for (std::size_t b = 0; b < bins.size(); ++b) {
      const auto from = bins[b].block(v);
      std::copy(from.begin(), from.end(), values(message).block(b).begin());
    }
    writer.write(message);
  }
}

}  // namespace

void import_scan(const ImportOptions& options, const CommonOptions& common, std::ostream& out) {
  if (options.column_offset && options.find_center) throw ConfigError("--column-offset and --find-center exclude each other");
  ImportSettings settings = read_import_settings(options.geometry);
  if (options.column_offset) settings.header.geometry.column_offset = *options.column_offset;
  const Bins bins = read_bins(options.arrays, settings.layout);
  const auto& shape = bins.front().shape();
  const ArraySizes sizes{bins.size(), shape[0], shape[1], shape[2]};
  ScanHeader header = complete_header(settings, sizes);
  if (options.find_center) {
    settings.header.geometry.column_offset = center_of(bins, header, out);
    header = complete_header(settings, sizes);
  }
  const ScanGeometry& g = header.geometry;
  if (header.quantity == Quantity::counts && !header.system.open_beam_counts)
    throw ConfigError(options.geometry.string() +
                      ": counts need <open_beam counts=\"...\"/>: those of a pixel without object, summed over bins");
  add_spectra(header, settings, options, common);

  ArchiveWriter writer(options.output, header);
  if (header.quantity == Quantity::counts) write_views<Counts<float>>(writer, bins, g);
  else write_views<PathLengths<float>>(writer, bins, g);
  for (const auto& [name, content] : header.system.files)
    put_beside(options.output, name, content, !settings.bins.empty() && name == header.system.bin_spectra);
  writer.finish();
  out << fmt::format("{}: {} views, {} bins, {} rows, {} columns, column offset {:.3f}\n", options.output.string(), g.views,
                     bins.size(), g.rows, g.columns, g.column_offset);
}

}  // namespace counterflow
