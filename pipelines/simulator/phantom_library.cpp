#include "pipelines/simulator/phantom_library.h"

#include <cmath>
#include <functional>
#include <numbers>

#include "core/error.h"
#include "core/text.h"

namespace counterflow {
namespace {

using std::numbers::pi;

struct Rod {
  std::string name, material;
};

// Rods equally spaced on a circle, the first at `angle` [rad].
void ring(Phantom& phantom, const std::vector<Rod>& rods, double circle, double radius, double angle) {
  for (std::size_t k = 0; k < rods.size(); ++k) {
    const double a = angle + 2 * pi * static_cast<double>(k) / static_cast<double>(rods.size());
    if (!rods[k].name.empty()) phantom.rod(rods[k].name, circle * std::cos(a), circle * std::sin(a), radius, rods[k].material);
  }
}

std::string solution(double mg_per_ml, const std::string& solute) {
  return "water+" + number_text(mg_per_ml) + "mg/mL*" + solute;
}

// Both Gammex phantoms: 33 cm body, 28 mm rods, eight at 50 mm and eight at 105 mm radius. The layout is ours.
class Gammex : public ReadyPhantom {
 public:
  void describe(PropertyVisitor& v) override {
    v("inserts", inserts_,
      {.text = "which rods; the places of the others hold the body", .choices = {"all", "iodine", "calcium"}});
  }
  void paint(Phantom& phantom) const override {
    constexpr double kBody = 165, kRod = 14, kInner = 50, kOuter = 105;
    phantom.paint(Shape::cylinder({}, kBody, kBody), body());
    // Iodine concentrations are positive, calcium's negative, 0 is water [mg/mL].
    ring(phantom, rods({2, -50, 5, -200, 10, -400, 20, 0}, " inner"), kInner, kRod, 0);
    ring(phantom, rods({2.5, -100, 5, 7.5, -300, 10, 15, 0}, " outer"), kOuter, kRod, pi / 8);
    phantom.region("body", 0, 0, 30, body());
  }

 protected:
  virtual std::string body() const = 0;
  virtual std::string filling(const std::string& element, double mg_per_ml) const = 0;

 private:
  std::vector<Rod> rods(const std::vector<double>& concentrations, const std::string& circle) const {
    std::vector<Rod> out;
    for (double c : concentrations) {
      const std::string element = c < 0 ? "calcium" : "iodine";
      if (c == 0) out.push_back({"water" + circle, "water"});
      else if (inserts_ == "all" || inserts_ == element)
        out.push_back({element + " " + number_text(std::abs(c)) + " mg/mL" + circle, filling(element, std::abs(c))});
      else out.push_back({});
    }
    return out;
  }
  std::string inserts_ = "all";
};

class Gammex472 final : public Gammex {
  std::string body() const override { return "solid_water"; }
  std::string filling(const std::string& element, double c) const override {
    const long whole = static_cast<long>(c), tenth = std::lround(10 * c) % 10;
    return "gammex_472_" + std::string(element == "iodine" ? "i" : "ca") + std::to_string(whole) + "_" + std::to_string(tenth);
  }
};

class GammexBasis final : public Gammex {
  std::string body() const override { return "water"; }
  std::string filling(const std::string& element, double c) const override { return solution(c, element); }
};

// 10 cm of water with six 20 mm rods at 30 mm radius.
class Qrm final : public ReadyPhantom {
 public:
  void describe(PropertyVisitor&) override {}
  void paint(Phantom& phantom) const override {
    phantom.paint(Shape::cylinder({}, 50, 50), "water");
    std::vector<Rod> rods;
    for (double c : {201.4, 406.9})
      rods.push_back({"hydroxyapatite " + number_text(c) + " mg/cm3", solution(c, "hydroxyapatite")});
    for (double c : {4.83, 9.66, 14.56}) rods.push_back({"iodine " + number_text(c) + " mg/mL", solution(c, "iodine")});
    rods.push_back({"water", "water"});
    ring(phantom, rods, 30, 10, 0);
    phantom.region("body", 0, 0, 15, "water");
  }
};

class WaterCylinder final : public ReadyPhantom {
 public:
  void describe(PropertyVisitor& v) override {
    v("diameter", diameter_, {.unit = "mm", .text = "of the cylinder", .min = 1e-3, .max = 1e4});
    v("material", material_, {.text = "what it is made of"});
    v("x", x_, {.unit = "mm", .text = "its axis"});
    v("y", y_, {.unit = "mm", .text = "its axis"});
  }
  void paint(Phantom& phantom) const override { phantom.rod(material_, x_, y_, diameter_ / 2, material_); }

