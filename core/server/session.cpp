#include "core/server/session.h"

#include <algorithm>

#include "core/server/byte_stream.h"
#include "core/server/session_state.h"

namespace counterflow {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kTick = std::chrono::milliseconds(100);
constexpr auto kStatusInterval = std::chrono::milliseconds(500);
constexpr auto kStopping = std::chrono::seconds(5);     // for a chain that was told to stop
constexpr auto kDiscarding = std::chrono::seconds(60);  // for a client that was told of an error and goes on
constexpr std::size_t kPieces = 64;                     // of one gathered write

double seconds_since_1970() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

std::string seconds_text(std::chrono::milliseconds time) {
  return std::to_string(time.count() / 1000) + (time.count() % 1000 ? "." + std::to_string(time.count() % 1000 / 100) : "") +
         " s";
}

class Session {
 public:
  Session(int socket, std::uint64_t number, const std::string& peer, const SessionSettings& settings,
          const std::function<void(const std::string&)>& log)
      : settings_(settings),
        log_(log),
        io_(1),
        signals_(io_, SIGTERM),
        ticks_(io_),
        event_(io_),
        room_(io_),
        parser_(wire::Phase::config, settings.limits),
        outbox_(io_, room_),
        context_{settings, parser_, outbox_, room_, [this] { event_.raise(); }, log, {}, status_},
        state_(wait_for_config(context_)),
        stream_(open_stream(io_, socket, settings.tls)) {
    status_.number = number;
    status_.peer = peer;
    status_.started = seconds_since_1970();
  }

  SessionEnd serve() {
    signals_.async_wait([this](const boost::system::error_code& error, int) {
      if (!error) fail("the server is shutting down");
    });
    asio::co_spawn(io_, live(), asio::detached);
    asio::co_spawn(io_, tick(), asio::detached);
    io_.run();
    status_.state = end_ == SessionEnd::complete ? "complete" : end_ == SessionEnd::error ? "error" : "lost";
    status_.error = failure_;
    status_.ended = seconds_since_1970();
    tell();
    state_.reset();  // waits for the chain
    return end_;
  }

 private:
  enum class Ended { no, by_client, by_connection };  // the client's side: by CLOSE, or without

  Task<void> live();
  Task<void> read();
  Task<void> write();
  Task<void> tick();
  void accept(std::size_t n);
  void take(wire::Frame frame);
  void take_all();
  void lose_client(std::string why);
  bool crowded() const { return !told() && (state_->crowded() || outbox_.crowded()); }
  bool answered(const wire::Frame& frame);
  bool done() const;
  void say_the_end(const std::string& error);
  void check_times();
  void tell();

  // What the client is told; the first failure counts.
  void fail(const std::string& error) {
    if (failure_.empty()) failure_ = error;
    event_.raise();
  }
  void lose(const std::string& error) {
    if (failure_.empty()) end_ = SessionEnd::lost;
    fail(error);
  }
  LiveRun* chain() const { return state_->live(); }
  bool told() const { return said_at_ != Clock::time_point(); }

  const SessionSettings& settings_;
  const std::function<void(const std::string&)>& log_;
  asio::io_context io_;
  asio::signal_set signals_;
  asio::steady_timer ticks_;
  Notice event_, room_;
  wire::FrameParser parser_;
  Outbox outbox_;
  SessionStatus status_;
  SessionContext context_;
  std::unique_ptr<SessionState> state_;
  std::unique_ptr<ByteStream> stream_;

