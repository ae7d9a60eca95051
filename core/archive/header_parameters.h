// ISMRMRD's userParameters, read by name whatever their kind (long, double, string).
#pragma once
#include <map>
#include <optional>
#include <string>

#include "core/xml/document.h"

namespace counterflow {

class HeaderParameters {
 public:
  // `user` may be nullptr: a header without userParameters. Throws ArchiveError for a name that stands twice.
  HeaderParameters(const XmlElement* user, std::string where);

  bool has(const std::string& name) const { return values_.count(name) > 0; }
  // These throw ArchiveError naming the parameter where it is missing or is not what is asked for.
  std::string text(const std::string& name) const;
  double number(const std::string& name) const;      // finite
  std::size_t count(const std::string& name) const;  // 1 .. 2^31
  // The same with a default for a missing one.
  std::string text(const std::string& name, const std::string& otherwise) const { return has(name) ? text(name) : otherwise; }
  double number(const std::string& name, double otherwise) const { return has(name) ? number(name) : otherwise; }

 private:
  std::map<std::string, std::string> values_;
  std::string where_;
};

// Whole-text numbers; nullopt for anything else ("5abc", "", "nan").
std::optional<double> finite_number(const std::string& text);

}  // namespace counterflow
