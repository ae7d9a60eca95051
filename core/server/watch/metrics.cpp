#include "core/server/watch/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <sstream>

#include "core/server/status.h"

namespace counterflow {
namespace {

using Labels = std::vector<prometheus::ClientMetric::Label>;

class Family {
 public:
  Family(const char* name, const char* help, prometheus::MetricType type) : family_{name, help, type, {}} {}
  void add(double value, Labels labels = {}) {
    prometheus::ClientMetric& metric = family_.metric.emplace_back();
    metric.label = std::move(labels);
    (family_.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
  }
  void add(std::uint64_t value, Labels labels = {}) { add(static_cast<double>(value), std::move(labels)); }
  prometheus::MetricFamily done() && { return std::move(family_); }

 private:
  prometheus::MetricFamily family_;
};

Family counter(const char* name, const char* help) { return {name, help, prometheus::MetricType::Counter}; }
Family gauge(const char* name, const char* help) { return {name, help, prometheus::MetricType::Gauge}; }

using Families = std::vector<prometheus::MetricFamily>;

void add_server(Families& out, const WatchSettings& settings, const std::vector<SessionStatus>& sessions) {
  Family build = gauge("counterflow_build_info", "1, with the version as a label.");
  build.add(1.0, {{"version", settings.version}});
  Family states = gauge("counterflow_sessions", "Sessions that have not ended, by state.");
  for (const char* state : {"config", "header", "stream", "draining"})
    states.add(static_cast<std::uint64_t>(std::ranges::count(sessions, state, &SessionStatus::state)), {{"state", state}});
  for (Family* family : {&build, &states}) out.push_back(std::move(*family).done());
}

void add_totals(Families& out, const SessionTotals& totals) {
  Family ends = counter("counterflow_sessions_total", "Sessions that have ended, by how.");
  for (const char* end : {"complete", "error", "lost"})
    ends.add(totals.ends.contains(end) ? totals.ends.at(end) : 0, {{"end", end}});
  out.push_back(std::move(ends).done());
  const auto total = [&](const char* name, const char* help, std::uint64_t value) {
    Family family = counter(name, help);
    family.add(value);
    out.push_back(std::move(family).done());
  };
  total("counterflow_views_total", "Object views that have come.", totals.views);
  total("counterflow_received_bytes_total", "Bytes that clients have sent.", totals.bytes_in);
  total("counterflow_sent_bytes_total", "Bytes that clients have been sent.", totals.bytes_out);
  total("counterflow_images_total", "Images that clients have been sent, without previews.", totals.images);
  total("counterflow_previews_total", "Previews that clients have been sent.", totals.previews);
}

void add_sessions(Families& out, const std::vector<SessionStatus>& sessions) {
  Family waiting = gauge("counterflow_session_waiting_bytes", "Bytes read from the client that its chain has not taken yet.");
  Family latency = gauge("counterflow_session_last_image_latency_seconds", "From the last view in to the last image out.");
  Family messages = counter("counterflow_gadget_messages_total", "Messages that a gadget has done.");
  Family busy = counter("counterflow_gadget_busy_seconds_total", "Time in a gadget, summed over threads.");
  Family queue = gauge("counterflow_gadget_queue", "Messages that wait for a gadget.");
  for (const SessionStatus& session : sessions) {
    const Labels labels = {{"session", std::to_string(session.number)}, {"chain", session.chain}};
    if (!session.has_ended()) waiting.add(session.waiting_bytes, labels);
    if (session.last_image_latency > 0) latency.add(session.last_image_latency, labels);
    for (std::size_t i = 0; i < session.gadgets.size(); ++i) {
      const GadgetStatus& gadget = session.gadgets[i];
      Labels of_gadget = labels;
      of_gadget.push_back({"position", std::to_string(i)});
      of_gadget.push_back({"gadget", gadget.name});
      messages.add(gadget.messages, of_gadget);
      busy.add(gadget.busy, of_gadget);
      if (!session.has_ended()) queue.add(gadget.queue, of_gadget);
    }
  }
  for (Family* family : {&waiting, &latency, &messages, &busy, &queue}) out.push_back(std::move(*family).done());
}

}  // namespace

std::string metrics(const WatchSettings& settings) {
  const auto sessions = read_statuses(settings.status);
  Families families;
  add_server(families, settings, sessions);
  add_totals(families, read_totals(settings.status, sessions));
  add_sessions(families, sessions);
  std::ostringstream text;
  prometheus::TextSerializer().Serialize(text, families);
  return text.str();
}

}  // namespace counterflow
