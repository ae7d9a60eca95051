// The files of the page, which the build puts into the library.
#pragma once
#include <string_view>

namespace counterflow {

struct PageFile {
  std::string_view name, content;
  const char* type;  // MIME
};

// Null where there is no file of the name.
const PageFile* page_file(std::string_view name);

}  // namespace counterflow
