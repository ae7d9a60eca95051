#include "core/archive/acquisition_file.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

namespace counterflow {
namespace {

using hdf5::Handle;

// {head: the members that AcquisitionFields has}, by name; HDF5 converts whatever layout the file has.
Handle fields_type() {
  static_assert(offsetof(AcquisitionFields, repetition) == offsetof(AcquisitionFields, step) + 2);
  const hsize_t eight = 8;
  const Handle floats(H5Tarray_create2(H5T_NATIVE_FLOAT, 1, &eight));
  const Handle idx(H5Tcreate(H5T_COMPOUND, 2 * sizeof(std::uint16_t)));
  H5Tinsert(idx.get(), "kspace_encode_step_1", 0, H5T_NATIVE_UINT16);
  H5Tinsert(idx.get(), "repetition", 2, H5T_NATIVE_UINT16);
  const Handle head(H5Tcreate(H5T_COMPOUND, sizeof(AcquisitionFields)));
  H5Tinsert(head.get(), "flags", offsetof(AcquisitionFields, flags), H5T_NATIVE_UINT64);
  H5Tinsert(head.get(), "scan_counter", offsetof(AcquisitionFields, scan_counter), H5T_NATIVE_UINT32);
  H5Tinsert(head.get(), "acquisition_time_stamp", offsetof(AcquisitionFields, time_stamp), H5T_NATIVE_UINT32);
  H5Tinsert(head.get(), "number_of_samples", offsetof(AcquisitionFields, samples), H5T_NATIVE_UINT16);
  H5Tinsert(head.get(), "active_channels", offsetof(AcquisitionFields, channels), H5T_NATIVE_UINT16);
  H5Tinsert(head.get(), "idx", offsetof(AcquisitionFields, step), idx.get());
  H5Tinsert(head.get(), "user_float", offsetof(AcquisitionFields, user), floats.get());
  Handle record(H5Tcreate(H5T_COMPOUND, sizeof(AcquisitionFields)));
  H5Tinsert(record.get(), "head", 0, head.get());
  return record;
}

Handle member_type(hid_t compound, const char* name, H5T_class_t kind, const std::string& where) {
  const int index = H5Tget_class(compound) == H5T_COMPOUND ? H5Tget_member_index(compound, name) : -1;
  if (index < 0) throw ArchiveError(where + ": an acquisition has no '" + name + "': this is no ISMRMRD data");
  Handle type(H5Tget_member_type(compound, static_cast<unsigned>(index)));
  if (H5Tget_class(type.get()) != kind) throw ArchiveError(where + ": '" + name + "' of an acquisition has an unknown type");
  return type;
}

void require_member(hid_t compound, const char* name, const std::string& where) {
  if (H5Tget_member_index(compound, name) < 0)
    throw ArchiveError(where + ": an acquisition's header has no '" + name + "': this is no ISMRMRD data");
}

std::size_t member_offset(hid_t compound, const char* name) {
  return H5Tget_member_offset(compound, static_cast<unsigned>(H5Tget_member_index(compound, name)));
}

// Selects `n` records from `first` in the file, and makes the memory space for them.
std::pair<Handle, Handle> selection(const Handle& dataset, std::size_t first, std::size_t n, const std::string& where) {
  Handle space(hdf5::checked(H5Dget_space(dataset.get()), where + ": the file is damaged"));
  const hsize_t start = first, count = n;
  hdf5::check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, &start, nullptr, &count, nullptr),
              where + ": the file is damaged");
  return {std::move(space), Handle(H5Screate_simple(1, &count, nullptr))};
}

}  // namespace

AcquisitionFile::AcquisitionFile(const Handle& file, const HeapReader& heap, const std::string& where)
    : heap_(heap), where_(where) {
  if (!hdf5::exists(file, "/dataset/data") && hdf5::exists(file, "/dataset/counts"))
    throw ArchiveError(
        where + ": is in the compact form (/dataset/counts), which this version does not read yet; expected /dataset/data");
  dataset_ = hdf5::open_dataset(file, "/dataset/data", where);
  const auto shape = hdf5::shape(dataset_, where + ": /dataset/data");
  if (shape.size() != 1) throw ArchiveError(where + ": /dataset/data: expected a list of acquisitions, got an array");
  count_ = shape[0];
  find_layout();
}

