// Pairs of doubles for the proofs: hi + lo, about 106 bits. Nothing of it is in the library.
//
// The error of every function is below 2^-102 of the sum of the absolute values of its terms (Dekker, Knuth). All need
// round-to-nearest and no contraction.
#pragma once

#include <cmath>
#include <cstdint>

namespace proof {

struct DoubleDouble {
  double hi, lo;
};

template <class To, class From>
inline To as(From from) {
  return __builtin_bit_cast(To, from);
}

inline std::uint64_t bits(double y) { return as<std::uint64_t>(y); }

inline DoubleDouble sum(double a, double b) {  // exact
  const double s = a + b, bb = s - a;
  return {s, (a - (s - bb)) + (b - bb)};
}

inline DoubleDouble product(double a, double b) {  // exact while nothing underflows
  const double p = a * b;
  return {p, std::fma(a, b, -p)};
}

inline DoubleDouble sum(DoubleDouble a, DoubleDouble b) {
  const DoubleDouble s = sum(a.hi, b.hi);
  return sum(s.hi, s.lo + (a.lo + b.lo));
}

inline DoubleDouble product(DoubleDouble a, double b) {
  const DoubleDouble p = product(a.hi, b);
  return sum(p.hi, std::fma(a.lo, b, p.lo));
}

inline DoubleDouble product(DoubleDouble a, DoubleDouble b) {
  const DoubleDouble p = product(a.hi, b.hi);
  return sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

inline DoubleDouble quotient(DoubleDouble a, double b) {
  const double q = a.hi / b;
  return sum(q, (std::fma(-q, b, a.hi) + a.lo) / b);
}

}  // namespace proof
