#include "pipelines/counterflow/output.h"

#include <algorithm>
#include <iostream>

#include "core/archive/archive.h"
#include "core/server/pipe.h"

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

// The channels of the first view become the bins of the archive.
class PathLengthOutput final : public Output {
 public:
  PathLengthOutput(std::string file, ScanHeader header) : file_(std::move(file)), header_(std::move(header)) {}
  void write(const Message<float>& message) override {
    const auto& view = *std::get<Sent<PathLengths<float>>>(message);
    if (!writer_) {
      header_.quantity = Quantity::line_integrals;
      header_.system = {};
      header_.system.bins = view.areal_density.extent(0);
      writer_ = std::make_unique<ArchiveWriter>(file_, header_);
    }
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
                                    const ImageOrigin& origin) {
  std::vector<std::size_t> leaves;
  for (std::size_t k = 0; k < chain.stages.size(); ++k)
    if (chain.leaves(k)) leaves.push_back(k);
  const auto gives = [&](std::size_t k, std::size_t type) { return chain.stages[k]->out() == type; };
  const std::size_t image = message_index<float, Image<float>>(), paths = message_index<float, PathLengths<float>>();
  const bool images = !leaves.empty() && std::all_of(leaves.begin(), leaves.end(), [&](auto k) { return gives(k, image); });
  if (images && target == "-") return std::make_unique<PipeOutput>(header, origin);
  if (images) return std::make_unique<ImageOutput>(target, origin);
  if (leaves.size() == 1 && gives(leaves[0], paths) && target != "-")
    return std::make_unique<PathLengthOutput>(target, chain.stages[leaves[0]]->output_header(chain.headers(header)[leaves[0]]));
  std::string types;
  for (std::size_t k : leaves)
    types += (types.empty() ? "" : ", ") + chain.stages[k]->name + " gives " + message_name(chain.stages[k]->out());
  throw ConfigError(chain.file +
                    ": expected a chain whose results are all images, or one stream of path lengths into a file; got " +
                    (types.empty() ? "a chain without results" : types) + ": end it with a reconstruction");
}

}  // namespace counterflow
