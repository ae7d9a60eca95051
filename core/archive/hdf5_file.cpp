#include "core/archive/hdf5_file.h"

#include <algorithm>

#include "core/archive/archive.h"
#include "core/array.h"

namespace counterflow::hdf5 {
namespace {

std::size_t size_of(const std::vector<std::size_t>& extents) {
  std::size_t size = 1;
  for (std::size_t extent : extents) size = checked_size(size, extent);
  return size;
}

template <class T>
hid_t native_type();
template <>
hid_t native_type<float>() {
  return H5T_NATIVE_FLOAT;
}
template <>
hid_t native_type<double>() {
  return H5T_NATIVE_DOUBLE;
}

Handle intermediate_groups() {
  Handle links(checked(H5Pcreate(H5P_LINK_CREATE), "HDF5 refuses a property list"));
  check(H5Pset_create_intermediate_group(links.get(), 1), "HDF5 refuses a property list");
  return links;
}

Handle create_dataset(const Handle& file, const std::string& path, hid_t type, hid_t space) {
  const Handle links = intermediate_groups();
  return Handle(checked(H5Dcreate2(file.get(), path.c_str(), type, space, links.get(), H5P_DEFAULT, H5P_DEFAULT),
                        path + " cannot be made"));
}

// Sign, exponent and mantissa of a number lie within it.
template <class Require>
void check_float(hid_t type, std::size_t size, Require&& require) {
  std::size_t sign = 0, exponent = 0, exponent_bits = 0, mantissa = 0, mantissa_bits = 0;
  require(H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits) >= 0);
  const std::size_t bits = 8 * size;
  require(sign < bits && exponent_bits > 0 && exponent_bits <= bits && exponent <= bits - exponent_bits && mantissa_bits > 0 &&
          mantissa_bits <= bits && mantissa <= bits - mantissa_bits);
}

void check_type(hid_t type, const std::string& where) {
  const auto require = [&](bool holds) {
    if (!holds) throw ArchiveError(where + ": the file is damaged: its data have a broken type");
  };
  const std::size_t size = H5Tget_size(type);
  const H5T_class_t kind = H5Tget_class(type);
  if (kind == H5T_COMPOUND) {
    const int members = H5Tget_nmembers(type);
    require(members > 0);
    std::size_t end = 0;  // members stand in order and do not overlap, as every writer of ISMRMRD makes them
    for (unsigned m = 0; m < static_cast<unsigned>(members); ++m) {
      const Handle member(checked(H5Tget_member_type(type, m), where + ": the file is damaged"));
      const std::size_t offset = H5Tget_member_offset(type, m), length = H5Tget_size(member.get());
      require(offset >= end && length <= size && offset <= size - length);
      end = offset + length;
      check_type(member.get(), where);
    }
  } else if (kind == H5T_ARRAY) {
    const Handle element(checked(H5Tget_super(type), where + ": the file is damaged"));
    hsize_t extents[H5S_MAX_RANK] = {};
    const int rank = H5Tget_array_dims2(type, extents);
    require(rank == 1 && extents[0] > 0 && extents[0] <= size && extents[0] * H5Tget_size(element.get()) == size);
    check_type(element.get(), where);
  } else if (kind == H5T_INTEGER || kind == H5T_FLOAT) {
    const std::size_t bits = H5Tget_precision(type), offset = static_cast<std::size_t>(std::max(H5Tget_offset(type), 0));
    require(size <= 8 && bits > 0 && bits <= 8 * size && offset <= 8 * size - bits);
    if (kind == H5T_FLOAT) check_float(type, size, require);
  } else if (kind == H5T_VLEN) {
    const Handle element(checked(H5Tget_super(type), where + ": the file is damaged"));
    require(size == 16);
    check_type(element.get(), where);
  } else {
    require(kind == H5T_STRING);
  }
}

// A chunk without filters takes as many bytes as its elements.
void check_storage(const Handle& dataset, std::size_t element, const std::string& where) {
  const Handle creation(checked(H5Dget_create_plist(dataset.get()), where + ": the file is damaged"));
  if (H5Pget_layout(creation.get()) != H5D_CHUNKED || H5Pget_nfilters(creation.get()) != 0) return;
  const auto extents = shape(dataset, where);
  if (size_of(extents) == 0) return;
  std::vector<hsize_t> chunk(extents.size()), first(extents.size(), 0);
  hsize_t stored = 0;
  const bool known =
      H5Pget_chunk(creation.get(), static_cast<int>(chunk.size()), chunk.data()) == static_cast<int>(chunk.size()) &&
      H5Dget_chunk_storage_size(dataset.get(), first.data(), &stored) >= 0;
  if (!known || stored != checked_size(size_of({chunk.begin(), chunk.end()}), element))
    throw ArchiveError(where + ": the file is damaged: chunks of a wrong size");
}

}  // namespace

void Handle::reset() {
  if (id_ < 0) return;
  const Quiet quiet;
  if (H5Iget_type(id_) == H5I_FILE) H5Fclose(id_);
  else H5Idec_ref(id_);
  id_ = H5I_INVALID_HID;
}

