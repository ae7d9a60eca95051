// What identifies a content.
#pragma once
#include <string>

namespace counterflow {

// SHA-256, in hexadecimal.
std::string sha256(const std::string& content);

}  // namespace counterflow
