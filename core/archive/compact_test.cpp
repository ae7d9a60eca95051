// The compact form of archives, and the way between the forms.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>
#include <ismrmrd/dataset.h>

#include <cmath>
#include <cstring>

#include "core/archive/acquisition.h"
#include "core/archive/acquisition_record.h"
#include "core/archive/convert.h"
#include "core/archive/scan_header_xml.h"
#include "core/archive/test_scan.h"

namespace counterflow {
namespace {

using hdf5::Handle;
using testing::Folder;
using ::testing::HasSubstr;

void expect_same_views(const std::filesystem::path& file, const std::vector<Counts<float>>& views) {
  ArchiveReader reader(file);
  EXPECT_NO_THROW(reader.check_all());
  for (const auto& view : views) {
    const auto message = reader.next<float>();
    const auto& got = *std::get<Sent<Counts<float>>>(message);
    EXPECT_EQ(got.counts, view.counts);
    EXPECT_EQ(got.view.angle, view.view.angle);
    EXPECT_EQ(got.view.air, view.view.air);
    EXPECT_EQ(got.view.exposure, view.view.exposure);
  }
  EXPECT_EQ(reader.next<float>().index(), 0u);
}

std::size_t bytes_a_count(const std::filesystem::path& file) {
  const Handle opened(H5Fopen(file.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT)), counts(H5Dopen2(opened.get(), "/dataset/counts", 0)),
      type(H5Dget_type(counts.get()));
  return H5Tget_size(type.get());
}

TEST(CompactArchive, comes_back_bit_for_bit_with_two_bytes_a_count) {
  const Folder folder;
  const ScanHeader h = testing::small_header();
  const auto views = testing::small_views(h, 2, 65535);
  testing::write_scan(folder / "scan.h5", h, views, ArchiveForm::compact);
  EXPECT_EQ(ArchiveReader(folder / "scan.h5").form(), ArchiveForm::compact);
  EXPECT_EQ(ArchiveReader(folder / "scan.h5").header().system, h.system);
  EXPECT_EQ(bytes_a_count(folder / "scan.h5"), 2u);
  expect_same_views(folder / "scan.h5", views);
}

TEST(CompactArchive, goes_on_with_four_bytes_when_a_large_count_comes) {
  for (const std::size_t large : {0, 3, 5}) {
    const Folder folder;
    const ScanHeader h = testing::small_header();
    auto views = testing::small_views(h, 2, 65535);
    views[large].counts[17] = 65536;
    views[5].counts[1] = 4294967040.0f;  // the largest float below 2^32
    testing::write_scan(folder / "scan.h5", h, views, ArchiveForm::compact);
    EXPECT_EQ(bytes_a_count(folder / "scan.h5"), 4u);
    expect_same_views(folder / "scan.h5", views);
  }
}

TEST(CompactArchive, is_read_by_hdf5_alone) {
  const Folder folder;
  const ScanHeader h = testing::small_header();
  const auto views = testing::small_views(h, 2, 65535);
  testing::write_scan(folder / "scan.h5", h, views, ArchiveForm::compact);
  const Handle file(H5Fopen((folder / "scan.h5").c_str(), H5F_ACC_RDONLY, H5P_DEFAULT));
  const Handle dataset = hdf5::open_dataset(file, "/dataset/counts", "scan");
  ASSERT_EQ(hdf5::shape(dataset, "scan"), (std::vector<std::size_t>{6, 5, 3, 7}));
  const auto values = hdf5::read_all<double>(dataset, 1000, "scan");
  for (std::size_t row = 0; row < 5; ++row)
    for (std::size_t bin = 0; bin < 3; ++bin)
      EXPECT_EQ(values[((4 * 5 + row) * 3 + bin) * 7 + 6], static_cast<double>(views[4].counts(bin, row, 6u)));
}

TEST(CompactArchive, takes_whole_counts_only) {
  const Folder folder;
  const ScanHeader h = testing::small_header();
  const auto refusal = [&](float value) {
    ArchiveWriter writer(folder / "scan.h5", h, ArchiveForm::compact);
    Counts<float> view = testing::small_views(h)[0];
    view.counts[3] = value;
    return testing::refusal<ArchiveError>([&] { writer.write(view); });
  };
  EXPECT_THAT(refusal(1.5f), HasSubstr("air view 0: expected whole counts from 0 to 2^32 - 1, got 1.5: it cannot be stored in"));
  EXPECT_THAT(refusal(4294967296.0f), HasSubstr("got 4294967296: it cannot be stored in the compact form; write the plain one"));
  EXPECT_THAT(refusal(-1), HasSubstr("expected a count of at least 0, got -1"));
  EXPECT_THAT(testing::refusal<ArchiveError>([&] {
                ArchiveWriter writer(folder / "scan.h5", testing::small_header(Quantity::line_integrals), ArchiveForm::compact);
              }),
              HasSubstr("line integrals have no compact form"));
  EXPECT_TRUE(folder.names().empty());
}

// A compact scan as another program would write it: with HDF5's own filters, or none, and headers in one piece. What is wrong
// with it is up to the test.
struct Foreign {
  std::vector<hsize_t> shape{6, 5, 3, 7}, chunk{1, 5, 3, 7};
  hid_t type = H5T_STD_U16LE;
  bool shuffle = false, checksum = false, headers = true;
  int deflate = 0;
  std::size_t written = 6;  // views
};

void write_foreign(const std::filesystem::path& path, const Foreign& f, const std::vector<Counts<float>>& views,
                   Quantity quantity = Quantity::counts) {
  const ScanHeader h = testing::small_header(quantity);
  ISMRMRD::Dataset(path.c_str(), "dataset", true).writeHeader(header_to_xml(h));
  const Handle file(H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT)), properties(H5Pcreate(H5P_DATASET_CREATE));
  H5Pset_chunk(properties.get(), 4, f.chunk.data());
  if (f.shuffle) H5Pset_shuffle(properties.get());
  if (f.deflate > 0) H5Pset_deflate(properties.get(), static_cast<unsigned>(f.deflate));
  if (f.checksum) H5Pset_fletcher32(properties.get());
  const Handle space(H5Screate_simple(4, f.shape.data(), nullptr));
  const Handle counts(H5Dcreate2(file.get(), "/dataset/counts", f.type, space.get(), 0, properties.get(), 0));
  std::vector<float> all;
  std::vector<ISMRMRD::AcquisitionHeader> heads;
  for (std::size_t v = 0; v < 6; ++v) {
    for (std::size_t row = 0; row < 5; ++row)
      for (std::size_t bin = 0; bin < 3; ++bin)
        for (float value : views[v].counts.block(bin, row)) all.push_back(value);
    heads.push_back(acquisition_header(views[v].view, h, v, v == 5));
  }
  std::vector<hsize_t> start(4, 0), some = f.shape;
  some[0] = f.written;
  H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start.data(), nullptr, some.data(), nullptr);
  const Handle memory(H5Screate_simple(4, some.data(), nullptr));
  H5Dwrite(counts.get(), H5T_NATIVE_FLOAT, memory.get(), space.get(), H5P_DEFAULT, all.data());
  if (!f.headers) return;
  const hsize_t six = 6;
  const Handle list(H5Screate_simple(1, &six, nullptr)), type = acquisition_header_type();
  const Handle headers(H5Dcreate2(file.get(), "/dataset/view_headers", type.get(), list.get(), 0, H5P_DEFAULT, 0));
  H5Dwrite(headers.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, heads.data());
}

