// The verbs of the command, one source each. main.cpp and *options.* alone know the command line; a verb gets its options as values, throws
// counterflow::Error on failure, and writes what a person reads to `out`.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/server/listener.h"
#include "core/server/tls.h"
#include "pipelines/counterflow/dicom/writer.h"

namespace counterflow {

struct CommonOptions {
  int threads = 0;                             // 0 = all cores
  std::vector<std::filesystem::path> plugins;  // folders; main adds the installation's own
  std::vector<std::filesystem::path> data;     // folders for files that a scan names
  std::filesystem::path cache;                 // for detector responses; empty = none
  bool quiet = false;
};

struct SimulateOptions {
  std::filesystem::path scenario, output;
  std::optional<std::uint64_t> seed;  // instead of the scenario's
  bool compact = false;
};
void simulate(const SimulateOptions&, const CommonOptions&, std::ostream& out);

struct ConvertOptions {
  std::filesystem::path input, output;
  bool compact = false, plain = false;  // neither: the form that the input has not
};
void convert(const ConvertOptions&, const CommonOptions&, std::ostream& out);

struct RunOptions {
  std::filesystem::path chain;
  std::string input, output;                             // "-" = standard input, standard output
  std::optional<DicomOptions> dicom;                     // output is a folder of DICOM
  std::optional<std::filesystem::path> parameters = {};  // learned
};
void run(const RunOptions&, const CommonOptions&, std::ostream& out);

struct ServeOptions {
  ListenerSettings listener;  // what all verbs share comes from CommonOptions
};
void serve(const ServeOptions&, const CommonOptions&, std::ostream& out);

struct SendOptions {
  std::string input, to;         // "-" = standard input; HOST:PORT
  std::string chain;             // by name, one of the server's
  std::filesystem::path script;  // or a file of one's own, where the server allows it
  std::filesystem::path output;  // images, or the views that the chain gives
  std::string rate;              // views per second, or "scanner"; "" = as fast as they are taken
  bool previews = false;         // ask for them
  bool plain = false;            // as Gadgetron's own client does: acquisitions, no message of ours
  TlsFiles tls;
};
void send(const SendOptions&, const CommonOptions&, std::ostream& out);

struct TrainOptions {
  std::filesystem::path chain;
  std::vector<std::string> scans;
  std::filesystem::path output;                     // learned parameters
  std::optional<std::filesystem::path> parameters;  // to begin with, instead of the gadgets' initial ones
  bool resume = false;                              // from the last checkpoint
  bool observability = false;                       // say what the losses can see instead of training
  double memory = 4;                                // GiB that messages may take between forward and backward
};
void train(const TrainOptions&, const CommonOptions&, std::ostream& out);

struct CheckOptions {
  std::filesystem::path chain;
  std::optional<std::filesystem::path> scan;  // for the memory bound
  bool print_chain = false;
};
void check(const CheckOptions&, const CommonOptions&, std::ostream& out);

struct DescribeOptions {
  std::string gadget;  // class or plugin; "" = a list of all
  bool xsd = false;
};
void describe(const DescribeOptions&, const CommonOptions&, std::ostream& out);

struct EvaluateOptions {
  std::filesystem::path images, scan;                   // images may be learned parameters: then their shifts are compared
  std::optional<std::filesystem::path> against;         // other images of the same scan
  std::optional<std::filesystem::path> modes;           // of learned parameters: as --observability writes them
  std::optional<std::filesystem::path> write_injected;  // parameters that were injected, in the form of those learned
  std::optional<std::filesystem::path> table;           // CSV
  std::optional<std::filesystem::path> plots;           // folder for curves of resolution and noise
  std::optional<std::array<double, 3>> wire;            // x, y, diameter [mm]; without it, what the truth knows
  std::optional<std::array<double, 3>> edge;            // x, y, radius [mm]
  std::optional<std::array<double, 3>> uniform;         // x, y, radius [mm]
};
void evaluate(const EvaluateOptions&, const CommonOptions&, std::ostream& out);

struct ViewOptions {
  std::filesystem::path images, output;
  std::string material;                             // one channel; "" = a panel of all
  std::string overlay;                              // a channel laid in colour over the grey one
  std::optional<double> kev;                        // a monoenergetic image made from the materials
  std::optional<std::pair<double, double>> window;  // centre, width
  std::optional<std::size_t> slice;                 // default: the middle one
  std::optional<double> profile;                    // a plot along x at this y [mm] instead of pictures
};
void view(const ViewOptions&, const CommonOptions&, std::ostream& out);

struct ImportOptions {
  std::filesystem::path geometry;   // XML
  std::vector<std::string> arrays;  // file.npy, file.h5:/path, one a bin or one for all
  std::filesystem::path output;
  std::optional<double> column_offset;  // instead of the geometry's: the centre of rotation [element]
  bool find_center = false;             // estimate it from opposite rays
};
void import_scan(const ImportOptions&, const CommonOptions&, std::ostream& out);

}  // namespace counterflow
