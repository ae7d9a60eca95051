#include "core/archive/image_meta.h"

#include "core/archive/header_parameters.h"
#include "core/error.h"
#include "core/text.h"
#include "core/xml/document.h"

namespace counterflow {

std::optional<double> kev_of(const std::string& channel) {
  const auto parts = words(channel);
  const auto kev = parts.size() >= 2 && parts[1] == "keV" ? finite_number(parts[0]) : std::nullopt;
  return kev && *kev >= 1 && *kev <= 999 ? kev : std::nullopt;
}

std::string meta_to_xml(const MetaValues& values) {
  std::string xml = "<?xml version=\"1.0\"?>\n<ismrmrdMeta>\n";
  for (const auto& [name, list] : values) {
    xml += "  <meta><name>" + xml_escape(name) + "</name>";
    for (const auto& value : list) xml += "<value>" + xml_escape(value) + "</value>";
    xml += "</meta>\n";
  }
  return xml + "</ismrmrdMeta>\n";
}

MetaValues meta_from_xml(const std::string& xml, const std::string& where) {
  MetaValues values;
  if (xml.empty()) return values;
  try {
    const XmlElement root = parse_xml(xml, where + ": attributes");
    for (const XmlElement& meta : root.children) {
      const XmlElement* name = meta.child("name");
      if (meta.name != "meta" || name == nullptr) throw ArchiveError(where + ": attributes: expected <meta> with a <name>");
      for (const XmlElement& value : meta.children)
        if (value.name == "value") values[name->text].push_back(value.text);
    }
  } catch (const ConfigError& error) {
    throw ArchiveError(error.what());
  }
  return values;
}

MetaValues image_meta(const Channels& channels, const ImageGrid& g, const ImageOrigin& origin) {
  const auto numbers = [](double x, double y, double z) { return std::vector{number_text(x), number_text(y), number_text(z)}; };
  return {{channels.quantity == "density" ? "materials" : "channels", channels.names},
          {"quantity", {channels.quantity}},
          {"unit", {channels.unit}},
          {"parameters", {origin.parameters}},
          {"chain", {origin.chain}},
          {"slices", {std::to_string(g.nz)}},
          {"voxel_mm", numbers(g.voxel_x, g.voxel_y, g.voxel_z)},
          {"centre_mm", numbers(g.centre_x, g.centre_y, g.centre_z)}};
}

}  // namespace counterflow
