// The spectral side of a scanner as plain data: what an archive's header says of tube, filters and detector.
#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace counterflow {

class DetectorResponse;

struct SpectralSystem {
  std::size_t bins = 0;
  std::vector<double> thresholds;          // lower edge of each bin [keV]; one more = upper end of the last, else it is open
  double tube_voltage = 0;                 // [kV]
  std::string filters;                     // "Al 3.0; Ti 0.9": element or compound, thickness [mm]
  std::string spectrum;                    // name of a two-column text file (keV, photons) instead of the tube model; "" = model
  std::string detector;                    // "CdTe 1.6" (material, thickness [mm]) or the name of a response file
  std::string bowtie;                      // name of a bowtie file; "" = none
  std::string bin_spectra;                 // name of a file of effective spectra, one column a bin, instead of all the above
  std::string bad_pixels;                  // name of a text file of the detector's bad pixels, "row column" a line; "" = none
  double pixel_columns = 0;                // pixel size for charge sharing: along the columns [mm]; 0 = the column pitch
  double pixel_rows = 0;                   // along the rows [mm]; 0 = the row pitch
  std::optional<double> open_beam_counts;  // counts of a pixel without object, summed over bins, when no air views came
  std::map<std::string, std::string> files;          // contents of the files named above, by name, read by who opened the scan
  std::shared_ptr<const DetectorResponse> response;  // of `detector`, from prepare_response(); none with bin_spectra
  bool operator==(const SpectralSystem&) const = default;
};

}  // namespace counterflow
