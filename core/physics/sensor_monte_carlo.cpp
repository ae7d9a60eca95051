// Photons in a sensor (docs/physics.md). Smooth in the incident energy with few photons, for three reasons: photon n has the same
// random numbers at every energy; the first interaction is not drawn but split into weighted branches; and what pixels collect is
// spread by its noise analytically.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <span>

#include "core/error.h"
#include "core/parallel.h"
#include "core/physics/detector_response.h"
#include "core/physics/sensor_model.h"
#include "core/random.h"
#include "core/text.h"

namespace counterflow {
namespace {

constexpr double kGrid = 0.5;      // [keV] incident and recorded
constexpr double kFine = 0.05;     // [keV] of the histogram of deposits
constexpr double kElectron = 511;  // [keV]

struct Photon {
  double x, y, z;     // [mm]; z from the entrance
  double ux, uy, uz;  // direction
  double energy;
};

struct PixelCharge {
  long column, row;
  double energy;
};

// Normal distribution function; 1e-9 and less is 0, which saves most calls.
double normal_below(double t) { return t < -6 ? 0 : 0.5 * std::erfc(-t * std::numbers::sqrt2 / 2); }

// Shares of a Gaussian cloud at `x` in the pixel before, at and after its own; `x` from the pixel's edge.
std::array<double, 3> shares(double x, double pitch, double sigma) {
  const double before = normal_below(-x / sigma), after = normal_below((x - pitch) / sigma);
  return {before, 1 - before - after, after};
}

// One photon's charges by pixel.
class Event {
 public:
  explicit Event(const SensorModel& model) : model_(model) {}

  void deposit(const Photon& at, double energy) {
    if (!(energy > 1e-3)) return;
    const double px = model_.sensor().pixel_columns, py = model_.sensor().pixel_rows;
    const long column = static_cast<long>(std::floor(at.x / px)), row = static_cast<long>(std::floor(at.y / py));
    const double x = at.x - px * static_cast<double>(column), y = at.y - py * static_cast<double>(row);
    const double drift = model_.edge_on() ? x : model_.sensor().thickness - at.z;
    const double sigma = model_.cloud(energy, drift);
    std::array<double, 3> along_x{0, 1, 0};
    if (!model_.edge_on()) along_x = shares(x, px, sigma);  // the wafers of an edge-on sensor share no charge
    const auto along_y = shares(y, py, sigma);
    for (long i = 0; i < 3; ++i)
      for (long j = 0; j < 3; ++j) {
        const double share = along_x[static_cast<std::size_t>(i)] * along_y[static_cast<std::size_t>(j)];
        if (share > 1e-7) add(column + i - 1, row + j - 1, share * energy);
      }
  }

  const std::vector<PixelCharge>& pixels() const { return pixels_; }
  void clear() { pixels_.clear(); }

 private:
  void add(long column, long row, double energy) {
    for (PixelCharge& p : pixels_)
      if (p.column == column && p.row == row) {
        p.energy += energy;
        return;
      }
    pixels_.push_back({column, row, energy});
  }

