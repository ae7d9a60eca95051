#include <algorithm>
#include <array>
#include <cstring>
#include <span>

#include "core/archive/hdf5_file.h"
#include "core/archive/header_parameters.h"
#include "core/archive/heap_reader.h"
#include "core/archive/image_file.h"
#include "core/archive/image_meta.h"
#include "core/archive/record_list.h"
#include "core/error.h"

namespace counterflow {
namespace {

using hdf5::Handle;
constexpr int kPreviewSeries = 65535;

// Members of an ISMRMRD image's header that mean something here.
struct Fields {
  std::uint16_t matrix[3];
  std::uint16_t slice;
  float field_of_view[3];
  float position[3];
};

std::vector<Fields> read_headers(const Handle& file, const HeapReader& heap, const std::string& group, std::size_t n,
                                 const std::string& where) {
  const RecordList records(file, heap, group + "/header", where);
  if (records.count() != n) throw ArchiveError(where + ": expected as many headers as images");
  const Member matrix = records.member({"matrix_size"}, sizeof Fields::matrix),
               slice = records.member({"slice"}, sizeof Fields::slice);
  const Member view = records.member({"field_of_view"}, sizeof Fields::field_of_view);
  const Member position = records.member({"position"}, sizeof Fields::position);
  std::vector<Fields> all(n);
  std::vector<std::byte> record;
  for (std::size_t i = 0; i < n; ++i) {
    records.read(i, record, where);
    std::memcpy(&all[i].matrix, record.data() + matrix.offset, matrix.size);
    std::memcpy(&all[i].slice, record.data() + slice.offset, slice.size);
    std::memcpy(&all[i].field_of_view, record.data() + view.offset, view.size);
    std::memcpy(&all[i].position, record.data() + position.offset, position.size);
  }
  return all;
}

// The attributes of the first image; all images of a series have the same.
std::string read_attributes(const Handle& file, const HeapReader& heap, const std::string& group, const std::string& where) {
  const RecordList records(file, heap, group + "/attributes", where);
  std::vector<std::byte> record;
  if (records.count() == 0 || records.record_size() != HeapDescriptor::kSize) throw ArchiveError(where + ": has no attributes");
  records.read(0, record, where);
  const HeapDescriptor object = heap_descriptor(record.data());
  if (object.length > std::size_t{1} << 28) throw ArchiveError(where + ": the file is damaged: attributes of a wrong length");
  std::string text(object.length, '\0');
  heap.read(object, std::as_writable_bytes(std::span(text)), where);
  text.resize(std::min(text.find('\0'), text.size()));
  return text;
}

std::vector<double> numbers(const MetaValues& meta, const std::string& name) {
  std::vector<double> out;
  if (const auto found = meta.find(name); found != meta.end())
    for (const auto& text : found->second)
      if (const auto number = finite_number(text)) out.push_back(*number);
  return out;
}

// The grid from the attributes, which are exact; else from the headers, in float.
ImageGrid grid_of(const std::vector<Fields>& fields, const MetaValues& meta) {
  std::size_t slices = 0;
  for (const Fields& f : fields) slices = std::max<std::size_t>(slices, f.slice + std::size_t{1});
  const Fields& f = fields.front();
  ImageGrid g{.nx = f.matrix[0], .ny = f.matrix[1], .nz = slices};
  if (const auto n = numbers(meta, "slices"); n.size() == 1 && n[0] >= 1 && n[0] <= 65536) g.nz = static_cast<std::size_t>(n[0]);
  const auto voxel = numbers(meta, "voxel_mm"), centre = numbers(meta, "centre_mm");
  const auto of_field = [&](int k) { return static_cast<double>(f.field_of_view[k]) / f.matrix[k]; };
  g.voxel_x = voxel.size() == 3 ? voxel[0] : of_field(0);
  g.voxel_y = voxel.size() == 3 ? voxel[1] : of_field(1);
  g.voxel_z = voxel.size() == 3 ? voxel[2] : of_field(2);
  g.centre_x = centre.size() == 3 ? centre[0] : static_cast<double>(f.position[0]);
  g.centre_y = centre.size() == 3 ? centre[1] : static_cast<double>(f.position[1]);
  g.centre_z = centre.size() == 3 ? centre[2] : 0;
  return g;
}

Channels channels_of(const MetaValues& meta, std::size_t n, const std::string& where) {
  const auto first = [&](const char* name) {
    const auto found = meta.find(name);
    return found == meta.end() || found->second.empty() ? std::string() : found->second.front();
  };
  Channels channels{first("quantity"), first("unit"), {}};
  for (const char* list : {"channels", "materials"})
    if (const auto found = meta.find(list); found != meta.end()) channels.names = found->second;
  if (channels.quantity.empty()) channels.quantity = meta.count("materials") ? "density" : "attenuation";
  for (std::size_t c = 0; channels.names.empty() && c < n; ++c) channels.names.push_back("channel " + std::to_string(c));
  if (channels.names.size() != n)
    throw ArchiveError(where + ": expected " + std::to_string(n) + " names of channels, got " +
                       std::to_string(channels.names.size()));
  return channels;
}

// Which image holds each slice; throws unless each is there exactly once.
std::vector<std::size_t> order_of(const std::vector<Fields>& fields, std::size_t slices, const std::string& where) {
  std::vector<std::size_t> image(slices, fields.size());
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].slice >= slices || image[fields[i].slice] != fields.size())
      throw ArchiveError(where + ": slice " + std::to_string(fields[i].slice) + " stands twice or lies outside the volume");
    image[fields[i].slice] = i;
  }
  const auto missing = std::find(image.begin(), image.end(), fields.size());
  if (missing != image.end())
    throw ArchiveError(where + ": slice " + std::to_string(missing - image.begin()) + " of " + std::to_string(slices) +
                       " is missing");
  return image;
}

