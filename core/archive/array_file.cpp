#include "core/archive/array_file.h"

#include <charconv>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <span>

#include "core/archive/hdf5_file.h"
#include "core/array.h"
#include "core/error.h"

namespace counterflow {
namespace {

constexpr std::size_t kLargest = std::size_t{1} << 33;  // values: 32 GiB

// The value behind 'key': in the header of a .npy file, a Python dictionary: {'descr': '<f8', 'fortran_order': False, 'shape':
// (2, 3), }.
std::optional<std::string> entry(const std::string& header, const std::string& key) {
  const auto at = header.find("'" + key + "'");
  if (at == std::string::npos) return std::nullopt;
  const auto begin = header.find_first_not_of(": ", at + key.size() + 2);
  if (begin == std::string::npos) return std::nullopt;
  const char* const ends = header[begin] == '(' ? ")" : header[begin] == '\'' ? "'" : ",}";
  const auto end = header.find_first_of(ends, begin + 1);
  if (end == std::string::npos) return std::nullopt;
  const bool bracketed = header[begin] == '(' || header[begin] == '\'';
  return bracketed ? header.substr(begin + 1, end - begin - 1) : header.substr(begin, end - begin);
}

std::vector<std::size_t> shape_of(const std::string& text, const std::string& where) {
  std::vector<std::size_t> shape;
  for (const char *at = text.data(), *end = at + text.size(); at < end;) {
    std::size_t extent = 0;
    const auto [stop, error] = std::from_chars(at, end, extent);
    if (error != std::errc() || extent > kLargest)
      throw ArchiveError(where + ": expected a shape of at most 2^33 values, got '(" + text + ")'");
    shape.push_back(extent);
    at = stop;
    while (at < end && (*at == ',' || *at == ' ' || *at == 'L')) ++at;
  }
  return shape;
}

template <class T>
void convert(std::span<const char> bytes, std::vector<float>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);
    values[i] = static_cast<float>(value);
  }
}

struct NumpyType {
  const char* name;
  std::size_t size;
  void (*convert)(std::span<const char>, std::vector<float>&);
};
constexpr NumpyType kTypes[] = {{"<f4", 4, convert<float>},         {"<f8", 8, convert<double>},
                                {"<u2", 2, convert<std::uint16_t>}, {"<i2", 2, convert<std::int16_t>},
                                {"<u4", 4, convert<std::uint32_t>}, {"<i4", 4, convert<std::int32_t>},
                                {"<u8", 8, convert<std::uint64_t>}, {"<i8", 8, convert<std::int64_t>},
                                {"|u1", 1, convert<std::uint8_t>},  {"|i1", 1, convert<std::int8_t>}};

// Values in Fortran order, the first index contiguous, to row-major.
std::vector<float> from_fortran(const std::vector<float>& values, const std::vector<std::size_t>& shape) {
  std::vector<float> out(values.size());
  std::vector<std::size_t> stride(shape.size(), 1), index(shape.size(), 0);
  for (std::size_t d = 1; d < shape.size(); ++d) stride[d] = stride[d - 1] * shape[d - 1];
  std::size_t from = 0;
  for (float& value : out) {
    value = values[from];
    for (std::size_t d = shape.size(); d-- > 0;) {
      from += stride[d];
      if (++index[d] < shape[d]) break;
      from -= stride[d] * shape[d];
      index[d] = 0;
    }
  }
  return out;
}

std::size_t header_length(std::ifstream& in, const std::string& where) {
  unsigned char magic[8] = {}, length[4] = {};
  in.read(reinterpret_cast<char*>(magic), 8);
  if (!in || std::memcmp(magic, "\x93NUMPY", 6) != 0) throw ArchiveError(where + ": is no NumPy file (.npy)");
  if (magic[6] < 1 || magic[6] > 3) throw ArchiveError(where + ": expected NumPy format 1 to 3, got " + std::to_string(magic[6]));
  in.read(reinterpret_cast<char*>(length), magic[6] == 1 ? 2 : 4);
  const std::size_t size = length[0] + length[1] * 256u + length[2] * 65536u + length[3] * 16777216u;
  constexpr std::size_t kLargestHeader = 1 << 20;
  if (!in || size > kLargestHeader) throw ArchiveError(where + ": the header is damaged");
  return size;
}

StoredArray read_numpy(const std::filesystem::path& file) {
  const std::string where = file.string();
  std::ifstream in(file, std::ios::binary);
  if (!in) throw ArchiveError(where + ": cannot be opened");
  std::string header(header_length(in, where), '\0');
  in.read(header.data(), static_cast<std::streamsize>(header.size()));
  const auto descr = entry(header, "descr"), order = entry(header, "fortran_order"), shape = entry(header, "shape");
  if (!in || !descr || !order || !shape) throw ArchiveError(where + ": the header is damaged");
  const NumpyType* type = nullptr;
  for (const NumpyType& known : kTypes)
    if (*descr == known.name) type = &known;
  if (type == nullptr)
    throw ArchiveError(where + ": expected little-endian real numbers (<f4, <f8, <u2, <i4, ...), got '" + *descr +
                       "'; convert it with astype");
  StoredArray array;
  array.shape = shape_of(*shape, where);
  std::size_t size = 1;
  for (std::size_t extent : array.shape) {
    size = checked_size(size, extent);
    if (size > kLargest) throw ArchiveError(where + ": is larger than " + std::to_string(kLargest) + " values");
  }
  const auto place = in.tellg();
  const std::uintmax_t left = std::filesystem::file_size(file) - static_cast<std::uintmax_t>(place);
  if (left != checked_size(size, type->size))
    throw ArchiveError(where + ": expected " + std::to_string(size * type->size) + " bytes of data, got " + std::to_string(left));
  std::vector<char> bytes(left);
  in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!in) throw ArchiveError(where + ": cannot be read");
  array.values.resize(size);
  type->convert(bytes, array.values);
  if (*order == "True") array.values = from_fortran(array.values, array.shape);
  return array;
}

StoredArray read_hdf5(const std::string& file_name, const std::string& path) {
  const hdf5::Quiet quiet;
  const hdf5::Handle file = hdf5::open_to_read(file_name);
  const hdf5::Handle dataset = hdf5::open_dataset(file, path, file_name);
  const std::string where = file_name + ":" + path;
  return {hdf5::shape(dataset, where), hdf5::read_all<float>(dataset, kLargest, where)};
}

}  // namespace

StoredArray read_array(const std::string& name) {
  const auto colon = name.rfind(":/");
  if (colon != std::string::npos && !std::filesystem::exists(name))
    return read_hdf5(name.substr(0, colon), name.substr(colon + 1));
  if (!std::filesystem::is_regular_file(name))
    throw ArchiveError(name + ": there is no such file; expected file.npy or file.h5:/path");
  if (std::filesystem::path(name).extension() != ".npy")
    throw ArchiveError(name + ": expected a .npy file, or the path of a dataset behind a colon: " + name + ":/path");
  return read_numpy(name);
}

}  // namespace counterflow
