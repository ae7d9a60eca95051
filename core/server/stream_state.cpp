// The third state: views go to the chain as they come, until CLOSE.
#include "core/server/session_state.h"

namespace counterflow {
namespace {

std::size_t bytes_of(const wire::Frame& frame) {
  std::size_t bytes = sizeof frame;
  if (const auto* a = std::get_if<wire::Acquisition>(&frame)) bytes += a->data.size();
  if (const auto* v = std::get_if<wire::CompactView>(&frame)) bytes += v->values.size();
  return bytes;
}

class StreamState final : public SessionState {
 public:
  StreamState(SessionContext& context, Chain<float> chain, ScanHeader scan)
      : context_(context),
        run_({.settings = context.settings,
              .chain = std::make_shared<const Chain<float>>(std::move(chain)),
              .scan = scan,
              .wishes = context.wishes,
              .session = context.status.number,
              .outbox = context.outbox,
              .room = context.room,
              .ended = context.notice,
              .log = context.log}) {
    context_.status.promised_views = scan.geometry.views;
    context_.parser.expect(scan);
    context_.parser.enter(wire::Phase::stream);
  }

  std::unique_ptr<SessionState> take(wire::Frame frame) override {
    if (std::holds_alternative<wire::Close>(frame)) {
      flush();
      run_.inbox().close();
    } else if (auto* waveform = std::get_if<wire::Waveform>(&frame)) {
      pass(std::make_shared<const wire::Waveform>(std::move(*waveform)));
    } else {
      bytes_ += bytes_of(frame);
      come_.push_back(std::move(frame));
    }
    return nullptr;
  }

  void flush() override { run_.inbox().put(std::exchange(come_, {}), std::exchange(bytes_, 0)); }
  bool crowded() const override { return run_.inbox().crowded(); }
  LiveRun* live() override { return &run_; }

 private:
  // A stock client would not know it: it goes back to who asked.
  void pass(std::shared_ptr<const wire::Waveform> waveform) {
    if (!context_.wishes.count("waveforms")) return;
    wire::Outgoing out;
    wire::put_waveform(out, std::move(waveform));
    context_.outbox.put_at_once(std::move(out));
  }

  SessionContext& context_;
  LiveRun run_;
  std::vector<wire::Frame> come_;
  std::size_t bytes_ = 0;
};

}  // namespace

std::unique_ptr<SessionState> stream_views(SessionContext& context, Chain<float> chain, ScanHeader header) {
  return std::make_unique<StreamState>(context, std::move(chain), std::move(header));
}

}  // namespace counterflow
