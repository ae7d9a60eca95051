// counterflow evaluate: images against what the simulator put into the scan.
#include <fstream>
#include <ostream>
#include <system_error>

#include "core/error.h"
#include "pipelines/counterflow/statistics.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {
namespace {

// Under a temporary name first, so that a table that is there is whole.
void write_csv(const std::filesystem::path& file, const std::vector<Evaluation>& evaluations) {
  const std::filesystem::path temporary = file.string() + ".part";
  {
    std::ofstream csv(temporary, std::ios::binary);
    print_csv(evaluations, csv);
    csv.flush();
    if (!csv)
      throw ArchiveError("cannot write the table " + file.string() + "; choose a folder that exists and can be written to");
  }
  std::error_code error;
  std::filesystem::rename(temporary, file, error);
  if (error) throw ArchiveError("cannot write the table " + file.string() + ": " + error.message());
}

}  // namespace

void evaluate(const EvaluateOptions& options, const CommonOptions& common, std::ostream& out) {
  const std::optional<Truth> truth = ArchiveReader(options.scan, common.data).truth();
  if (!truth)
    throw DataError(options.scan.string() +
                    ": the scan says nothing of what the images should show; only simulated scans and "
                    "phantoms with /dataset/truth_regions can be evaluated");
  const std::vector<Evaluation> evaluations = evaluate_images(read_images(options.images), *truth);
  print_table(evaluations, out);
  if (!options.table) return;
  write_csv(*options.table, evaluations);
  if (!common.quiet) out << "table: " << options.table->string() << "\n";
}

}  // namespace counterflow
