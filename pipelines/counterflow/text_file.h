// Tables as files.
#pragma once
#include <filesystem>
#include <string>

namespace counterflow {

// Throws ArchiveError where it cannot be read.
std::string read_text(const std::filesystem::path& file);

// The file appears whole or not at all. Throws ArchiveError where it cannot be written.
void write_text(const std::filesystem::path& file, const std::string& text);

// In quotes where it holds a comma or a quote.
std::string csv_cell(const std::string& text);

}  // namespace counterflow
