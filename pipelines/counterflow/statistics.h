// Images against the truth, region by region (docs/evaluation.md).
#pragma once
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/archive/image_file.h"
#include "core/message/region_pixels.h"
#include "core/message/truth.h"

namespace counterflow {

struct Statistics {
  double mean = 0;
  double deviation = 0;  // standard deviation, n - 1
  double root_mean_square = 0;
  std::size_t count = 0;
};
// Of one channel over these pixels of all slices.
Statistics statistics(const Array<float, 4>& value, std::size_t channel, std::span<const std::size_t> pixels);

// What a person reads: densities of elements (iodine, calcium) in mg/mL, all else in the file's unit.
struct DisplayUnit {
  std::string name;
  double scale = 1;  // of the file's values
};
DisplayUnit display_unit(const Channels& channels, const std::string& channel);

// 70 keV in HU, made of material images.
ImageSeries made_monoenergetic(const ImageSeries& materials);

// One region of one quantity, in its display unit.
struct Measurement {
  Region region;
  std::size_t values = 0;              // pixels times slices; 0 = outside the images
  double mean = 0, noise = 0;          // noise: standard deviation over pixels and slices
  std::optional<double> truth, bound;  // bound: root mean square of the noise by the Cramer-Rao bound
};

struct Evaluation {
  std::string quantity, unit;  // "iodine", "mg/mL"; "70 keV", "HU"
  std::vector<Measurement> regions;
  std::string remark;                           // why there is no truth; else empty
  std::vector<std::size_t> inserts;             // regions that the summary is about
  double bias = 0, root_mean_square_error = 0;  // over the inserts
};

// All materials and monoenergetic images of a file; where there are material images only, also 70 keV made of them. Throws
// DataError where nothing can be compared.
std::vector<Evaluation> evaluate_images(const std::vector<ImageSeries>& series, const Truth& truth);

void print_table(const std::vector<Evaluation>& evaluations, std::ostream& out);
void print_csv(const std::vector<Evaluation>& evaluations, std::ostream& out);

}  // namespace counterflow
