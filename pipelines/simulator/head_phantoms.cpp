// Shepp-Logan and the FORBILD head.
#include <cmath>
#include <numbers>

#include "pipelines/simulator/phantom_library.h"

namespace counterflow {
namespace {

double radians(double degrees) { return degrees * std::numbers::pi / 180; }

// Shepp and Logan (1974): densities relative to water, here painted instead of added (the top ellipse covers the ventricles'
// tips).
class SheppLogan final : public ReadyPhantom {
 public:
  void describe(PropertyVisitor& v) override {
    v("size", size_, {.unit = "mm", .text = "half the side of the square that the head stands in", .min = 1, .max = 1e4});
  }
  void paint(Phantom& phantom) const override {
    struct Ellipse {
      double x, y, rx, ry, degrees, density;
    };
    constexpr Ellipse kEllipses[] = {{0, 0, 0.69, 0.92, 0, 2.0},         {0, -0.0184, 0.6624, 0.874, 0, 1.02},
                                     {0.22, 0, 0.11, 0.31, -18, 1.0},    {-0.22, 0, 0.16, 0.41, 18, 1.0},
                                     {0, 0.35, 0.21, 0.25, 0, 1.03},     {0, 0.1, 0.046, 0.046, 0, 1.03},
                                     {0, -0.1, 0.046, 0.046, 0, 1.03},   {-0.08, -0.605, 0.046, 0.023, 0, 1.03},
                                     {0, -0.605, 0.023, 0.023, 0, 1.03}, {0.06, -0.605, 0.023, 0.046, 0, 1.03}};
    for (const auto& e : kEllipses)
      phantom.paint(Shape::cylinder({size_ * e.x, size_ * e.y, 0}, size_ * e.rx, size_ * e.ry, Shape::kInfinite,
                                    Frame::turned(radians(e.degrees))),
                    "water", e.density);
    phantom.region("brain", size_ * 0.35, size_ * -0.45, size_ * 0.1, "water", 1.02);
    phantom.region("top", 0, size_ * 0.35, size_ * 0.2, "water", 1.03);
  }

 private:
  double size_ = 100;
};

// The FORBILD head (G. Lauritsch and H. Bruder, FORBILD phantom definition, Erlangen). Its numbers are cm; densities relative to
// water. Bodies carry the definition's numbers. The central slice is what Yu et al. (2012) tabulate in two dimensions.
class ForbildHead final : public ReadyPhantom {
 public:
  void describe(PropertyVisitor& v) override {
    v("bone", bone_, {.text = "material of what has density 1.8: bone, or water for one material throughout"});
    v("ear", ear_, {.text = "with the inner ear of 317 small holes"});
  }
  void paint(Phantom& phantom) const override {
    skull_and_brain(phantom);
    bones(phantom);
    if (ear_) ear(phantom);
    phantom.region("ventricle", 0, -36, 15, "water", 1.045);
    phantom.region("left eye", -47, 43, 15, "water", 1.06);
    phantom.region("right eye", 47, 43, 15, "water", 1.06);
  }

 private:
  static constexpr double kCm = 10;
  static constexpr double kBoneDensity = 1.8;

  static Vector3 cm(double x, double y, double z) { return {kCm * x, kCm * y, kCm * z}; }
  static Shape ball(double x, double y, double z, double r) { return Shape::ellipsoid(cm(x, y, z), cm(r, r, r)); }

  static void soft(Phantom& phantom, const Shape& shape, double density) { phantom.paint(shape, "water", density); }

  void bone(Phantom& phantom, const Shape& shape) const { phantom.paint(shape, bone_, kBoneDensity); }

