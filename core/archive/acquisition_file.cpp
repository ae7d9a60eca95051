#include "core/archive/acquisition_file.h"

#include <cstring>
#include <span>

namespace counterflow {
namespace {

using hdf5::Handle;

const Handle& require_data(const Handle& file, const std::string& where) {
  if (!hdf5::exists(file, "/dataset/data") && hdf5::exists(file, "/dataset/counts"))
    throw ArchiveError(where +
                       ": is in the compact form (/dataset/counts), which this version does not read; expected /dataset/data");
  return file;
}

// Elements of the heap that make a complex number.
std::size_t complex_unit(const Handle& dataset, const std::string& where) {
  const Handle record(H5Dget_type(dataset.get()));
  const Handle list(H5Tget_member_type(record.get(), static_cast<unsigned>(H5Tget_member_index(record.get(), "data"))));
  if (H5Tget_class(list.get()) != H5T_VLEN) throw ArchiveError(where + ": the data of acquisitions are no lists of floats");
  const Handle element(H5Tget_super(list.get()));
  if (H5Tget_size(element.get()) == 2 * sizeof(float)) return 1;
  if (H5Tequal(element.get(), H5T_IEEE_F32LE) <= 0)
    throw ArchiveError(where + ": the data of acquisitions are no lists of floats");
  return 2;
}

template <class T>
void take(T& to, const std::vector<std::byte>& record, const Member& from) {
  std::memcpy(&to, record.data() + from.offset, sizeof to);
}

}  // namespace

AcquisitionFile::AcquisitionFile(const Handle& file, const HeapReader& heap, const std::string& where)
    : heap_(heap),
      where_(where),
      records_(require_data(file, where), heap, "/dataset/data", where),
      members_(find_members()),
      unit_(complex_unit(records_.dataset(), where)) {}

AcquisitionFile::Members AcquisitionFile::find_members() const {
  const auto head = [&](const char* name, std::size_t size) { return records_.member({"head", name}, size); };
  Members m;
  m.flags = head("flags", 8);
  m.scan_counter = head("scan_counter", 4);
  m.time_stamp = head("acquisition_time_stamp", 4);
  m.samples = head("number_of_samples", 2);
  m.channels = head("active_channels", 2);
  m.step = records_.member({"head", "idx", "kspace_encode_step_1"}, 2);
  m.repetition = records_.member({"head", "idx", "repetition"}, 2);
  m.user = head("user_float", sizeof AcquisitionFields::user);
  m.traj = records_.member({"traj"}, HeapDescriptor::kSize);
  m.data = records_.member({"data"}, HeapDescriptor::kSize);
  return m;
}

AcquisitionFields AcquisitionFile::fields(std::size_t index) const {
  std::vector<std::byte> record;
  records_.read(index, record, where_ + ": the header of acquisition " + std::to_string(index));
  AcquisitionFields f;
  take(f.flags, record, members_.flags);
  take(f.scan_counter, record, members_.scan_counter);
  take(f.time_stamp, record, members_.time_stamp);
  take(f.samples, record, members_.samples);
  take(f.channels, record, members_.channels);
  take(f.step, record, members_.step);
  take(f.repetition, record, members_.repetition);
  take(f.user, record, members_.user);
  return f;
}

void AcquisitionFile::read_data(std::size_t index, std::vector<std::complex<float>>& data, std::size_t size,
                                const std::string& where) const {
  data.resize(size);
  std::vector<std::byte> record;
  records_.read(index, record, where);
  const HeapDescriptor traj = heap_descriptor(record.data() + members_.traj.offset);
  const HeapDescriptor values = heap_descriptor(record.data() + members_.data.offset);
  if (traj.length != 0) throw ArchiveError(where + ": expected no trajectory, got " + std::to_string(traj.length) + " numbers");
  if (values.length != data.size() * unit_)
    throw ArchiveError(where + ": expected " + std::to_string(data.size()) + " values, got " +
                       std::to_string(values.length / unit_));
  heap_.read(values, std::as_writable_bytes(std::span(data)), where);
}

}  // namespace counterflow
