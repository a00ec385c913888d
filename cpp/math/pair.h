// A number as the unevaluated sum hi + lo of two doubles, |lo| at most half an ulp of hi: about 106 bits.
//
// Claim: sums and products of pairs are good to 2^-102, quotients to 2^-100 (relative to the sum of the absolute
// terms). two_sum, fast_two_sum and two_product are exact (Dekker, Knuth); all need round-to-nearest and no
// contraction.
#pragma once

#include "portable.h"

namespace LOGITLOSS_NAMESPACE {

struct Pair {
  double hi, lo;
};

LOGITLOSS_INLINE Pair fast_two_sum(double a, double b) {  // |a| >= |b| or a == 0
  const double s = a + b;
  return {s, (a - s) + b};
}

LOGITLOSS_INLINE Pair two_sum(double a, double b) {
  const double s = a + b;
  const double t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}

LOGITLOSS_INLINE Pair two_product(double a, double b) {
  const double p = a * b;
  return {p, fma(a, b, -p)};
}

LOGITLOSS_INLINE Pair operator-(Pair a) { return {-a.hi, -a.lo}; }

LOGITLOSS_INLINE Pair operator+(Pair a, Pair b) {
  const Pair hi = two_sum(a.hi, b.hi);
  const Pair lo = two_sum(a.lo, b.lo);
  const Pair s = fast_two_sum(hi.hi, hi.lo + lo.hi);
  return fast_two_sum(s.hi, s.lo + lo.lo);
}

LOGITLOSS_INLINE Pair operator*(Pair a, Pair b) {
  const Pair p = two_product(a.hi, b.hi);
  return fast_two_sum(p.hi, p.lo + fma(a.hi, b.lo, a.lo * b.hi));
}

LOGITLOSS_INLINE Pair operator/(Pair a, Pair b) {
  const double q = a.hi / b.hi;
  const Pair rest = a + -(Pair{q, 0} * b);
  const double r = rest.hi / b.hi;
  const Pair rest2 = rest + -(Pair{r, 0} * b);
  const Pair s = fast_two_sum(q, r);
  return fast_two_sum(s.hi, s.lo + rest2.hi / b.hi);
}

}  // namespace LOGITLOSS_NAMESPACE
