// Training phantoms drawn from a seed: a torso-like ellipse of soft tissue in adipose, with organs, bones, and inserts of iodine
// and calcium in water.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/random.h"
#include "core/text.h"
#include "pipelines/simulator/phantom_library.h"

namespace counterflow {
namespace {

constexpr std::uint64_t kPhantomStream = 0x7068616e746f6d;  // keeps these numbers apart from those of the noise

class RandomPhantom final : public ReadyPhantom {
 public:
  void describe(PropertyVisitor& v) override {
    v("seed", seed_, {.text = "a phantom for each", .min = 0});
    v("radius", radius_, {.unit = "mm", .text = "largest half width of the body", .min = 40, .max = 1e4});
    v("inserts", inserts_, {.text = "how many inserts of iodine and of calcium each", .min = 0, .max = 20});
  }

  void paint(Phantom& phantom) const override {
    Philox random(static_cast<std::uint64_t>(seed_), kPhantomStream);
    const auto between = [&](double low, double high) { return low + (high - low) * random.uniform(); };
    const Frame turned = Frame::turned(between(-0.2, 0.2));
    const double rx = radius_ * between(0.75, 1.0), ry = rx * between(0.65, 1.0), shell = radius_ * between(0.04, 0.14);
    const Body inside{rx - shell, ry - shell, turned};
    phantom.paint(Shape::cylinder({}, rx, ry, Shape::kInfinite, turned), "adipose");
    phantom.paint(Shape::cylinder({}, inside.rx, inside.ry, Shape::kInfinite, turned), "soft_tissue", between(1.0, 1.06));
    for (int k = 0; k < 6; ++k) blob(phantom, inside, "soft_tissue", between(1.0, 1.08), radius_ * between(0.05, 0.22), random);
    for (int k = 0; k < 3; ++k) blob(phantom, inside, "adipose", between(0.92, 0.96), radius_ * between(0.03, 0.12), random);
    for (int k = 0; k < 4; ++k) blob(phantom, inside, "bone", between(1.2, 1.9), radius_ * between(0.03, 0.11), random);
    std::vector<Vector3> taken;
    for (std::int64_t k = 0; k < inserts_; ++k) {
      insert(phantom, inside, "iodine", between(1, 20), between(0.035, 0.1), taken, random);
      insert(phantom, inside, "calcium", between(30, 300), between(0.035, 0.1), taken, random);
    }
  }

 private:
  struct Body {
    double rx, ry;
    Frame frame;
  };

  // A point that keeps `margin` from the body's edge.
  static Vector3 place(const Body& body, double margin, Philox& random) {
    const double r = std::sqrt(random.uniform()), a = 2 * std::numbers::pi * random.uniform();
    const double x = std::max(0.0, body.rx - margin) * r * std::cos(a), y = std::max(0.0, body.ry - margin) * r * std::sin(a);
    return x * body.frame.x + y * body.frame.y;
  }

  static void blob(Phantom& phantom, const Body& body, const std::string& material, double density, double size, Philox& random) {
    const double other = size * (0.5 + random.uniform());
    const Vector3 center = place(body, std::max(size, other), random);
    const Frame frame = Frame::turned(std::numbers::pi * random.uniform());
    phantom.paint(Shape::cylinder(center, size, other, Shape::kInfinite, frame), material, density);
  }

  // A round insert that touches no other; left out where none of 200 places is free.
  void insert(Phantom& phantom, const Body& body, const std::string& solute, double mg_per_ml, double relative,
              std::vector<Vector3>& taken, Philox& random) const {
    const double size = radius_ * relative, rounded = std::round(100 * mg_per_ml) / 100;
    for (int attempt = 0; attempt < 200; ++attempt) {
      Vector3 center = place(body, size, random);
      const auto touches = [&](Vector3 other) { return std::hypot(other.x - center.x, other.y - center.y) < other.z + size; };
      if (std::any_of(taken.begin(), taken.end(), touches)) continue;
      taken.push_back({center.x, center.y, size});  // z holds the radius
      const std::string amount = number_text(rounded) + " mg/mL", name = solute + " " + amount;
      phantom.rod(name, center.x, center.y, size, "water+" + number_text(rounded) + "mg/mL*" + solute);
      return;
    }
  }

  std::int64_t seed_ = 1, inserts_ = 4;
  double radius_ = 160;
};

}  // namespace

std::unique_ptr<ReadyPhantom> make_random_phantom() { return std::make_unique<RandomPhantom>(); }

}  // namespace counterflow
