#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "core/archive/hdf5_file.h"
#include "core/archive/header_parameters.h"
#include "core/archive/heap_reader.h"
#include "core/archive/image_file.h"
#include "core/archive/image_meta.h"
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

Handle fields_type() {
  const hsize_t three = 3;
  const Handle shorts(H5Tarray_create2(H5T_NATIVE_UINT16, 1, &three)), floats(H5Tarray_create2(H5T_NATIVE_FLOAT, 1, &three));
  Handle type(H5Tcreate(H5T_COMPOUND, sizeof(Fields)));
  H5Tinsert(type.get(), "matrix_size", offsetof(Fields, matrix), shorts.get());
  H5Tinsert(type.get(), "slice", offsetof(Fields, slice), H5T_NATIVE_UINT16);
  H5Tinsert(type.get(), "field_of_view", offsetof(Fields, field_of_view), floats.get());
  H5Tinsert(type.get(), "position", offsetof(Fields, position), floats.get());
  return type;
}

std::vector<Fields> read_headers(const Handle& file, const std::string& group, std::size_t n, const std::string& where) {
  const Handle dataset = hdf5::open_dataset(file, group + "/header", where);
  if (hdf5::shape(dataset, where) != std::vector<std::size_t>{n})
    throw ArchiveError(where + ": expected as many headers as images");
  const Handle stored(hdf5::checked(H5Dget_type(dataset.get()), where + ": the file is damaged"));
  for (const char* name : {"matrix_size", "slice", "field_of_view", "position"})
    if (H5Tget_class(stored.get()) != H5T_COMPOUND || H5Tget_member_index(stored.get(), name) < 0)
      throw ArchiveError(where + ": an image's header has no '" + name + "': this is no ISMRMRD image");
  std::vector<Fields> fields(n);
  const Handle type = fields_type();
  hdf5::check(H5Dread(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, fields.data()),
              where + ": the headers cannot be read; the file is damaged");
  return fields;
}

// The attributes of the first image; all images of a series have the same.
std::string read_attributes(const Handle& file, const HeapReader& heap, const std::string& group, const std::string& where) {
  const Handle dataset = hdf5::open_dataset(file, group + "/attributes", where);
  const Handle type(hdf5::checked(H5Dget_type(dataset.get()), where + ": the file is damaged"));
  const Handle creation(hdf5::checked(H5Dget_create_plist(dataset.get()), where + ": the file is damaged"));
  hsize_t chunk = 0, start = 0, stored = 0;
  const std::string damaged = where + ": the attributes cannot be read; the file is damaged or of an unknown layout";
  if (H5Tis_variable_str(type.get()) <= 0 || !heap.usable() || H5Pget_layout(creation.get()) != H5D_CHUNKED ||
      H5Pget_nfilters(creation.get()) != 0 || H5Pget_chunk(creation.get(), 1, &chunk) != 1 || chunk == 0 || chunk > 65536)
    throw ArchiveError(damaged);
  std::vector<std::byte> bytes(chunk * HeapDescriptor::kSize);
  std::uint32_t filters = 0;
  if (H5Dget_chunk_storage_size(dataset.get(), &start, &stored) < 0 || stored != bytes.size()) throw ArchiveError(damaged);
  hdf5::check(H5Dread_chunk(dataset.get(), H5P_DEFAULT, &start, &filters, bytes.data()), damaged);
  const HeapDescriptor object = heap_descriptor(bytes.data());
  if (object.length > std::size_t{1} << 28) throw ArchiveError(damaged);
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

Array<float, 4> read_values(const Handle& dataset, const std::vector<std::size_t>& order, const std::vector<std::size_t>& shape,
                            const std::string& where) {
  const std::size_t channels = shape[1], pixels = checked_size(shape[3], shape[4]);
  Array<float, 4> value({channels, order.size(), shape[3], shape[4]});
  const Handle space(hdf5::checked(H5Dget_space(dataset.get()), where + ": the file is damaged"));
  const std::array<hsize_t, 5> count{1, channels, 1, shape[3], shape[4]};
  const Handle memory(H5Screate_simple(5, count.data(), nullptr));
  std::vector<float> slice(channels * pixels);
  for (std::size_t z = 0; z < order.size(); ++z) {
    const std::array<hsize_t, 5> start{order[z], 0, 0, 0, 0};
    H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, count.data(), nullptr);
    hdf5::check(H5Dread(dataset.get(), H5T_NATIVE_FLOAT, memory.get(), space.get(), H5P_DEFAULT, slice.data()),
                where + ": slice " + std::to_string(z) + " cannot be read; the file is damaged or truncated");
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
  const auto fields = read_headers(file, group, shape[0], where);
  for (const Fields& f : fields)
    if (f.matrix[0] != shape[4] || f.matrix[1] != shape[3])
      throw ArchiveError(where + ": a header's matrix size is not its image's");
  const MetaValues meta = meta_from_xml(read_attributes(file, heap, group, where), where);
  ImageSeries series;
  series.number = number;
  series.channels = channels_of(meta, shape[1], where);
  series.grid = grid_of(fields, meta);
  series.value = read_values(dataset, order_of(fields, series.grid.nz, where), shape, where);
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
