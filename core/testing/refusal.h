// What a call is refused with, for tests of messages.
#pragma once
#include <string>

#include "core/error.h"

namespace counterflow::testing {

// The message of the E that `call` throws; "accepted" where it throws nothing. Other exceptions pass.
template <class E = Error, class Call>
std::string refusal(Call&& call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  }
  return "accepted";
}

}  // namespace counterflow::testing
