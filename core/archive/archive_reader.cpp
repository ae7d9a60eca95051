#include <algorithm>

#include "core/archive/acquisition.h"
#include "core/archive/archive.h"
#include "core/archive/hdf5_file.h"
#include "core/archive/heap_reader.h"
#include "core/archive/named_files.h"
#include "core/archive/scan_header_xml.h"
#include "core/archive/truth_file.h"
#include "core/archive/view_file.h"
#include "core/error.h"

namespace counterflow {

struct ArchiveReader::Impl {
  Impl(const std::filesystem::path& path, const std::vector<std::filesystem::path>& data_folders);
  View read_view(std::size_t at, ViewSequence& order, Array<float, 3>* values);
  void check_order();
  void check_open_beam() const;

  std::string where;
  hdf5::Handle file;
  HeapReader heap;
  HeaderWithTruth head;
  std::unique_ptr<ViewFile> views;
  std::size_t air = 0, position = 0;
  std::shared_ptr<const Channels> channels;
  ViewSequence sequence;
};

ArchiveReader::Impl::Impl(const std::filesystem::path& path, const std::vector<std::filesystem::path>& data_folders)
    : where(path.string()),
      file(hdf5::open_to_read(path)),
      heap(path, file),
      head(header_from_xml(read_text(file, heap, "/dataset/xml", where), where)),
      views(open_views(file, heap, head.header, where)),
      channels(channels_of_views(head.header)),
      sequence(head.header, where) {
  std::vector<std::filesystem::path> folders{path.parent_path()};
  folders.insert(folders.end(), data_folders.begin(), data_folders.end());
  read_named_files(head.header.system, folders, where);
  check_order();
  check_open_beam();
}

// All headers before any data, so that a scan with views missing is refused at once.
void ArchiveReader::Impl::check_order() {
  ViewSequence order(head.header, where);
  for (std::size_t at = 0; at < views->count(); ++at) order.accept(fields_of(views->header(at)));
  order.finish();
  air = order.air_views();
}

void ArchiveReader::Impl::check_open_beam() const {
  if (head.header.quantity == Quantity::counts && air == 0 && !head.header.system.open_beam_counts)
    throw ArchiveError(
        where +
        ": a scan of counts needs air views before the object views, or the parameter 'open_beam_counts'; it has neither");
}

View ArchiveReader::Impl::read_view(std::size_t at, ViewSequence& order, Array<float, 3>* values) {
  const hdf5::Quiet silent;
  const View view = order.accept(fields_of(views->header(at)));
  const std::string name = where + ": " + (view.air ? "air view " : "view ") + std::to_string(view.index);
  views->read(at, *values, name);
  check_values(*values, head.header.quantity, name);
  return view;
}

ArchiveReader::ArchiveReader(const std::filesystem::path& file, const std::vector<std::filesystem::path>& data_folders) {
  const hdf5::Quiet quiet;
  impl_ = std::make_unique<Impl>(file, data_folders);
}
ArchiveReader::~ArchiveReader() = default;
ArchiveReader::ArchiveReader(ArchiveReader&&) noexcept = default;

const ScanHeader& ArchiveReader::header() const { return impl_->head.header; }
ArchiveForm ArchiveReader::form() const { return impl_->views->form(); }
std::size_t ArchiveReader::air_views() const { return impl_->air; }

void ArchiveReader::check_all() {
  ViewSequence order(impl_->head.header, impl_->where);
  Array<float, 3> values;
  for (std::size_t at = 0; at < impl_->views->count(); ++at) impl_->read_view(at, order, &values);
}

template <class Real>
Message<Real> ArchiveReader::next() {
  if (impl_->position == impl_->views->count()) return {};
  Array<float, 3> stored;
  const View view = impl_->read_view(impl_->position, impl_->sequence, &stored);
  ++impl_->position;
  return view_message<Real>(view, std::move(stored), impl_->channels);
}
template Message<float> ArchiveReader::next();
template Message<double> ArchiveReader::next();

void ArchiveReader::rewind() {
  impl_->position = 0;
  impl_->sequence = ViewSequence(impl_->head.header, impl_->where);
}

std::optional<Truth> ArchiveReader::truth() {
  const hdf5::Quiet quiet;
  return read_truth(impl_->file, impl_->heap, impl_->head.header, impl_->head.truth_materials, impl_->where);
}

ScanHeader ArchiveReader::header_with_truth() {
  ScanHeader header = impl_->head.header;
  if (auto known = truth()) header.truth = std::make_shared<const Truth>(std::move(*known));
  return header;
}

}  // namespace counterflow