Quiet::Quiet() {
  H5Eget_auto2(H5E_DEFAULT, &function_, &data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}
Quiet::~Quiet() { H5Eset_auto2(H5E_DEFAULT, function_, data_); }

hid_t checked(hid_t id, const std::string& what) {
  if (id < 0) throw ArchiveError(what);
  return id;
}

Handle open_to_read(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) throw ArchiveError(file.string() + ": there is no such file");
  if (!std::filesystem::is_regular_file(file)) throw ArchiveError(file.string() + ": expected an HDF5 file, got something else");
  const Handle access(H5Pcreate(H5P_FILE_ACCESS));
  H5Pset_fclose_degree(access.get(), H5F_CLOSE_STRONG);
  return Handle(checked(H5Fopen(file.c_str(), H5F_ACC_RDONLY, access.get()),
                        file.string() + ": is not an HDF5 file, or is damaged or truncated"));
}

Handle create(const std::filesystem::path& file) {
  return Handle(checked(H5Fcreate(file.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), file.string() + ": cannot be written"));
}

bool exists(const Handle& file, const std::string& path) {
  for (std::size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    if (H5Lexists(file.get(), path.substr(0, end).c_str(), H5P_DEFAULT) <= 0) return false;
    if (end == std::string::npos) return true;
  }
}

Handle open_dataset(const Handle& file, const std::string& path, const std::string& where) {
  if (!exists(file, path)) throw ArchiveError(where + ": has no " + path);
  const std::string place = where + ": " + path;
  Handle dataset(checked(H5Dopen2(file.get(), path.c_str(), H5P_DEFAULT), place + " cannot be read; the file is damaged"));
  const Handle type(checked(H5Dget_type(dataset.get()), place + ": the file is damaged"));
  try {
    check_type(type.get(), place);
    check_storage(dataset, stored_size(type.get()), place);
  } catch (const DataError&) {
    throw ArchiveError(place + ": the file is damaged: sizes that overflow");
  }
  return dataset;
}

std::vector<std::size_t> shape(const Handle& dataset, const std::string& where) {
  const Handle space(checked(H5Dget_space(dataset.get()), where + ": the file is damaged"));
  const int rank = H5Sget_simple_extent_ndims(space.get());
  if (rank < 0 || rank > H5S_MAX_RANK) throw ArchiveError(where + ": expected an array, got something else");
  std::vector<hsize_t> extents(static_cast<std::size_t>(rank));
  if (rank > 0 && H5Sget_simple_extent_dims(space.get(), extents.data(), nullptr) != rank)
    throw ArchiveError(where + ": the file is damaged");
  return {extents.begin(), extents.end()};
}

std::size_t stored_size(hid_t type) {
  constexpr std::size_t kHeapDescriptor = 16;
  return H5Tis_variable_str(type) > 0 ? kHeapDescriptor : H5Tget_size(type);
}

template <class T>
std::vector<T> read_all(const Handle& dataset, std::size_t largest, const std::string& where) {
  std::size_t size = 1;
  for (std::size_t extent : shape(dataset, where)) {
    if (extent > 0 && size > largest / extent)
      throw ArchiveError(where + ": expected at most " + std::to_string(largest) + " values");
    size = checked_size(size, extent);
  }
  const Handle type(checked(H5Dget_type(dataset.get()), where + ": the file is damaged"));
  const H5T_class_t kind = H5Tget_class(type.get());
  if (kind != H5T_FLOAT && kind != H5T_INTEGER) throw ArchiveError(where + ": expected numbers, got something else");
  std::vector<T> values(size);
  check(H5Dread(dataset.get(), native_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()),
        where + ": cannot be read; the file is damaged or truncated");
  return values;
}

template <class T>
void write_all(const Handle& file, const std::string& path, const std::vector<std::size_t>& extents, const T* values) {
  const std::vector<hsize_t> size(extents.begin(), extents.end());
  const Handle space(checked(H5Screate_simple(static_cast<int>(size.size()), size.data(), nullptr), path + ": bad shape"));
  const Handle dataset = create_dataset(file, path, native_type<T>(), space.get());
  check(H5Dwrite(dataset.get(), native_type<T>(), H5S_ALL, H5S_ALL, H5P_DEFAULT, values),
        path + " cannot be written; is the disk full?");
}

template std::vector<float> read_all(const Handle&, std::size_t, const std::string&);
template std::vector<double> read_all(const Handle&, std::size_t, const std::string&);
template void write_all(const Handle&, const std::string&, const std::vector<std::size_t>&, const float*);
template void write_all(const Handle&, const std::string&, const std::vector<std::size_t>&, const double*);

void write_text(const Handle& file, const std::string& path, const std::string& text) {
  const Handle type(checked(H5Tcopy(H5T_C_S1), "HDF5 refuses a string type"));
  check(H5Tset_size(type.get(), text.size() + 1), "HDF5 refuses a string type");
  check(H5Tset_cset(type.get(), H5T_CSET_UTF8), "HDF5 refuses a string type");
  const Handle space(checked(H5Screate(H5S_SCALAR), path + ": bad shape"));
  const Handle dataset = create_dataset(file, path, type.get(), space.get());
  check(H5Dwrite(dataset.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, text.c_str()),
        path + " cannot be written; is the disk full?");
}

}  // namespace counterflow::hdf5

namespace counterflow {

void leave_damaged_files_at_exit() { static_cast<void>(H5dont_atexit()); }

}  // namespace counterflow
