#include "pipelines/counterflow/results.h"

#include <chrono>
#include <ostream>

#include "core/archive/header_parameters.h"
#include "core/archive/image_meta.h"
#include "core/archive/image_slices.h"
#include "core/archive/pending_file.h"
#include "core/archive/scan_header_xml.h"
#include "core/error.h"

namespace counterflow {
namespace {

double seconds_between(Results::Time from, Results::Time to) { return std::chrono::duration<double>(to - from).count(); }

}  // namespace

Results::Results(std::filesystem::path file) : file_(std::move(file)) {
  if (!file_.empty()) const PendingFile can_be_written(file_);  // said before a scan is sent, not behind it
}

void Results::sent(const View& view, Time when) {
  const std::lock_guard lock(times_);
  last_sent_ = when;
  under_way_[{view.air, view.index}] = when;
}

void Results::take(const wire::Frame& frame, Time when) {
  if (const auto* image = std::get_if<wire::Image>(&frame)) return take_image(*image, when);
  if (const auto* view = std::get_if<wire::CompactView>(&frame)) return take_view(*view, when);
  if (const auto* header = std::get_if<wire::Header>(&frame); header && !file_.empty()) {
    const auto lock = files();
    const ScanHeader scan = header_from_xml(header->xml, "the server's header").header;
    if (scan.quantity == Quantity::counts)
      throw ConfigError(
          "the chain gives counts, and a file holds images or path lengths: end it with a reconstruction, or leave out -o");
    decoder_ = std::make_unique<wire::ViewDecoder>(scan, "the server's views");
    views_ = std::make_unique<ArchiveWriter>(file_, scan);
  }
  const std::lock_guard lock(times_);
  if (const auto* receipt = std::get_if<wire::Receipt>(&frame)) recorded_ = receipt->recorded;
  if (const auto* text = std::get_if<wire::Text>(&frame)) remarks_.push_back(text->text);
}

void Results::take_image(const wire::Image& image, Time when) {
  if (image.head.image_series_index == kPreviewSeries) return time_preview(image, when);  // a live picture, not kept
  {
    const std::lock_guard lock(times_);
    last_image_ = when;
    ++image_count_;
  }
  if (file_.empty()) return;
  const auto lock = files();
  if (!images_) images_ = std::make_unique<ImageFileWriter>(file_, ImageOrigin{});
  images_->write(image.head, image.meta, image.pixels.bytes());
}

// From the last view that is in it.
void Results::time_preview(const wire::Image& image, Time when) {
  const MetaValues values = meta_from_xml(image.meta, "a preview");
  const auto last = values.find("last_view");
  const auto number = last == values.end() || last->second.empty() ? std::nullopt : finite_number(last->second.front());
  const std::lock_guard lock(times_);
  const auto found = number ? under_way_.find({false, static_cast<std::uint64_t>(*number)}) : under_way_.end();
  if (found != under_way_.end()) previews_.add(seconds_between(found->second, when));
}

void Results::take_view(const wire::CompactView& view, Time when) {
  time_view(view.view, when);
  if (file_.empty()) return;
  if (!decoder_) throw ProtocolError("a view came before the header that says of what");
  const auto message = decoder_->decode<float>(view);
  const auto lock = files();
  views_->write(*std::get<Sent<PathLengths<float>>>(message));
}

void Results::time_view(const View& view, Time when) {
  const std::lock_guard lock(times_);
  ++view_count_;
  const auto found = under_way_.find({view.air, view.index});
  if (found == under_way_.end()) return;
  round_trips_.add(seconds_between(found->second, when));
  under_way_.erase(found);
}

void Results::finish() {
  if (file_.empty()) return;
  const auto lock = files();
  if (images_ && views_) throw ArchiveError(file_.string() + ": both images and views came; one file holds one of them");
  if (views_) decoder_->finish(), views_->finish();
  else if (images_) images_->finish();
  else throw ArchiveError(file_.string() + ": the server gave neither images nor views, so nothing was written");
}

void Results::tell(std::ostream& out) const {
  const std::lock_guard lock(times_);
  for (const auto& remark : remarks_) out << remark << (remark.ends_with('\n') ? "" : "\n");
  if (image_count_ > 0) out << "last view to last image: " << milliseconds_text(seconds_between(last_sent_, last_image_)) << "\n";
  if (previews_.count() > 0) out << previews_.count() << " previews, each after its last view: " << previews_.text() << "\n";
  if (round_trips_.count() > 0) out << "round trips of " << round_trips_.count() << " views: " << round_trips_.text() << "\n";
  out << (file_.empty() ? "came" : file_.string()) << ": "
      << (view_count_ > 0 ? std::to_string(view_count_) + " views" : std::to_string(image_count_) + " images") << "\n";
}

std::string Results::what_is_safe() const {
  const std::lock_guard lock(times_);
  return recorded_ == 0 ? "" : "; " + std::to_string(recorded_) + " views of it are recorded there";
}

}  // namespace counterflow