  SessionEnd end_ = SessionEnd::complete;
  std::string failure_;
  Ended ended_ = Ended::no;    // the client's side
  bool broken_ = false;        // what comes can no longer be parsed
  bool shaken_ = false;        // TLS stands, where it is used
  bool talked_ = false;        // a first message has come
  bool unreachable_ = false;   // nothing can be written any more
  bool over_ = false;          // all coroutines end
  std::size_t discarded_ = 0;  // [byte]
  std::uint64_t written_ = 0;  // [byte]
  std::array<std::byte, 65536> scratch_;
  Clock::time_point last_message_ = Clock::now(), last_written_ = Clock::now(), last_told_{}, said_at_{},
                    last_progress_ = Clock::now();
  std::uint64_t progress_ = 0;
};

// From the first byte to the last: waits for what ends the session, says so, and sees the client off.
Task<void> Session::live() {
  try {
    co_await stream_->handshake();
    shaken_ = true;
    asio::co_spawn(io_, read(), asio::detached);
    asio::co_spawn(io_, write(), asio::detached);
    outbox_.write_at_once_by([this](const auto& pieces) { return stream_->write_at_once(pieces); });
  } catch (const boost::system::system_error& error) {
    lose("the TLS handshake failed: " + error.code().message());
    unreachable_ = true;
  }
  co_await event_.wait_until([this] { return done(); });
  std::string error = failure_;
  if (LiveRun* const run = chain()) {
    if (!error.empty()) run->inbox().close(std::make_exception_ptr(ProtocolError(error)));
    const auto until = Clock::now() + kStopping;
    co_await event_.wait_until([&] { return run->ended() || Clock::now() > until; });
    if (error.empty()) error = run->error();
  }
  failure_ = error;
  if (!error.empty() && end_ == SessionEnd::complete) end_ = SessionEnd::error;
  say_the_end(error);
  co_await event_.wait_until([this] {
    const bool seen_off = ended_ != Ended::no || Clock::now() > said_at_ + kDiscarding || discarded_ > settings_.limits.message;
    return unreachable_ || (seen_off && outbox_.waiting_bytes() == 0);
  });
  over_ = true;  // and everything comes to its end
  stream_->close();
  signals_.cancel();
  ticks_.cancel();
  room_.raise();
  outbox_.fail();
}

bool Session::done() const {
  if (!failure_.empty()) return true;
  const LiveRun* const run = chain();
  return run ? run->ended() : ended_ != Ended::no;
}

void Session::say_the_end(const std::string& error) {
  wire::Outgoing out;
  if (!context_.wishes.empty()) wire::put_ending(out, {error.empty(), error});
  if (!error.empty()) wire::put_text(out, error + "\n");
  wire::put_close(out);
  outbox_.put_at_once(std::move(out));
  if (!error.empty()) log_(error);
  said_at_ = Clock::now();
  status_.state = "draining";
  room_.raise();  // what still comes is read
}

Task<void> Session::read() {
  while (!over_ && ended_ == Ended::no) {
    if (crowded()) {
      co_await room_.wait_until([this] { return over_ || !crowded(); });
      last_message_ = Clock::now();  // it was not the client that waited
    }
    std::size_t n = 0;
    std::string lost = "the connection ended without CLOSE (id 4)";
    try {
      const auto space = broken_ ? std::array<std::span<std::byte>, 2>{scratch_} : parser_.space();
      n = co_await stream_->read(space, broken_ ? 1 : parser_.missing());
    } catch (const boost::system::system_error& error) {
      lost = "the connection was lost: " + error.code().message();
    }
    if (n == 0) lose_client(lost);
    else accept(n);
  }
}

void Session::lose_client(std::string why) {
  ended_ = Ended::by_connection;
  try {
    if (!broken_) parser_.end();
  } catch (const std::exception& error) {
    why = error.what();
  }
  if (!told()) lose(why);
  event_.raise();
}

// `n` bytes have come.
void Session::accept(std::size_t n) {
  status_.bytes_in += n;
  if (told()) discarded_ += n;
  if (broken_) return;
  try {
    parser_.commit(n);
    take_all();
  } catch (const ProtocolError& error) {
    broken_ = true;  // what comes is read and thrown away
    fail(error.what());
  } catch (const std::exception& error) {
    fail(error.what());
  }
}

void Session::take_all() {
  while (auto frame = parser_.next()) {
    last_message_ = Clock::now();
    talked_ = true;
    take(std::move(*frame));
    if (ended_ != Ended::no) break;
  }
  state_->flush();
}

void Session::take(wire::Frame frame) {
  if (answered(frame)) return;
  const bool close = std::holds_alternative<wire::Close>(frame);
  if (close) ended_ = Ended::by_client;
  if (!failure_.empty() || told()) return;
  if (close && !chain()) return event_.raise();  // a void run
  const bool view = std::holds_alternative<wire::Acquisition>(frame) || std::holds_alternative<wire::CompactView>(frame);
  if (view) status_.last_view = seconds_since_1970();
  if (auto next = state_->take(std::move(frame))) state_ = std::move(next);
}

// What is the same in every state.
bool Session::answered(const wire::Frame& frame) {
  if (const auto* text = std::get_if<wire::Text>(&frame)) {
    log_("the client says: " + text->text);
    return true;
  }
  if (const auto* query = std::get_if<wire::Query>(&frame)) {
    if (told()) return true;
    wire::Outgoing out;
    wire::put_response(out, query->correlation, answer_to(query->question, settings_));
    outbox_.put_at_once(std::move(out));
    return true;
  }
  if (const auto* wish = std::get_if<wire::Wish>(&frame)) {
    if (chain()) throw ProtocolError("a wish (id 2000) came after the scan's header; wishes come before it");
    add_wishes(context_.wishes, wish->words);
    return true;
  }
  return false;
}

Task<void> Session::write() {
  try {
    for (;;) {
      co_await outbox_.arrival();
      if (outbox_.failed()) break;
      wire::Outgoing out = outbox_.take_all();
      last_written_ = Clock::now();
      while (!out.empty()) {
        const std::size_t n = co_await stream_->write(out.pieces(kPieces));
        out.drop(n);
        outbox_.written(n);
        written_ += n;
        last_written_ = Clock::now();
      }
      if (told() && outbox_.waiting_bytes() == 0) stream_->end_writing();
      event_.raise();
    }
  } catch (const boost::system::system_error& error) {
    unreachable_ = true;
    outbox_.fail();
    if (ended_ == Ended::no || !told()) lose("the client cannot be reached any more: " + error.code().message());
    event_.raise();
  }
}

Task<void> Session::tick() {
  while (!over_) {
    ticks_.expires_after(kTick);
    boost::system::error_code cancelled;
    co_await ticks_.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
    if (over_) break;
    check_times();
    event_.raise();
    if (Clock::now() - last_told_ > kStatusInterval) tell();
  }
}

void Session::check_times() {
  const auto now = Clock::now();
  const auto patience = talked_ ? settings_.between_messages : settings_.first_message;
  if (outbox_.waiting_bytes() == 0) last_written_ = now;
  else if (now - last_written_ > settings_.writing) {
    lose("the client has not read for " + seconds_text(settings_.writing) + " (--writing)");
    unreachable_ = true;
    outbox_.fail();
  }
  if (told() || !failure_.empty()) return;
  if (!shaken_ && now - last_message_ > patience) stream_->close();
  if (shaken_ && ended_ == Ended::no && !crowded() && now - last_message_ > patience)
    fail("no whole message came for " + seconds_text(patience) + (talked_ ? " (--between-messages)" : " (--first-message)") +
         ": send the rest, or CLOSE (id 4) to end");
  const LiveRun* const run = chain();
  const bool has_work = run && (state_->crowded() || ended_ != Ended::no);
  if (!has_work || outbox_.crowded() || run->progress() != progress_) last_progress_ = now;
  if (run) progress_ = run->progress();
  if (now - last_progress_ > settings_.stalled)
    fail("the chain has taken and given nothing for " + seconds_text(settings_.stalled) +
         " (--stalled): one of its gadgets hangs");
}

void Session::tell() {
  last_told_ = Clock::now();
  if (settings_.status.empty()) return;
  if (const LiveRun* const run = chain()) run->describe(status_);
  if (status_.ended == 0 && !told()) status_.state = chain() ? "stream" : status_.chain.empty() ? "config" : "header";
  status_.told = seconds_since_1970();
  status_.bytes_out = written_ + outbox_.written_at_once();
  write_status(settings_.status, status_);
}

}  // namespace

SessionEnd serve_session(int socket, std::uint64_t number, const std::string& peer, const SessionSettings& settings,
                         const std::function<void(const std::string&)>& log) {
  return Session(socket, number, peer, settings, log).serve();
}

}  // namespace counterflow
