#include "core/physics/sensor_photon.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/random.h"

namespace counterflow {
namespace {

constexpr double kElectron = 511;  // [keV]

struct Photon {
  double x, y, z;     // [mm]; z from the entrance
  double ux, uy, uz;  // direction
  double energy;
};

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

// All branches of the first interaction of one photon, each with its weight.
void first_interaction(const SensorModel& model, const Photon& photon, std::uint64_t seed, std::size_t n, double weight,
                       const TakeCharges& take) {
  Event event(model);
  const double total = model.total(photon.energy);
  double local = 0;  // absorbed without a K photon
  const auto branch = [&](std::size_t which, double part, auto&& start) {
    Philox random(seed, n, which);
    event.clear();
    Photon p = photon;
    const double angle = start(p, random);
    take(event.pixels(), weight * part * angle);
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

}  // namespace

double normal_below(double t) { return t < -6 ? 0 : 0.5 * std::erfc(-t * std::numbers::sqrt2 / 2); }

void follow_photon(const SensorModel& model, double energy, const std::array<double, 3>& point, std::uint64_t seed, std::size_t n,
                   const TakeCharges& take) {
  const Sensor& s = model.sensor();
  const double mu = model.total(energy), absorbed = -std::expm1(-mu * s.thickness);
  const double depth = std::min(-std::log1p(-point[2] * absorbed) / mu, s.thickness);
  first_interaction(model, {point[0] * s.pixel_columns, point[1] * s.pixel_rows, depth, 0, 0, 1, energy}, seed, n, absorbed,
                    take);
}

std::vector<std::array<double, 3>> even_points(std::size_t count, std::uint64_t seed) {
  constexpr double g = 1.2207440846057596;  // g^4 = g + 1
  Philox random(seed, 0, 1000);
  const double shift[] = {random.uniform(), random.uniform(), random.uniform()};
  std::vector<std::array<double, 3>> points(count);
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

}  // namespace counterflow
