#include "core/gadget/property.h"

#include <algorithm>
#include <charconv>

namespace counterflow {
namespace {

std::string range_text(const PropertyDoc& doc) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  std::string text;
  if (doc.min > -infinity && doc.max < infinity) text = " from " + number_text(doc.min) + " to " + number_text(doc.max);
  else if (doc.min > -infinity) text = " of at least " + number_text(doc.min);
  else if (doc.max < infinity) text = " of at most " + number_text(doc.max);
  return doc.unit.empty() || doc.unit == "1" ? text : text + " [" + doc.unit + "]";
}

[[noreturn]] void refuse(const std::string& expected, const std::string& got) {
  throw ConfigError("expected " + expected + ", got '" + got + "'");
}

template <class Number>
Number parse_number(const std::string& text, const PropertyDoc& doc, const std::string& what) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  const auto in_range = [&] { return static_cast<double>(value) >= doc.min && static_cast<double>(value) <= doc.max; };
  if (!whole || !in_range()) refuse(what + range_text(doc), text);  // a NaN is in no range
  return value;
}

}  // namespace

namespace detail {

Property make_property(const std::string& name, double& value, PropertyDoc doc) {
  return {name, "number", doc, number_text(value),
          [&value, doc](const std::string& text) { value = parse_number<double>(text, doc, "a number"); }};
}

Property make_property(const std::string& name, std::int64_t& value, PropertyDoc doc) {
  return {name, "integer", doc, std::to_string(value),
          [&value, doc](const std::string& text) { value = parse_number<std::int64_t>(text, doc, "an integer"); }};
}

Property make_property(const std::string& name, bool& value, PropertyDoc doc) {
  return {name, "true or false", doc, value ? "true" : "false", [&value](const std::string& text) {
            if (text == "true" || text == "1") value = true;
            else if (text == "false" || text == "0") value = false;
            else refuse("true or false", text);
          }};
}

Property make_property(const std::string& name, std::string& value, PropertyDoc doc) {
  return {name, "text", doc, value, [&value, doc](const std::string& text) {
            const auto& choices = doc.choices;
            if (!choices.empty() && std::find(choices.begin(), choices.end(), text) == choices.end())
              throw ConfigError("expected one of " + joined(choices, ", ") + ", got '" + text + "'" +
                                (text.empty() ? "" : did_you_mean(text, choices)));
            value = text;
          }};
}

Property make_property(const std::string& name, std::vector<double>& value, PropertyDoc doc) {
  std::string text;
  for (double v : value) text += (text.empty() ? "" : " ") + number_text(v);
  return {name, "numbers", doc, text, [&value, doc](const std::string& list) {
            std::vector<double> parsed;
            for (const auto& word : words(list)) parsed.push_back(parse_number<double>(word, doc, "numbers"));
            value = std::move(parsed);
          }};
}

Property make_property(const std::string& name, std::vector<std::string>& value, PropertyDoc doc) {
  return {name, "words", doc, joined(value, " "), [&value](const std::string& list) { value = words(list); }};
}

}  // namespace detail

void PropertyReader::visit(const Property& property) {
  known_.push_back(property.name);
  const auto found = settings_.find(property.name);
  if (found == settings_.end()) return;
  try {
    property.assign(found->second.value);
  } catch (const ConfigError& error) {
    throw ConfigError(found->second.where + ": " + owner_ + ": property '" + property.name + "': " + error.what());
  }
}

void PropertyReader::finish() const {
  for (const auto& [name, setting] : settings_)
    if (std::find(known_.begin(), known_.end(), name) == known_.end())
      throw ConfigError(setting.where + ": " + owner_ + " has no property '" + name + "'" + did_you_mean(name, known_));
}

}  // namespace counterflow
