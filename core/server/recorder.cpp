#include "core/server/recorder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>

#include "core/archive/archive.h"
#include "core/archive/scan_header_xml.h"
#include "core/server/frame_parser.h"
#include "core/server/view_codec.h"

namespace counterflow {
namespace {

namespace fs = std::filesystem;

constexpr auto kSyncInterval = std::chrono::milliseconds(250);
constexpr const char* kJournal = ".journal";

class File {
 public:
  File(const fs::path& path, int flags) : path_(path), descriptor_(::open(path.c_str(), flags | O_CLOEXEC, 0640)) {
    if (descriptor_ < 0) fail("cannot be opened");
  }
  ~File() { ::close(descriptor_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  bool lock() { return ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0; }
  void sync() {
    if (::fdatasync(descriptor_) != 0) fail("cannot be synced");
  }
  void write(wire::Outgoing out) {
    while (!out.empty()) {
      std::vector<iovec> pieces;
      for (const auto piece : out.pieces(64)) pieces.push_back({const_cast<std::byte*>(piece.data()), piece.size()});
      const ssize_t n = ::writev(descriptor_, pieces.data(), static_cast<int>(pieces.size()));
      if (n < 0 && errno != EINTR) fail("cannot be written");
      if (n > 0) out.drop(static_cast<std::size_t>(n));
    }
  }
  std::size_t read(std::span<std::byte> to) {
    ssize_t n = -1;
    do n = ::read(descriptor_, to.data(), to.size());
    while (n < 0 && errno == EINTR);
    if (n < 0) fail("cannot be read");
    return static_cast<std::size_t>(n);
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    throw ArchiveError(path_.string() + ": " + what + " (" + std::strerror(errno) + ")");
  }
  fs::path path_;
  int descriptor_;
};

// The messages of a journal, up to where it breaks off.
class JournalReader {
 public:
  explicit JournalReader(const fs::path& path) : file_(path, O_RDONLY), parser_(wire::Phase::header) {}

  std::optional<wire::Frame> next() {
    try {
      for (;;) {
        if (auto frame = parser_.next()) return frame;
        const std::size_t n = file_.read(parser_.space()[0]);
        if (n == 0) return std::nullopt;
        parser_.commit(n);
      }
    } catch (const ProtocolError&) {
      return std::nullopt;  // the rest never reached the disk
    }
  }
  void expect(const ScanHeader& scan) {
    parser_.expect(scan);
    parser_.enter(wire::Phase::stream);
  }

 private:
  File file_;
  wire::FrameParser parser_;
};

// Calls `take` for each view of a journal; returns its header.
ScanHeader read_journal(const fs::path& journal, const std::function<void(const ScanHeader&, const Message<float>&)>& take) {
  JournalReader reader(journal);
  const auto first = reader.next();
  const auto* text = first ? std::get_if<wire::Header>(&*first) : nullptr;
  if (!text) throw ArchiveError(journal.string() + ": has no header of a scan");
  const ScanHeader scan = header_from_xml(text->xml, journal.string()).header;
  reader.expect(scan);
  wire::ViewDecoder decoder(scan, journal.string());
  while (const auto frame = reader.next())
    if (const auto* view = std::get_if<wire::CompactView>(&*frame)) take(scan, decoder.decode<float>(*view));
  return scan;
}

// Makes the archive of a journal and removes the journal. The archive's path; empty where no view was whole.
fs::path archive_journal(const fs::path& journal) {
  std::size_t views = 0;
  const ScanHeader scan =
      read_journal(journal, [&](const ScanHeader&, const Message<float>& view) { views += view_of(view).air ? 0 : 1; });
  fs::path archive = journal.parent_path() / journal.stem().string().substr(1);
  archive += views < scan.geometry.views ? "-incomplete.h5" : ".h5";
  if (views > 0) {
    ScanHeader came = scan;
    came.geometry.views = views;
    ArchiveWriter writer(archive, came);
    read_journal(journal, [&](const ScanHeader&, const Message<float>& view) {
      if (const auto* counts = std::get_if<Sent<Counts<float>>>(&view)) writer.write(**counts);
      else writer.write(*std::get<Sent<PathLengths<float>>>(view));
    });
    writer.finish();
  }
  fs::remove(journal);
  return views > 0 ? archive : fs::path();
}

}  // namespace

struct Recorder::Impl {
  Impl(const fs::path& path, const ScanHeader& scan, std::function<void(std::uint64_t)> hear)
      : journal(path), file(path, O_WRONLY | O_CREAT | O_EXCL), synced(std::move(hear)) {
    file.lock();
    File(path.parent_path(), O_RDONLY | O_DIRECTORY).sync();  // the name too
    wire::Outgoing out;
    wire::put_header(out, header_to_xml(scan));
    file.write(std::move(out));
    syncing = std::thread([this] { sync_often(); });
  }