void AcquisitionFile::find_layout() {
  const Handle type(hdf5::checked(H5Dget_type(dataset_.get()), where_ + ": the file is damaged"));
  const Handle head = member_type(type.get(), "head", H5T_COMPOUND, where_);
  for (const char* name :
       {"flags", "scan_counter", "acquisition_time_stamp", "number_of_samples", "active_channels", "user_float"})
    require_member(head.get(), name, where_);
  const Handle idx = member_type(head.get(), "idx", H5T_COMPOUND, where_);
  for (const char* name : {"kspace_encode_step_1", "repetition"}) require_member(idx.get(), name, where_);
  const Handle traj = member_type(type.get(), "traj", H5T_VLEN, where_);
  const Handle data = member_type(type.get(), "data", H5T_VLEN, where_);
  const Handle element(H5Tget_super(data.get()));
  const std::size_t size = H5Tget_size(element.get());
  if (size != sizeof(float) && size != 2 * sizeof(float)) throw ArchiveError(where_ + ": acquisitions do not hold floats");
  unit_ = size == sizeof(float) ? 2 : 1;
  record_ = H5Tget_size(type.get());
  constexpr std::size_t kLargestRecord = 65536;  // [byte]; libismrmrd's have 376
  if (record_ > kLargestRecord)
    throw ArchiveError(where_ + ": /dataset/data is damaged: acquisitions of " + std::to_string(record_) + " bytes");
  traj_at_ = member_offset(type.get(), "traj");
  data_at_ = member_offset(type.get(), "data");

  const Handle creation(H5Dget_create_plist(dataset_.get()));
  hsize_t chunk = 0;
  constexpr hsize_t kLargestChunk = 65536;
  if (H5Pget_layout(creation.get()) != H5D_CHUNKED || H5Pget_chunk(creation.get(), 1, &chunk) != 1) return;
  if (chunk == 0 || chunk > kLargestChunk)
    throw ArchiveError(where_ + ": /dataset/data is damaged: " + std::to_string(chunk) + " acquisitions a chunk");
  const bool floats = unit_ == 1 || H5Tequal(element.get(), H5T_IEEE_F32LE) > 0;
  const bool inside = std::max(traj_at_, data_at_) + HeapDescriptor::kSize <= record_;
  if (heap_.usable() && floats && inside && H5Pget_nfilters(creation.get()) == 0) chunk_ = chunk;
}

std::vector<AcquisitionFields> AcquisitionFile::fields(std::size_t first, std::size_t n) const {
  std::vector<AcquisitionFields> out(n);
  if (n == 0) return out;
  const Handle type = fields_type();
  const auto [space, memory] = selection(dataset_, first, n, where_);
  hdf5::check(H5Dread(dataset_.get(), type.get(), memory.get(), space.get(), H5P_DEFAULT, out.data()),
              where_ + ": the headers of acquisitions from " + std::to_string(first) +
                  " cannot be read; the file is damaged or truncated");
  return out;
}

void AcquisitionFile::read_data(std::size_t index, std::vector<std::complex<float>>& data, std::size_t size,
                                const std::string& where) const {
  data.resize(size);
  chunk_ > 0 ? read_by_heap(index, data, where) : read_by_hdf5(index, data, where);
}

void AcquisitionFile::read_by_heap(std::size_t index, std::vector<std::complex<float>>& data, const std::string& where) const {
  const hsize_t chunk_start = index / chunk_ * chunk_;
  std::vector<std::byte> chunk(checked_size(chunk_, record_));
  std::uint32_t filters = 0;
  hsize_t stored = 0;
  const std::string damaged = where + ": cannot be read; the file is damaged or truncated";
  hdf5::check(H5Dget_chunk_storage_size(dataset_.get(), &chunk_start, &stored), damaged);
  if (stored != chunk.size()) throw ArchiveError(damaged);
  hdf5::check(H5Dread_chunk(dataset_.get(), H5P_DEFAULT, &chunk_start, &filters, chunk.data()), damaged);
  const std::byte* record = chunk.data() + (index - chunk_start) * record_;
  const HeapDescriptor traj = heap_descriptor(record + traj_at_), values = heap_descriptor(record + data_at_);
  if (traj.length != 0) throw ArchiveError(where + ": expected no trajectory, got " + std::to_string(traj.length) + " numbers");
  if (values.length != data.size() * unit_)
    throw ArchiveError(where + ": expected " + std::to_string(data.size()) + " values, got " +
                       std::to_string(values.length / unit_));
  heap_.read(values, std::as_writable_bytes(std::span(data)), where);
}

void AcquisitionFile::read_by_hdf5(std::size_t index, std::vector<std::complex<float>>& data, const std::string& where) const {
  Handle element(H5Tcopy(H5T_NATIVE_FLOAT));
  if (unit_ == 1) {
    element = Handle(H5Tcreate(H5T_COMPOUND, 2 * sizeof(float)));
    H5Tinsert(element.get(), "real", 0, H5T_NATIVE_FLOAT);
    H5Tinsert(element.get(), "imag", sizeof(float), H5T_NATIVE_FLOAT);
  }
  const Handle list(H5Tvlen_create(element.get()));
  const Handle type(H5Tcreate(H5T_COMPOUND, sizeof(hvl_t)));
  H5Tinsert(type.get(), "data", 0, list.get());
  const auto [space, memory] = selection(dataset_, index, 1, where);
  hvl_t values{};
  hdf5::check(H5Dread(dataset_.get(), type.get(), memory.get(), space.get(), H5P_DEFAULT, &values),
              where + ": cannot be read; the file is damaged or truncated");
  const bool fits = values.len == data.size() * unit_;
  if (fits) std::memcpy(data.data(), values.p, data.size() * sizeof(data[0]));
  const std::size_t got = values.len / unit_;
  H5Dvlen_reclaim(type.get(), memory.get(), H5P_DEFAULT, &values);
  if (!fits) throw ArchiveError(where + ": expected " + std::to_string(data.size()) + " values, got " + std::to_string(got));
}

}  // namespace counterflow
