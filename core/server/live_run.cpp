#include "core/server/live_run.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "core/archive/scan_header_xml.h"
#include "core/chain/plan.h"
#include "core/physics/detector_response.h"
#include "core/server/parameters_in_use.h"
#include "core/server/recorder.h"
#include "core/server/view_codec.h"

namespace counterflow {
namespace {

constexpr auto kPatience = std::chrono::seconds(5);  // for a chain that was told to stop

double seconds_since_1970() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

// Where in an image the middle slice of its volume is.
std::optional<std::size_t> middle_of(const Image<float>& image) {
  const std::size_t middle = image.grid.nz / 2;
  const bool there = middle >= image.slice && middle - image.slice < image.value.extent(1);
  return there ? std::optional(middle - image.slice) : std::nullopt;
}

// That slice, or the middle one of what there is.
StatusPicture picture_of(const Image<float>& image, std::uint64_t version) {
  StatusPicture picture{version, image.view.preview, *image.channels, image.grid, 0, {}};
  const std::size_t z = middle_of(image).value_or(image.value.extent(1) / 2);
  picture.slice = image.slice + z;
  picture.value = Array<float, 3>({image.value.extent(0), image.value.extent(2), image.value.extent(3)});
  for (std::size_t c = 0; c < picture.value.extent(0); ++c)
    std::ranges::copy(image.value.block(c, z), picture.value.block(c).begin());
  return picture;
}

std::string recording_name(std::uint64_t session) {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char stamp[32];
  std::strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &utc);
  return std::string(stamp) + "-" + std::to_string(session);
}

}  // namespace

std::size_t session_bytes(const Chain<float>& chain, const ScanHeader& scan, std::size_t tokens) {
  const std::size_t view = checked_size(checked_size(scan.geometry.columns, scan.geometry.rows), 8 * scan.bins());
  constexpr std::size_t kReading = std::size_t{1} << 20;   // the parser's own buffer
  constexpr std::size_t kProgram = std::size_t{32} << 20;  // code, libraries, plugins
  // Of the connection: each way what waits and one view more, one read, one decoded.
  return memory_bound(chain, scan, tokens) + 2 * kMailboxBytes + 4 * view + kReading + kProgram;
}

struct LiveRun::Impl {
  explicit Impl(Job j) : job(std::move(j)), inbox(job.room), decoder(job.scan, "the client's scan") {}

  void run();
  void prepare();
  Message<float> next();
  void deliver(const Stage<float>& stage, const Message<float>& message);
  void put_header(wire::Outgoing& out, const Stage<float>& stage, const Message<float>& view);
  bool is_watched(const Image<float>& image);
  void deliver_image(const Sent<Image<float>>& image);
  void record(const Message<float>& view);
  void finish_recording();
  void give_up_recording(const std::string& why);
  void receipt(std::uint64_t recorded);
  bool wished(const char* word) const { return job.wishes.count(word) > 0; }

  Job job;
  Inbox inbox;
  wire::ViewDecoder decoder;
  ParametersInUse parameters;
  ImageOrigin origin;
  std::unique_ptr<Workers> workers;

  mutable std::mutex mutex;  // of what describe() looks at
  std::unique_ptr<Recorder> recorder;
  std::unique_ptr<ScanRun<float>> scan_run;     // made and unmade under it
  std::vector<ScanRun<float>::Activity> final;  // of a run that is over
  std::string error;
  std::string watched;  // quantity of the images that are shown to who watches

  std::atomic<std::uint64_t> views{0}, air_views{0}, images{0}, previews{0}, given{0}, pictures{0};
  std::atomic<double> last_image{0};
  std::atomic<bool> ended{false};
};

void LiveRun::Impl::prepare() {
  workers = std::make_unique<Workers>(job.settings.threads);
  if (!job.scan.system.detector.empty()) workers->arena().execute([&] { prepare_response(job.scan.system, job.settings.cache); });
  parameters = parameters_in_use(job.settings.parameters, *job.chain, job.scan);
  origin = {chain_hash(*job.chain), parameters.hash};
  if (!job.settings.record.empty()) {
    auto made = std::make_unique<Recorder>(job.settings.record, recording_name(job.session), job.scan,
                                           [this](std::uint64_t recorded) { receipt(recorded); });
    const std::lock_guard lock(mutex);
    recorder = std::move(made);
  }
  auto run = std::make_unique<ScanRun<float>>(*job.chain, job.scan, *workers, parameters.values);
  run->output = [this](const Stage<float>& stage, const Message<float>& message) { deliver(stage, message); };
  if ((wished("previews") || !job.settings.status.empty()) && job.settings.previews_per_second > 0)
    run->preview_interval = 1 / job.settings.previews_per_second;
  const std::lock_guard lock(mutex);
  scan_run = std::move(run);
}

void LiveRun::Impl::run() {
  try {
    prepare();
    scan_run->forward([this] { return next(); });
    for (const auto& [stage, remark] : scan_run->report())
      if (remark.count > 0)
        job.log(stage + ": " + remark.text + ": " + std::to_string(remark.count) + " of " + std::to_string(remark.of));
    finish_recording();
  } catch (const std::bad_alloc&) {
    error = "the chain ran out of memory";
  } catch (const std::exception& failure) {
    error = failure.what();
  }
  {
    const std::lock_guard lock(mutex);
    if (!error.empty()) recorder.reset();  // what came is kept
    if (scan_run) final = scan_run->activity();
    scan_run.reset();
  }
  ended = true;
  job.ended();
}

