// What `counterflow import` is told of plain arrays: the XML of docs/import.md.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/message/scan_header.h"
#include "core/xml/document.h"

namespace counterflow {

// How indices of the arrays are to be read.
struct ArrayLayout {
  std::vector<std::string> axes;  // of "view", "row", "column", "bin", slowest first; empty = by the number of dimensions
  double scale = 1;               // values are multiplied by it
  bool flip_columns = false;      // columns count the other way round
};

// The spectrum of one bin, to be made from a model of tube and detector.
struct BinSpectrum {
  double voltage = 0;    // [kV]
  std::string filters;   // beyond the tube's own
  std::string inherent;  // the tube's own filters instead of the 4.5 mm Al of the model; "" = those
  std::string detector;  // "integrating CsI 0.6" or "counting CdTe 1.6": material, mm, and g/cm^3 where it is not known
  std::string where;     // "file:line"
};

struct ImportSettings {
  ScanHeader header;  // but for what the arrays say: columns, rows, views, bins
  ArrayLayout layout;
  std::vector<BinSpectrum> bins;  // empty = the header has the spectra, or nobody needs them
  bool clockwise = false;
  double voxel = 0;   // [mm]; 0 = the field of view over nx
  std::string where;  // of the geometry
};

ImportSettings read_import_settings(const std::filesystem::path& file);

// Completes the header with the sizes of the arrays [bin][view,row,column]; throws ConfigError where the XML said otherwise.
struct ArraySizes {
  std::size_t bins = 0, views = 0, rows = 0, columns = 0;
};
ScanHeader complete_header(const ImportSettings& settings, const ArraySizes& sizes);

}  // namespace counterflow