std::string refusal(const Foreign& foreign, Quantity quantity = Quantity::counts) {
  const Folder folder;
  const auto views = testing::small_views(testing::small_header(), 2, 65535);
  write_foreign(folder / "scan.h5", foreign, views, quantity);
  return testing::refusal<ArchiveError>([&] { ArchiveReader(folder / "scan.h5").check_all(); });
}

TEST(CompactArchive, of_another_program_is_read_with_any_of_the_filters) {
  const auto views = testing::small_views(testing::small_header(), 2, 65535);
  const std::vector<Foreign> forms{{}, {.deflate = 9}, {.shuffle = true, .deflate = 6}, {.shuffle = true}};
  for (Foreign form : forms)
    for (const hid_t type : {H5T_STD_U16LE, H5T_STD_U32LE}) {
      const Folder folder;
      form.type = type;
      write_foreign(folder / "scan.h5", form, views);
      expect_same_views(folder / "scan.h5", views);
    }
}

TEST(CompactArchive, of_another_layout_is_refused_with_the_way_out) {
  EXPECT_THAT(
      refusal({.shape = {5, 5, 3, 7}, .written = 5}),
      HasSubstr("expected [view_headers, detector_rows, energy_bins, detector_columns] = [6, 5, 3, 7], got [5, 5, 3, 7]"));
  EXPECT_THAT(refusal({.shape = {6, 3, 5, 7}, .chunk = {1, 3, 5, 7}}), HasSubstr("got [6, 3, 5, 7]"));
  EXPECT_THAT(refusal({.chunk = {2, 5, 3, 7}}), HasSubstr("one chunk a view; 'h5repack -l counts:CHUNK=1x5x3x7'"));
  EXPECT_THAT(refusal({.type = H5T_STD_I16LE}), HasSubstr("/dataset/counts: expected uint16 or uint32"));
  EXPECT_THAT(refusal({.type = H5T_STD_U16BE}), HasSubstr("/dataset/counts: expected uint16 or uint32"));
  EXPECT_THAT(refusal({.checksum = true}), HasSubstr("expected shuffle and deflate only; 'h5repack"));
  EXPECT_THAT(refusal({.headers = false}), HasSubstr("has no /dataset/view_headers"));
  EXPECT_THAT(refusal({.deflate = 1, .written = 4}),
              HasSubstr("view 2: its data are missing; the file is damaged or was not written whole"));
  EXPECT_THAT(refusal({}, Quantity::line_integrals), HasSubstr("a scan of line integrals has no compact form"));
}