Message<float> LiveRun::Impl::next() {
  const auto frame = inbox.take();
  if (!frame) {
    decoder.finish();
    return {};
  }
  Message<float> view;
  if (const auto* acquisition = std::get_if<wire::Acquisition>(&*frame)) view = decoder.decode<float>(*acquisition);
  else view = decoder.decode<float>(std::get<wire::CompactView>(*frame));
  ++(view_of(view).air ? air_views : views);
  record(view);
  return view;
}

// The scan goes on where it cannot be kept: nobody would irradiate a patient again for a full disk. Every client is told,
// as CLOSE alone would mean that the scan is safe.
void LiveRun::Impl::give_up_recording(const std::string& why) {
  const std::string text = "the scan is not recorded any further: " + why;
  job.log(text);
  wire::Outgoing out;
  wire::put_text(out, text + "\n");
  job.outbox.put_at_once(std::move(out));
  const std::lock_guard lock(mutex);
  recorder.reset();
}

void LiveRun::Impl::record(const Message<float>& view) {
  if (recorder) try {
      recorder->write(view);
    } catch (const ArchiveError& failure) {
      give_up_recording(failure.what());
    }
}

void LiveRun::Impl::finish_recording() {
  if (!recorder) return receipt(0);
  try {
    recorder->finish();
  } catch (const Error& failure) {
    give_up_recording(failure.what());
  }
}

// Before the first view goes out: what these views are.
void LiveRun::Impl::put_header(wire::Outgoing& out, const Stage<float>& stage, const Message<float>& view) {
  const Chain<float>& chain = *job.chain;
  const auto here = std::ranges::find(chain.stages, &stage, [](const auto& s) { return s.get(); });
  ScanHeader header = stage.output_header(chain.headers(job.scan)[static_cast<std::size_t>(here - chain.stages.begin())]);
  if (const auto* paths = std::get_if<Sent<PathLengths<float>>>(&view))
    header = header_of_paths(std::move(header), (*paths)->areal_density.extent(0));
  wire::put_header(out, header_to_xml(header));
}

void LiveRun::Impl::deliver(const Stage<float>& stage, const Message<float>& message) {
  const bool first = given++ == 0;
  if (const auto* image = std::get_if<Sent<Image<float>>>(&message)) return deliver_image(*image);
  wire::Outgoing out;
  if (first) put_header(out, stage, message);
  if (const auto* counts = std::get_if<Sent<Counts<float>>>(&message)) wire::put_view(out, *counts, true);
  else wire::put_view(out, std::get<Sent<PathLengths<float>>>(message));
  job.outbox.put(std::move(out));
}

// A chain may give several kinds of images: those of materials are shown, from which the page makes others, or else the first
// kind. Of final images that come slice by slice, the middle one is.
bool LiveRun::Impl::is_watched(const Image<float>& image) {
  const std::string& quantity = image.channels->quantity;
  if (watched.empty() || quantity == "density") watched = quantity;
  return quantity == watched && (image.view.preview || middle_of(image));
}

void LiveRun::Impl::deliver_image(const Sent<Image<float>>& image) {
  const bool preview = image->view.preview;
  if (!job.settings.status.empty() && is_watched(*image))
    write_picture(job.settings.status, job.session, picture_of(*image, ++pictures));
  if (preview && (!wished("previews") || job.outbox.crowded())) return;
  wire::Outgoing out;
  wire::put_image(out, *image, origin, "results");
  job.outbox.put(std::move(out));
  ++(preview ? previews : images);
  if (!preview) last_image = seconds_since_1970();
}

void LiveRun::Impl::receipt(std::uint64_t recorded) {
  if (!wished("receipts")) return;
  wire::Outgoing out;
  wire::put_receipt(out, {views + air_views, recorded});
  job.outbox.put_at_once(std::move(out));
}

LiveRun::LiveRun(Job job) : impl_(std::make_shared<Impl>(std::move(job))) {
  thread_ = std::thread([impl = impl_] { impl->run(); });
}

LiveRun::~LiveRun() {
  impl_->inbox.close(std::make_exception_ptr(ProtocolError("the session is over")));
  impl_->job.outbox.fail();
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!impl_->ended && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  if (impl_->ended) thread_.join();
  else thread_.detach();
}

Inbox& LiveRun::inbox() const { return impl_->inbox; }
bool LiveRun::ended() const { return impl_->ended; }
std::string LiveRun::error() const { return impl_->error; }
std::uint64_t LiveRun::progress() const { return impl_->inbox.taken() + impl_->given; }

void LiveRun::describe(SessionStatus& status) const {
  const Impl& i = *impl_;
  status.views = i.views;
  status.air_views = i.air_views;
  status.images = i.images;
  status.previews = i.previews;
  status.waiting_bytes = i.inbox.waiting_bytes();
  if (i.last_image > 0) status.last_image_latency = std::max(0.0, i.last_image - status.last_view);
  const std::lock_guard lock(i.mutex);
  if (!i.scan_run && i.final.empty()) return;  // still being prepared
  const auto activity = i.scan_run ? i.scan_run->activity() : i.final;
  status.threads = i.workers->threads();
  status.parameters = i.parameters.hash;
  status.parameters_file = i.parameters.file.filename().string();
  if (i.recorder) status.recording = i.recorder->file().filename().string();
  status.gadgets.clear();
  for (std::size_t k = 0; k < activity.size(); ++k) {
    const auto& stage = *i.job.chain->stages[k];
    status.gadgets.push_back({stage.name, stage.classname, message_name(stage.in()), message_name(stage.out()),
                              activity[k].messages, activity[k].waiting, static_cast<double>(activity[k].nanoseconds) * 1e-9,
                              i.job.chain->places[k].after});
  }
}

}  // namespace counterflow
