// Where the ray of a pixel meets the detector in the plane of the source, and the pixel's distance weight.
// The kernels' part below is compiled with each kernel source; what stands above it is plain data.
#pragma once
#include <cstddef>

namespace counterflow::fbp {

enum class Rays { arc, flat, parallel };

}  // namespace counterflow::fbp

#ifdef COUNTERFLOW_KERNEL
namespace counterflow::COUNTERFLOW_KERNEL {
namespace {

// atan(r) for |r| <= tan(pi/8): r times a polynomial in r^2, interpolated at Chebyshev's nodes (errors 2e-8 and 7e-17).
inline float arctangent(float r) {
  const float z = r * r;
  float p = 0.07976291806793993f;
  p = p * z - 0.13848490212269016f;
  p = p * z + 0.19974082415507646f;
  p = p * z - 0.33332785771924844f;
  return r * (p * z + 0.9999999812646111f);
}
inline double arctangent(double r) {
  const double z = r * r;
  double p = -0.017809323386383098;
  p = p * z + 0.03796945994146396;
  p = p * z - 0.05035294142322251;
  p = p * z + 0.058469270820148335;
  p = p * z - 0.06662959421503438;
  p = p * z + 0.07692046081456942;
  p = p * z - 0.09090896855674471;
  p = p * z + 0.11111110746670085;
  p = p * z - 0.14285714279286466;
  p = p * z + 0.1999999999994122;
  p = p * z - 0.3333333333333312;
  return r * (p * z + 1.0);
}

// across: the pixel's place along (sin b, -cos b); along: towards the source, along (cos b, sin b) [mm].
// column = scale times the angle (arc), the tangent (flat) or the place (parallel); weight = 1/L^2, (R/depth)^2 or 1.
template <fbp::Rays rays, class Real>
inline void hit(Real radius, Real scale, Real across, Real along, Real& column, Real& weight) {
  if constexpr (rays == fbp::Rays::parallel) {
    column = across * scale;
    weight = 1;
    return;
  }
  const Real depth = radius - along;
  if constexpr (rays == fbp::Rays::flat) {
    const Real inverse = 1 / depth;
    column = across * inverse * scale;
    weight = radius * radius * inverse * inverse;
    return;
  }
  // atan(across / depth) with one division: t = small/large, by pi/4 + atan((t-1)/(t+1)) where t > tan(pi/8).
  const Real magnitude = across < 0 ? -across : across;
  const bool steep = magnitude > depth;
  const Real small = steep ? depth : magnitude, large = steep ? magnitude : depth;
  const bool upper = small > Real(0.41421356237309503) * large;
  const Real numerator = upper ? small - large : small, denominator = upper ? small + large : large;
  const Real square = across * across + depth * depth;
  const Real inverse = 1 / (denominator * square);
  Real angle = arctangent(numerator * square * inverse) + (upper ? Real(0.78539816339744831) : Real(0));
  angle = steep ? Real(1.5707963267948966) - angle : angle;
  column = (across < 0 ? -angle : angle) * scale;
  weight = denominator * inverse;
}

}  // namespace
}  // namespace counterflow::COUNTERFLOW_KERNEL
#endif
