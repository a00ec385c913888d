// Double-double arithmetic: a number is the unevaluated sum hi + lo of two doubles with |lo| <= ulp(hi) / 2, some 106
// bits.
//
// Method: two_sum (Knuth, The Art of Computer Programming 2, 4.2.2), fast_two_sum (Dekker, A floating-point technique
// for extending the available precision, 1971) and two_product with fma return a result and its rounding error, so that
// hi + lo is exact. They need round-to-nearest and no contraction. Errors are relative to the sum of the absolute
// terms.
#pragma once

#include "portable.h"

namespace LOGITLOSS_NAMESPACE {

constexpr double double_double_sum_max_error = 0x1p-102;       // sums and products; largest seen 2^-104.8
constexpr double double_double_quotient_max_error = 0x1p-100;  // largest seen 2^-105.0

struct DoubleDouble {
  double hi, lo;
};

LOGITLOSS_INLINE DoubleDouble fast_two_sum(double a, double b) {  // |a| >= |b| or a == 0
  const double s = a + b;
  return {s, (a - s) + b};
}

LOGITLOSS_INLINE DoubleDouble two_sum(double a, double b) {
  const double s = a + b;
  const double t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}

LOGITLOSS_INLINE DoubleDouble two_product(double a, double b) {
  const double p = a * b;
  return {p, fma(a, b, -p)};
}

LOGITLOSS_INLINE DoubleDouble operator-(DoubleDouble a) { return {-a.hi, -a.lo}; }

LOGITLOSS_INLINE DoubleDouble operator+(DoubleDouble a, DoubleDouble b) {
  const DoubleDouble hi = two_sum(a.hi, b.hi);
  const DoubleDouble lo = two_sum(a.lo, b.lo);
  const DoubleDouble s = fast_two_sum(hi.hi, hi.lo + lo.hi);
  return fast_two_sum(s.hi, s.lo + lo.lo);
}

LOGITLOSS_INLINE DoubleDouble operator*(DoubleDouble a, DoubleDouble b) {
  const DoubleDouble p = two_product(a.hi, b.hi);
  return fast_two_sum(p.hi, p.lo + fma(a.hi, b.lo, a.lo * b.hi));
}

LOGITLOSS_INLINE DoubleDouble operator/(DoubleDouble a, DoubleDouble b) {
  const double q = a.hi / b.hi;
  const DoubleDouble rest = a + -(DoubleDouble{q, 0} * b);
  const double r = rest.hi / b.hi;
  const DoubleDouble rest2 = rest + -(DoubleDouble{r, 0} * b);
  const DoubleDouble s = fast_two_sum(q, r);
  return fast_two_sum(s.hi, s.lo + rest2.hi / b.hi);
}

}  // namespace LOGITLOSS_NAMESPACE
