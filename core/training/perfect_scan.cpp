#include "core/training/perfect_scan.h"

#include <algorithm>
#include <cmath>

#include "core/message/bowtie_rays.h"
#include "core/parallel.h"
#include "core/physics/counts_model.h"
#include "core/reconstruction/projector.h"

namespace counterflow {
namespace {

constexpr double kEnergyStep = 1;  // keV
constexpr std::size_t kRaysTogether = 256;
constexpr std::size_t kRaysPerPixel = 3;

}  // namespace

struct PerfectScan::Detector {
  Detector(const ScanHeader& h, std::shared_ptr<const Truth> of)
      : header(h),
        truth(std::move(of)),
        model(h.system, truth->materials, kEnergyStep, BowtieUse::applied),
        projector(h.geometry, truth->grid, {.columns = kRaysPerPixel}),
        volume(projector.volume(truth->density)) {
    if (model.bowtie()) bowtie = bowtie_densities<double>(*model.bowtie(), h.geometry);
  }
  ScanHeader header;
  std::shared_ptr<const Truth> truth;
  CountsModel model;
  Projector<float> projector;
  LineVolume<float> volume;
  Array<double, 3> bowtie;  // [material,row,column] g/cm^2

  // P_b of rays [begin,end), into p[bin,ray].
  void transmitted(const Array<float, 3>& a, std::size_t begin, std::size_t end, std::vector<double>& p) const;
};

void PerfectScan::Detector::transmitted(const Array<float, 3>& a, std::size_t begin, std::size_t end,
                                        std::vector<double>& p) const {
  const std::size_t bins = model.bins(), n = end - begin, rays = a.extent(1) * a.extent(2);
  const BinWeights& w = model.nominal();
  std::vector<double> t(n), air(bowtie.empty() ? 0 : n), total(bins * n);
  std::fill(p.begin(), p.end(), 0.0);
  for (std::size_t e = 0; e < model.energies().size(); ++e) {
    for (std::size_t i = 0; i < n; ++i) {
      double x = 0;
      for (std::size_t k = 0; k < bowtie.extent(0) && !bowtie.empty(); ++k)
        x += model.bowtie_attenuation()(k, e) * bowtie[k * rays + begin + i];
      const double behind = std::exp(-x);
      for (std::size_t m = 0; m < model.materials(); ++m)
        x += model.attenuation()(m, e) * static_cast<double>(a[m * rays + begin + i]);
      t[i] = std::exp(-x);
      for (std::size_t b = 0; b < bins; ++b) total[b * n + i] += w.weight(b, e) * behind;
    }
    for (std::size_t b = 0; b < bins; ++b)
      for (std::size_t i = 0; i < n; ++i) p[b * n + i] += w.weight(b, e) * t[i];
  }
  for (std::size_t k = 0; k < bins * n; ++k) p[k] /= total[k];
}

PerfectScan::PerfectScan(std::vector<ScanHeader> headers, std::shared_ptr<const Truth> truth) {
  if (!truth || truth->density.empty())
    throw ConfigError("training: the truth of this scan holds regions but no densities; give the loss a reference image");
  for (std::size_t k = 0; k < headers.size(); ++k) {
    const auto same = std::find_if(detectors_.begin(), detectors_.end(),
                                   [&](const auto& d) { return d->header.geometry == headers[k].geometry; });
    detectors_.push_back(same != detectors_.end() ? *same : std::make_shared<const Detector>(headers[k], truth));
  }
}
PerfectScan::~PerfectScan() = default;

template <class Real>
Sent<Counts<Real>> PerfectScan::counts(std::size_t stage, const Counts<Real>& x) const {
  const Detector& d = *detectors_[stage];
  if (!x.open_beam)
    throw DataError("training: view " + std::to_string(x.view.index) + " has no open beam; put AirCalibration before");
  const Array<float, 3> a = d.projector.project(d.volume, x.view);
  auto y = std::make_shared<Counts<Real>>(x);
  y->background = {};
  y->threshold_shift = {};
  const std::size_t rays = a.extent(1) * a.extent(2), bins = x.counts.extent(0);
  parallel_chunks(rays, kRaysTogether, [&](std::size_t begin, std::size_t end) {
    std::vector<double> p(bins * (end - begin));
    d.transmitted(a, begin, end, p);
    for (std::size_t b = 0; b < bins; ++b)
      for (std::size_t i = begin; i < end; ++i)
        y->counts[b * rays + i] = static_cast<Real>(x.view.exposure * static_cast<double>((*x.open_beam)[b * rays + i]) *
                                                    p[b * (end - begin) + i - begin]);
  });
  return y;
}
template Sent<Counts<float>> PerfectScan::counts(std::size_t, const Counts<float>&) const;
template Sent<Counts<double>> PerfectScan::counts(std::size_t, const Counts<double>&) const;

}  // namespace counterflow
