#include "core/physics/material.h"

#include <xraylib.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <optional>

#include "core/error.h"
#include "core/physics/material_library.h"
#include "core/text.h"

namespace counterflow {
namespace {

using Composition = std::vector<std::pair<int, double>>;

// Sorted by atomic number, one entry an element, fractions summing to 1.
Composition normalised(const Composition& parts) {
  std::map<int, double> by_element;
  double sum = 0;
  for (const auto& [z, fraction] : parts) by_element[z] += fraction, sum += fraction;
  Composition out;
  for (const auto& [z, fraction] : by_element)
    if (fraction > 0) out.emplace_back(z, fraction / sum);
  return out;
}

double element_density(int z) { return ElementDensity(z, nullptr); }  // 0 where xraylib knows none

std::optional<Material> ready_material(const std::string& name) {
  for (const ReadyMaterial& m : material_library())
    if (m.name == name)
      return Material{name, m.density > 0 ? m.density : element_density(m.composition[0].first), normalised(m.composition)};
  return std::nullopt;
}

// Reads a chemical formula into moles of each element; xraylib's own parser leaks what it cannot read and sets the locale.
class FormulaReader {
 public:
  explicit FormulaReader(const std::string& text) : text_(text) {}

  // True where the whole text is a formula.
  bool read(std::map<int, double>& moles) { return group(moles, 0) && at_ == text_.size() && !moles.empty(); }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  // Elements and groups in parentheses, up to the end or a closing parenthesis.
  bool group(std::map<int, double>& moles, int depth) {
    while (at_ < text_.size() && peek() != ')') {
      std::map<int, double> part;
      if (peek() == '(') {
        ++at_;
        if (depth > 20 || !group(part, depth + 1) || peek() != ')' || part.empty()) return false;
        ++at_;
      } else if (!element(part)) {
        return false;
      }
      const double count = number();
      if (!(count > 0 && count < 1e6)) return false;
      for (const auto& [z, n] : part) moles[z] += n * count;
    }
    return depth > 0 || at_ == text_.size();
  }

  bool element(std::map<int, double>& part) {
    std::string symbol;
    if (peek() >= 'A' && peek() <= 'Z') symbol += text_[at_++];
    while (!symbol.empty() && peek() >= 'a' && peek() <= 'z') symbol += text_[at_++];
    const int z = symbol.empty() || symbol.size() > 2 ? 0 : SymbolToAtomicNumber(symbol.c_str(), nullptr);
    if (z == 0 || !(AtomicWeight(z, nullptr) > 0)) return false;
    part[z] = 1;
    return true;
  }

  double number() {  // 1 where none stands
    double value = 1;
    const char* from = text_.data() + at_;
    if ((peek() >= '0' && peek() <= '9') || peek() == '.')
      at_ += static_cast<std::size_t>(std::from_chars(from, text_.data() + text_.size(), value, std::chars_format::fixed).ptr -
                                      from);
    return value;
  }

