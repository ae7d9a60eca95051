// Damaged files: an error or a whole scan, never a crash, never part of a scan.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "core/archive/archive.h"
#include "core/archive/convert.h"
#include "core/archive/image_file.h"
#include "core/archive/test_scan.h"

namespace counterflow {
namespace {

using testing::Folder;

const bool kNothingAtExit = (leave_damaged_files_at_exit(), true);

// HDF5 forgets some of its own memory when it gives up on a damaged file.
struct LeaksAllowed {
#ifdef __SANITIZE_ADDRESS__
  LeaksAllowed() { __lsan_disable(); }
  ~LeaksAllowed() { __lsan_enable(); }
#else
  LeaksAllowed() {}
#endif
};

// Reads everything; false for an ArchiveError. Any other exception, or fewer views than the header promises, fails the test.
bool readable(const std::string& content, const Folder& folder, const std::string& damage) {
  const auto file = folder / "damaged.h5";
  testing::write_file(file, content);
  try {
    ArchiveReader reader(file);
    reader.check_all();
    std::size_t views = 0;
    while (reader.next<float>().index() != 0) ++views;
    reader.truth();
    EXPECT_EQ(views, reader.air_views() + reader.header().geometry.views) << damage;
    return true;
  } catch (const ArchiveError& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("damaged.h5")) << damage;
    return false;
  } catch (const std::exception& error) {
    ADD_FAILURE() << damage << ": " << error.what();
    return false;
  }
}

std::string small_archive(const Folder& folder, ArchiveForm form) {
  const ScanHeader h = testing::small_header();
  ArchiveWriter writer(folder / "scan.h5", h, form);
  for (const auto& view : testing::small_views(h, 2, 65535)) writer.write(view);
  Truth truth;
  truth.materials = {"water"};
  truth.density = Array<float, 4>({1, 5, 6, 4}, 1.0f);
  truth.regions = {{"rod", 1, 2, 3, {{"water", 1}}}};
  writer.write(truth);
  writer.finish();
  return testing::read_file(folder / "scan.h5");
}

class DamagedArchive : public ::testing::TestWithParam<ArchiveForm> {};
INSTANTIATE_TEST_SUITE_P(Forms, DamagedArchive, ::testing::Values(ArchiveForm::plain, ArchiveForm::compact),
                         [](const auto& test) { return std::string(test.param == ArchiveForm::plain ? "plain" : "compact"); });

TEST_P(DamagedArchive, cut_anywhere_is_refused) {
  const LeaksAllowed leaks;
  const Folder folder;
  const std::string content = small_archive(folder, GetParam());
  for (std::size_t k = 0; k < 60; ++k) {
    const std::size_t size = content.size() * k / 60;
    EXPECT_FALSE(readable(content.substr(0, size), folder, "cut to " + std::to_string(size)));
  }
  EXPECT_TRUE(readable(content, folder, "not cut"));
}

TEST_P(DamagedArchive, one_byte_changed_anywhere_is_refused_or_changes_no_shape) {
  const LeaksAllowed leaks;
  const Folder folder;
  const std::string content = small_archive(folder, GetParam());
  std::mt19937_64 random(3);
  int refused = 0;
  for (int i = 0; i < 250; ++i) {
    std::string damaged = content;
    const std::size_t at = random() % content.size();
    damaged[at] = static_cast<char>(random());
    refused += !readable(damaged, folder, "byte " + std::to_string(at));
  }
  EXPECT_GT(refused, 15);
}

// The worst for a reader that trusts: lengths and addresses of heap objects.
TEST_P(DamagedArchive, changed_heaps_are_refused) {
  const LeaksAllowed leaks;
  const Folder folder;
  const std::string content = small_archive(folder, GetParam());
  int heaps = 0;
  for (std::size_t at = content.find("GCOL"); at != std::string::npos; at = content.find("GCOL", at + 1), ++heaps)
    for (const std::size_t byte : {0, 8, 9, 15, 16, 24, 25, 31}) {
      std::string damaged = content;
      damaged[at + byte] = static_cast<char>(damaged[at + byte] ^ 0x55);
      readable(damaged, folder, "heap byte " + std::to_string(at + byte));
    }
  EXPECT_GT(heaps, 0);
}

TEST_P(DamagedArchive, is_converted_whole_or_refused) {
  const LeaksAllowed leaks;
  const Folder folder;
  const std::string content = small_archive(folder, GetParam());
  const ArchiveForm other = GetParam() == ArchiveForm::plain ? ArchiveForm::compact : ArchiveForm::plain;
  std::mt19937_64 random(7);
  int refused = 0;
  for (int i = 0; i < 120; ++i) {
    std::string damaged = i % 4 ? content : content.substr(0, random() % content.size());
    if (i % 4) damaged[random() % content.size()] = static_cast<char>(random());
    testing::write_file(folder / "damaged.h5", damaged);
    std::filesystem::remove(folder / "out.h5");
    try {
      convert_archive(folder / "damaged.h5", folder / "out.h5", other);
      EXPECT_EQ(archive_form(folder / "out.h5"), other);
    } catch (const ArchiveError&) {
      ++refused;
      EXPECT_FALSE(std::filesystem::exists(folder / "out.h5"));
    }
  }
  EXPECT_GT(refused, 30);
}

// zlib's checksum sees every change; nothing that a chunk says of its length is believed.
TEST(DamagedCompactArchive, a_changed_byte_of_compressed_counts_is_refused) {
  const LeaksAllowed leaks;
  const Folder folder;
  const std::string content = small_archive(folder, ArchiveForm::compact);
  int streams = 0;
  for (std::size_t at = content.find("\x78\x01"); at != std::string::npos; at = content.find("\x78\x01", at + 1)) {
    if (at + 120 > content.size()) continue;
    ++streams;
    for (const std::size_t byte : {0, 3, 10, 60}) {
      std::string damaged = content;
      damaged[at + byte] = static_cast<char>(damaged[at + byte] ^ 0x10);
      EXPECT_FALSE(readable(damaged, folder, "byte " + std::to_string(byte) + " of the stream at " + std::to_string(at)));
    }
  }
  EXPECT_EQ(streams, 6);
}

TEST(DamagedImages, are_refused_or_read_whole) {
  const LeaksAllowed leaks;
  const Folder folder;
  Image<float> image;
  image.grid = {.nx = 5, .ny = 4, .nz = 3};
  image.value = Array<float, 4>({2, 3, 4, 5}, 1.5f);
  image.channels = std::make_shared<const Channels>(Channels{"density", "g/cm^3", {"water", "iodine"}});
  ImageFileWriter writer(folder / "images.h5", {});
  writer.write(image);
  writer.finish();
  const std::string content = testing::read_file(folder / "images.h5");
  std::mt19937_64 random(5);
  for (int i = 0; i < 200; ++i) {
    std::string damaged = i % 3 ? content : content.substr(0, random() % content.size());
    if (i % 3) damaged[random() % content.size()] = static_cast<char>(random());
    testing::write_file(folder / "damaged.h5", damaged);
    try {
      for (const auto& series : read_images(folder / "damaged.h5"))
        EXPECT_EQ(series.value.size(), series.channels.names.size() * 60);
    } catch (const ArchiveError& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr("damaged.h5"));
    }
  }
}

}  // namespace
}  // namespace counterflow
