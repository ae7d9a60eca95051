// Properties: one declaration of name, unit, range, default and text feeds the XML parser, the range check, --print-chain,
// `counterflow describe` and the manual. A gadget (or a scenario element) declares them in
//   void describe(PropertyVisitor& v) { v("tolerance", tolerance_, {.unit = "1", .text = "...", .min = 1e-12, .max = 1}); }
// Types: double, std::int64_t, bool, std::string, std::vector<double>, std::vector<std::string> (lists are separated by spaces).
#pragma once
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace counterflow {

struct PropertyDoc {
  std::string unit = {};                                  // "keV", "1", ""
  std::string text = {};                                  // one sentence
  double min = -std::numeric_limits<double>::infinity();  // of numbers and of each element of a list of numbers
  double max = std::numeric_limits<double>::infinity();
  std::vector<std::string> choices = {};  // of text; empty = anything
};

struct Property {
  std::string name;
  std::string type;  // "number", "integer", "true or false", "text", "numbers", "words"
  PropertyDoc doc;
  std::string value;                               // as text that parses back to the same value
  std::function<void(const std::string&)> assign;  // throws ConfigError: "expected ..., got '...'"
};

class PropertyVisitor {
 public:
  virtual ~PropertyVisitor() = default;
  template <class T>
  void operator()(const std::string& name, T& value, PropertyDoc doc);

 protected:
  virtual void visit(const Property& property) = 0;
};

// A value as written in a file, with "file:line".
struct Setting {
  std::string value;
  std::string where;
};

// Sets properties from named settings. finish() refuses names that nobody asked for.
class PropertyReader final : public PropertyVisitor {
 public:
  PropertyReader(std::map<std::string, Setting> settings, std::string owner)
      : settings_(std::move(settings)), owner_(std::move(owner)) {}
  void finish() const;

 private:
  void visit(const Property& property) override;
  std::map<std::string, Setting> settings_;
  std::string owner_;  // of messages: "MaximumLikelihood", "<detector>"
  std::vector<std::string> known_;
};

// Collects properties with their present values: for manuals and --print-chain.
class PropertyList final : public PropertyVisitor {
 public:
  std::vector<Property> properties;

 private:
  void visit(const Property& property) override { properties.push_back(property); }
};

namespace detail {
Property make_property(const std::string& name, double& value, PropertyDoc doc);
Property make_property(const std::string& name, std::int64_t& value, PropertyDoc doc);
Property make_property(const std::string& name, bool& value, PropertyDoc doc);
Property make_property(const std::string& name, std::string& value, PropertyDoc doc);
Property make_property(const std::string& name, std::vector<double>& value, PropertyDoc doc);
Property make_property(const std::string& name, std::vector<std::string>& value, PropertyDoc doc);
}  // namespace detail

template <class T>
void PropertyVisitor::operator()(const std::string& name, T& value, PropertyDoc doc) {
  visit(detail::make_property(name, value, std::move(doc)));
}

}  // namespace counterflow
