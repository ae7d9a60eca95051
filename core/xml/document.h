// XML as a plain tree of values. libxml2 stays inside document.cpp. DOCTYPE and entities are refused.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/gadget/property.h"

namespace counterflow {

struct XmlElement {
  std::string name;
  std::string text;   // character data, without white space around it
  std::string where;  // "file:line"
  std::map<std::string, std::string> attributes;
  std::vector<XmlElement> children;

  // The first child of that name, or nullptr.
  const XmlElement* child(const std::string& child_name) const;
  // All attributes as settings, for a PropertyReader; `except` are read by the caller.
  std::map<std::string, Setting> settings(const std::vector<std::string>& except = {}) const;
  // Throws ConfigError "file:line: expected one of ..., got <x>; did you mean" for the first child that is none of them.
  void allow_children(const std::vector<std::string>& names) const;
};

// Throws ConfigError "file:line: what libxml2 says". With a schema (the text of an XSD) the structure is validated too.
XmlElement parse_xml(const std::string& content, const std::string& name, const std::string& schema = "");
XmlElement read_xml(const std::filesystem::path& file, const std::string& schema = "");

// Text with & < > " escaped.
std::string xml_escape(const std::string& text);

}  // namespace counterflow
