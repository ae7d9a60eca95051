#include "core/archive/archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>
#include <ismrmrd/dataset.h>

#include <cmath>
#include <limits>

#include "core/archive/acquisition.h"
#include "core/archive/scan_header_xml.h"
#include "core/archive/test_scan.h"

namespace counterflow {
namespace {

using ::testing::ElementsAre;
using testing::Folder;
using ::testing::HasSubstr;
using testing::refusal;

// An archive made by libismrmrd alone, as another program would, from acquisitions that a test may spoil.
void write_foreign(const std::filesystem::path& file, const std::string& xml, std::vector<ISMRMRD::Acquisition>& acquisitions) {
  ISMRMRD::Dataset dataset(file.c_str(), "dataset", true);
  dataset.writeHeader(xml);
  for (auto& a : acquisitions) dataset.appendAcquisition(a);
}

std::vector<ISMRMRD::Acquisition> acquisitions_of(const ScanHeader& h, const std::vector<Counts<float>>& views) {
  std::vector<ISMRMRD::Acquisition> all(views.size());
  for (std::size_t i = 0; i < views.size(); ++i)
    fill_acquisition(all[i], views[i].view, views[i].counts, h, i, i + 1 == views.size());
  return all;
}

// What reading a foreign archive says, after `spoil` has changed its acquisitions.
template <class Spoil>
std::string foreign_refusal(Spoil&& spoil, bool all = false, ScanHeader h = testing::small_header()) {
  const Folder folder;
  auto acquisitions = acquisitions_of(h, testing::small_views(h));
  spoil(acquisitions);
  const auto file = folder / ("scan" + std::to_string(all) + ".h5");
  write_foreign(file, header_to_xml(h), acquisitions);
  return refusal<ArchiveError>([&] {
    ArchiveReader reader(file);
    if (all) reader.check_all();
  });
}

TEST(Archive, comes_back_bit_for_bit) {
  const Folder folder;
  const ScanHeader h = testing::small_header();
  const auto views = testing::small_views(h);
  testing::write_scan(folder / "scan.h5", h, views);
  ArchiveReader reader(folder / "scan.h5");
  EXPECT_EQ(reader.header().geometry, h.geometry);
  EXPECT_EQ(reader.header().system, h.system);
  EXPECT_EQ(reader.header().grid, h.grid);
  EXPECT_EQ(reader.header().modules, h.modules);
  EXPECT_EQ(reader.air_views(), 2u);
  EXPECT_NO_THROW(reader.check_all());
  for (int pass = 0; pass < 2; ++pass) {
    for (const auto& view : views) {
      const auto message = reader.next<float>();
      const auto& got = *std::get<Sent<Counts<float>>>(message);
      EXPECT_EQ(got.counts, view.counts);
      EXPECT_EQ(got.view.index, view.view.index);
      EXPECT_EQ(got.view.angle, view.view.angle);
      EXPECT_EQ(got.view.air, view.view.air);
      EXPECT_EQ(got.view.rotation, view.view.rotation);
      EXPECT_EQ(got.view.exposure, view.view.exposure);
      EXPECT_EQ(got.view.table_position, view.view.table_position);
      EXPECT_NEAR(got.view.time, view.view.time, 1e-12);
    }
    EXPECT_EQ(reader.next<float>().index(), 0u);
    reader.rewind();
  }
}

TEST(Archive, of_a_helix_keeps_its_feed_and_the_tables_nominal_positions) {
  const Folder folder;
  ScanHeader h = testing::small_header();
  h.geometry.beam = Beam::cone_flat;
  h.geometry.table_feed = -7.123456789, h.geometry.first_table_position = 101.987654321;
  h.grid.nz = 9, h.grid.centre_z = 99.5;
  auto views = testing::small_views(h);
  for (auto& view : views)
    view.view.table_position = view.view.air ? 12.5 : h.geometry.table_position(static_cast<double>(view.view.index));
  views.back().view.table_position += 0.25;  // a table that is not where the header says
  testing::write_scan(folder / "scan.h5", h, views);
  ArchiveReader reader(folder / "scan.h5");
  EXPECT_EQ(reader.header().geometry, h.geometry);
  EXPECT_EQ(reader.header().grid, h.grid);
  for (const auto& view : views) {
    const auto message = reader.next<float>();
    const double got = std::get<Sent<Counts<float>>>(message)->view.table_position;
    const auto stored = static_cast<double>(static_cast<float>(view.view.table_position));
    EXPECT_EQ(got, &view == &views.back() || view.view.air ? stored : view.view.table_position);
  }
}

TEST(Archive, reads_in_double_what_it_reads_in_float) {
  const Folder folder;
  const ScanHeader h = testing::small_header();
  const auto views = testing::small_views(h);
  testing::write_scan(folder / "scan.h5", h, views);
  ArchiveReader reader(folder / "scan.h5");
  const auto message = reader.next<double>();
  const auto& counts = std::get<Sent<Counts<double>>>(message)->counts;
  for (std::size_t i = 0; i < counts.size(); ++i) ASSERT_EQ(counts[i], static_cast<double>(views[0].counts[i]));
}

TEST(Archive, of_line_integrals_gives_path_lengths_with_the_bins_as_channels) {
  const Folder folder;
  const ScanHeader h = testing::small_header(Quantity::line_integrals);
  auto views = testing::small_views(h, 0);
  ArchiveWriter writer(folder / "scan.h5", h);
  for (auto& view : views) {
    PathLengths<float> p;
    p.view = view.view;
    p.areal_density = view.counts;
    p.areal_density[3] = -0.25f;  // noise in air
    writer.write(p);
  }
  writer.finish();
  ArchiveReader reader(folder / "scan.h5");
  const auto message = reader.next<float>();
  const auto& got = *std::get<Sent<PathLengths<float>>>(message);
  EXPECT_EQ(got.areal_density[3], -0.25f);
  EXPECT_EQ(got.areal_density[4], views[0].counts[4]);
  EXPECT_EQ(*got.channels, (Channels{"line_integral", "1", {"bin 0", "bin 1", "bin 2"}}));
}

TEST(Archive, is_read_by_libismrmrd_and_lays_channels_out_by_row_then_bin) {
  const Folder folder;
  const ScanHeader h = testing::small_header();
  const auto views = testing::small_views(h);
  testing::write_scan(folder / "scan.h5", h, views);
  ISMRMRD::Dataset dataset((folder / "scan.h5").c_str(), "dataset", false);
  ASSERT_EQ(dataset.getNumberOfAcquisitions(), 6u);
  ISMRMRD::Acquisition a;
  dataset.readAcquisition(5, a);
  EXPECT_EQ(a.number_of_samples(), 7);
  EXPECT_EQ(a.active_channels(), 15);
  EXPECT_TRUE(a.isFlagSet(ISMRMRD::ISMRMRD_ACQ_LAST_IN_MEASUREMENT));
  EXPECT_FALSE(a.isFlagSet(ISMRMRD::ISMRMRD_ACQ_IS_PARALLEL_CALIBRATION));
  EXPECT_EQ(a.data(6, 4 * 3 + 1), std::complex<float>(views[5].counts(1, 4, 6), 0));
  dataset.readAcquisition(1, a);
  EXPECT_TRUE(a.isFlagSet(ISMRMRD::ISMRMRD_ACQ_IS_PARALLEL_CALIBRATION));
}

TEST(Archive, truth_and_injected_values_come_back) {
  const Folder folder;
  const ScanHeader h = testing::small_header();
  Truth truth;
  truth.materials = {"water", "iodine"};
  truth.density = Array<float, 4>({2, 5, 6, 4});
  for (std::size_t i = 0; i < truth.density.size(); ++i) truth.density[i] = std::sqrt(static_cast<float>(i));
  truth.regions = {{"rod, \"5\" mg/mL", 50.5, -0.1, 12, {{"water", 1}, {"water+5mg/mL*iodine", 0.005}}}, {"body", 0, 0, 165, {}}};
  ArchiveWriter writer(folder / "scan.h5", h);
  for (const auto& view : testing::small_views(h)) writer.write(view);
  writer.write(truth);
  writer.write_injected("threshold_shift", {2, 3}, {1, 2, 3, 4, 5, 6.5});
  writer.finish();

  const auto read = ArchiveReader(folder / "scan.h5").truth();
  ASSERT_TRUE(read);
  EXPECT_EQ(read->materials, truth.materials);
  EXPECT_EQ(read->density, truth.density);
  EXPECT_EQ(read->grid, h.grid);
  ASSERT_EQ(read->regions.size(), 2u);
  EXPECT_EQ(read->regions[0].name, truth.regions[0].name);
  EXPECT_EQ(read->regions[0].y, -0.1);
  EXPECT_EQ(read->regions[0].densities, truth.regions[0].densities);
  const ScanHeader with_truth = ArchiveReader(folder / "scan.h5").header_with_truth();
  ASSERT_TRUE(with_truth.truth);
  EXPECT_EQ(with_truth.truth->density, truth.density);
  EXPECT_EQ(with_truth.geometry, h.geometry);

  ISMRMRD::Dataset dataset((folder / "scan.h5").c_str(), "dataset", false);
  ISMRMRD::NDArray<float> array;
  ASSERT_EQ(dataset.getNumberOfNDArrays("truth_materials"), 1u);
  dataset.readNDArray("truth_materials", 0, array);
  // As libismrmrd reads what it has appended itself.
  ISMRMRD::Dataset theirs((folder / "theirs.h5").c_str(), "dataset", true);
  theirs.appendNDArray("truth", ISMRMRD::NDArray<float>({4, 6, 5, 2}));
  ISMRMRD::NDArray<float> like;
  theirs.readNDArray("truth", 0, like);
  ASSERT_EQ(array.getNDim(), like.getNDim());
  EXPECT_EQ(array.getNumberOfElements(), 4u * 6 * 5 * 2);
  EXPECT_EQ(array(1, 2, 3, 1), truth.density(1, 3, 2, 1));
}

TEST(Archive, without_truth_says_so) {
  const Folder folder;
  testing::write_scan(folder / "scan.h5", testing::small_header(), testing::small_views(testing::small_header()));
  EXPECT_FALSE(ArchiveReader(folder / "scan.h5").truth());
  EXPECT_FALSE(ArchiveReader(folder / "scan.h5").header_with_truth().truth);
}

TEST(Archive, views_from_another_program_are_read) {
  EXPECT_EQ(foreign_refusal([](auto&) {}, true), "accepted");
}

TEST(Archive, missing_views_are_refused) {
  EXPECT_THAT(foreign_refusal([](auto& a) { a.erase(a.begin() + 3); }),
              HasSubstr("view 1: expected scan_counter 3, got 4: views are missing"));
  EXPECT_THAT(foreign_refusal([](auto& a) { a.pop_back(); }), HasSubstr("expected 4 object views (parameter 'views'), got 3"));
}
TEST(Archive, repeated_views_are_refused) {
  EXPECT_THAT(foreign_refusal([](auto& a) { a.insert(a.begin() + 3, a[2]); }),
              HasSubstr("view 1: expected scan_counter 3, got 2: a view is repeated"));
}
TEST(Archive, permuted_views_are_refused) {
  EXPECT_THAT(foreign_refusal([](auto& a) { std::swap(a[3], a[4]); }), HasSubstr("view 1: expected scan_counter 3, got 4"));
  EXPECT_THAT(foreign_refusal([](auto& a) { a[3].idx().kspace_encode_step_1 = 2; }),
              HasSubstr("view 1: expected kspace_encode_step_1 1, got 2"));
}
TEST(Archive, more_views_than_promised_are_refused) {
  ScanHeader h = testing::small_header();
  h.geometry.views = 3;
  const Folder folder;
  ScanHeader longer = testing::small_header();
  auto acquisitions = acquisitions_of(longer, testing::small_views(longer));
  write_foreign(folder / "scan.h5", header_to_xml(h), acquisitions);
  EXPECT_THAT(refusal<ArchiveError>([&] { ArchiveReader reader(folder / "scan.h5"); }),
              HasSubstr("more object views than the header's 3"));
}
TEST(Archive, wrong_samples_and_channels_are_refused) {
  EXPECT_THAT(foreign_refusal([](auto& a) { a[2].resize(8, 15); }),
              HasSubstr("view 0: expected 7 samples (detector_columns), got 8"));
  EXPECT_THAT(foreign_refusal([](auto& a) { a[2].resize(7, 14); }),
              HasSubstr("view 0: expected 15 channels (detector_rows x energy_bins), got 14"));
}
TEST(Archive, air_views_after_object_views_are_refused) {
  EXPECT_THAT(foreign_refusal([](auto& a) { a[4].setFlag(ISMRMRD::ISMRMRD_ACQ_IS_PARALLEL_CALIBRATION); }),
              HasSubstr("air views come first"));
}
TEST(Archive, a_view_without_exposure_is_refused) {
  EXPECT_THAT(foreign_refusal([](auto& a) { a[1].user_float()[2] = 0; }), HasSubstr("air view 1: expected a positive exposure"));
}
TEST(Archive, a_scan_of_counts_without_open_beam_is_refused) {
  EXPECT_THAT(foreign_refusal([](auto& a) { a.erase(a.begin(), a.begin() + 2); }),
              HasSubstr("needs air views before the object views"));
  ScanHeader h = testing::small_header();
  h.system.open_beam_counts = 1e5;
  EXPECT_EQ(foreign_refusal([](auto& a) { a.erase(a.begin(), a.begin() + 2); }, true, h), "accepted");
}
TEST(Archive, bad_values_are_refused_with_their_place) {
  const auto spoiled = [](float value) { return foreign_refusal([=](auto& a) { a[3].data(6, 4 * 3 + 1) = value; }, true); };
  EXPECT_THAT(spoiled(-1), HasSubstr("view 1: bin 1, row 4, column 6: expected a count of at least 0, got -1"));
  EXPECT_THAT(spoiled(std::numeric_limits<float>::quiet_NaN()),
              HasSubstr("view 1: bin 1, row 4, column 6: expected a finite number"));
  EXPECT_THAT(spoiled(std::numeric_limits<float>::infinity()),
              HasSubstr("view 1: bin 1, row 4, column 6: expected a finite number"));
}
TEST(Archive, next_refuses_bad_values_too) {
  const Folder folder;
  const ScanHeader h = testing::small_header();
  auto acquisitions = acquisitions_of(h, testing::small_views(h));
  acquisitions[0].data(0, 0) = -3;
  write_foreign(folder / "scan.h5", header_to_xml(h), acquisitions);
  ArchiveReader reader(folder / "scan.h5");
  EXPECT_THAT(refusal<ArchiveError>([&] { reader.next<float>(); }), HasSubstr("air view 0: bin 0"));
}

TEST(Archive, what_is_no_archive_is_refused) {
  const Folder folder;
  EXPECT_THAT(refusal<ArchiveError>([&] { ArchiveReader reader(folder / "none.h5"); }),
              HasSubstr("none.h5: there is no such file"));
  EXPECT_THAT(refusal<ArchiveError>([&] { ArchiveReader reader(folder.path()); }),
              HasSubstr("expected an HDF5 file, got something else"));
  testing::write_file(folder / "text.h5", "this is no HDF5");
  EXPECT_THAT(refusal<ArchiveError>([&] { ArchiveReader reader(folder / "text.h5"); }),
              HasSubstr("text.h5: is not an HDF5 file"));
  std::vector<ISMRMRD::Acquisition> none;
  write_foreign(folder / "empty.h5", header_to_xml(testing::small_header()), none);
  EXPECT_THAT(refusal<ArchiveError>([&] { ArchiveReader reader(folder / "empty.h5"); }), HasSubstr("has no /dataset/data"));
}

TEST(Archive, files_that_the_header_names_are_found_beside_the_scan_then_in_data_folders) {
  const Folder folder;
  ScanHeader h = testing::small_header();
  h.system.spectrum = "tube.txt";
  h.system.detector = "response.csv";
  testing::write_scan(folder / "scan.h5", h, testing::small_views(h));
  std::filesystem::create_directories(folder / "data");
  testing::write_file(folder / "data/tube.txt", "far");
  testing::write_file(folder / "data/response.csv", "E_keV,");
  EXPECT_THAT(refusal<ArchiveError>([&] { ArchiveReader reader(folder / "scan.h5"); }),
              ::testing::AllOf(HasSubstr("names the file 'tube.txt'"), HasSubstr("--data")));
  {
    ArchiveReader reader(folder / "scan.h5", {folder / "data"});
    EXPECT_EQ(reader.header().system.files.at("tube.txt"), "far");
    EXPECT_EQ(reader.header().system.files.at("response.csv"), "E_keV,");
  }
  testing::write_file(folder / "tube.txt", "near");
  ArchiveReader reader(folder / "scan.h5", {folder / "data"});
  EXPECT_EQ(reader.header().system.files.at("tube.txt"), "near");
}

TEST(Archive, a_name_with_a_path_is_refused) {
  for (const char* name : {"../secret", "/etc/passwd", "a\\b", ".."}) {
    const Folder folder;
    ScanHeader h = testing::small_header();
    h.system.spectrum = name;
    auto acquisitions = acquisitions_of(h, testing::small_views(h));
    write_foreign(folder / "scan.h5", header_to_xml(h), acquisitions);
    EXPECT_THAT(refusal<ArchiveError>([&] { ArchiveReader reader(folder / "scan.h5"); }), HasSubstr("holds a path")) << name;
    EXPECT_THAT(refusal<ArchiveError>([&] { ArchiveWriter writer(folder / "scan.h5", h); }), HasSubstr("holds a path")) << name;
  }
}

TEST(ArchiveWriter, shows_nothing_under_the_name_before_it_finishes) {
  const Folder folder;
  const ScanHeader h = testing::small_header();
  {
    ArchiveWriter writer(folder / "scan.h5", h);
    for (const auto& view : testing::small_views(h)) {
      writer.write(view);
      EXPECT_FALSE(std::filesystem::exists(folder / "scan.h5"));
    }
    ASSERT_EQ(folder.names().size(), 1u);
    EXPECT_THAT(folder.names()[0], ::testing::StartsWith(".scan.h5."));
    writer.finish();
    EXPECT_THAT(folder.names(), ElementsAre("scan.h5"));
  }
  EXPECT_THAT(folder.names(), ElementsAre("scan.h5"));
}

TEST(ArchiveWriter, leaves_nothing_and_the_old_file_untouched_without_finish) {
  const Folder folder;
  const ScanHeader h = testing::small_header();
  testing::write_file(folder / "scan.h5", "old");
  { ArchiveWriter(folder / "scan.h5", h).write(testing::small_views(h)[0]); }
  EXPECT_THAT(folder.names(), ElementsAre("scan.h5"));
  EXPECT_EQ(testing::read_file(folder / "scan.h5"), "old");
}

TEST(ArchiveWriter, refuses_what_a_reader_would_refuse) {
  const Folder folder;
  const ScanHeader h = testing::small_header();
  const auto views = testing::small_views(h);
  ArchiveWriter writer(folder / "scan.h5", h);
  Counts<float> bad = views[0];
  bad.counts[5] = -2;
  EXPECT_THAT(refusal<ArchiveError>([&] { writer.write(bad); }), HasSubstr("expected a count of at least 0, got -2"));
  bad.counts = Array<float, 3>({3, 7, 5});
  EXPECT_THAT(refusal<ArchiveError>([&] { writer.write(bad); }), HasSubstr("its shape is not [bins, rows, columns]"));
  EXPECT_THAT(refusal<ArchiveError>([&] { writer.write(PathLengths<float>{}); }), HasSubstr("do not go into one scan"));
  EXPECT_THAT(refusal<ArchiveError>([&] { writer.write(views[3]); }), HasSubstr("expected kspace_encode_step_1 0, got 1"));
  EXPECT_THAT(refusal<ArchiveError>([&] { writer.finish(); }), HasSubstr("expected 4 object views (parameter 'views'), got 0"));
  EXPECT_THAT(refusal<ArchiveError>([&] { ArchiveWriter none(folder / "no/such/folder.h5", h); }),
              HasSubstr("cannot be written"));
}

TEST(ArchiveWriter, refuses_views_that_ismrmrd_cannot_count) {
  const Folder folder;
  ScanHeader h = testing::small_header();
  h.geometry.columns = 70000;
  EXPECT_THAT(refusal<ArchiveError>([&] { ArchiveWriter writer(folder / "scan.h5", h); }),
              HasSubstr("cannot hold 70000 columns"));
  h.geometry.columns = 60000;
  h.geometry.rows = 20000;
  EXPECT_THAT(refusal<ArchiveError>([&] { ArchiveWriter writer(folder / "scan.h5", h); }), HasSubstr("more than 2^30 values"));
}

TEST(ArchiveWriter, holds_views_of_many_channels) {
  const Folder folder;
  ScanHeader h = testing::small_header();
  h.geometry.rows = 16;
  h.geometry.columns = 512;
  h.geometry.views = 36;
  h.system.bins = 5;
  h.system.thresholds = {25, 35, 50, 65, 80};
  h.system.open_beam_counts = 1e5;
  const auto views = testing::small_views(h, 0);
  testing::write_scan(folder / "scan.h5", h, views);
  EXPECT_EQ(ArchiveReader(folder / "scan.h5").header().geometry.views, 36u);
}

TEST(ViewSequence, unwraps_views_time_and_rotation) {
  ScanHeader h = testing::small_header();
  h.geometry.views = 70000;
  h.geometry.views_per_rotation = 1;
  ViewSequence sequence(h, "scan");
  View last;
  for (std::uint64_t v = 0; v < 70000; ++v) {
    const View view{.index = v, .time = 0.5 * static_cast<double>(v), .rotation = v};
    last = sequence.accept(fields_of(acquisition_header(view, h, v, false)));
  }
  EXPECT_EQ(last.index, 69999u);
  EXPECT_EQ(last.rotation, 69999u);
  EXPECT_NEAR(last.time, 0.5 * 69999, 1e-9);
  EXPECT_NO_THROW(sequence.finish());
}

}  // namespace
}  // namespace counterflow
