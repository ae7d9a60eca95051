#include "core/archive/image_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>
#include <ismrmrd/dataset.h>
#include <ismrmrd/meta.h>

#include <cstring>

#include "core/archive/image_slices.h"
#include "core/archive/test_scan.h"

namespace counterflow {
namespace {

using ::testing::ElementsAre;
using testing::Folder;
using ::testing::HasSubstr;
using testing::refusal;

Image<float> some_image(const std::string& quantity, const std::string& unit, std::vector<std::string> names,
                        std::size_t slices = 3) {
  Image<float> image;
  image.grid = {
      .nx = 5, .ny = 4, .nz = slices, .voxel_x = 0.3, .voxel_y = 0.7, .voxel_z = 1.1, .centre_x = 2.7, .centre_z = -0.4};
  image.value = Array<float, 4>({names.size(), slices, 4, 5});
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  for (float& v : image.value) v = normal(random);
  image.channels = std::make_shared<const Channels>(Channels{quantity, unit, std::move(names)});
  return image;
}

// One slice of a volume.
Image<float> slice_of(const Image<float>& volume, std::size_t z) {
  Image<float> slice = volume;
  slice.slice = z;
  slice.value = Array<float, 4>({volume.value.extent(0), 1, volume.value.extent(2), volume.value.extent(3)});
  for (std::size_t c = 0; c < volume.value.extent(0); ++c) {
    const auto from = volume.value.block(c, z);
    std::copy(from.begin(), from.end(), slice.value.block(c).begin());
  }
  return slice;
}

TEST(ImageFile, volumes_come_back_bit_for_bit_from_slices_in_any_order) {
  const Folder folder;
  const auto image = some_image("density", "g/cm^3", {"water", "Bone,_Cortical & <more>"});
  ImageFileWriter writer(folder / "images.h5", {"c0ffee", "beef"});
  for (std::size_t z : {2, 0, 1}) writer.write(slice_of(image, z));
  EXPECT_FALSE(std::filesystem::exists(folder / "images.h5"));
  writer.finish();
  const auto all = read_images(folder / "images.h5");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].number, 0);
  EXPECT_EQ(all[0].value, image.value);
  EXPECT_EQ(all[0].grid, image.grid);
  EXPECT_EQ(all[0].channels, *image.channels);
  EXPECT_EQ(all[0].meta.at("chain"), "c0ffee");
  EXPECT_EQ(all[0].meta.at("parameters"), "beef");
  EXPECT_THAT(folder.names(), ElementsAre("images.h5"));
}

TEST(ImageFile, energies_and_noise_have_series_of_their_own) {
  const Folder folder;
  auto materials = some_image("density", "g/cm^3", {"water", "iodine"});
  materials.covariance = Array<float, 4>({3, 3, 4, 5}, -7.0F);  // pairs (0,0), (0,1), (1,1)
  for (std::size_t c : {0, 1})
    for (std::size_t i = 0; i < 60; ++i)
      materials.covariance.block(pair_index(c, c, 2))[i] = std::pow(materials.value.block(c)[i], 2.0F);
  auto mono = some_image("monoenergetic", "HU", {"70 keV", "140 keV"});
  mono.covariance = Array<float, 4>({3, 3, 4, 5}, 16.0F);
  ImageFileWriter writer(folder / "images.h5", {});
  writer.write(materials);
  writer.write(mono);
  writer.finish();
  const auto all = read_images(folder / "images.h5");
  ASSERT_EQ(all.size(), 6u);
  EXPECT_EQ(all[1].number, 1);
  EXPECT_EQ(all[1].channels, (Channels{"noise", "g/cm^3", {"water", "iodine"}}));
  for (std::size_t i = 0; i < all[1].value.size(); ++i) ASSERT_FLOAT_EQ(all[1].value[i], std::abs(materials.value[i]));
  EXPECT_EQ(all[4].number, 2070);
  EXPECT_EQ(all[5].number, 2140);
  EXPECT_EQ(all[5].channels, (Channels{"noise", "HU", {"140 keV"}}));
  EXPECT_EQ(all[5].value, (Array<float, 4>({1, 3, 4, 5}, 4.0F)));
  EXPECT_EQ(all[2].number, 1070);
  EXPECT_EQ(all[3].number, 1140);
  EXPECT_EQ(all[3].channels, (Channels{"monoenergetic", "HU", {"140 keV"}}));
  for (std::size_t i = 0; i < all[3].value.size(); ++i) ASSERT_EQ(all[3].value[i], mono.value[all[3].value.size() + i]);
}

