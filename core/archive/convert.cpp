#include "core/archive/convert.h"

#include <ismrmrd/dataset.h>

#include "core/archive/acquisition.h"
#include "core/archive/copy_objects.h"
#include "core/archive/pending_file.h"
#include "core/archive/scan_header_xml.h"
#include "core/archive/view_file.h"

namespace counterflow {
namespace {

using hdf5::Handle;

// A scan without the files that its header names.
struct OpenScan {
  explicit OpenScan(const std::filesystem::path& path)
      : where(path.string()),
        file(hdf5::open_to_read(path)),
        heap(path, file),
        xml(read_text(file, heap, "/dataset/xml", where)),
        header(header_from_xml(xml, where).header),
        views(open_views(file, heap, header, where)) {}
  std::string where;
  Handle file;
  HeapReader heap;
  std::string xml;
  ScanHeader header;
  std::unique_ptr<ViewFile> views;
};

void copy_views(OpenScan& scan, ViewWriter& writer, const std::function<void(std::size_t, std::size_t)>& progress) {
  ViewSequence order(scan.header, scan.where);
  Array<float, 3> values;
  for (std::size_t at = 0; at < scan.views->count(); ++at) {
    const ISMRMRD::AcquisitionHeader head = scan.views->header(at);
    const View view = order.accept(fields_of(head));
    const std::string name = scan.where + ": " + (view.air ? "air view " : "view ") + std::to_string(view.index);
    scan.views->read(at, values, name);
    check_values(values, scan.header.quantity, name);
    writer.write(head, values, name);
    if (progress) progress(at + 1, scan.views->count());
  }
  order.finish();
}

}  // namespace

ArchiveForm archive_form(const std::filesystem::path& file) {
  const hdf5::Quiet quiet;
  return OpenScan(file).views->form();
}

void convert_archive(const std::filesystem::path& from, const std::filesystem::path& to, ArchiveForm form,
                     const std::function<void(std::size_t, std::size_t)>& progress) {
  const hdf5::Quiet quiet;
  OpenScan scan(from);
  PendingFile pending(to);
  try {
    copy_views(scan, *create_views(pending.temporary(), scan.header, form), progress);
    ISMRMRD::Dataset(pending.temporary().c_str(), "dataset", false).writeHeader(scan.xml);
    const Handle file(hdf5::checked(H5Fopen(pending.temporary().c_str(), H5F_ACC_RDWR, H5P_DEFAULT), "cannot be opened"));
    copy_objects(scan.file, scan.heap, file, "/", {"/dataset/data", "/dataset/counts", "/dataset/view_headers"}, scan.where);
    hdf5::check(H5Fflush(file.get(), H5F_SCOPE_GLOBAL), to.string() + ": cannot be written; is the disk full?");
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {  // of libismrmrd
    throw ArchiveError(to.string() + ": cannot be written; is the disk full? (" + error.what() + ")");
  }
  pending.finish();
}

}  // namespace counterflow
