// The plain form: /dataset/data, acquisitions as libismrmrd writes them, {head, traj, data}, the last two of variable length.
#include <ismrmrd/dataset.h>

#include <complex>
#include <span>
#include <vector>

#include "core/archive/acquisition.h"
#include "core/archive/acquisition_record.h"
#include "core/archive/view_file.h"

namespace counterflow {
namespace {

using hdf5::Handle;

// Elements of the heap that make a complex number: 2 floats, or 1 compound of two.
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

class PlainViews : public ViewFile {
 public:
  PlainViews(const Handle& file, const HeapReader& heap, const ScanHeader& scan, const std::string& where)
      : heap_(heap),
        scan_(scan),
        where_(where),
        records_(file, heap, "/dataset/data", where),
        heads_(records_, {"head"}),
        traj_(records_.member({"traj"}, HeapDescriptor::kSize)),
        data_(records_.member({"data"}, HeapDescriptor::kSize)),
        unit_(complex_unit(records_.dataset(), where)) {}

  ArchiveForm form() const override { return ArchiveForm::plain; }
  std::size_t count() const override { return records_.count(); }

  ISMRMRD::AcquisitionHeader header(std::size_t index) const override {
    std::vector<std::byte> record;
    records_.read(index, record, where_ + ": the header of acquisition " + std::to_string(index));
    return heads_.header(record);
  }

  // Exactly the complex values of a view, and no trajectory.
  void read(std::size_t index, Array<float, 3>& values, const std::string& where) override {
    const ScanGeometry& g = scan_.geometry;
    buffer_.resize(checked_size(checked_size(g.rows, g.columns), scan_.bins()));
    std::vector<std::byte> record;
    records_.read(index, record, where);
    const HeapDescriptor traj = heap_descriptor(record.data() + traj_.offset);
    const HeapDescriptor data = heap_descriptor(record.data() + data_.offset);
    if (traj.length != 0) throw ArchiveError(where + ": expected no trajectory, got " + std::to_string(traj.length) + " numbers");
    if (data.length != buffer_.size() * unit_)
      throw ArchiveError(where + ": expected " + std::to_string(buffer_.size()) + " values, got " +
                         std::to_string(data.length / unit_));
    heap_.read(data, std::as_writable_bytes(std::span(buffer_)), where);
    values = values_of<float>(buffer_.data(), scan_);
  }

 private:
  const HeapReader& heap_;
  ScanHeader scan_;
  std::string where_;
  RecordList records_;
  AcquisitionRecords heads_;
  Member traj_, data_;
  std::size_t unit_;
  std::vector<std::complex<float>> buffer_;
};

class PlainWriter : public ViewWriter {
 public:
  explicit PlainWriter(const std::filesystem::path& file) : dataset_(file.c_str(), "dataset", true) {}
  void write(const ISMRMRD::AcquisitionHeader& head, const Array<float, 3>& values, const std::string&) override {
    fill_acquisition(acquisition_, head, values);
    dataset_.appendAcquisition(acquisition_);
  }

 private:
  ISMRMRD::Dataset dataset_;
  ISMRMRD::Acquisition acquisition_;
};

}  // namespace

std::unique_ptr<ViewFile> open_plain(const Handle& file, const HeapReader& heap, const ScanHeader& scan,
                                     const std::string& where) {
  return std::make_unique<PlainViews>(file, heap, scan, where);
}

std::unique_ptr<ViewWriter> create_plain(const std::filesystem::path& file, const ScanHeader&) {
  hdf5::create(file);
  return std::make_unique<PlainWriter>(file);
}

}  // namespace counterflow
