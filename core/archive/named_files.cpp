#include "core/archive/named_files.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "core/error.h"
#include "core/text.h"

namespace counterflow {
namespace {

constexpr std::uintmax_t kLargestFile = std::uintmax_t{1} << 28;  // [byte]

bool is_plain_name(const std::string& name) {
  return name != "." && name != ".." && name.find_first_of(std::string("/\\\0", 3)) == std::string::npos;
}

std::string read_file(const std::filesystem::path& file) {
  if (std::filesystem::file_size(file) > kLargestFile) throw ArchiveError(file.string() + ": is larger than any table can be");
  std::ifstream in(file, std::ios::binary);
  std::ostringstream content;
  content << in.rdbuf();
  if (!in) throw ArchiveError(file.string() + ": cannot be read");
  return content.str();
}

}  // namespace

bool is_sensor(const std::string& detector) {
  if (detector == "ideal") return true;
  const auto parts = words(detector);
  if (parts.size() != 2) return false;
  double thickness = 0;
  const auto [end, error] = std::from_chars(parts[1].data(), parts[1].data() + parts[1].size(), thickness);
  return error == std::errc() && end == parts[1].data() + parts[1].size() && thickness > 0;
}

std::vector<std::string> named_files(const SpectralSystem& system, const std::string& where) {
  std::vector<std::string> names;
  const auto add = [&](const char* parameter, const std::string& name) {
    if (name.empty()) return;
    if (!is_plain_name(name))
      throw ArchiveError(where + ": parameter '" + parameter + "': '" + name +
                         "' holds a path; expected the plain name of a file beside the scan or in a data folder");
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  };
  add("spectrum", system.spectrum);
  if (!is_sensor(system.detector)) add("detector", system.detector);
  add("bowtie", system.bowtie);
  add("bin_spectra", system.bin_spectra);
  add("bad_pixels", system.bad_pixels);
  return names;
}

void read_named_files(SpectralSystem& system, const std::vector<std::filesystem::path>& folders, const std::string& where) {
  for (const std::string& name : named_files(system, where)) {
    const auto folder = std::find_if(folders.begin(), folders.end(), [&](const auto& f) {
      std::error_code none;
      return std::filesystem::is_regular_file(f / name, none);
    });
    if (folder == folders.end()) {
      std::vector<std::string> looked;
      for (const auto& f : folders) looked.push_back(f.empty() ? "." : f.string());
      throw ArchiveError(where + ": the header names the file '" + name + "', which is in none of: " + joined(looked, ", ") +
                         "; put it beside the scan or give its folder with --data");
    }
    system.files[name] = read_file(*folder / name);
  }
}

}  // namespace counterflow
