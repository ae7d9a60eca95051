// A view of counts for tests of decompositions: real spectra and attenuation, a detector with Gaussian energy resolution.
#pragma once
#include <cmath>
#include <memory>
#include <numbers>
#include <random>
#include <string>
#include <vector>

#include "core/message/bowtie_rays.h"
#include "core/message/message.h"
#include "core/message/scan_header.h"
#include "core/physics/counts_model.h"
#include "core/physics/detector_response.h"

namespace counterflow::testing {

inline std::shared_ptr<const DetectorResponse> gaussian_response(double sigma) {
  std::vector<double> incident, recorded;
  for (double e = 1; e <= 121; e += 1) incident.push_back(e);
  for (double u = 0.25; u <= 140; u += 0.5) recorded.push_back(u);
  Array<double, 2> density({incident.size(), recorded.size()});
  for (std::size_t i = 0; i < incident.size(); ++i)
    for (std::size_t k = 0; k < recorded.size(); ++k) {
      const double z = (recorded[k] - incident[i]) / sigma;
      density(i, k) = 0.9 * std::exp(-z * z / 2) / (sigma * std::sqrt(2 * std::numbers::pi));
    }
  return std::make_shared<const DetectorResponse>(incident, recorded, density);
}

inline ScanHeader small_header(std::size_t bins) {
  ScanHeader h;
  h.system.bins = bins;
  for (std::size_t b = 0; b < bins; ++b)
    h.system.thresholds.push_back(25 + 65 * static_cast<double>(b) / static_cast<double>(bins));
  h.system.tube_voltage = 120;
  h.system.filters = "Al 3.0";
  static const auto response = gaussian_response(3);
  h.system.response = response;
  h.geometry.columns = 12;
  h.geometry.rows = 2;
  h.geometry.views = h.geometry.views_per_rotation = 1;
  h.geometry.source_to_isocenter = 570;
  h.geometry.source_to_detector = 1040;
  h.geometry.column_pitch = h.geometry.row_pitch = 0.5;
  h.grid.nx = h.grid.ny = 16;
  h.grid.nz = 2;
  h.modules = 3;
  return h;
}

// What a view of counts is made of.
struct Scenario {
  std::vector<std::string> materials = {"water", "iodine"};
  std::vector<double> low = {2, 0.01}, high = {15, 0.08};
  std::size_t bins = 5;
  double total = 3e5;  // open-beam counts of a pixel
  bool noisy = true;
  double scatter = 0;          // background / primary
  std::size_t shift_rows = 0;  // rows of threshold shifts; 0 = none
  bool own_shifts = false;     // of each pixel
  bool air_moves = false;
  bool same_ray = false;    // all pixels behind the same object
  std::string bowtie = {};  // text of a bowtie file; "" = none
  bool cone = false;
};

// Fan angles of small_header() reach 0.0027 rad.
inline const std::string kBowtie = "aluminium teflon\n-0.004 25 12\n-0.001 2 0\n0.0015 1 0\n0.004 20 15\n";

struct SmallScan {
  ScanHeader header;
  Counts<double> x;
  Array<double, 3> truth;  // [material,row,column]
};

inline SmallScan small_scan(const Scenario& s, unsigned seed, std::size_t rows = 2, std::size_t columns = 12,
                            std::size_t modules = 3) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> u;
  SmallScan scan{small_header(s.bins), {}, {}};
  ScanHeader& h = scan.header;
  h.geometry.rows = rows;
  h.geometry.columns = columns;
  h.modules = modules;
  if (s.cone) {
    h.geometry.beam = Beam::cone_flat;
    h.geometry.row_pitch = 400;  // far out, so that rows differ
  }
  if (!s.bowtie.empty()) {
    h.system.bowtie = "bowtie.txt";
    h.system.files["bowtie.txt"] = s.bowtie;
  }
  const CountsModel model(h.system, s.materials, 1.0, BowtieUse::applied);
  const Array<double, 3>::Shape shape = {s.bins, h.geometry.rows, h.geometry.columns};
  Counts<double>& x = scan.x;
  x.view.index = 3;
  x.view.exposure = 1.25;
  x.counts = Array<double, 3>(shape);
  if (s.scatter > 0) x.background = Array<double, 3>(shape);
  if (s.shift_rows > 0) x.threshold_shift = Array<double, 3>({s.bins, s.shift_rows, h.modules});
  if (s.own_shifts) x.threshold_shift = Array<double, 3>(shape);
  for (double& v : x.threshold_shift) v = std::floor(4 * u(random)) * 0.5 - 1 + 0.15 + 0.2 * u(random);  // off the tables' nodes
  auto open = std::make_shared<Array<double, 3>>(shape);
  scan.truth = Array<double, 3>({s.materials.size(), h.geometry.rows, h.geometry.columns});
  std::vector<double> a(s.materials.size());
  for (std::size_t r = 0; r < h.geometry.rows; ++r)
    for (std::size_t c = 0; c < h.geometry.columns; ++c) {
      BinWeights w = model.nominal();
      if (!x.threshold_shift.empty()) {
        std::vector<double> shift;
        for (std::size_t k = 0; k < s.bins; ++k)
          shift.push_back(x.threshold_shift(k, s.own_shifts || s.shift_rows > 1 ? r : 0, s.own_shifts ? c : h.module_of(c)));
        w = model.shifted(shift);
      }
      BinWeights air = s.air_moves ? w : model.nominal();
      if (model.bowtie()) {
        const auto known = bowtie_density(*model.bowtie(), h.geometry, static_cast<double>(c), static_cast<double>(r));
        w = model.behind_bowtie(w, known);
        air = model.behind_bowtie(air, known);
      }
      std::vector<double> scale;
      for (std::size_t b = 0; b < s.bins; ++b) {
        (*open)(b, r, c) = s.total / static_cast<double>(s.bins) * (0.8 + 0.4 * u(random));
        scale.push_back(x.view.exposure * (*open)(b, r, c) / air.total[b]);
      }
      for (std::size_t m = 0; m < a.size(); ++m) {
        if (!s.same_ray || (r == 0 && c == 0)) a[m] = s.low[m] + (s.high[m] - s.low[m]) * u(random);
        scan.truth(m, r, c) = a[m];
      }
      const auto primary = model.ray(w, scale, {}, a).lambda;
      for (std::size_t b = 0; b < s.bins; ++b) {
        const double lambda = primary[b] * (1 + s.scatter);
        if (s.scatter > 0) x.background(b, r, c) = s.scatter * primary[b];
        x.counts(b, r, c) = s.noisy ? static_cast<double>(std::poisson_distribution<long>(lambda)(random)) : lambda;
      }
    }
  x.open_beam = open;
  return scan;
}

template <class Real>
Counts<Real> converted(const Counts<double>& x) {
  const auto convert = [](const Array<double, 3>& from) {
    Array<Real, 3> to(from.shape());
    for (std::size_t i = 0; i < from.size(); ++i) to[i] = static_cast<Real>(from[i]);
    return to;
  };
  Counts<Real> y{x.view, convert(x.counts), {}, {}, std::make_shared<const Array<Real, 3>>(convert(*x.open_beam))};
  if (!x.background.empty()) y.background = convert(x.background);
  if (!x.threshold_shift.empty()) y.threshold_shift = convert(x.threshold_shift);
  return y;
}

}  // namespace counterflow::testing
