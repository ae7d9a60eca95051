// The errors of Counterflow. Every message says what was expected, what came, where, and the way out.
#pragma once
#include <stdexcept>

namespace counterflow {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct ConfigError : Error {  // XML or the command line asks for something impossible
  using Error::Error;
};
struct DataError : Error {  // a message breaks the contract of its type
  using Error::Error;
};
struct ArchiveError : Error {  // a file cannot be read or written as asked
  using Error::Error;
};
struct ProtocolError : Error {  // bytes on a pipe or a connection are not what the protocol says
  using Error::Error;
};
struct GadgetError : Error {  // any of these from inside a gadget; adds the gadget and the view
  using Error::Error;
};

}  // namespace counterflow
