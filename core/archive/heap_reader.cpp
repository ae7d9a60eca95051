#include "core/archive/heap_reader.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/error.h"

namespace counterflow {
namespace {

constexpr std::size_t kCollectionHead = 16, kObjectHead = 16;  // [byte]
constexpr std::size_t kLargestText = std::size_t{1} << 28;     // [byte]

template <class T>
T little_endian(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}

std::string read_by_hdf5(const hdf5::Handle& dataset, hid_t type, const std::string& where) {
  char* text = nullptr;
  hdf5::check(H5Dread(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, &text),
              where + ": cannot be read; the file is damaged");
  const std::string copy = text ? text : "";
  H5free_memory(text);
  return copy;
}

// A string of variable length, from the heap where its descriptor's place in the file is known (contiguous layout).
std::string read_variable(const hdf5::Handle& dataset, hid_t type, const HeapReader& heap, const std::string& where) {
  const haddr_t address = H5Dget_offset(dataset.get());
  if (!heap.usable() || address == HADDR_UNDEF) return read_by_hdf5(dataset, type, where);
  std::array<std::byte, HeapDescriptor::kSize> bytes;
  heap.read_bytes(address, bytes, where);
  const HeapDescriptor object = heap_descriptor(bytes.data());
  if (object.length > kLargestText)
    throw ArchiveError(where + ": is damaged: a text of " + std::to_string(object.length) + " bytes");
  std::string text(object.length, '\0');
  heap.read(object, std::as_writable_bytes(std::span(text)), where);
  return text;
}

std::string read_fixed(const hdf5::Handle& dataset, hid_t type, const std::string& where) {
  const std::size_t size = H5Tget_size(type);
  if (size == 0 || size > kLargestText) throw ArchiveError(where + ": is damaged: a text of " + std::to_string(size) + " bytes");
  std::string text(size, '\0');
  hdf5::check(H5Dread(dataset.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text.data()),
              where + ": cannot be read; the file is damaged");
  return text;
}

}  // namespace

HeapDescriptor heap_descriptor(const std::byte* bytes) {
  return {little_endian<std::uint32_t>(bytes), little_endian<std::uint64_t>(bytes + 4), little_endian<std::uint32_t>(bytes + 12)};
}

HeapReader::HeapReader(const std::filesystem::path& file, const hdf5::Handle& opened) {
  const hdf5::Handle creation(H5Fget_create_plist(opened.get()));
  std::size_t address_size = 0, length_size = 0;
  hsize_t user_block = 0;
  usable_ = creation && H5Pget_sizes(creation.get(), &address_size, &length_size) >= 0 && address_size == 8 && length_size == 8 &&
            H5Pget_userblock(creation.get(), &user_block) >= 0 && user_block == 0;
  descriptor_ = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) throw ArchiveError(file.string() + ": cannot be opened for reading");
}
HeapReader::~HeapReader() { ::close(descriptor_); }

void HeapReader::read_bytes(std::uint64_t address, std::span<std::byte> out, const std::string& where) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const std::uint64_t at = address + done;
    const ssize_t got = at > static_cast<std::uint64_t>(INT64_MAX)
                            ? 0
                            : ::pread(descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(at));
    if (got <= 0)
      throw ArchiveError(where + ": the file is damaged or truncated: it ends before byte " + std::to_string(address));
    done += static_cast<std::size_t>(got);
  }
}

void HeapReader::read(const HeapDescriptor& object, std::span<std::byte> out, const std::string& where) const {
  if (out.empty()) return;
  const auto damaged = [&](const std::string& what) { return ArchiveError(where + ": the file is damaged: " + what); };
  std::array<std::byte, kCollectionHead> head;
  read_bytes(object.address, head, where);
  if (std::memcmp(head.data(), "GCOL\1", 5) != 0) throw damaged("no heap where one should be");
  const auto size = little_endian<std::uint64_t>(head.data() + 8);
  for (std::uint64_t at = kCollectionHead; at + kObjectHead <= size;) {
    read_bytes(object.address + at, head, where);
    const auto index = little_endian<std::uint16_t>(head.data());
    const auto bytes = little_endian<std::uint64_t>(head.data() + 8);
    if (index == 0) break;  // the free space at the end
    if (bytes > size - at - kObjectHead) throw damaged("an object larger than its heap");
    if (index == object.index) {
      if (bytes != out.size()) throw damaged("expected " + std::to_string(out.size()) + " bytes, got " + std::to_string(bytes));
      return read_bytes(object.address + at + kObjectHead, out, where);
    }
    at += kObjectHead + (bytes + 7) / 8 * 8;
  }
  throw damaged("an object is missing from its heap");
}

std::string read_text(const hdf5::Handle& file, const HeapReader& heap, const std::string& path, const std::string& where) {
  const hdf5::Handle dataset = hdf5::open_dataset(file, path, where);
  const std::string place = where + ": " + path;
  std::size_t count = 1;
  for (std::size_t extent : hdf5::shape(dataset, place)) count *= extent;
  const hdf5::Handle type(hdf5::checked(H5Dget_type(dataset.get()), place + ": the file is damaged"));
  if (count != 1 || H5Tget_class(type.get()) != H5T_STRING) throw ArchiveError(place + ": expected one text, got something else");
  const htri_t variable = H5Tis_variable_str(type.get());
  hdf5::check(variable, place + ": the file is damaged");
  std::string text = variable > 0 ? read_variable(dataset, type.get(), heap, place) : read_fixed(dataset, type.get(), place);
  text.resize(std::min(text.find('\0'), text.size()));
  return text;
}

}  // namespace counterflow