// Each image is one chunk [1,channel,1,y,x] of floats, as libismrmrd appends it.
void check_layout(const Handle& dataset, const std::vector<std::size_t>& shape, const std::string& where) {
  const Handle type(hdf5::checked(H5Dget_type(dataset.get()), where + ": the file is damaged"));
  const Handle creation(hdf5::checked(H5Dget_create_plist(dataset.get()), where + ": the file is damaged"));
  std::array<hsize_t, 5> chunk{};
  const bool chunked = H5Pget_layout(creation.get()) == H5D_CHUNKED && H5Pget_chunk(creation.get(), 5, chunk.data()) == 5;
  const bool whole = chunk == std::array<hsize_t, 5>{1, shape[1], 1, shape[3], shape[4]};
  if (H5Tequal(type.get(), H5T_IEEE_F32LE) <= 0) throw ArchiveError(where + ": expected images of floats, got something else");
  if (!chunked || !whole || H5Pget_nfilters(creation.get()) != 0)
    throw ArchiveError(where + ": is not stored as libismrmrd stores it: plain, an image a chunk; 'h5repack -f NONE' may help");
}

Array<float, 4> read_values(const Handle& dataset, const HeapReader& heap, const std::vector<std::size_t>& order,
                            const std::vector<std::size_t>& shape, const std::string& where) {
  check_layout(dataset, shape, where);
  const std::size_t channels = shape[1], pixels = checked_size(shape[3], shape[4]);
  Array<float, 4> value({channels, order.size(), shape[3], shape[4]});
  std::vector<float> slice(checked_size(channels, pixels));
  for (std::size_t z = 0; z < order.size(); ++z) {
    read_chunk(dataset, heap, {order[z], 0, 0, 0, 0}, std::as_writable_bytes(std::span(slice)),
               where + ": slice " + std::to_string(z));
    for (std::size_t c = 0; c < channels; ++c) std::copy_n(slice.data() + c * pixels, pixels, value.block(c, z).data());
  }
  return value;
}

ImageSeries read_series(const Handle& file, const HeapReader& heap, int number, const std::string& file_name) {
  const std::string group = "/images/image_" + std::to_string(number), where = file_name + ": series " + std::to_string(number);
  const Handle dataset = hdf5::open_dataset(file, group + "/data", where);
  const auto shape = hdf5::shape(dataset, where);
  if (shape.size() != 5 || shape[0] == 0 || shape[1] == 0 || shape[2] != 1 || shape[3] == 0 || shape[4] == 0)
    throw ArchiveError(where + ": expected images [image, channel, 1, y, x], got another shape");
  const auto fields = read_headers(file, heap, group, shape[0], where);
  for (const Fields& f : fields)
    if (f.matrix[0] != shape[4] || f.matrix[1] != shape[3])
      throw ArchiveError(where + ": a header's matrix size is not its image's");
  const MetaValues meta = meta_from_xml(read_attributes(file, heap, group, where), where);
  ImageSeries series;
  series.number = number;
  series.channels = channels_of(meta, shape[1], where);
  series.grid = grid_of(fields, meta);
  series.value = read_values(dataset, heap, order_of(fields, series.grid.nz, where), shape, where);
  for (const char* name : {"parameters", "chain"})
    if (const auto found = meta.find(name); found != meta.end() && !found->second.empty())
      series.meta[name] = found->second.front();
  return series;
}

herr_t collect_series(hid_t, const char* name, const H5L_info_t*, void* numbers) {
  constexpr std::string_view prefix = "image_";
  const std::string_view text(name);
  if (text.substr(0, prefix.size()) != prefix) return 0;
  const auto number = finite_number(std::string(text.substr(prefix.size())));
  if (number && *number >= 0 && *number < kPreviewSeries)
    static_cast<std::vector<int>*>(numbers)->push_back(static_cast<int>(*number));
  return 0;
}

}  // namespace

std::vector<ImageSeries> read_images(const std::filesystem::path& path) {
  const hdf5::Quiet quiet;
  const Handle file = hdf5::open_to_read(path);
  const HeapReader heap(path, file);
  if (!hdf5::exists(file, "/images")) throw ArchiveError(path.string() + ": has no group 'images': expected a file of images");
  const Handle group(hdf5::checked(H5Gopen2(file.get(), "/images", H5P_DEFAULT), path.string() + ": the file is damaged"));
  std::vector<int> numbers;
  hdf5::check(H5Literate(group.get(), H5_INDEX_NAME, H5_ITER_NATIVE, nullptr, collect_series, &numbers),
              path.string() + ": the file is damaged");
  if (numbers.empty()) throw ArchiveError(path.string() + ": holds no images");
  std::sort(numbers.begin(), numbers.end());
  std::vector<ImageSeries> all;
  for (int number : numbers) all.push_back(read_series(file, heap, number, path.string()));
  return all;
}

}  // namespace counterflow