  void sync_often();
  void stop() {
    {
      const std::lock_guard lock(mutex);
      stopped = true;
    }
    wake.notify_one();
    if (syncing.joinable()) syncing.join();
  }

  fs::path journal, archive;
  File file;
  std::function<void(std::uint64_t)> synced;
  std::atomic<std::uint64_t> written{0};
  std::mutex mutex;
  std::condition_variable wake;
  bool stopped = false;
  bool finished = false;
  std::string error;  // of a sync: final
  std::thread syncing;
};

void Recorder::Impl::sync_often() {
  std::uint64_t safe = 0;
  for (bool last = false; !last;) {
    {
      std::unique_lock lock(mutex);
      wake.wait_for(lock, kSyncInterval, [this] { return stopped; });
      last = stopped;
    }
    const std::uint64_t count = written;
    if (count == safe) continue;
    try {
      file.sync();
    } catch (const ArchiveError& failure) {
      const std::lock_guard lock(mutex);
      error = failure.what();
      return;
    }
    synced(safe = count);
  }
}

Recorder::Recorder(const fs::path& folder, const std::string& name, const ScanHeader& scan,
                   std::function<void(std::uint64_t)> synced)
    : impl_(std::make_unique<Impl>(folder / ("." + name + kJournal), scan, std::move(synced))) {
  impl_->archive = folder / (name + ".h5");
}

Recorder::~Recorder() {
  impl_->stop();
  if (impl_->finished) return;
  try {
    archive_journal(impl_->journal);
  } catch (const std::exception&) {
    // the journal stays, for recover_recordings()
  }
}

void Recorder::write(const Message<float>& view) {
  {
    const std::lock_guard lock(impl_->mutex);
    if (!impl_->error.empty()) throw ArchiveError(impl_->error);
  }
  wire::Outgoing out;
  if (const auto* counts = std::get_if<Sent<Counts<float>>>(&view)) wire::put_view(out, *counts);
  else wire::put_view(out, std::get<Sent<PathLengths<float>>>(view));
  impl_->file.write(std::move(out));
  ++impl_->written;
}

void Recorder::finish() {
  impl_->stop();
  if (!impl_->error.empty()) throw ArchiveError(impl_->error);
  archive_journal(impl_->journal);
  impl_->finished = true;
}

const fs::path& Recorder::file() const { return impl_->archive; }

std::vector<fs::path> recover_recordings(const fs::path& folder, const std::function<void(const std::string&)>& log) {
  std::vector<fs::path> journals, archives;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == kJournal && entry.path().filename().string().front() == '.') journals.push_back(entry.path());
  std::ranges::sort(journals);
  for (const auto& journal : journals) try {
      if (!File(journal, O_RDONLY).lock()) continue;  // of a session that still runs
      const fs::path archive = archive_journal(journal);
      if (archive.empty()) continue;
      log("recovered " + archive.string());
      archives.push_back(archive);
    } catch (const std::exception& error) {
      log("a recording cannot be recovered and is kept: " + std::string(error.what()));
    }
  return archives;
}

}  // namespace counterflow
