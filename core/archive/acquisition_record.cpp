#include "core/archive/acquisition_record.h"

#include <cstring>

namespace counterflow {
namespace {

using Header = ISMRMRD::ISMRMRD_AcquisitionHeader;
using Counters = ISMRMRD::ISMRMRD_EncodingCounters;

// One member of the header or of its `idx`.
struct Field {
  const char* name;
  std::size_t offset, size;  // [byte]
  hid_t element;
  std::size_t count;    // 0: a number; else an array
  bool needed = false;  // means something here
};

// The members of an AcquisitionHeader but for idx, in their order; idx stands before user_int.
std::vector<Field> header_fields() {
#define COUNTERFLOW_FIELD(name, type, count, needed) \
  { #name, offsetof(Header, name), sizeof(Header::name), H5T_NATIVE_##type, count, needed }
  return {COUNTERFLOW_FIELD(version, UINT16, 0, false),
          COUNTERFLOW_FIELD(flags, UINT64, 0, true),
          COUNTERFLOW_FIELD(measurement_uid, UINT32, 0, false),
          COUNTERFLOW_FIELD(scan_counter, UINT32, 0, true),
          COUNTERFLOW_FIELD(acquisition_time_stamp, UINT32, 0, true),
          COUNTERFLOW_FIELD(physiology_time_stamp, UINT32, ISMRMRD::ISMRMRD_PHYS_STAMPS, false),
          COUNTERFLOW_FIELD(number_of_samples, UINT16, 0, true),
          COUNTERFLOW_FIELD(available_channels, UINT16, 0, false),
          COUNTERFLOW_FIELD(active_channels, UINT16, 0, true),
          COUNTERFLOW_FIELD(channel_mask, UINT64, ISMRMRD::ISMRMRD_CHANNEL_MASKS, false),
          COUNTERFLOW_FIELD(discard_pre, UINT16, 0, false),
          COUNTERFLOW_FIELD(discard_post, UINT16, 0, false),
          COUNTERFLOW_FIELD(center_sample, UINT16, 0, false),
          COUNTERFLOW_FIELD(encoding_space_ref, UINT16, 0, false),
          COUNTERFLOW_FIELD(trajectory_dimensions, UINT16, 0, false),
          COUNTERFLOW_FIELD(sample_time_us, FLOAT, 0, false),
          COUNTERFLOW_FIELD(position, FLOAT, 3, false),
          COUNTERFLOW_FIELD(read_dir, FLOAT, 3, false),
          COUNTERFLOW_FIELD(phase_dir, FLOAT, 3, false),
          COUNTERFLOW_FIELD(slice_dir, FLOAT, 3, false),
          COUNTERFLOW_FIELD(patient_table_position, FLOAT, 3, false),
          COUNTERFLOW_FIELD(user_int, INT32, ISMRMRD::ISMRMRD_USER_INTS, false),
          COUNTERFLOW_FIELD(user_float, FLOAT, ISMRMRD::ISMRMRD_USER_FLOATS, true)};
#undef COUNTERFLOW_FIELD
}

std::vector<Field> counter_fields() {
  std::vector<Field> fields;
  const char* names[] = {
      "kspace_encode_step_1", "kspace_encode_step_2", "average", "slice", "contrast", "phase", "repetition", "set", "segment"};
  for (std::size_t k = 0; k < std::size(names); ++k)
    fields.push_back({names[k], k * sizeof(std::uint16_t), sizeof(std::uint16_t), H5T_NATIVE_UINT16, 0, k == 0 || k == 6});
  fields.push_back({"user", offsetof(Counters, user), sizeof(Counters::user), H5T_NATIVE_UINT16, ISMRMRD::ISMRMRD_USER_INTS});
  return fields;
}

hdf5::Handle made(hid_t type) { return hdf5::Handle(hdf5::checked(type, "HDF5 refuses a type")); }

void insert(const hdf5::Handle& type, const Field& field) {
  const hsize_t count = field.count;
  const hdf5::Handle array = count > 0 ? made(H5Tarray_create2(field.element, 1, &count)) : hdf5::Handle();
  hdf5::check(H5Tinsert(type.get(), field.name, field.offset, count > 0 ? array.get() : field.element), "HDF5 refuses a type");
}

}  // namespace

hdf5::Handle acquisition_header_type() {
  const hdf5::Handle counters = made(H5Tcreate(H5T_COMPOUND, sizeof(Counters)));
  for (const Field& field : counter_fields()) insert(counters, field);
  hdf5::Handle type = made(H5Tcreate(H5T_COMPOUND, sizeof(Header)));
  for (const Field& field : header_fields()) {
    if (field.offset > offsetof(Header, idx) && H5Tget_member_index(type.get(), "idx") < 0)
      hdf5::check(H5Tinsert(type.get(), "idx", offsetof(Header, idx), counters.get()), "HDF5 refuses a type");
    insert(type, field);
  }
  return type;
}

AcquisitionRecords::AcquisitionRecords(const RecordList& records, const std::vector<std::string>& path) {
  const auto add = [&](std::vector<std::string> names, const Field& field, std::size_t base) {
    names.emplace_back(field.name);
    if (field.needed || records.has(names)) parts_.push_back({records.member(names, field.size), base + field.offset});
  };
  for (const Field& field : header_fields()) add(path, field, 0);
  std::vector<std::string> counters = path;
  counters.emplace_back("idx");
  for (const Field& field : counter_fields()) add(counters, field, offsetof(Header, idx));
}

ISMRMRD::AcquisitionHeader AcquisitionRecords::header(const std::vector<std::byte>& record) const {
  ISMRMRD::AcquisitionHeader head;
  auto* bytes = reinterpret_cast<std::byte*>(static_cast<Header*>(&head));
  std::memset(bytes, 0, sizeof(Header));
  for (const Part& part : parts_) std::memcpy(bytes + part.to, record.data() + part.from.offset, part.from.size);
  return head;
}

}  // namespace counterflow
