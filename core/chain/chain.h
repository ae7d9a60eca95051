// A chain: gadgets loaded from XML, type-checked before any data flow (docs/chains.md). It is immutable after load and shared by
// every scan that runs through it.
//
// The main line is the gadgets of <stream> without `after`, each taking what the one before it gives. A gadget with
// after="name" stands beside: it takes that one's output and what it gives leaves the chain. A Sink observes and passes on what
// it saw, so nothing ever has a Sink as its source: what stands after a Sink takes what the Sink takes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/chain/plugin.h"
#include "core/gadget/stage.h"

namespace counterflow {

// What <training> asks of one block of a gadget's parameters: where it starts from, its prior and its bounds. The prior is
//   weight/2 [ sum ((p - centre)/sigma)^2 + sum over neighbours along the axis `smooth` ((p' - p)/smooth_sigma)^2 ],
// centre the values before training.
struct TrainedParameter {
  std::string name;
  double sigma = 0;                  // in the parameter's unit; 0 = its scale
  double weight = 1e-6;              // of the prior; losses are means, so about 1 / number of pixels
  std::string smooth = "";           // an axis of the parameter; "" = none
  double smooth_sigma = 0;           // in the parameter's unit; 0 = sigma
  double min = -1e300, max = 1e300;  // in the parameter's unit, within the gadget's own bounds
  void describe(PropertyVisitor& v);
  bool operator==(const TrainedParameter&) const = default;
};

// How the training searches: attributes of <optimiser> beside its name belong to the method (core/training/optimiser.h).
struct OptimiserText {
  std::string name;  // "" = none
  std::map<std::string, Setting> settings;
  std::string where = {};  // "chain.xml:12", of messages
};

// Where a stage stands, and what the XML says of it beside its properties.
struct Place {
  std::size_t source = 0;  // the Map or Fold before it whose output it takes, or Chain::kScan
  std::string after;       // as in the XML: beside the main line; "" = on it
  std::string dll;         // its plugin
  std::vector<TrainedParameter> trained;
  bool in_training = false;  // a <loss> of <training>
  double weight = 1;         // of a loss in the sum
  bool side() const { return !after.empty(); }
  bool operator==(const Place&) const = default;
};

template <class Real>
struct Chain {
  static constexpr std::size_t kScan = std::numeric_limits<std::size_t>::max();

  std::vector<std::unique_ptr<Stage<Real>>> stages;  // in the order of the file; losses of <training> last
  std::vector<Place> places;                         // [stage]
  OptimiserText optimiser;
  std::int64_t rows_per_block = 0;  // detector rows that training takes together as a scan of their own; 0 = all
  std::string file;                 // of messages

  std::size_t source(std::size_t stage) const { return places[stage].source; }
  // What the stage gives leaves the chain: the last Map or Fold of the main line, and every Map or Fold beside it. Where the main
  // line has neither, what its last Sink has seen.
  bool leaves(std::size_t stage) const;
  std::vector<std::string> trained_names(std::size_t stage) const;
  // The first trained stage; stages.size() where none is.
  std::size_t first_trained() const;
  // Whether what `stage` takes came through `ancestor`.
  bool descends(std::size_t stage, std::size_t ancestor) const;
  // Whether a loss is this stage, or sees what came through it.
  bool reaches_loss(std::size_t stage) const;
  // The header that each stage is given: the scan's, as the stages before it changed it.
  std::vector<ScanHeader> headers(const ScanHeader& scan) const;
  // Throws ConfigError where the chain does not begin with what the scan holds (counts or line integrals).
  void check_scan(const ScanHeader& scan) const;
};

// Throws ConfigError "file:line: what was expected, what came, the nearest right name".
template <class Real>
Chain<Real> load_chain(const std::filesystem::path& file, const PluginFolders& plugins);
template <class Real>
Chain<Real> parse_chain(const std::string& xml, const std::string& name, const PluginFolders& plugins);

// XML with every default filled in; parses to the same chain.
template <class Real>
std::string print_chain(const Chain<Real>& chain);
// SHA-256 of print_chain(), in hexadecimal: the same for float and double, wherever the file lies and however it is laid out.
template <class Real>
std::string chain_hash(const Chain<Real>& chain);

extern template struct Chain<float>;
extern template struct Chain<double>;

}  // namespace counterflow
