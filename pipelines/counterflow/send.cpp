// counterflow send SCAN --to HOST:PORT --chain NAME.xml -o IMAGES: a scanner, and the client that waits for its images.
#include <atomic>
#include <cmath>
#include <iostream>
#include <map>
#include <mutex>
#include <thread>

#include "core/archive/pending_file.h"
#include "core/archive/scan_header_xml.h"
#include "core/server/client.h"
#include "core/server/view_codec.h"
#include "pipelines/counterflow/input.h"
#include "pipelines/counterflow/latencies.h"
#include "pipelines/counterflow/progress.h"
#include "pipelines/counterflow/results.h"
#include "pipelines/counterflow/text_file.h"
#include "pipelines/counterflow/verbs.h"

namespace counterflow {
namespace {

using Clock = Client::Clock;

double seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

// Views a second; 0 = as fast as they are taken.
double rate_of(const std::string& text, const ScanHeader& scan) {
  if (text.empty()) return 0;
  const ScanGeometry& g = scan.geometry;
  if (text == "scanner") {
    if (!(g.rotation_time > 0))
      throw ConfigError("--rate scanner: the scan does not say how long a turn takes (rotation_time_s); give views per second");
    return static_cast<double>(g.views_per_rotation) / g.rotation_time;
  }
  std::size_t read = 0;
  double rate = 0;
  try {
    rate = std::stod(text, &read);
  } catch (const std::exception&) {
    read = 0;
  }
  if (read != text.size() || !(rate > 0) || !std::isfinite(rate))
    throw ConfigError("--rate: expected views per second, above 0, or 'scanner'; got '" + text + "'");
  return rate;
}

// Times at which views are due, however long the ones before took.
class Pace {
 public:
  explicit Pace(double rate) : rate_(rate) {}
  void wait() {
    if (rate_ <= 0) return;
    const auto due = first_ + std::chrono::duration_cast<Clock::duration>(
                                  std::chrono::duration<double>(static_cast<double>(count_++) / rate_));
    std::this_thread::sleep_until(due);
    late_ = std::max(late_, seconds(Clock::now() - due));
  }
  double rate() const { return rate_; }
  double late() const { return late_; }  // the most [s]

 private:
  double rate_;
  Clock::time_point first_ = Clock::now();
  std::uint64_t count_ = 0;
  double late_ = 0;
};

void put_config(wire::Outgoing& out, const SendOptions& options) {
  if (options.script.empty()) wire::put_config_file(out, options.chain);
  else wire::put_config_script(out, read_text(options.script));
}

void put_any(wire::Outgoing& out, const Message<float>& view, const ScanHeader& scan, bool compact, std::uint64_t counter) {
  if (!compact) return wire::put_acquisition(out, view, scan, counter);
  if (const auto* counts = std::get_if<Sent<Counts<float>>>(&view)) wire::put_view(out, *counts);
  else wire::put_view(out, std::get<Sent<PathLengths<float>>>(view));
}

// One scan on its way out, and what it came to.
class Sending {
 public:
  Sending(const SendOptions& options, const CommonOptions& common)
      : options_(options),
        common_(common),
        input_(open_input(options.input, common, false)),
        pace_(rate_of(options.rate, input_.header)),
        results_(options.output) {}

  void run() {
    Client client(options_.to, options_.tls, [this](wire::Frame&& frame, Clock::time_point when) { results_.take(frame, when); });
    const auto info = client.ask("counterflow::info");
    compact_ = info && !options_.plain && offers_compact_views(*info);
    greet(client);
    stream(client);
    judge(client.finish());
    ended_ = Clock::now();
    results_.finish();
  }

  void tell(std::ostream& out) const {
    const double took = seconds(ended_ - began_);
    const auto per_second = [&](double n) { return number_text(std::round(n / took * 10) / 10); };
    out << options_.input << ": " << views_ << " views (" << (compact_ ? "compact" : "acquisitions") << ", "
        << number_text(std::round(static_cast<double>(bytes_) / 1e5) / 10) << " MB) in "
        << number_text(std::round(took * 1000) / 1000) << " s: " << per_second(static_cast<double>(bytes_) / 1e6) << " MB/s, "
        << per_second(static_cast<double>(views_)) << " messages/s\n";
    if (pace_.rate() > 0)
      out << "paced at " << number_text(std::round(pace_.rate() * 10) / 10) << " views/s, at most "
          << milliseconds_text(pace_.late()) << " late\n";
    results_.tell(out);
  }

 private:
  // All that stands before the views.
  void greet(Client& client) {
    wire::Outgoing out;
    if (!options_.plain) wire::put_wish(out, options_.previews ? "views receipts previews" : "views receipts");
    else if (options_.previews) wire::put_wish(out, "previews");
    put_config(out, options_);
    wire::put_header(out, header_to_xml(input_.header));
    client.send(std::move(out));
  }

  void stream(Client& client) {
    Progress progress(std::cerr, "views", input_.header.geometry.views, common_.quiet);
    began_ = Clock::now();
    pace_ = Pace(pace_.rate());
    for (Message<float> view = next(); view.index() != 0; view = next()) {
      wire::Outgoing out;
      put_any(out, view, input_.header, compact_, views_);
      const std::size_t size = out.size();
      pace_.wait();
      results_.sent(view_of(view), Clock::now());
      if (!client.send(std::move(out))) break;
      ++views_;
      bytes_ += size;
      if (!view_of(view).air) progress.at(view_of(view).index + 1);
    }
    progress.finish();
  }

  Message<float> next() {
    const auto files = results_.files();
    return input_.next();
  }

  void judge(const ClientEnd& end) const {
    if (end.kind == ClientEnd::Kind::complete) return;
    const bool error = end.kind == ClientEnd::Kind::error;
    throw ProtocolError(options_.to + (error ? ": the server ended the scan with an error: " : ": the scan is lost: ") +
                        end.words + results_.what_is_safe());
  }

  const SendOptions& options_;
  const CommonOptions& common_;
  Input input_;
  Pace pace_;
  Results results_;
  bool compact_ = false;
  std::uint64_t views_ = 0, bytes_ = 0;
  Clock::time_point began_, ended_;
};

}  // namespace

void send(const SendOptions& options, const CommonOptions& common, std::ostream& out) {
  Sending sending(options, common);
  sending.run();
  if (!common.quiet) sending.tell(out);
}

}  // namespace counterflow