 private:
  double diameter_ = 300, x_ = 0, y_ = 0;
  std::string material_ = "water";
};

class IodineRods final : public ReadyPhantom {
 public:
  void describe(PropertyVisitor& v) override {
    v("diameter", diameter_, {.unit = "mm", .text = "of the water body", .min = 260, .max = 1e4});
    v("rod_diameter", rod_diameter_, {.unit = "mm", .text = "of the rods", .min = 1e-3, .max = 30});
    v("concentrations", concentrations_,
      {.unit = "mg/mL", .text = "of iodine in water, a rod each on both circles", .min = 0, .max = 500});
  }
  void paint(Phantom& phantom) const override {
    phantom.paint(Shape::cylinder({}, diameter_ / 2, diameter_ / 2), "water");
    const double half_step = pi / static_cast<double>(std::max<std::size_t>(concentrations_.size(), 1));
    ring(phantom, rods(" inner"), 50, rod_diameter_ / 2, 0);
    ring(phantom, rods(" outer"), 105, rod_diameter_ / 2, half_step);
    phantom.region("body", 0, 0, 30, "water");
  }

 private:
  std::vector<Rod> rods(const std::string& circle) const {
    std::vector<Rod> out;
    for (double c : concentrations_) out.push_back({"iodine " + number_text(c) + " mg/mL" + circle, solution(c, "iodine")});
    return out;
  }
  double diameter_ = 330, rod_diameter_ = 28;
  std::vector<double> concentrations_{2, 2.5, 5, 7.5, 10, 15, 20};
};

class Wire final : public ReadyPhantom {
 public:
  void describe(PropertyVisitor& v) override {
    v("x", x_, {.unit = "mm", .text = "of the wire's axis"});
    v("y", y_, {.unit = "mm", .text = "of the wire's axis"});
    v("diameter", diameter_, {.unit = "mm", .text = "of the wire", .min = 1e-3, .max = 100});
    v("material", material_, {.text = "of the wire"});
  }
  void paint(Phantom& phantom) const override { phantom.rod("wire", x_, y_, diameter_ / 2, material_); }

 private:
  double x_ = 60, y_ = 35, diameter_ = 1;
  std::string material_ = "aluminium";
};

template <class T>
std::unique_ptr<ReadyPhantom> make() {
  return std::make_unique<T>();
}

using Factory = std::unique_ptr<ReadyPhantom> (*)();
const std::vector<std::pair<std::string, Factory>>& factories() {
  static const std::vector<std::pair<std::string, Factory>> all{
      {"gammex_472", make<Gammex472>},         {"gammex_basis", make<GammexBasis>},          {"qrm", make<Qrm>},
      {"water_cylinder", make<WaterCylinder>}, {"water_with_iodine_rods", make<IodineRods>}, {"wire", make<Wire>},
      {"shepp_logan", make_shepp_logan},       {"forbild_head", make_forbild_head},          {"random", make_random_phantom}};
  return all;
}

}  // namespace

std::vector<std::string> ready_phantoms() {
  std::vector<std::string> names;
  for (const auto& [name, factory] : factories()) names.push_back(name);
  return names;
}

std::unique_ptr<ReadyPhantom> ready_phantom(const std::string& name) {
  for (const auto& [known, factory] : factories())
    if (known == name) return factory();
  throw ConfigError("no phantom '" + name + "'" + did_you_mean(name, ready_phantoms()));
}

}  // namespace counterflow
