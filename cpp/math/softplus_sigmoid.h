// softplus(-|x|) and sigmoid(-|x|) as double-doubles: the accurate path of loss, gradient and hessian.
//
// Range: all x. Where a result is subnormal its error is half a unit in the last place more than the constants below
// say. Method: with u = exp(-|x|), sigmoid(-|x|) = u / (1 + u) and softplus(-|x|) = log1p(u) = 2 atanh(s), s = u / (2 +
// u) <= 1/3, so that one minimax polynomial in s^2 covers the whole range. One division, 1 / ((1 + u) (2 + u)), serves
// both quotients; fma gives their residuals, which become the low parts.
#pragma once

#include "double_double.h"
#include "exp.h"
#include "portable.h"

namespace LOGITLOSS_NAMESPACE {

// Of hi, relative; largest seen 2^-50.85 at x = 0x1.e8cf1fp+0.
constexpr double softplus_sigmoid_hi_max_error = 0x1.6ap-51;
constexpr double softplus_sigmoid_max_error = 0x1p-55;  // of hi + lo; largest seen 2^-55.12 at x = 0x1.229a19c057ab6p+9

// tools/coefficients/log1p.sollya
constexpr double log1p_Q[10] = {  // relative error of 2 s + s^3 Q(s^2) on 0 <= s <= 1/3: 2^-59.3
    0x1.5555555555535p-1, 0x1.99999999a0725p-2, 0x1.249249208e892p-2, 0x1.c71c741b15a32p-3, 0x1.745cb438b4b19p-3,
    0x1.3b1dd62630701p-3, 0x1.1068112711b1bp-3, 0x1.efd33f51f833ep-4, 0x1.55c870e0438b4p-4, 0x1.5c62242f692ebp-3};

struct SoftplusSigmoid {
  DoubleDouble softplus, sigmoid;
};

constexpr double in_range_limit = 512;  // up to it, exp(-|x|) is far above all subnormal numbers

// The three steps are separate functions, so that a loop can run one at a time: see loops/block.h.
//
// `subnormal` says whether results below 2^-1010 matter (float64). If so, u and s are scaled by 2^128 for |x| > 700 and
// the results are scaled back once, because a subnormal number cannot hold a small relative error. For the other
// formats any positive number that small rounds to the same result.
template <bool subnormal>
LOGITLOSS_INLINE bool scaled_up(double x) {
  return subnormal && abs(x) > 700;
}

template <bool subnormal>
LOGITLOSS_INLINE DoubleDouble exp_neg_abs(double x) {  // u
  constexpr double least = subnormal ? -760 : -700;
  const double size = abs(x);
  const DoubleDouble u = exp(-size < least ? least : -size, scaled_up<subnormal>(x) ? 128 : 0);  // nan passes
  return size == infinity ? DoubleDouble{0, 0} : u;
}

struct Quotients {
  DoubleDouble sigmoid, s;
};

template <bool subnormal>
LOGITLOSS_INLINE Quotients quotients(double x, DoubleDouble u) {
  const double scale = scaled_up<subnormal>(x) ? 0x1p-128 : 1;
  const double w = u.hi * scale, w_lo = u.lo * scale;
  const DoubleDouble one = fast_two_sum(1, w), two = fast_two_sum(2, w);
  const double d = 1 / (one.hi * two.hi);
  const double inverse_one = two.hi * d, inverse_two = one.hi * d;

  const double p = u.hi * inverse_one;
  const double p_lo = (fma(-p, one.hi, u.hi) + fma(-p, one.lo + w_lo, u.lo)) * inverse_one;
  const double s = u.hi * inverse_two;
  const double s_lo = (fma(-s, two.hi, u.hi) + fma(-s, two.lo + w_lo, u.lo)) * inverse_two;
  return {{p * scale, p_lo * scale}, {s, s_lo}};
}

template <bool subnormal>
LOGITLOSS_INLINE DoubleDouble softplus(double x, DoubleDouble s) {
  const double scale = scaled_up<subnormal>(x) ? 0x1p-128 : 1;
  const double y = (s.hi * scale) * (s.hi * scale);
  const double cubic = y * polynomial(log1p_Q, y);
  const double l = fma(s.hi, cubic, 2 * s.hi);
  const double l_lo = fma(s.hi, cubic, 2 * s.hi - l) + 2 * fma(s.lo, y, s.lo);
  return {l * scale, l_lo * scale};
}

template <bool subnormal>
LOGITLOSS_INLINE SoftplusSigmoid softplus_sigmoid(double x) {
  const Quotients q = quotients<subnormal>(x, exp_neg_abs<subnormal>(x));
  return {softplus<subnormal>(x, q.s), q.sigmoid};
}

}  // namespace LOGITLOSS_NAMESPACE
