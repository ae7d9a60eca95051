#include "pipelines/counterflow/manual.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <sstream>

#include "core/gadget/stage.h"

namespace counterflow {
namespace {

constexpr std::size_t kWidth = 100;

std::unique_ptr<Stage<float>> default_stage(const GadgetEntry& entry) {
  PropertyReader none({}, entry.classname);
  return std::unique_ptr<Stage<float>>(entry.make_float(none));
}

std::string types_text(const Stage<float>& stage) {
  if (stage.form() == Form::sink) return fmt::format("Sink of {}", message_name(stage.in()));
  return fmt::format("{}, {} -> {}", form_name(stage.form()), message_name(stage.in()), message_name(stage.out()));
}

// A paragraph broken at spaces.
std::string wrapped_paragraph(const std::string& paragraph) {
  std::string out, line;
  for (const auto& word : words(paragraph)) {
    if (!line.empty() && line.size() + 1 + word.size() > kWidth) {
      out += line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return line.empty() ? out : out + line + "\n";
}

// Prose is wrapped; formulas and XML, which are indented or begin with '<', stay as they are.
std::string wrapped(const std::string& text) {
  std::istringstream in(text);
  std::string out, paragraph;
  for (std::string line; std::getline(in, line);) {
    const bool prose = !line.empty() && !line.starts_with(' ') && !line.starts_with('<');
    if (prose) {
      paragraph += line + " ";
      continue;
    }
    out += wrapped_paragraph(paragraph) + line + "\n";
    paragraph.clear();
  }
  return out + wrapped_paragraph(paragraph);
}

std::string range_text(const PropertyDoc& doc) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (!doc.choices.empty()) return joined(doc.choices, " | ");
  if (doc.min == -infinity && doc.max == infinity) return "any";
  if (doc.max == infinity) return ">= " + number_text(doc.min);
  if (doc.min == -infinity) return "<= " + number_text(doc.max);
  return number_text(doc.min) + " to " + number_text(doc.max);
}

std::string properties_text(const Stage<float>& stage) {
  const auto properties = stage.properties();
  if (properties.empty()) return "Properties: none\n";
  std::string text = "Properties:\n";
  for (const auto& p : properties) {
    text += fmt::format("  {} = {}    {}{}; {}\n", p.name, p.value.empty() ? "(empty)" : p.value, p.type,
                        p.doc.unit.empty() || p.doc.unit == "1" ? "" : " [" + p.doc.unit + "]", range_text(p.doc));
    text += "      " + p.doc.text + "\n";
  }
  return text;
}

}  // namespace

std::string manual_headline(const PluginFolders::Found& gadget) {
  const auto stage = default_stage(*gadget.gadget);
  return fmt::format("{:<26} {:<32} {}{}", gadget.gadget->classname, gadget.dll, types_text(*stage),
                     stage->differentiable() ? ", differentiable" : "");
}

std::string manual_page(const PluginFolders::Found& gadget) {
  const auto stage = default_stage(*gadget.gadget);
  std::string text = fmt::format("{} ({})\n{}", gadget.gadget->classname, gadget.dll, types_text(*stage));
  text += stage->differentiable() ? "; has an adjoint" : "; has no adjoint";
  if (stage->calibrates()) text += "; is calibrated with the air views";
  if (stage->has_loss()) text += "; has a loss";
  text += "\n\n" + wrapped(gadget.gadget->manual) + "\n";
  const auto parameters = stage->parameter_names();
  text += "Learns: " + (parameters.empty() ? std::string("nothing") : joined(parameters, ", ")) + "\n";
  return text + properties_text(*stage);
}

std::string manual_example(const std::string& manual) {
  const std::size_t begin = std::min(manual.find("<gadget"), manual.find("<loss"));
  std::size_t end = 0;
  for (const std::string closing : {"</gadget>", "</loss>"})
    if (const std::size_t at = manual.rfind(closing); at != std::string::npos) end = std::max(end, at + closing.size());
  return begin < end ? manual.substr(begin, end - begin) : "";
}

}  // namespace counterflow
