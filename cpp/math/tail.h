// What loss, gradient and hessian have in common: softplus(-|x|) and sigmoid(-|x|), the small sides of both functions.
//
// Claim: each hi alone has a relative error below 2^-50.5; each hi + lo below 2^-55 while it is a normal number, and
// half a unit in the last place more where it is subnormal.
// Method: with u = exp(-|x|), sigmoid(-|x|) = u / (1 + u) and softplus(-|x|) = log1p(u) = 2 atanh(s), s = u / (2 + u),
// which needs no split of its range. One division, 1 / ((1 + u) (2 + u)), serves both; the low parts mend its rounding.
#pragma once

#include "exp.h"
#include "pair.h"
#include "portable.h"

namespace LOGITLOSS_NAMESPACE {

// tools/coefficients/log1p.sollya
constexpr double log1p_Q[10] = {  // relative error of 2 s + s^3 Q(s^2) on 0 <= s <= 1/3: 2^-59.3
    0x1.5555555555535p-1, 0x1.99999999a0725p-2, 0x1.249249208e892p-2, 0x1.c71c741b15a32p-3, 0x1.745cb438b4b19p-3,
    0x1.3b1dd62630701p-3, 0x1.1068112711b1bp-3, 0x1.efd33f51f833ep-4, 0x1.55c870e0438b4p-4, 0x1.5c62242f692ebp-3};

struct Tail {
  Pair softplus, sigmoid;
};

constexpr double near_limit = 512;  // exp(-near_limit) is far from all subnormal numbers

// The three steps stand apart, so that a loop can take one at a time: see block.h.
//
// `subnormal` says whether results below 2^-1010 matter (float64). Then u and s are 2^128 times as large for |x| > 700,
// and the results scaled once: a subnormal number has no room for a relative error. Otherwise any positive number that
// small will do.
template <bool subnormal>
LOGITLOSS_INLINE bool lifted(double x) {
  return subnormal && absolute(x) > 700;
}

template <bool subnormal>
LOGITLOSS_INLINE Pair power(double x) {  // u
  constexpr double least = subnormal ? -760 : -700;
  const double size = absolute(x);
  const Pair u = exp(-size < least ? least : -size, lifted<subnormal>(x) ? 128 : 0);  // nan passes
  return size == infinity ? Pair{0, 0} : u;
}

struct Quotients {
  Pair sigmoid, s;
};

template <bool subnormal>
LOGITLOSS_INLINE Quotients quotients(double x, Pair u) {
  const double scale = lifted<subnormal>(x) ? 0x1p-128 : 1;
  const double w = u.hi * scale, w_lo = u.lo * scale;
  const Pair one = fast_two_sum(1, w), two = fast_two_sum(2, w);
  const double d = 1 / (one.hi * two.hi);
  const double inverse_one = two.hi * d, inverse_two = one.hi * d;

  const double p = u.hi * inverse_one;
  const double p_lo = (fma(-p, one.hi, u.hi) + fma(-p, one.lo + w_lo, u.lo)) * inverse_one;
  const double s = u.hi * inverse_two;
  const double s_lo = (fma(-s, two.hi, u.hi) + fma(-s, two.lo + w_lo, u.lo)) * inverse_two;
  return {{p * scale, p_lo * scale}, {s, s_lo}};
}

template <bool subnormal>
LOGITLOSS_INLINE Pair softplus(double x, Pair s) {
  const double scale = lifted<subnormal>(x) ? 0x1p-128 : 1;
  const double y = (s.hi * scale) * (s.hi * scale);
  const double cubic = y * polynomial(log1p_Q, y);
  const double l = fma(s.hi, cubic, 2 * s.hi);
  const double l_lo = fma(s.hi, cubic, 2 * s.hi - l) + 2 * fma(s.lo, y, s.lo);
  return {l * scale, l_lo * scale};
}

template <bool subnormal>
LOGITLOSS_INLINE Tail tail(double x) {
  const Quotients q = quotients<subnormal>(x, power<subnormal>(x));
  return {softplus<subnormal>(x, q.s), q.sigmoid};
}

}  // namespace LOGITLOSS_NAMESPACE
