# Writes OUT, a source of page_file() (page.h) with the contents of FILES in FOLDER.
set(types_html "text/html; charset=utf-8")
set(types_css "text/css; charset=utf-8")
set(types_js "text/javascript; charset=utf-8")
set(arrays "")
set(entries "")
set(number 0)
foreach(name IN LISTS FILES)
  file(READ ${FOLDER}/${name} hex HEX)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${hex}")
  string(REGEX MATCH "[a-z]+$" ending ${name})
  string(APPEND arrays "constexpr char kFile${number}[] = {${bytes}};\n")
  string(APPEND entries "    {\"${name}\", {kFile${number}, sizeof kFile${number}}, \"${types_${ending}}\"},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUT} "// Made by embed.cmake.
#include \"core/server/watch/page.h\"

namespace counterflow {
namespace {

${arrays}
constexpr PageFile kFiles[] = {
${entries}};

}  // namespace

const PageFile* page_file(std::string_view name) {
  for (const PageFile& file : kFiles)
    if (file.name == name) return &file;
  return nullptr;
}

}  // namespace counterflow
")