TEST(CompactArchive, in_both_forms_at_once_is_refused) {
  const Folder folder;
  const auto views = testing::small_views(testing::small_header(), 2, 65535);
  write_foreign(folder / "scan.h5", {}, views);
  ISMRMRD::Acquisition a;
  ISMRMRD::Dataset((folder / "scan.h5").c_str(), "dataset", false).appendAcquisition(a);
  EXPECT_THAT(testing::refusal<ArchiveError>([&] { ArchiveReader reader(folder / "scan.h5"); }),
              HasSubstr("holds its views twice"));
}

// ---- from one form to the other ----

// Acquisitions with something in every member that has no meaning here.
void write_odd_scan(const std::filesystem::path& path) {
  const ScanHeader h = testing::small_header();
  const auto views = testing::small_views(h, 2, 65535);
  ISMRMRD::Dataset dataset(path.c_str(), "dataset", true);
  std::string xml = header_to_xml(h, {"water", "iodine"});
  xml.insert(xml.find("<experimentalConditions>"), "<!-- of another program -->");
  dataset.writeHeader(xml);
  std::mt19937 random(11);
  for (std::size_t i = 0; i < views.size(); ++i) {
    ISMRMRD::AcquisitionHeader head = acquisition_header(views[i].view, h, i + 1000, i + 1 == views.size());
    head.measurement_uid = static_cast<std::uint32_t>(random());
    head.physiology_time_stamp[2] = static_cast<std::uint32_t>(random());
    head.channel_mask[3] = static_cast<std::uint32_t>(random());
    head.center_sample = 3;
    head.sample_time_us = 2.5f;
    head.position[2] = -7.25f;
    head.patient_table_position[0] = 0.1f;
    head.idx.user[7] = 77;
    head.idx.average = 5;
    head.user_int[6] = -3;
    head.user_float[7] = 1e-30f;
    ISMRMRD::Acquisition a;
    fill_acquisition(a, head, views[i].counts);
    dataset.appendAcquisition(a);
  }
}

void add_what_is_kept(const std::filesystem::path& path) {
  const Handle file(H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT));
  const std::vector<double> shifts{1, 2, 3, 4.5};
  const std::vector<float> truth(2 * 5 * 6 * 4, 0.5f);
  hdf5::write_all(file, "/dataset/injected/threshold_shift", {2, 2}, shifts.data());
  hdf5::write_all(file, "/dataset/truth_materials", {1, 2, 5, 6, 4}, truth.data());
  hdf5::write_text(file, "/dataset/remarks", "kept");
  hdf5::write_text(file, "/notes/of_the_user", "kept too");
}

std::vector<ISMRMRD::Acquisition> acquisitions_of(const std::filesystem::path& path) {
  ISMRMRD::Dataset dataset(path.c_str(), "dataset", false);
  std::vector<ISMRMRD::Acquisition> all(dataset.getNumberOfAcquisitions());
  for (std::uint32_t i = 0; i < all.size(); ++i) dataset.readAcquisition(i, all[i]);
  return all;
}

std::string xml_of(const std::filesystem::path& path) {
  std::string xml;
  ISMRMRD::Dataset(path.c_str(), "dataset", false).readHeader(xml);
  return xml;
}

