// counterflow evaluate: images against what the simulator put into the scan, their resolution and their noise.
#include <ostream>
#include <sstream>

#include "core/archive/archive.h"
#include "core/error.h"
#include "pipelines/counterflow/quality.h"
#include "pipelines/counterflow/statistics.h"
#include "pipelines/counterflow/text_file.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {
namespace {

std::optional<Circle> circle(const std::optional<std::array<double, 3>>& place, double radius_factor) {
  if (!place) return std::nullopt;
  return Circle{(*place)[0], (*place)[1], radius_factor * (*place)[2]};
}

void evaluate_truth(const EvaluateOptions& options, const CommonOptions& common, const std::vector<ImageSeries>& images,
                    const Truth& truth, std::ostream& out) {
  const std::vector<Evaluation> evaluations = evaluate_images(images, truth);
  print_table(evaluations, out);
  if (!options.table) return;
  std::ostringstream csv;
  print_csv(evaluations, csv);
  write_text(*options.table, csv.str());
  if (!common.quiet) out << "table: " << options.table->string() << "\n\n";
}

}  // namespace

void evaluate(const EvaluateOptions& options, const CommonOptions& common, std::ostream& out) {
  const QualityPlaces places{circle(options.wire, 0.5), circle(options.edge, 1), circle(options.uniform, 1)};
  const std::optional<Truth> truth = ArchiveReader(options.scan, common.data).truth();
  if (!truth && !places.any())
    throw DataError(
        options.scan.string() +
        ": the scan says nothing of what the images should show; only simulated scans and phantoms with "
        "/dataset/truth_regions can be compared with it (resolution and noise can be measured at --wire, --edge, --uniform)");
  const std::vector<ImageSeries> images = read_images(options.images);
  if (truth) evaluate_truth(options, common, images, *truth, out);
  const std::vector<Quality> quality = measure_quality(images, truth ? truth->regions : std::vector<Region>(), places);
  print_quality(quality, out);
  if (!options.plots) return;
  const auto files = write_quality(quality, *options.plots);
  if (!common.quiet) out << "\nplots: " << files.size() << " files in " << options.plots->string() << "\n";
}

}  // namespace counterflow