TEST(ImageFile, maps_have_series_of_their_own) {
  const Folder folder;
  ImageFileWriter writer(folder / "images.h5", {});
  auto electrons = some_image("electron_density", "1", {"electron density"});
  electrons.covariance = Array<float, 4>(electrons.value.shape(), 0.25F);
  writer.write(electrons);
  writer.write(some_image("concentration", "mg/mL", {"iodine map", "gadolinium map"}));
  writer.write(some_image("virtual_non_contrast", "HU", {"70 keV without iodine"}));
  writer.write(some_image("effective_z", "1", {"effective Z"}));
  writer.write(some_image("energy_of_least_noise", "keV", {"energy of least noise"}));
  writer.finish();
  std::vector<int> numbers;
  for (const ImageSeries& series : read_images(folder / "images.h5")) {
    numbers.push_back(series.number);
    if (series.number == 20) {
      EXPECT_EQ(series.channels, *electrons.channels);
    }
    if (series.number == 21) {
      EXPECT_EQ(series.value, (Array<float, 4>(electrons.value.shape(), 0.5F)));
    }
  }
  EXPECT_THAT(numbers, ElementsAre(10, 20, 21, 30, 40, 3070));
}

TEST(ImageFile, is_read_by_libismrmrd) {
  const Folder folder;
  const auto image = some_image("density", "g/cm^3", {"water", "iodine"});
  ImageFileWriter writer(folder / "images.h5", {"c0ffee", "beef"});
  writer.write(image);
  writer.finish();
  ISMRMRD::Dataset dataset((folder / "images.h5").c_str(), "images", false);
  ASSERT_EQ(dataset.getNumberOfImages("image_0"), 3u);
  ISMRMRD::Image<float> slice;
  dataset.readImage("image_0", 1, slice);
  EXPECT_EQ(slice.getSlice(), 1);
  EXPECT_EQ(slice.getNumberOfChannels(), 2);
  EXPECT_EQ(slice(4, 3, 0, 1), image.value(1, 1, 3, 4));
  EXPECT_FLOAT_EQ(slice.getFieldOfViewX(), 1.5f);
  EXPECT_FLOAT_EQ(slice.getPositionZ(), -0.4f);
  ISMRMRD::MetaContainer meta;
  ISMRMRD::deserialize(slice.getAttributeString(), meta);
  EXPECT_STREQ(meta.as_str("materials", 1), "iodine");
  EXPECT_STREQ(meta.as_str("unit"), "g/cm^3");
  EXPECT_STREQ(meta.as_str("chain"), "c0ffee");
}

TEST(ImageFile, attenuation_keeps_the_names_of_its_channels_and_previews_are_not_kept) {
  const Folder folder;
  const auto image = some_image("attenuation", "1/cm", {"bin 0", "bin 1", "bin 2"}, 1);
  auto preview = image;
  preview.view.preview = true;
  ImageFileWriter writer(folder / "images.h5", {});
  writer.write(preview);
  writer.write(image);
  writer.finish();
  const auto all = read_images(folder / "images.h5");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].channels, *image.channels);
}

TEST(ImageFile, slices_as_they_come_over_a_connection_are_kept_bit_for_bit) {
  const Folder folder;
  const auto image = some_image("density", "g/cm^3", {"water", "iodine"});
  ImageFileWriter direct(folder / "direct.h5", {"c0ffee", "beef"}), come(folder / "come.h5", {});
  direct.write(image);
  for_each_slice(image, {"c0ffee", "beef"}, "", [&](const ImageSlice& slice) {
    std::string meta;
    slice.image->getAttributeString(meta);
    come.write(slice.image->getHead(), meta, std::as_bytes(std::span(slice.image->getDataPtr(), 2 * 4 * 5)));
  });
  direct.finish();
  come.finish();
  EXPECT_EQ(read_images(folder / "come.h5").at(0).value, image.value);
  ISMRMRD::Dataset a((folder / "direct.h5").c_str(), "images", false), b((folder / "come.h5").c_str(), "images", false);
  for (std::uint32_t k = 0; k < 3; ++k) {
    ISMRMRD::Image<float> x, y;
    a.readImage("image_0", k, x);
    b.readImage("image_0", k, y);
    EXPECT_EQ(std::memcmp(&x.getHead(), &y.getHead(), sizeof(ISMRMRD::ISMRMRD_ImageHeader)), 0);
    EXPECT_STREQ(x.getAttributeString(), y.getAttributeString());
    EXPECT_TRUE(std::equal(x.begin(), x.end(), y.begin()));
  }
}