TEST(Convert, plain_to_compact_to_plain_gives_the_same_acquisitions_bit_for_bit) {
  const Folder folder;
  write_odd_scan(folder / "scan.h5");
  convert_archive(folder / "scan.h5", folder / "compact.h5", ArchiveForm::compact);
  convert_archive(folder / "compact.h5", folder / "again.h5", ArchiveForm::plain);
  EXPECT_EQ(archive_form(folder / "compact.h5"), ArchiveForm::compact);
  EXPECT_EQ(archive_form(folder / "again.h5"), ArchiveForm::plain);
  const auto before = acquisitions_of(folder / "scan.h5"), after = acquisitions_of(folder / "again.h5");
  ASSERT_EQ(before.size(), 6u);
  ASSERT_EQ(after.size(), 6u);
  for (std::size_t i = 0; i < 6; ++i) {
    const auto a = before[i].getHead(), b = after[i].getHead();
    EXPECT_EQ(std::memcmp(&a, &b, sizeof a), 0) << "header of " << i;
    ASSERT_EQ(before[i].getNumberOfDataElements(), after[i].getNumberOfDataElements());
    EXPECT_EQ(std::memcmp(before[i].getDataPtr(), after[i].getDataPtr(), before[i].getDataSize()), 0) << "data of " << i;
  }
  EXPECT_EQ(after[5].getHead().user_int[6], -3);
}

TEST(Convert, keeps_everything_else_in_the_file) {
  const Folder folder;
  write_odd_scan(folder / "scan.h5");
  add_what_is_kept(folder / "scan.h5");
  convert_archive(folder / "scan.h5", folder / "compact.h5", ArchiveForm::compact);
  convert_archive(folder / "compact.h5", folder / "again.h5", ArchiveForm::plain);
  for (const char* name : {"compact.h5", "again.h5"}) {
    EXPECT_EQ(xml_of(folder / name), xml_of(folder / "scan.h5"));
    const auto truth = ArchiveReader(folder / name).truth();
    ASSERT_TRUE(truth);
    EXPECT_EQ(truth->materials, (std::vector<std::string>{"water", "iodine"}));
    EXPECT_EQ(truth->density, (Array<float, 4>({2, 5, 6, 4}, 0.5f)));
    const Handle file = hdf5::open_to_read(folder / name);
    EXPECT_EQ(hdf5::read_all<double>(hdf5::open_dataset(file, "/dataset/injected/threshold_shift", name), 9, name),
              (std::vector<double>{1, 2, 3, 4.5}));
    const HeapReader heap(folder / name, file);
    EXPECT_EQ(read_text(file, heap, "/dataset/remarks", name), "kept");
    EXPECT_EQ(read_text(file, heap, "/notes/of_the_user", name), "kept too");
    EXPECT_FALSE(hdf5::exists(file, name[0] == 'c' ? "/dataset/data" : "/dataset/counts"));
  }
}

TEST(Convert, may_write_over_the_scan_itself) {
  const Folder folder;
  const ScanHeader h = testing::small_header();
  const auto views = testing::small_views(h, 2, 65535);
  testing::write_scan(folder / "scan.h5", h, views);
  convert_archive(folder / "scan.h5", folder / "scan.h5", ArchiveForm::compact);
  EXPECT_EQ(archive_form(folder / "scan.h5"), ArchiveForm::compact);
  expect_same_views(folder / "scan.h5", views);
  EXPECT_EQ(folder.names().size(), 1u);
}

TEST(Convert, needs_no_file_that_the_header_names) {
  const Folder folder;
  ScanHeader h = testing::small_header();
  h.system.bowtie = "body.txt";
  testing::write_scan(folder / "scan.h5", h, testing::small_views(h, 2, 65535));
  convert_archive(folder / "scan.h5", folder / "compact.h5", ArchiveForm::compact);
  EXPECT_THAT(testing::refusal<ArchiveError>([&] { ArchiveReader reader(folder / "compact.h5"); }),
              HasSubstr("names the file 'body.txt'"));
}

TEST(Convert, leaves_nothing_where_it_cannot) {
  const Folder folder;
  const ScanHeader h = testing::small_header();
  auto views = testing::small_views(h);
  views[4].counts[9] = 0.25f;
  testing::write_scan(folder / "scan.h5", h, views);
  EXPECT_THAT(
      testing::refusal<ArchiveError>([&] { convert_archive(folder / "scan.h5", folder / "out.h5", ArchiveForm::compact); }),
      HasSubstr("scan.h5: view 2: expected whole counts"));
  EXPECT_EQ(folder.names().size(), 1u);
}

}  // namespace
}  // namespace counterflow
