#include "pipelines/counterflow/text_file.h"

#include <fstream>
#include <iterator>

#include "core/archive/pending_file.h"
#include "core/error.h"

namespace counterflow {

std::string read_text(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in.is_open() || in.bad()) throw ArchiveError(file.string() + ": cannot be read");
  return text;
}

void write_text(const std::filesystem::path& file, const std::string& text) {
  PendingFile pending(file);
  std::ofstream out(pending.temporary(), std::ios::binary);
  out << text;
  out.close();
  if (!out) throw ArchiveError(file.string() + ": cannot be written; is the disk full?");
  pending.finish();
}

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"") == std::string::npos) return text;
  std::string out = "\"";
  for (char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

}  // namespace counterflow
