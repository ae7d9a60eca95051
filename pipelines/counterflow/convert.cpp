// counterflow convert IN.h5 -o OUT.h5 [--compact | --plain]
#include "core/archive/convert.h"

#include <iostream>

#include "pipelines/counterflow/progress.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {

void convert(const ConvertOptions& options, const CommonOptions& common, std::ostream& out) {
  const ArchiveForm from = archive_form(options.input);
  const ArchiveForm form = options.compact                ? ArchiveForm::compact
                           : options.plain                ? ArchiveForm::plain
                           : from == ArchiveForm::compact ? ArchiveForm::plain
                                                          : ArchiveForm::compact;
  const auto size_before = std::filesystem::file_size(options.input);
  std::unique_ptr<Progress> progress;
  convert_archive(options.input, options.output, form, [&](std::size_t done, std::size_t all) {
    if (!progress) progress = std::make_unique<Progress>(std::cerr, "views", all, common.quiet);
    progress->at(done);
  });
  if (progress) progress->finish();
  if (common.quiet) return;
  const auto megabytes = [](std::uintmax_t bytes) { return std::to_string((bytes + 500000) / 1000000) + " MB"; };
  out << options.output.string() << ": " << (form == ArchiveForm::compact ? "compact, " : "plain, ")
      << megabytes(std::filesystem::file_size(options.output)) << " instead of " << megabytes(size_before) << "\n";
}

}  // namespace counterflow
