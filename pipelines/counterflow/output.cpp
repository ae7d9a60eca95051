#include "pipelines/counterflow/output.h"

#include <algorithm>
#include <iostream>
#include <span>

#include "core/archive/archive.h"
#include "core/archive/scan_header_xml.h"
#include "core/server/pipe.h"
#include "pipelines/counterflow/dicom/uid.h"

namespace counterflow {
namespace {

class ImageOutput final : public Output {
 public:
  ImageOutput(const std::string& file, const ImageOrigin& origin) : writer_(file, origin) {}
  void write(const Message<float>& message) override { writer_.write(*std::get<Sent<Image<float>>>(message)); }
  void finish() override { writer_.finish(); }

 private:
  ImageFileWriter writer_;
};

class PipeOutput final : public Output {
 public:
  PipeOutput(const ScanHeader& header, const ImageOrigin& origin) : writer_(std::cout, header, origin) {}
  void write(const Message<float>& message) override { writer_.write(*std::get<Sent<Image<float>>>(message)); }
  void finish() override { writer_.finish(); }

 private:
  PipeWriter writer_;
};

// The study is named by a digest of the scan: its header and all views.
class DicomOutput final : public Output {
 public:
  DicomOutput(const std::string& folder, const ScanHeader& header, const ImageOrigin& origin, const DicomOptions& options)
      : writer_(folder, header, origin, options) {
    scan_.add(header_to_xml(header));
  }
  void observe(const Message<float>& message) override {
    std::visit(
        [&]<class Sent>(const Sent& sent) {
          if constexpr (requires { sent->view; }) add(*sent);
        },
        message);
  }
  void write(const Message<float>& message) override { writer_.write(*std::get<Sent<Image<float>>>(message)); }
  void finish() override { writer_.finish(scan_.hex()); }

 private:
  template <class T>
  void add(const T& view) {
    const double place[] = {view.view.angle, view.view.exposure, view.view.table_position, view.view.air ? 1.0 : 0.0};
    scan_.add(std::as_bytes(std::span(place)));
    T::each(view, [&](auto, const auto& block) { scan_.add(std::as_bytes(std::span(block.values()))); });
  }

  DicomWriter writer_;
  Digest scan_;
};

// The channels of the first view become the bins of the archive.
class PathLengthOutput final : public Output {
 public:
  PathLengthOutput(std::string file, ScanHeader header) : file_(std::move(file)), header_(std::move(header)) {}
  void write(const Message<float>& message) override {
    const auto& view = *std::get<Sent<PathLengths<float>>>(message);
    if (!writer_) writer_ = std::make_unique<ArchiveWriter>(file_, header_of_paths(header_, view.areal_density.extent(0)));
    writer_->write(view);
  }
  void finish() override {
    if (!writer_) throw ArchiveError(file_ + ": the scan had no views, so nothing was written");
    writer_->finish();
  }

 private:
  std::string file_;
  ScanHeader header_;
  std::unique_ptr<ArchiveWriter> writer_;
};

}  // namespace

std::unique_ptr<Output> open_output(const std::string& target, const Chain<float>& chain, const ScanHeader& header,
                                    const ImageOrigin& origin, const std::optional<DicomOptions>& dicom) {
  std::vector<std::size_t> leaves;
  for (std::size_t k = 0; k < chain.stages.size(); ++k)
    if (chain.leaves(k)) leaves.push_back(k);
  const auto gives = [&](std::size_t k, std::size_t type) { return chain.stages[k]->out() == type; };
  const std::size_t image = message_index<float, Image<float>>(), paths = message_index<float, PathLengths<float>>();
  const bool images = !leaves.empty() && std::all_of(leaves.begin(), leaves.end(), [&](auto k) { return gives(k, image); });
  if (dicom && target == "-") throw ConfigError("--dicom writes a folder, not standard output: give one by -o");
  if (images && dicom) return std::make_unique<DicomOutput>(target, header, origin, *dicom);
  if (images && target == "-") return std::make_unique<PipeOutput>(header, origin);
  if (images) return std::make_unique<ImageOutput>(target, origin);
  if (leaves.size() == 1 && gives(leaves[0], paths) && target != "-" && !dicom)
    return std::make_unique<PathLengthOutput>(target, chain.stages[leaves[0]]->output_header(chain.headers(header)[leaves[0]]));
  std::string types;
  for (std::size_t k : leaves)
    types += (types.empty() ? "" : ", ") + chain.stages[k]->name + " gives " + message_name(chain.stages[k]->out());
  throw ConfigError(chain.file +
                    ": expected a chain whose results are all images, or one stream of path lengths into an archive; got " +
                    (types.empty() ? "a chain without results" : types) + ": end it with a reconstruction");
}

}  // namespace counterflow