  const SensorModel& model_;
  std::vector<PixelCharge> pixels_;
};

// A direction at polar angle `cosine` to the old one, azimuth `phi`.
void turn(Photon& p, double cosine, double phi) {
  const double sine = std::sqrt(std::max(0.0, 1 - cosine * cosine)), a = sine * std::cos(phi), b = sine * std::sin(phi);
  const double t = std::sqrt(std::max(0.0, 1 - p.uz * p.uz));
  const Photon old = p;
  if (t < 1e-9) {
    p.ux = a, p.uy = b, p.uz = std::copysign(cosine, cosine * old.uz);
    return;
  }
  p.ux = cosine * old.ux + (a * old.ux * old.uz - b * old.uy) / t;
  p.uy = cosine * old.uy + (a * old.uy * old.uz + b * old.ux) / t;
  p.uz = cosine * old.uz - a * t;
}

// Klein and Nishina's distribution of the cosine over that of a uniform one, and the energy left to the photon.
double klein_nishina(double energy, double cosine, double& scattered) {
  const double a = energy / kElectron;
  const auto differential = [&](double c) {
    const double r = 1 / (1 + a * (1 - c));
    return r * r * (r + 1 / r - 1 + c * c);
  };
  constexpr double node[] = {0.1488743389816312, 0.4333953941292472, 0.6794095682990244, 0.8650633666889845, 0.9739065285171717};
  constexpr double weight[] = {0.2955242247147529, 0.2692667193099963, 0.2190863625159820, 0.1494513491505806,
                               0.0666713443086881};
  double mean = 0;
  for (int k = 0; k < 5; ++k) mean += weight[k] / 2 * (differential(node[k]) + differential(-node[k]));
  scattered = energy / (1 + a * (1 - cosine));
  return differential(cosine) / mean;
}

// Scatters the photon, deposits the recoil; returns the weight of the angle drawn.
double scatter(Photon& p, Philox& random, Event& event) {
  const double cosine = 2 * random.uniform() - 1, phi = 2 * std::numbers::pi * random.uniform();
  double left = 0;
  const double weight = klein_nishina(p.energy, cosine, left);
  event.deposit(p, p.energy - left);
  turn(p, cosine, phi);
  p.energy = left;
  return weight;
}

// Absorbs the photon at an element's K shell; the photon becomes the K photon.
void fluoresce(Photon& p, const Fluorescence& f, Philox& random, Event& event) {
  const double line = random.uniform() < f.alpha_share ? f.alpha : f.beta;
  event.deposit(p, p.energy - line);
  turn(p, 2 * random.uniform() - 1, 2 * std::numbers::pi * random.uniform());
  p.energy = line;
}

// Follows a photon that was scattered or emitted until it is absorbed or leaves; returns the weight of its angles.
double follow(const SensorModel& model, Photon p, Philox& random, Event& event) {
  double weight = 1;
  for (int step = 0; step < 20; ++step) {
    const double mu = model.total(p.energy), path = -std::log(random.uniform()) / mu;
    p.x += path * p.ux, p.y += path * p.uy, p.z += path * p.uz;
    if (!(p.z > 0 && p.z < model.sensor().thickness)) return weight;
    double choice = random.uniform() * mu;
    const std::size_t elements = model.elements();
    std::size_t element = 0;
    while (element < elements && choice >= model.photo(p.energy, element)) choice -= model.photo(p.energy, element++);
    if (element == elements) {
      weight *= scatter(p, random, event);
      continue;
    }
    const Fluorescence& f = model.fluorescence(element);
    if (p.energy > f.edge && random.uniform() < f.probability) {
      fluoresce(p, f, random, event);
      continue;
    }
    event.deposit(p, p.energy);
    return weight;
  }
  return weight;
}

// Deposits of one incident energy, counted by what a pixel collected.
class Deposits {
 public:
  explicit Deposits(double energy) : counts_(static_cast<std::size_t>(std::ceil(energy / kFine)) + 3) {}

  // A pixel that collected `energy` counts above T with P(energy + noise > T); without the photon it would have counted with
  // P(noise > T), which is not the photon's doing.
  void add(const Event& event, double weight) {
    for (const PixelCharge& p : event.pixels()) {
      const double place = p.energy / kFine;
      const auto k = std::min(static_cast<std::size_t>(place), counts_.size() - 2);
      const double t = place - static_cast<double>(k);
      counts_[k] += (1 - t) * weight;
      counts_[k + 1] += t * weight;
      counts_[0] -= weight;
    }
  }

  // Density over the channels, each deposit a Gaussian of its own width.
  void spread(const SensorModel& model, const std::vector<double>& recorded, std::span<double> density) const {
    for (std::size_t k = 0; k < counts_.size(); ++k) {
      if (counts_[k] == 0) continue;
      const double energy = kFine * static_cast<double>(k), variance = model.variance(energy), reach = 7 * std::sqrt(variance);
      const double height = counts_[k] / std::sqrt(2 * std::numbers::pi * variance);
      const double first = std::max(0.0, std::ceil((energy - reach - recorded[0]) / kGrid));
      for (auto c = static_cast<std::size_t>(first); c < recorded.size() && recorded[c] <= energy + reach; ++c)
        density[c] += height * std::exp(-(recorded[c] - energy) * (recorded[c] - energy) / (2 * variance));
    }
  }

