#include <ismrmrd/dataset.h>

#include "core/archive/acquisition.h"
#include "core/archive/archive.h"
#include "core/archive/hdf5_file.h"
#include "core/archive/named_files.h"
#include "core/archive/pending_file.h"
#include "core/archive/scan_header_xml.h"
#include "core/archive/truth_file.h"
#include "core/archive/view_file.h"
#include "core/error.h"

namespace counterflow {

struct ArchiveWriter::Impl {
  Impl(const std::filesystem::path& file, const ScanHeader& scan, ArchiveForm form);
  void write(const View& view, const Array<float, 3>& values, Quantity quantity);
  // Truth and the like are written by HDF5 once libismrmrd has closed the file.
  struct Injected {
    std::string name;
    std::vector<std::size_t> shape;
    std::vector<double> values;
  };

  std::string where;
  ScanHeader header;
  PendingFile pending;
  std::unique_ptr<ViewWriter> views;
  ViewSequence sequence;
  std::optional<Truth> truth;
  std::vector<Injected> injected;
};

namespace {

// What ISMRMRD throws, as ArchiveError.
template <class Call>
void with_ismrmrd(const std::string& where, Call&& call) {
  const hdf5::Quiet quiet;
  try {
    call();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw ArchiveError(where + ": cannot be written; is the disk full? (" + error.what() + ")");
  }
}

void check_header(const ScanHeader& header, const std::string& where) {
  try {
    header.geometry.check();
    header_to_xml(header);
    named_files(header.system, where);
  } catch (const Error& error) {
    throw ArchiveError(where + ": " + error.what());
  }
}

}  // namespace

ArchiveWriter::Impl::Impl(const std::filesystem::path& file, const ScanHeader& scan, ArchiveForm form)
    : where(file.string()), header(scan), pending((check_header(scan, where), file)), sequence(scan, where) {
  with_ismrmrd(where, [&] { views = create_views(pending.temporary(), header, form); });
}

void ArchiveWriter::Impl::write(const View& view, const Array<float, 3>& values, Quantity quantity) {
  const std::string name = where + ": " + (view.air ? "air view " : "view ") + std::to_string(view.index);
  if (!views) throw ArchiveError(where + ": is finished; nothing more can be written");
  if (quantity != header.quantity) throw ArchiveError(name + ": counts and line integrals do not go into one scan");
  const Array<float, 3>::Shape expected{header.bins(), header.geometry.rows, header.geometry.columns};
  if (values.shape() != expected) throw ArchiveError(name + ": its shape is not [bins, rows, columns] of the scan's header");
  check_values(values, quantity, name);
  const std::uint64_t counter = sequence.air_views() + sequence.object_views();
  const bool last = !view.air && view.index + 1 == header.geometry.views;
  const ISMRMRD::AcquisitionHeader head = acquisition_header(view, header, counter, last);
  sequence.accept(fields_of(head));
  with_ismrmrd(where, [&] { views->write(head, values, name); });
}

ArchiveWriter::ArchiveWriter(const std::filesystem::path& file, const ScanHeader& header, ArchiveForm form)
    : impl_(std::make_unique<Impl>(file, header, form)) {}
ArchiveWriter::~ArchiveWriter() = default;

void ArchiveWriter::write(const Counts<float>& view) { impl_->write(view.view, view.counts, Quantity::counts); }
void ArchiveWriter::write(const PathLengths<float>& view) {
  impl_->write(view.view, view.areal_density, Quantity::line_integrals);
}
void ArchiveWriter::write(const Truth& truth) { impl_->truth = truth; }

void ArchiveWriter::write_injected(const std::string& name, const std::vector<std::size_t>& shape,
                                   const std::vector<double>& values) {
  std::size_t size = 1;
  for (std::size_t extent : shape) size = checked_size(size, extent);
  if (size != values.size() || name.empty() || name.find('/') != std::string::npos)
    throw ArchiveError(impl_->where + ": injected '" + name +
                       "': its shape and its number of values differ, or its name is no plain name");
  impl_->injected.push_back({name, shape, values});
}

void ArchiveWriter::finish() {
  Impl& w = *impl_;
  w.sequence.finish();
  with_ismrmrd(w.where, [&] {
    w.views.reset();
    ISMRMRD::Dataset(w.pending.temporary().c_str(), "dataset", false)
        .writeHeader(header_to_xml(w.header, w.truth ? w.truth->materials : std::vector<std::string>{}));
    const hdf5::Handle file(
        hdf5::checked(H5Fopen(w.pending.temporary().c_str(), H5F_ACC_RDWR, H5P_DEFAULT), w.where + ": cannot be written"));
    if (w.truth) write_truth(file, *w.truth, w.header);
    for (const auto& i : w.injected) hdf5::write_all(file, "/dataset/injected/" + i.name, i.shape, i.values.data());
    hdf5::check(H5Fflush(file.get(), H5F_SCOPE_GLOBAL), w.where + ": cannot be written; is the disk full?");
  });
  w.pending.finish();
}

}  // namespace counterflow
