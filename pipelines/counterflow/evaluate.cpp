// counterflow evaluate: images against what the simulator put into the scan, their resolution and their noise.
#include <ostream>
#include <sstream>

#include "core/archive/archive.h"
#include "core/archive/learned_parameters.h"
#include "core/error.h"
#include "pipelines/counterflow/image_comparison.h"
#include "pipelines/counterflow/quality.h"
#include "pipelines/counterflow/shift_errors.h"
#include "pipelines/counterflow/statistics.h"
#include "pipelines/counterflow/text_file.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {
namespace {

std::optional<Circle> circle(const std::optional<std::array<double, 3>>& place, double radius_factor) {
  if (!place) return std::nullopt;
  return Circle{(*place)[0], (*place)[1], radius_factor * (*place)[2]};
}

void write_table(const std::string& text, const EvaluateOptions& options, const CommonOptions& common, std::ostream& out) {
  write_text(*options.table, text);
  if (!common.quiet) out << "table: " << options.table->string() << "\n\n";
}

void evaluate_truth(const EvaluateOptions& options, const CommonOptions& common, const std::vector<ImageSeries>& images,
                    const Truth& truth, std::ostream& out) {
  const std::vector<Evaluation> evaluations = evaluate_images(images, truth);
  print_table(evaluations, out);
  if (!options.table) return;
  std::ostringstream csv;
  print_csv(evaluations, csv);
  write_table(csv.str(), options, common, out);
}

void refuse_for_parameters(const EvaluateOptions& o) {
  if (o.against || o.plots || o.wire || o.edge || o.uniform)
    throw ConfigError(o.images.string() +
                      ": learned parameters are compared with a scan alone; --against, --plots, --wire, --edge and --uniform are "
                      "for images");
}

void evaluate_parameters(const EvaluateOptions& options, const CommonOptions& common, std::ostream& out) {
  refuse_for_parameters(options);
  const LearnedParameters learned = read_parameters(options.images);
  const Array<double, 3> injected = read_injected_shifts(options.scan);
  const Array<double, 3> shifts = summed_shifts(learned, injected);
  print_shift_errors(shifts, injected, out);
  if (options.modes) print_mode_errors(read_modes(*options.modes), learned, with_injected(learned, injected), out);
  if (options.table) write_table(shift_csv(shifts, injected), options, common, out);
  if (!options.write_injected) return;
  write_parameters(*options.write_injected, with_injected(learned, injected));
  if (!common.quiet) out << options.write_injected->string() << "\n";
}

}  // namespace

void evaluate(const EvaluateOptions& options, const CommonOptions& common, std::ostream& out) {
  if (holds_parameters(options.images)) return evaluate_parameters(options, common, out);
  if (options.modes || options.write_injected)
    throw ConfigError(options.images.string() + ": --modes and --write-injected are for learned parameters, and these are none");
  const QualityPlaces places{circle(options.wire, 0.5), circle(options.edge, 1), circle(options.uniform, 1)};
  const std::optional<Truth> truth = ArchiveReader(options.scan, common.data).truth();
  if (!truth && !places.any() && !options.against)
    throw DataError(
        options.scan.string() +
        ": the scan says nothing of what the images should show; only simulated scans and phantoms with "
        "/dataset/truth_regions can be compared with it (resolution and noise can be measured at --wire, --edge, --uniform)");
  const std::vector<ImageSeries> images = read_images(options.images);
  if (truth) evaluate_truth(options, common, images, *truth, out);
  if (options.against) print_differences(compare_images(images, read_images(*options.against), truth), out);
  if (!truth && !places.any()) return;
  const std::vector<Quality> quality = measure_quality(images, truth ? truth->regions : std::vector<Region>(), places);
  print_quality(quality, out);
  if (!options.plots) return;
  const auto files = write_quality(quality, *options.plots);
  if (!common.quiet) out << "\nplots: " << files.size() << " files in " << options.plots->string() << "\n";
}

}  // namespace counterflow
