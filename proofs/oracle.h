// The independent evaluation that the kernels are held against: softplus(-x) and sigmoid(-x) for x >= 0 by Taylor
// series, and loss, gradient and hessian from them, each with a bound on its error.
//
// No exponential, logarithm or polynomial of the library is used. The line is cut into segments; MPFR gives the Taylor
// coefficients at the centre c of each (elementary.cc), and for |t| <= 2^-7 the series of degree 13 are summed here.
//
// Bound, relative: on the circle |y - c| = 1, Re exp(-y) > 0, so |sigmoid(-y)| <= |exp(-y)| <= e exp(-c) <= 2 e p with
// p = sigmoid(-c). Cauchy: the n-th coefficient is at most 2 e p. So the terms left out are below 5.5 * 2^-98 p, those
// summed in doubles (from degree 7) lose less than 5.5 * 2^-49 * 2^-51 p, and the seven steps in pairs 2^-99 p:
// together 2^-95 p, and p varies by less than 1 % over a segment. softplus(-x) >= sigmoid(-x), and its n-th coefficient
// is that of -sigmoid(-x) before it over n: the same bound. 2^-92 is assumed below; maths.cc compares with MPFR.
#pragma once

#include <algorithm>

#include "double_double.h"

namespace proof {

constexpr double oracle_error = 0x1p-92;
constexpr double segment_radius = 0x1p-7;

struct Series {
  static constexpr int pairs = 7, doubles = 7;
  DoubleDouble head[pairs];
  double rest[doubles];

  DoubleDouble operator()(double t) const {
    double high = rest[doubles - 1];
    for (int n = doubles - 2; n >= 0; --n) high = std::fma(high, t, rest[n]);
    DoubleDouble s = sum(head[pairs - 1], DoubleDouble{t * high, 0});
    for (int n = pairs - 2; n >= 0; --n) s = sum(head[n], product(s, t));
    return s;
  }
};

// Both functions times 2^scale around `centre`.
struct Segment {
  double centre;
  int scale;
  Series softplus, sigmoid;
};

struct Tails {
  DoubleDouble softplus, sigmoid;
};

// From `negligible` on both are below 2^-184. What they are added to, and every midpoint of these formats, is a
// multiple of 2^-165 there (such an |x| is one of 2^-16, a label one of 2^-149), so any positive number this small
// decides alike.
constexpr double negligible = 128;
constexpr Tails no_tails{{0x1p-200, 0}, {0x1p-200, 0}};

struct Truth {
  DoubleDouble value;
  double error;  // absolute
};

// An exact (or nearly exact) part, s, and one that is known to 2^-92 of its size.
inline Truth total(DoubleDouble s, double error_of_s, DoubleDouble tail) {
  const DoubleDouble h = sum(s.hi, tail.hi);
  const DoubleDouble v = sum(h.hi, h.lo + (s.lo + tail.lo));
  return {v, std::fabs(tail.hi) * oracle_error + error_of_s + (std::fabs(h.lo) + std::fabs(s.lo)) * 0x1p-51};
}

// 1 - z for a positive logit, z otherwise: what multiplies |x| in the loss.
inline DoubleDouble slope(double x, double z) {
  const DoubleDouble positive = sum(1, -z);
  return {x > 0 ? positive.hi : z, x > 0 ? positive.lo : 0};
}

inline Truth loss(double x, DoubleDouble slope, DoubleDouble softplus) {
  const double size = std::fabs(x);
  const DoubleDouble p = product(size, slope.hi);
  const double rest = size * slope.lo;
  const DoubleDouble s = sum(p.hi, p.lo + rest);
  return total(s, slope.lo != 0 ? p.hi * 0x1p-103 : 0, softplus);
}

inline Truth gradient(double x, DoubleDouble slope, DoubleDouble sigmoid, double n) {
  const Truth t = total(slope, 0, {-sigmoid.hi, -sigmoid.lo});
  const double sign = x > 0 ? 1 : -1;
  const DoubleDouble v = quotient({sign * t.value.hi, sign * t.value.lo}, n);
  return {v, t.error / n + (n != 1 ? std::fabs(v.lo) * 0x1p-51 : 0)};
}

inline Truth hessian(DoubleDouble sigmoid) {
  const DoubleDouble other = sum(DoubleDouble{1, 0}, {-sigmoid.hi, -sigmoid.lo});
  const DoubleDouble h = product(sigmoid, other);
  return {h, h.hi * (4 * oracle_error)};
}

// A number to the nearest of `digits` bits, or of multiples of the unit of the subnormals below 2^least; ties to even.
// A pair is first rounded to odd: a double has bits to spare, so the second rounding does no harm.
template <class Format>
inline double rounded(double hi, double lo) {
  const DoubleDouble y = sum(hi, lo);
  const std::uint64_t b = bits(y.hi), away = (y.lo > 0) == (y.hi > 0) ? b + 1 : b - 1;
  const double odd = as<double>(y.lo == 0 || b & 1 ? b : away);
  const double lowest = as<double>(std::uint64_t(1023 + Format::least) << 52);
  const double power = std::max(as<double>(bits(odd) & 0x7ff0000000000000), lowest);
  const double unit = power * as<double>(std::uint64_t(1024 - Format::digits) << 52);
  return std::copysign(std::rint(odd / unit) * unit, odd);
}

}  // namespace proof