  const std::string& text_;
  std::size_t at_ = 0;
};

// An element's symbol or a chemical formula.
std::optional<Material> formula(const std::string& name) {
  std::map<int, double> moles;
  if (!FormulaReader(name).read(moles)) return std::nullopt;
  Composition parts;
  for (const auto& [z, count] : moles) parts.emplace_back(z, count * AtomicWeight(z, nullptr));
  return Material{name, parts.size() == 1 ? element_density(parts[0].first) : 0, normalised(parts)};
}

std::optional<Material> nist_material(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  using Nist = compoundDataNIST;
  const std::unique_ptr<Nist, void (*)(Nist*)> data(GetCompoundDataNISTByName(name.c_str(), nullptr), FreeCompoundDataNIST);
  if (!data) return std::nullopt;
  Composition parts;
  for (int k = 0; k < data->nElements; ++k) parts.emplace_back(data->Elements[k], data->massFractions[k]);
  return Material{name, data->density, normalised(parts)};
}

Material single_material(const std::string& name) {
  if (auto found = ready_material(name)) return *found;
  if (auto found = formula(name)) return *found;
  if (auto found = nist_material(name)) return *found;
  throw ConfigError("expected a ready material, an element, a formula such as CaCO3 or a NIST name, got '" + name + "'" +
                    did_you_mean(name, ready_materials()));
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

// One term of a mixture: a material with a mass fraction, a concentration, or nothing.
struct Term {
  Material material;
  double number = 1;
  bool has_number = false;
  bool is_concentration = false;  // number in g/cm^3
};

[[noreturn]] void refuse_term(const std::string& term, const std::string& whole) {
  throw ConfigError("expected a term such as 0.9*water or 5mg/mL*iodine, got '" + term + "' in '" + whole + "'");
}

// g/cm^3 a unit of concentration; empty = a mass fraction.
double concentration_unit(const std::string& unit, const std::string& term, const std::string& whole) {
  if (unit == "mg/mL" || unit == "mg/ml" || unit == "mg/cm3" || unit == "g/L") return 1e-3;
  if (unit == "g/cm3" || unit == "g/mL" || unit == "g/ml") return 1;
  throw ConfigError("expected a mass fraction or a concentration in mg/mL, mg/cm3, g/L, g/mL or g/cm3, got '" + unit +
                    "' in the term '" + term + "' of '" + whole + "'");
}

Term parse_term(const std::string& term, const std::string& whole) {
  const auto star = term.find('*');
  if (star == std::string::npos) return {single_material(term)};
  const std::string amount = trimmed(term.substr(0, star));
  Term out{single_material(trimmed(term.substr(star + 1)))};
  const auto [end, error] = std::from_chars(amount.data(), amount.data() + amount.size(), out.number);
  if (error != std::errc() || !(out.number >= 0) || out.number > 1e9) refuse_term(term, whole);
  const std::string unit = trimmed(std::string(end, amount.data() + amount.size()));
  out.has_number = true;
  out.is_concentration = !unit.empty();
  if (out.is_concentration) out.number *= concentration_unit(unit, term, whole);
  return out;
}

std::vector<Term> parse_terms(const std::string& text) {
  std::vector<Term> terms;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t to = std::min(text.find('+', from), text.size());
    const std::string term = trimmed(text.substr(from, to - from));
    if (term.empty()) refuse_term(term, text);
    terms.push_back(parse_term(term, text));
    from = to + 1;
  }
  return terms;
}

// Volumes add: 1/density = sum of fraction/density; 0 where a part's density is not known.
Material mixture_by_mass(const std::vector<Term>& terms, const std::string& text) {
  double mass = 0, volume = 0;
  Composition parts;
  bool known = true;
  for (const Term& t : terms) {
    if (!t.has_number && terms.size() > 1)
      throw ConfigError("expected a mass fraction before each part of a mixture, got '" + text + "'; write 0.9*water+0.1*iodine");
    mass += t.number;
    known = known && t.material.density > 0;
    if (known) volume += t.number / t.material.density;
    for (const auto& [z, fraction] : t.material.composition) parts.emplace_back(z, fraction * t.number);
  }
  if (!(mass > 0)) throw ConfigError("expected mass fractions with a sum above 0, got '" + text + "'");
  return {text, known ? mass / volume : 0, normalised(parts)};
}

Material mixture(const std::string& text) {
  std::vector<Term> base, solutes;
  for (Term& t : parse_terms(text)) (t.is_concentration ? solutes : base).push_back(std::move(t));
  if (base.empty()) throw ConfigError("expected a solvent in '" + text + "'; write water+5mg/mL*iodine");
  Material solvent = mixture_by_mass(base, text);
  if (solutes.empty()) return solvent;
  if (!(solvent.density > 0))
    throw ConfigError("the density of the solvent in '" + text + "' is not known; use a ready material");
  Composition parts;
  for (const auto& [z, fraction] : solvent.composition) parts.emplace_back(z, fraction * solvent.density);
  for (const Term& t : solutes) {
    solvent.density += t.number;
    for (const auto& [z, fraction] : t.material.composition) parts.emplace_back(z, fraction * t.number);
  }
  return {text, solvent.density, normalised(parts)};
}

}  // namespace

Material find_material(const std::string& text) {
  const std::string name = trimmed(text);
  if (name.find_first_of("*+") != std::string::npos) return mixture(name);
  Material found = single_material(name);
  found.name = name;
  return found;
}

std::vector<std::string> ready_materials() {
  std::vector<std::string> names;
  for (const ReadyMaterial& m : material_library()) names.push_back(m.name);
  return names;
}

}  // namespace counterflow
