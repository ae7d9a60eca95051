#include "core/server/wire.h"

namespace counterflow::wire {
namespace {

const char* word_for(Id id) {
  switch (id) {
    case Id::config_file:
      return "config file";
    case Id::config_script:
      return "config script";
    case Id::header:
      return "header";
    case Id::close:
      return "close";
    case Id::text:
      return "text";
    case Id::query:
      return "query";
    case Id::response:
      return "response";
    case Id::acquisition:
      return "acquisition";
    case Id::image:
      return "image";
    case Id::waveform:
      return "waveform";
    case Id::wish:
      return "wish";
    case Id::view:
      return "view";
    case Id::receipt:
      return "receipt";
    case Id::ending:
      return "ending";
  }
  return nullptr;
}

}  // namespace

bool is_known(Id id) { return word_for(id) != nullptr; }

std::string name_of(Id id) {
  const char* word = word_for(id);
  const std::string number = std::to_string(static_cast<unsigned>(id));
  return word ? std::string(word) + " (id " + number + ")" : "unknown message id " + number;
}

}  // namespace counterflow::wire
