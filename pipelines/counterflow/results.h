// What a server gives back, into a file: images as they come, bit for bit, or the views that a chain ends in; and how long each
// was on its way.
#pragma once
#include <filesystem>
#include <iosfwd>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/archive/archive.h"
#include "core/archive/image_file.h"
#include "core/server/client.h"
#include "core/server/view_codec.h"
#include "pipelines/counterflow/latencies.h"

namespace counterflow {

class Results {
 public:
  using Time = Client::Clock::time_point;
  // "" = nothing is kept, only timed. Throws ArchiveError where nothing can be written there.
  explicit Results(std::filesystem::path file);
  // A view goes out now.
  void sent(const View& view, Time when);
  // A message came. Throws ArchiveError for what cannot be written.
  void take(const wire::Frame& frame, Time when);
  // The file stands under its name. Throws ArchiveError where slices are missing, or nothing came.
  void finish();
  // Held while another thread reads HDF5, which is not made for two.
  std::unique_lock<std::mutex> files() const { return std::unique_lock(files_); }

  void tell(std::ostream& out) const;
  std::string what_is_safe() const;  // "; 12 views of it are recorded there", or nothing

 private:
  void take_image(const wire::Image& image, Time when);
  void time_preview(const wire::Image& image, Time when);
  void take_view(const wire::CompactView& view, Time when);
  void time_view(const View& view, Time when);

  std::filesystem::path file_;
  mutable std::mutex files_;
  std::unique_ptr<ImageFileWriter> images_;
  std::unique_ptr<wire::ViewDecoder> decoder_;
  std::unique_ptr<ArchiveWriter> views_;

  mutable std::mutex times_;
  std::map<std::pair<bool, std::uint64_t>, Time> under_way_;  // air, index
  Time last_sent_{}, last_image_{};
  Latencies round_trips_, previews_;
  std::uint64_t image_count_ = 0, view_count_ = 0, recorded_ = 0;
  std::vector<std::string> remarks_;  // texts of the server
};

}  // namespace counterflow
