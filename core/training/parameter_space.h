// What a chain learns, as one vector of variables u that are about 1 where a parameter changes by its scale:
//   p = p0 + scale u                                                     without bounds
//   p = middle + half t / sqrt(1 + t^2),   t = t0 + u scale / half       with bounds; t0 from p0
// p0 are the values before training. Bounds are thus never left, and a derivative never vanishes inside them.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "core/chain/chain.h"

namespace counterflow {

// Parameters of a chain, or their gradient: [stage][flat].
using ChainParameters = std::vector<std::vector<double>>;

// One trained block.
struct TrainedBlock {
  std::size_t stage = 0;
  std::size_t offset = 0;  // in the stage's flat parameters
  std::size_t first = 0;   // in u
  std::size_t size = 0;
  std::string gadget, classname, name;
  ParameterDoc doc;
  TrainedParameter settings;  // sigma and smooth_sigma filled in, in doc.unit
};

class ParameterSpace {
 public:
  // `start` [stage][flat] are the values before training. Throws ConfigError for settings that contradict a gadget.
  template <class Real>
  ParameterSpace(const Chain<Real>& chain, const ScanHeader& scan, ChainParameters start);

  std::size_t size() const { return size_; }
  const std::vector<TrainedBlock>& blocks() const { return blocks_; }
  ChainParameters at(std::span<const double> u) const;
  std::vector<double> values(const TrainedBlock& block, std::span<const double> u) const;  // of the block, in its unit
  // Gradient in u, from that in the parameters at u.
  std::vector<double> pulled_back(const ChainParameters& gradient, std::span<const double> u) const;
  // weight/2 [ sum ((p - p0)/sigma)^2 + sum over neighbours ((p' - p)/smooth_sigma)^2 ]; adds its gradient in u.
  double prior(std::span<const double> u, std::span<double> gradient) const;
  // Its second derivatives times v, where p is linear in u.
  void add_prior_product(std::span<const double> u, std::span<const double> v, std::span<double> product) const;

 private:
  struct Bounds {
    double middle = 0, half = 0;  // half = 0: none
  };
  double start_of(const TrainedBlock& b, std::size_t i) const { return start_[b.stage][b.offset + i]; }
  double value(const TrainedBlock& b, std::size_t i, double u) const;
  double slope(const TrainedBlock& b, std::size_t i, double u) const;  // dp/du
  std::size_t stride(const TrainedBlock& b, std::size_t& extent) const;
  static Bounds bounds(const TrainedBlock& b);

  ChainParameters start_;
  std::vector<TrainedBlock> blocks_;
  std::size_t size_ = 0;
};

// "drift/module_shift [keV]: node 1 x threshold 5 x module 32"
std::string block_text(const TrainedBlock& block);

}  // namespace counterflow
