#include "core/archive/array_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>

#include <cstring>

#include "core/archive/hdf5_file.h"
#include "core/archive/test_scan.h"

namespace counterflow {
namespace {

using testing::Folder;
using ::testing::HasSubstr;

// A .npy file as numpy.save writes it.
template <class T>
std::string npy(const std::string& descr, const std::string& order, const std::string& shape, const std::vector<T>& values,
                char version = 1) {
  std::string header = "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
  header.resize((header.size() + 12) / 64 * 64 + 64 - 12, ' ');
  header.back() = '\n';
  std::string file = std::string("\x93NUMPY") + version + '\0';
  file += static_cast<char>(header.size() % 256);
  file += static_cast<char>(header.size() / 256);
  if (version > 1) file += std::string(2, '\0');
  file += header;
  return file + std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

TEST(ArrayFile, numpy_arrays_of_every_type_are_read) {
  const Folder folder;
  const std::vector<std::size_t> shape{2, 3};
  const std::vector<float> expected{0, 1, 2, 3, 4, 250};
  const auto check = [&]<class T>(T, const char* descr) {
    testing::write_file(folder / "a.npy", npy<T>(descr, "False", "(2, 3)", std::vector<T>(expected.begin(), expected.end())));
    const auto array = read_array((folder / "a.npy").string());
    EXPECT_EQ(array.shape, shape) << descr;
    EXPECT_EQ(array.values, expected) << descr;
  };
  check(float{}, "<f4");
  check(double{}, "<f8");
  check(std::uint8_t{}, "|u1");
  check(std::uint16_t{}, "<u2");
  check(std::int16_t{}, "<i2");
  check(std::uint32_t{}, "<u4");
  check(std::int32_t{}, "<i4");
  check(std::int64_t{}, "<i8");
}

TEST(ArrayFile, fortran_order_and_the_second_format_are_read) {
  const Folder folder;
  std::vector<float> values(24), expected(24);
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t j = 0; j < 3; ++j)
      for (std::size_t k = 0; k < 4; ++k) {
        values[i + 2 * (j + 3 * k)] = static_cast<float>(100 * i + 10 * j + k);
        expected[(i * 3 + j) * 4 + k] = static_cast<float>(100 * i + 10 * j + k);
      }
  testing::write_file(folder / "a.npy", npy("<f4", "True", "(2, 3, 4)", values, 2));
  EXPECT_EQ(read_array((folder / "a.npy").string()).values, expected);
}

TEST(ArrayFile, what_is_no_numpy_file_is_refused) {
  const Folder folder;
  const auto refusal = [&](const std::string& content) {
    testing::write_file(folder / "a.npy", content);
    return testing::refusal<ArchiveError>([&] { read_array((folder / "a.npy").string()); });
  };
  const std::vector<float> six(6);
  EXPECT_THAT(refusal("hello"), HasSubstr("is no NumPy file"));
  EXPECT_THAT(refusal(npy(">f4", "False", "(2, 3)", six)), HasSubstr("expected little-endian real numbers"));
  EXPECT_THAT(refusal(npy("<f4", "False", "(2, 4)", six)), HasSubstr("expected 32 bytes of data, got 24"));
  EXPECT_THAT(refusal(npy("<f4", "False", "(99999999999, 99999999999)", six)),
              HasSubstr("expected a shape of at most 2^33 values"));
  EXPECT_THAT(refusal(npy("<f4", "False", "(x, 3)", six)), HasSubstr("expected a shape"));
  EXPECT_THAT(testing::refusal<ArchiveError>([&] { read_array((folder / "none.npy").string()); }),
              HasSubstr("there is no such file"));
  testing::write_file(folder / "a.h5", "");
  EXPECT_THAT(testing::refusal<ArchiveError>([&] { read_array((folder / "a.h5").string()); }), HasSubstr("a.h5:/path"));
}

TEST(ArrayFile, hdf5_datasets_are_read) {
  const Folder folder;
  const std::vector<double> values{1, 2, 3, 4, 5, 6.5};
  {
    const hdf5::Handle file = hdf5::create(folder / "a.mat");
    hdf5::write_all(file, "/group/sinogram", {3, 2}, values.data());
    hdf5::write_text(file, "/text", "hello");
  }
  const auto array = read_array((folder / "a.mat").string() + ":/group/sinogram");
  EXPECT_EQ(array.shape, (std::vector<std::size_t>{3, 2}));
  EXPECT_EQ(array.values, std::vector<float>(values.begin(), values.end()));
  EXPECT_THAT(testing::refusal<ArchiveError>([&] { read_array((folder / "a.mat").string() + ":/none"); }),
              HasSubstr("has no /none"));
  EXPECT_THAT(testing::refusal<ArchiveError>([&] { read_array((folder / "a.mat").string() + ":/text"); }),
              HasSubstr("expected numbers"));
}

}  // namespace
}  // namespace counterflow
