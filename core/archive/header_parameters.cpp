#include "core/archive/header_parameters.h"

#include <charconv>
#include <cmath>

#include "core/error.h"

namespace counterflow {

std::optional<double> finite_number(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const char* begin = text.data() + (text.size() > 1 && text[0] == '+' && text[1] != '-' ? 1 : 0);
  const auto [stop, error] = std::from_chars(begin, end, value);
  if (error != std::errc() || stop != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

HeaderParameters::HeaderParameters(const XmlElement* user, std::string where) : where_(std::move(where)) {
  if (user == nullptr) return;
  for (const XmlElement& parameter : user->children) {
    const XmlElement* name = parameter.child("name");
    const XmlElement* value = parameter.child("value");
    if (name == nullptr || value == nullptr)
      throw ArchiveError(where_ + ": a userParameter of the header has no name or no value");
    if (!values_.emplace(name->text, value->text).second)
      throw ArchiveError(where_ + ": parameter '" + name->text + "' stands twice in the header");
  }
}

std::string HeaderParameters::text(const std::string& name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) throw ArchiveError(where_ + ": the header has no parameter '" + name + "'");
  return found->second;
}

double HeaderParameters::number(const std::string& name) const {
  const std::string value = text(name);
  const auto number = finite_number(value);
  if (!number) throw ArchiveError(where_ + ": parameter '" + name + "': expected a number, got '" + value + "'");
  return *number;
}

std::size_t HeaderParameters::count(const std::string& name) const {
  constexpr double kLargest = 2147483648.0;
  const double value = number(name);
  if (value < 1 || value > kLargest || value != std::floor(value))
    throw ArchiveError(where_ + ": parameter '" + name + "': expected a positive whole number, got '" + text(name) + "'");
  return static_cast<std::size_t>(value);
}

}  // namespace counterflow
