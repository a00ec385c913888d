// Pairs of doubles for the proofs: hi + lo, about 106 bits. Nothing of it is in the library.
//
// The error of every function is below 2^-102 of the sum of the absolute values of its terms (Dekker, Knuth). All need
// round-to-nearest and no contraction.
#pragma once

#include <cmath>
#include <cstdint>

namespace proof {

struct Two {
  double hi, lo;
};

template <class To, class From>
inline To as(From from) {
  return __builtin_bit_cast(To, from);
}

inline std::uint64_t bits(double y) { return as<std::uint64_t>(y); }

inline Two sum(double a, double b) {  // exact
  const double s = a + b, bb = s - a;
  return {s, (a - (s - bb)) + (b - bb)};
}

inline Two product(double a, double b) {  // exact while nothing underflows
  const double p = a * b;
  return {p, std::fma(a, b, -p)};
}

inline Two sum(Two a, Two b) {
  const Two s = sum(a.hi, b.hi);
  return sum(s.hi, s.lo + (a.lo + b.lo));
}

inline Two product(Two a, double b) {
  const Two p = product(a.hi, b);
  return sum(p.hi, std::fma(a.lo, b, p.lo));
}

inline Two product(Two a, Two b) {
  const Two p = product(a.hi, b.hi);
  return sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

inline Two quotient(Two a, double b) {
  const double q = a.hi / b;
  return sum(q, (std::fma(-q, b, a.hi) + a.lo) / b);
}

}  // namespace proof