template <class T>
void expect_kept(ISMRMRD::ISMRMRD_DataTypes type) {
  const Folder folder;
  std::vector<T> pixels;
  for (int k = 0; k < 12; ++k) pixels.push_back(static_cast<T>(static_cast<float>(k)));
  ISMRMRD::ImageHeader head;
  head.data_type = static_cast<std::uint16_t>(type);
  head.matrix_size[0] = 3, head.matrix_size[1] = 2, head.matrix_size[2] = 1, head.channels = 2, head.image_series_index = 9;
  ImageFileWriter writer(folder / "images.h5", {});
  writer.write(head, "", std::as_bytes(std::span(pixels)));
  EXPECT_THAT(refusal<ArchiveError>([&] { writer.write(head, "", std::as_bytes(std::span(pixels)).subspan(1)); }),
              HasSubstr("bytes of pixels"));
  writer.finish();
  ISMRMRD::Dataset dataset((folder / "images.h5").c_str(), "images", false);
  ISMRMRD::Image<T> image;
  dataset.readImage("image_9", 0, image);
  EXPECT_TRUE(std::equal(pixels.begin(), pixels.end(), image.begin())) << type;
}

TEST(ImageFile, images_of_others_are_kept_in_each_of_the_eight_pixel_types) {
  expect_kept<std::uint16_t>(ISMRMRD::ISMRMRD_USHORT);
  expect_kept<std::int16_t>(ISMRMRD::ISMRMRD_SHORT);
  expect_kept<std::uint32_t>(ISMRMRD::ISMRMRD_UINT);
  expect_kept<std::int32_t>(ISMRMRD::ISMRMRD_INT);
  expect_kept<float>(ISMRMRD::ISMRMRD_FLOAT);
  expect_kept<double>(ISMRMRD::ISMRMRD_DOUBLE);
  expect_kept<std::complex<float>>(ISMRMRD::ISMRMRD_CXFLOAT);
  expect_kept<std::complex<double>>(ISMRMRD::ISMRMRD_CXDOUBLE);
  const Folder folder;
  ImageFileWriter writer(folder / "images.h5", {});
  ISMRMRD::ImageHeader head;
  head.data_type = 9;
  EXPECT_THAT(refusal<ArchiveError>([&] { writer.write(head, "", {}); }), HasSubstr("pixels of type 9; there are 1 to 8"));
}

TEST(ImageFile, what_cannot_be_a_whole_volume_is_refused) {
  const Folder folder;
  const auto image = some_image("density", "g/cm^3", {"water"});
  ImageFileWriter writer(folder / "images.h5", {});
  EXPECT_THAT(refusal<ArchiveError>([&] { writer.finish(); }), HasSubstr("there was no image to write"));
  writer.write(slice_of(image, 1));
  EXPECT_THAT(refusal<ArchiveError>([&] { writer.write(slice_of(image, 1)); }), HasSubstr("series 0: slice 1 came twice"));
  EXPECT_THAT(refusal<ArchiveError>([&] { writer.finish(); }), HasSubstr("series 0: slice 0 is missing"));
  EXPECT_THAT(refusal<ArchiveError>([&] { writer.write(some_image("attenuation", "1/cm", {"bin 0"})); }),
              HasSubstr("two different images would go into series 0"));
  EXPECT_THAT(refusal<ArchiveError>([&] { writer.write(some_image("monoenergetic", "HU", {"seventy"})); }),
              HasSubstr("must be named like '70 keV'"));
  auto wrong = image;
  wrong.slice = 1;
  EXPECT_THAT(refusal<ArchiveError>([&] { writer.write(wrong); }), HasSubstr("an image's shape is not"));
}

TEST(ImageFile, incomplete_volumes_are_refused) {
  const Folder folder;
  {
    ISMRMRD::Dataset dataset((folder / "images.h5").c_str(), "images", true);
    for (int z : {0, 2}) {
      ISMRMRD::Image<float> slice(5, 4, 1, 1);
      slice.setSlice(static_cast<std::uint16_t>(z));
      slice.setFieldOfView(1, 1, 1);
      slice.setAttributeString("");
      dataset.appendImage("image_0", slice);
    }
  }
  EXPECT_THAT(refusal<ArchiveError>([&] { read_images(folder / "images.h5"); }), HasSubstr("series 0: slice 1 of 3 is missing"));
  testing::write_scan(folder / "scan.h5", testing::small_header(), testing::small_views(testing::small_header()));
  EXPECT_THAT(refusal<ArchiveError>([&] { read_images(folder / "scan.h5"); }), HasSubstr("has no group 'images'"));
}

}  // namespace
}  // namespace counterflow
