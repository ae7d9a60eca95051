// Shifts of thresholds that were learned, against those that the simulator has put into the scan.
#pragma once
#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "core/archive/learned_parameters.h"
#include "core/array.h"

namespace counterflow {

// What the simulator has moved [keV]: [first or last object view, threshold, module].
Array<double, 3> read_injected_shifts(const std::filesystem::path& scan);

// The shifts of BinDrift's blocks, summed, at the same times and places. Throws DataError where there are none, or of another
// detector.
Array<double, 3> summed_shifts(const LearnedParameters& learned, const Array<double, 3>& injected);

// `learned` with what was injected in the place of what was learned: modules as at the first view, the rest in common. Throws
// DataError where blocks cannot hold it.
LearnedParameters with_injected(const LearnedParameters& learned, const Array<double, 3>& injected);

// Combinations of parameters, as --observability writes them.
struct SeenModes {
  std::vector<std::string> parameters;         // names, in the order of directions
  std::vector<double> sd;                      // predicted, of each mode
  std::vector<std::vector<double>> direction;  // of each mode; of length 1 in keV
};
// Throws DataError for another table.
SeenModes read_modes(const std::filesystem::path& csv);

// Tables of errors, by threshold and as one; and along modes, those with a predicted sd below 0.1 and the others. Throws
// DataError where the modes are of other parameters.
void print_shift_errors(const Array<double, 3>& learned, const Array<double, 3>& injected, std::ostream& out);
void print_mode_errors(const SeenModes& modes, const LearnedParameters& learned, const LearnedParameters& injected,
                       std::ostream& out);
// threshold, module, view (first or last), learned, injected.
std::string shift_csv(const Array<double, 3>& learned, const Array<double, 3>& injected);

}  // namespace counterflow
