#include "pipelines/counterflow/input.h"

#include <iostream>
#include <memory>

#include "core/archive/archive.h"
#include "core/server/pipe.h"

namespace counterflow {

Input open_input(const std::string& name, const CommonOptions& common, bool check) {
  if (name == "-") {
    auto pipe = std::make_shared<PipeReader>(std::cin, common.data);
    return {pipe->header(), [pipe] { return pipe->next<float>(); }};
  }
  auto archive = std::make_shared<ArchiveReader>(name, common.data);
  if (check) archive->check_all();
  return {archive->header(), [archive] { return archive->next<float>(); }};
}

}  // namespace counterflow
