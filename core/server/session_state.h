// What a session waits for: a config, then a header, then the views. One file a state; a state takes messages and says which
// state is next. No socket here: what is answered goes to an outbox.
#pragma once
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "core/chain/chain.h"
#include "core/server/frame_parser.h"
#include "core/server/live_run.h"
#include "core/server/mailbox.h"
#include "core/server/session.h"
#include "core/server/status.h"

namespace counterflow {

// What the states of one session share.
struct SessionContext {
  const SessionSettings& settings;
  wire::FrameParser& parser;
  Outbox& outbox;
  Notice& room;                  // raised when the client may go on
  std::function<void()> notice;  // something has ended; on any thread
  std::function<void(const std::string&)> log;
  std::set<std::string> wishes;  // of the client
  SessionStatus& status;
};

class SessionState {
 public:
  virtual ~SessionState() = default;
  // Takes a message that is neither text nor query nor wish. The state after it; null: this one still. Throws what the client is
  // told.
  virtual std::unique_ptr<SessionState> take(wire::Frame frame) = 0;
  virtual void flush() {}  // all messages that had come have been taken
  virtual bool crowded() const { return false; }
  virtual LiveRun* live() { return nullptr; }  // the chain at work
};

std::unique_ptr<SessionState> wait_for_config(SessionContext& context);
std::unique_ptr<SessionState> wait_for_header(SessionContext& context, Chain<float> chain);
std::unique_ptr<SessionState> stream_views(SessionContext& context, Chain<float> chain, ScanHeader header);

// Answers of every state; "" for a question that is unknown.
std::string answer_to(const std::string& question, const SessionSettings& settings);
// Throws ProtocolError for a word that is no wish.
void add_wishes(std::set<std::string>& wishes, const std::string& words);

}  // namespace counterflow