  void skull_and_brain(Phantom& phantom) const {
    bone(phantom, Shape::ellipsoid({}, cm(9.6, 12, 12.5)));          // 5: skull
    soft(phantom, Shape::ellipsoid({}, cm(9.0, 11.4, 11.9)), 1.05);  // 6: brain
    soft(phantom, ball(-4.7, 4.3, 0.872, 2.0), 1.06);                // 1, 2: eyes
    soft(phantom, ball(4.7, 4.3, 0.872, 2.0), 1.06);
    soft(phantom, ball(-1.08, -9, 0, 0.4), 1.0525);  // 3, 4: low contrast
    soft(phantom, ball(1.08, -9, 0, 0.4), 1.0475);
    soft(phantom, Shape::ellipsoid(cm(0, 8.4, 0), cm(1.8, 3.0, 3.0)), 0);       // 7: frontal sinus, a hole
    soft(phantom, Shape::ellipsoid(cm(0, -3.6, 0), cm(1.8, 3.6, 3.6)), 1.045);  // 12: ventricle
    const Frame turned = Frame::turned(radians(58.1));
    soft(phantom, Shape::ellipsoid(cm(6.393945, -6.393945, 0), cm(1.2, 0.42, 1.2), turned), 1.055);  // 13: haematoma
  }

  void bones(Phantom& phantom) const {
    const double c15 = std::cos(radians(15)), s15 = std::sin(radians(15)), c30 = std::cos(radians(30)), s30 = 0.5;
    for (double side : {-1.0, 1.0}) {  // 8, 9: beside the nose
      const double a = side < 0 ? radians(120) : radians(60);
      const Frame frame = Frame::of({-side * s15, 0, c15}, {c15 * std::cos(a), std::sin(a), side * s15 * std::cos(a)});
      const double dx = side < 0 ? 1.206483 : 1.2, dy = side < 0 ? 0.420276 : 0.42;
      bone(phantom, Shape::ellipsoid(cm(side * 1.9, 5.4, 0), cm(dx * c15, dy * c15, 3.0), frame));
    }
    for (double side : {-1.0, 1.0})  // 10, 11: behind the eyes, 4 cm long
      bone(phantom, Shape::cylinder(cm(side * 4.3, 6.8, -1), kCm * 1.8, kCm * 0.24, kCm * 2.0,
                                    Frame::turned(radians(side < 0 ? 150 : 30))));
    // 14: a disc of thickness 0.5 cos 15 across the nose; 15: a plate of thickness 0.4 in the sinus.
    bone(phantom, Shape::cylinder(cm(0, 3.6, 0), kCm * 1.2, kCm * 4.0, kCm * 0.25 * c15, Frame::of({0, -c30, s30}, {1, 0, 0})));
    bone(phantom, Shape::cylinder(cm(0, 9.6, 0), kCm * 0.525561, kCm * 2.0, kCm * 0.2, Frame::of({1, 0, 0}, {0, c30, s30})));
    for (double z : {-0.2, 0.2})  // 16, 17: the inner occipital bone, 1.5 cm long, wide at the skull
      bone(phantom, Shape::cone(cm(0, -11.15, z), kCm * 0.5, kCm * 0.2, kCm * 0.75, Frame::of({0, 1, 0}, {1, 0, 0})));
  }

  // Bone with holes of 3 mm on a lattice of 4 mm, every second row moved by half of it, within an ellipsoid about the outer ear.
  void ear(Phantom& phantom) const {
    bone(phantom, Shape::ellipsoid(cm(9.1, 0, 0), cm(4.2, 1.8, 1.8)).clip({1, 0, 0}, kCm * 9.1));
    constexpr double kRow = 0.3464, kStep = 0.4, kRadius = 0.15, kAlong = 3.52, kAcross = 1.67;
    for (int i = -3; i <= 3; ++i)
      for (int j = -3; j <= 3; ++j)
        for (double x = (i + j) % 2 == 0 ? 8.8 : 8.6;; x -= kStep) {
          const double along = (x - 9.1) / kAlong, across = kRow * std::hypot(i, j) / kAcross;
          if (along * along + across * across > 1) break;
          phantom.paint(ball(x, kRow * j, kRow * i, kRadius), bone_, 0);
        }
  }

  std::string bone_ = "bone";
  bool ear_ = true;
};

}  // namespace

std::unique_ptr<ReadyPhantom> make_shepp_logan() { return std::make_unique<SheppLogan>(); }
std::unique_ptr<ReadyPhantom> make_forbild_head() { return std::make_unique<ForbildHead>(); }

}  // namespace counterflow
