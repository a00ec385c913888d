// Loss, gradient and hessian of one element, with bounds on their errors.
//
// Claim: |value - truth| <= error * size for all three, before the last rounding. A decided narrow value is correctly
// rounded. A decided float64 loss is within 0.75 ulp, hard-label gradient and hessian within 1 ulp, and a
// soft label's gradient within 1 ulp + 2^-56 (|a| + sigmoid(-|x|)), its sign exact.
// Method, with a = 1 - z for x > 0 and -z otherwise:
//     loss     = x a + softplus(-|x|)        no cancellation for z in [0, 1]
//     gradient = a - sigmoid(-|x|) for x > 0, a + sigmoid(-|x|) otherwise
//     hessian  = p (1 - p), p = sigmoid(-|x|)
// and weighted, loss = x A + M softplus(-|x|) with A = 1 - z or -w z, M = 1 - z + w z.
#pragma once

#include "formats.h"
#include "pair.h"
#include "tail.h"

namespace LOGITLOSS_NAMESPACE {

struct Estimate {
  double value, size;  // size: that of the terms, which the error is relative to
};

struct Sure {  // an estimate that is never open
  double value;
};

struct Element {
  double x, z, w, n;  // logit, label, weight of the positive class, divisor of the gradient
};

// Errors relative to the size of the terms: of the full tail (16 units of 2^-53, where 3.4 were seen), and of float64
// before its last rounding.
constexpr double narrow_error = 0x1p-49, wide_error = 0x1p-56;

// The rounded value of an estimate with that error. If it is open, the full tail decides after the quick one, and
// sigmoid_cross_entropy_exact.h after the full one.
template <class Format, bool quick = false>
LOGITLOSS_INLINE auto decide(Estimate e, double error = Format::narrow ? narrow_error : wide_error) {
  return Format::template round_within<quick>(e.value, e.size, error);
}

template <class Format, bool quick = false>
LOGITLOSS_INLINE Decision<typename Format::Result> decide(Sure e, double = 0) {
  return {e.value, 0};
}

template <bool near = false>
LOGITLOSS_INLINE Pair one_minus(double z) {
  return near ? fast_two_sum(1, -z) : two_sum(1, -z);
}

// h + l, where h may be infinite.
template <bool near = false>
LOGITLOSS_INLINE double last_sum(double h, double l) {
  return near || absolute(h) < infinity ? h + l : h;
}

// Of a narrow format or a hard label, for a V that is double or Vector.
template <class V>
LOGITLOSS_INLINE V narrow_line(V x, V z) {  // x a, rounded once
  return fma(-x, z, x > 0 ? x : V{});
}
template <class V>
LOGITLOSS_INLINE V narrow_side(V x, V z) {  // a
  return (x > 0 ? V{} + 1 : V{}) - z;
}
template <class V>
LOGITLOSS_INLINE V narrow_gradient(V x, V a, V sigmoid) {
  return a + (x > 0 ? -sigmoid : sigmoid);
}
template <class V>
LOGITLOSS_INLINE V narrow_hessian(V sigmoid) {
  return fma(-sigmoid, sigmoid, sigmoid);
}

// near: |x| <= near_limit, and in float64 z in [0, 1] and 1 <= n <= 2^64. Then 0 * inf is no case, and what is above
// 2^-804 not subnormal; without a weight nothing is infinite and the terms of a loss have one sign.
// hard: near, and z is 0 or 1. Then x a is exact, and the terms of a gradient do not cancel.
template <class Format, bool weighted, bool near, bool hard = false>
LOGITLOSS_INLINE auto loss(Element e, const Tail& tail) {
  const bool positive = e.x > 0;
  if constexpr (Format::narrow && near && !weighted) {
    const double xa = narrow_line(e.x, e.z);
    return Estimate{xa + tail.softplus.hi, absolute(xa) + tail.softplus.hi};
  } else if constexpr (Format::narrow) {
    const double negatives = 1 - e.z, positives = weighted ? e.w * e.z : e.z;
    const double a = positive ? negatives : positives;     // of |x|
    const double x = !near && a == 0 ? 0 : absolute(e.x);  // 0 * inf = 0
    const double m = weighted ? negatives + positives : 1;
    const double m_size = weighted ? absolute(negatives) + absolute(positives) : 1;
    const double size = fma(x, absolute(a), m_size * tail.softplus.hi);
    return Estimate{fma(x, a, m * tail.softplus.hi), size};
  } else {
    constexpr bool finite = near && !weighted;
    const Pair negatives = one_minus<near>(e.z), positives = weighted ? two_product(e.w, e.z) : Pair{e.z, 0};
    const Pair a{positive ? negatives.hi : -positives.hi, positive ? negatives.lo : -positives.lo};
    const double x = !near && a.hi == 0 ? 0 : e.x;
    const Pair l = weighted ? (negatives + positives) * tail.softplus : tail.softplus;
    const Pair xa = hard ? Pair{narrow_line(e.x, e.z), 0} : two_product(x, a.hi);
    const Pair sum = two_sum(xa.hi, l.hi);
    const double value = last_sum<finite>(sum.hi, sum.lo + (hard ? l.lo : xa.lo + fma(x, a.lo, l.lo)));
    const bool rounded_twice = !near && value != 0 && absolute(value) < 0x1p-1019;  // as its terms were
    if constexpr (finite)
      return Sure{value};
    else
      return Estimate{value, rounded_twice ? infinity : absolute(xa.hi) + absolute(l.hi)};
  }
}

template <class Format, bool near = false, bool hard = false>
LOGITLOSS_INLINE auto gradient(Element e, const Tail& tail) {
  const double inverse = 1 / e.n;
  if constexpr (Format::narrow) {
    const double a = narrow_side(e.x, e.z);
    return Estimate{narrow_gradient(e.x, a, tail.sigmoid.hi) * inverse, (absolute(a) + tail.sigmoid.hi) * inverse};
  } else {
    const bool positive = e.x > 0;
    const double p = positive ? -tail.sigmoid.hi : tail.sigmoid.hi;
    const double p_lo = positive ? -tail.sigmoid.lo : tail.sigmoid.lo;
    const Pair one_minus_z = one_minus<near>(e.z);
    const Pair a{positive ? one_minus_z.hi : -e.z, positive ? one_minus_z.lo : 0};
    const Pair sum = hard ? fast_two_sum(a.hi, p) : two_sum(a.hi, p);
    const double quotient = sum.hi * inverse, low = sum.lo + (hard ? p_lo : a.lo + p_lo);
    const double value = last_sum<near>(quotient, (fma(-quotient, e.n, sum.hi) + low) * inverse);
    const double size = (absolute(a.hi) + tail.sigmoid.hi) * inverse;
    const bool underflow = value == 0 && a.hi == 0 && absolute(e.x) < infinity;  // then the sign is that of p
    const bool no_sign = value == 0 && a.hi != 0;                                // a zero needs one
    if constexpr (hard)
      return Sure{value};
    else if constexpr (near)
      return Estimate{value, size};
    else
      return Estimate{underflow ? p * inverse : value, no_sign ? infinity : size};
  }
}

template <class Format>
LOGITLOSS_INLINE auto hessian(const Tail& tail) {
  const Pair p = tail.sigmoid;
  if constexpr (Format::narrow) {
    const double value = narrow_hessian(p.hi);
    return Estimate{value, value};
  } else {
    const Pair q = fast_two_sum(1, -p.hi), h = two_product(p.hi, q.hi);
    return Sure{h.hi + (h.lo + fma(p.hi, q.lo - p.lo, p.lo * q.hi))};
  }
}

}  // namespace LOGITLOSS_NAMESPACE