 private:
  std::vector<double> counts_;
};

using Points = std::vector<std::array<double, 3>>;

// Points that fill the unit cube evenly (additive recurrence; Roberts, 2018), shifted by the seed.
Points even_points(std::size_t count, std::uint64_t seed) {
  constexpr double g = 1.2207440846057596;  // g^4 = g + 1
  Philox random(seed, 0, 1000);
  const double shift[] = {random.uniform(), random.uniform(), random.uniform()};
  Points points(count);
  for (std::size_t n = 0; n < count; ++n) {
    double alpha = 1;
    for (std::size_t d = 0; d < 3; ++d) {
      alpha /= g;
      const double t = shift[d] + alpha * static_cast<double>(n + 1);
      points[n][d] = std::clamp(t - std::floor(t), 1e-12, 1 - 1e-12);
    }
  }
  return points;
}

// All branches of the first interaction of one photon, each with its weight.
void first_interaction(const SensorModel& model, const Photon& photon, std::uint64_t seed, std::size_t n, double weight,
                       Event& event, Deposits& deposits) {
  const double total = model.total(photon.energy);
  double local = 0;  // absorbed without a K photon
  const auto branch = [&](std::size_t which, double part, auto&& start) {
    Philox random(seed, n, which);
    event.clear();
    Photon p = photon;
    const double angle = start(p, random);
    deposits.add(event, weight * part * angle);
  };
  for (std::size_t e = 0; e < model.elements(); ++e) {
    const Fluorescence& f = model.fluorescence(e);
    const double absorbed = model.photo(photon.energy, e) / total,
                 emitted = photon.energy > f.edge ? f.probability * absorbed : 0;
    local += absorbed - emitted;
    if (emitted > 0)
      branch(2 + e, emitted, [&](Photon& p, Philox& random) {
        fluoresce(p, f, random, event);
        return follow(model, p, random, event);
      });
  }
  branch(0, local, [&](Photon& p, Philox&) {
    event.deposit(p, p.energy);
    return 1.0;
  });
  branch(1, model.compton(photon.energy) / total, [&](Photon& p, Philox& random) {
    const double angle = scatter(p, random, event);
    return angle * follow(model, p, random, event);
  });
}

void simulate_energy(const SensorModel& model, double energy, const Points& points, std::uint64_t seed,
                     const std::vector<double>& recorded, std::span<double> density) {
  const Sensor& s = model.sensor();
  const double mu = model.total(energy), absorbed = -std::expm1(-mu * s.thickness);
  Deposits deposits(energy);
  Event event(model);
  for (std::size_t n = 0; n < points.size(); ++n) {
    const auto& u = points[n];
    const double depth = std::min(-std::log1p(-u[2] * absorbed) / mu, s.thickness);
    const Photon photon{u[0] * s.pixel_columns, u[1] * s.pixel_rows, depth, 0, 0, 1, energy};
    first_interaction(model, photon, seed, n, absorbed / static_cast<double>(points.size()), event, deposits);
  }
  deposits.spread(model, recorded, density);
}

std::vector<double> grid(double first, double last) {
  std::vector<double> out;
  for (std::size_t k = 0; out.empty() || out.back() < last; ++k) out.push_back(first + kGrid * static_cast<double>(k));
  return out;
}

}  // namespace

DetectorResponse simulate_response(const Sensor& sensor, double max_energy, std::size_t photons, std::uint64_t seed) {
  if (!(max_energy >= 5 && max_energy <= 500))
    throw ConfigError("expected a detector response up to 5 to 500 keV, got " + number_text(max_energy) + " keV");
  if (photons == 0) throw ConfigError("expected at least 1 photon for each incident energy");
  const std::vector<double> incident = grid(2, max_energy);
  const SensorModel model(sensor, incident.back());
  const Points points = even_points(photons, seed);
  const std::vector<double> recorded = grid(kGrid, incident.back() + 6 * std::sqrt(model.variance(incident.back())));
  Array<double, 2> density({incident.size(), recorded.size()});
  parallel_chunks(incident.size(), 2, [&](std::size_t from, std::size_t to) {
    for (std::size_t k = from; k < to; ++k) simulate_energy(model, incident[k], points, seed, recorded, density.block(k));
  });
  return {incident, recorded, density};
}

DetectorResponse ideal_response(double max_energy, double noise) {
  const std::vector<double> incident = grid(2, max_energy);
  const std::vector<double> recorded = grid(-10 * noise, incident.back() + 10 * noise);
  Array<double, 2> density({incident.size(), recorded.size()});
  for (std::size_t k = 0; k < incident.size(); ++k)
    for (std::size_t c = 0; c < recorded.size(); ++c) {
      const double t = (recorded[c] - incident[k]) / noise;
      density(k, c) = std::exp(-t * t / 2) / (noise * std::sqrt(2 * std::numbers::pi));
    }
  return {incident, recorded, density};
}

}  // namespace counterflow
