#include "core/archive/record_list.h"

#include "core/text.h"

namespace counterflow {

ChunkPlace chunk_place(const hdf5::Handle& dataset, const std::vector<hsize_t>& start, const std::string& where) {
  ChunkPlace place;
  hdf5::check(H5Dget_chunk_info_by_coord(dataset.get(), start.data(), &place.not_filtered, &place.address, &place.size),
              where + ": cannot be read; the file is damaged or truncated");
  if (place.address == HADDR_UNDEF)
    throw ArchiveError(where + ": its data are missing; the file is damaged or was not written whole");
  return place;
}

RecordList::RecordList(const hdf5::Handle& file, const HeapReader& heap, const std::string& path, const std::string& where)
    : heap_(heap), where_(where + ": " + path), dataset_(hdf5::open_dataset(file, path, where)) {
  const auto shape = hdf5::shape(dataset_, where_);
  if (shape.size() != 1)
    throw ArchiveError(where_ + ": expected a list, got an array of " + std::to_string(shape.size()) + " dimensions");
  count_ = shape[0];
  type_ = hdf5::Handle(hdf5::checked(H5Dget_type(dataset_.get()), where_ + ": the file is damaged"));
  record_ = hdf5::stored_size(type_.get());
  constexpr std::size_t kLargestRecord = 65536, kLargestChunk = 65536;  // [byte], [record]; libismrmrd: 376 and 1
  const hdf5::Handle creation(hdf5::checked(H5Dget_create_plist(dataset_.get()), where_ + ": the file is damaged"));
  hsize_t chunk = 0;
  if (heap_.usable() && H5Pget_layout(creation.get()) == H5D_CONTIGUOUS && record_ > 0 && record_ <= kLargestRecord) {
    address_ = H5Dget_offset(dataset_.get());
    if (count_ > 0 && *address_ == HADDR_UNDEF) throw ArchiveError(where_ + ": its data are missing; the file is damaged");
    return;
  }
  if (!heap_.usable() || H5Pget_layout(creation.get()) != H5D_CHUNKED || H5Pget_chunk(creation.get(), 1, &chunk) != 1 ||
      H5Pget_nfilters(creation.get()) != 0)
    throw ArchiveError(where_ + ": is not stored as libismrmrd stores it: plain, in chunks; 'h5repack -f NONE' may help");
  if (record_ == 0 || record_ > kLargestRecord || chunk == 0 || chunk > kLargestChunk)
    throw ArchiveError(where_ + ": the file is damaged");
  chunk_ = chunk;
}

void RecordList::read(std::size_t index, std::vector<std::byte>& record, const std::string& where) const {
  record.resize(record_);
  if (address_) return heap_.read_bytes(*address_ + index * record_, record, where);
  const ChunkPlace place = chunk_place(dataset_, {index / chunk_ * chunk_}, where);
  if (place.size != chunk_ * record_) throw ArchiveError(where + ": the file is damaged: a chunk of a wrong size");
  heap_.read_bytes(place.address + index % chunk_ * record_, record, where);
}

std::optional<Member> RecordList::find(const std::vector<std::string>& names) const {
  Member member{0, record_};
  hdf5::Handle type(H5Tcopy(type_.get()));
  for (const std::string& name : names) {
    const int at = H5Tget_class(type.get()) == H5T_COMPOUND ? H5Tget_member_index(type.get(), name.c_str()) : -1;
    if (at < 0) return std::nullopt;
    member.offset += H5Tget_member_offset(type.get(), static_cast<unsigned>(at));
    type =
        hdf5::Handle(hdf5::checked(H5Tget_member_type(type.get(), static_cast<unsigned>(at)), where_ + ": the file is damaged"));
    member.size = H5Tget_size(type.get());
  }
  return member;
}

Member RecordList::member(const std::vector<std::string>& names, std::size_t size) const {
  const std::optional<Member> member = find(names);
  if (!member) throw ArchiveError(where_ + ": a record has no '" + joined(names, "/") + "': this is no ISMRMRD data");
  if (member->size != size || member->offset > record_ || size > record_ - member->offset)
    throw ArchiveError(where_ + ": '" + names.back() + "' of a record has an unknown type: this is no ISMRMRD data");
  return *member;
}

void read_chunk(const hdf5::Handle& dataset, const HeapReader& heap, const std::vector<hsize_t>& start, std::span<std::byte> out,
                const std::string& where) {
  const ChunkPlace place = chunk_place(dataset, start, where);
  if (place.size != out.size()) throw ArchiveError(where + ": the file is damaged: a chunk of a wrong size");
  heap.read_bytes(place.address, out, where);
}

}  // namespace counterflow
