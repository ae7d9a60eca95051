#include "core/xml/document.h"

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/xmlschemas.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <sstream>

#include "core/error.h"

namespace counterflow {
namespace {

template <auto Free>
struct Freer {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using Doc = std::unique_ptr<xmlDoc, Freer<xmlFreeDoc>>;
using Parser = std::unique_ptr<xmlParserCtxt, Freer<xmlFreeParserCtxt>>;

constexpr int kLargestDepth = 32;
constexpr std::ptrdiff_t kMostTags = 10'000;  // some 350 bytes of memory each

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

std::string from(const xmlChar* text) { return text ? reinterpret_cast<const char*>(text) : ""; }

XmlElement convert(xmlNode* node, const std::string& file, int depth) {
  XmlElement element;
  element.name = from(node->name);
  element.where = file + ":" + std::to_string(xmlGetLineNo(node));
  if (depth > kLargestDepth)
    throw ConfigError(element.where + ": elements are nested deeper than " + std::to_string(kLargestDepth));
  for (xmlAttr* a = node->properties; a; a = a->next) {
    xmlChar* value = xmlNodeListGetString(node->doc, a->children, 1);
    element.attributes[from(a->name)] = from(value);
    xmlFree(value);
  }
  for (xmlNode* n = node->children; n; n = n->next) {
    if (n->type == XML_ELEMENT_NODE) element.children.push_back(convert(n, file, depth + 1));
    if (n->type == XML_TEXT_NODE || n->type == XML_CDATA_SECTION_NODE) element.text += from(n->content);
    if (n->type == XML_ENTITY_REF_NODE) throw ConfigError(element.where + ": entities are refused: write the text itself");
  }
  element.text = trimmed(element.text);
  return element;
}

struct Complaint {
  std::string text;
};

void collect(void* complaint, xmlErrorPtr error) {
  auto& first = static_cast<Complaint*>(complaint)->text;
  if (!first.empty()) return;
  first = std::to_string(error->line) + ": " + trimmed(from(reinterpret_cast<const xmlChar*>(error->message)));
}

// Before anything of it is declared, in whatever encoding it is written.
void stop_at_doctype(void* context, const xmlChar*, const xmlChar*, const xmlChar*) {
  auto* parser = static_cast<xmlParserCtxt*>(context);
  *static_cast<int*>(parser->_private) = xmlSAX2GetLineNumber(parser);
  xmlStopParser(parser);
}

void validate(xmlDoc* doc, const std::string& name, const std::string& schema) {
  using SchemaParser = std::unique_ptr<xmlSchemaParserCtxt, Freer<xmlSchemaFreeParserCtxt>>;
  using Schema = std::unique_ptr<xmlSchema, Freer<xmlSchemaFree>>;
  using Validator = std::unique_ptr<xmlSchemaValidCtxt, Freer<xmlSchemaFreeValidCtxt>>;
  SchemaParser parser(xmlSchemaNewMemParserCtxt(schema.data(), static_cast<int>(schema.size())));
  Complaint complaint;
  xmlSchemaSetParserStructuredErrors(parser.get(), collect, &complaint);
  Schema compiled(xmlSchemaParse(parser.get()));
  if (!compiled) throw ConfigError("the schema for " + name + " is damaged, line " + complaint.text);
  Validator validator(xmlSchemaNewValidCtxt(compiled.get()));
  xmlSchemaSetValidStructuredErrors(validator.get(), collect, &complaint);
  if (xmlSchemaValidateDoc(validator.get(), doc) != 0) throw ConfigError(name + ":" + complaint.text);
}

}  // namespace

const XmlElement* XmlElement::child(const std::string& child_name) const {
  const auto found = std::find_if(children.begin(), children.end(), [&](const auto& c) { return c.name == child_name; });
  return found == children.end() ? nullptr : &*found;
}

std::map<std::string, Setting> XmlElement::settings(const std::vector<std::string>& except) const {
  std::map<std::string, Setting> out;
  for (const auto& [key, value] : attributes)
    if (std::find(except.begin(), except.end(), key) == except.end()) out[key] = {value, where};
  return out;
}

void XmlElement::allow_children(const std::vector<std::string>& names) const {
  for (const auto& c : children)
    if (std::find(names.begin(), names.end(), c.name) == names.end())
      throw ConfigError(c.where + ": <" + name + "> has no element <" + c.name + ">" + did_you_mean(c.name, names));
}

XmlElement parse_xml(const std::string& content, const std::string& name, const std::string& schema) {
  Parser parser(xmlNewParserCtxt());
  const int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_BIG_LINES;
  if (std::count(content.begin(), content.end(), '<') > kMostTags)
    throw ConfigError(name + ": has more than " + std::to_string(kMostTags) + " tags: remove what does not belong there");
  int doctype = 0;
  parser->_private = &doctype;
  parser->sax->internalSubset = stop_at_doctype;
  Doc doc(xmlCtxtReadMemory(parser.get(), content.data(), static_cast<int>(content.size()), name.c_str(), nullptr, options));
  if (doctype > 0) throw ConfigError(name + ":" + std::to_string(doctype) + ": DOCTYPE is refused: remove it");
  if (!doc) {
    const xmlError* error = xmlCtxtGetLastError(parser.get());
    throw ConfigError(name + ":" + std::to_string(error ? error->line : 1) +
                      ": not XML: " + trimmed(error && error->message ? error->message : "the file is empty"));
  }
  if (!schema.empty()) validate(doc.get(), name, schema);
  return convert(xmlDocGetRootElement(doc.get()), name, 1);
}

XmlElement read_xml(const std::filesystem::path& file, const std::string& schema) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw ConfigError(file.string() + ": cannot be opened; give the path of an XML file");
  std::ostringstream content;
  content << in.rdbuf();
  return parse_xml(content.str(), file.string(), schema);
}

std::string xml_escape(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else out += c;
  }
  return out;
}

}  // namespace counterflow
