// Loss, gradient and hessian of one element, with bounds on their errors.
//
// Method, with a = 1 - z for x > 0 and -z otherwise:
//     loss     = x a + softplus(-|x|)        no cancellation for z in [0, 1]
//     gradient = a - sigmoid(-|x|) for x > 0, a + sigmoid(-|x|) otherwise
//     hessian  = p (1 - p), p = sigmoid(-|x|)
// and weighted, loss = x A + M softplus(-|x|) with A = 1 - z or -w z, M = 1 - z + w z.
//
// Each function returns an estimate and the size of its terms: |value - truth| <= error * size before the last
// rounding. A decided rounding test makes float32, float16 and bfloat16 results correctly rounded; for float64 it gives
// the bounds below. For a soft label in float64 the gradient is within 1 ulp + 2^-56 (|a| + sigmoid(-|x|)), and its
// sign is exact.
#pragma once

#include "double_double.h"
#include "formats.h"
#include "softplus_sigmoid.h"

namespace LOGITLOSS_NAMESPACE {

// Labels in [0, 1]; largest seen 0.624 at x = 0x1.09a491f2cba86p+9, z = 1.
constexpr double float64_loss_max_ulp = 0.75;
// Binary labels; largest seen 0.748 at x = -0x1.6232bdfd12fa5p+9, z = 0.
constexpr double float64_derivative_max_ulp = 1;

struct Estimate {
  double value, size;  // size: the sum of the absolute values of the terms
};

struct Decided {  // an estimate that needs no rounding test
  double value;
};

struct Element {
  double x, z, w, n;  // logit, label, weight of the positive class, divisor of the gradient
};

// Bounds on errors relative to the size of the terms: of the accurate path with the high parts alone (16 units of
// 2^-53; 3.4 were seen), and of float64 before its last rounding.
constexpr double accurate_path_error = 0x1p-49;
constexpr double float64_error = 0x1p-56;

// The rounded value of an estimate with that error. If it is undecided, the accurate path follows the fast one, and
// sigmoid_cross_entropy_double_double.h follows the accurate one.
template <class Format, bool fast = false>
LOGITLOSS_INLINE auto rounding_test(Estimate e,
                                    double error = Format::correctly_rounded ? accurate_path_error : float64_error) {
  return Format::template rounding_test<fast>(e.value, e.size, error);
}

template <class Format, bool fast = false>
LOGITLOSS_INLINE Rounding<typename Format::Result> rounding_test(Decided e, double = 0) {
  return {e.value, 0};
}

template <bool in_range = false>
LOGITLOSS_INLINE DoubleDouble one_minus(double z) {
  return in_range ? fast_two_sum(1, -z) : two_sum(1, -z);
}

// h + l, where h may be infinite.
template <bool in_range = false>
LOGITLOSS_INLINE double sum_unless_infinite(double h, double l) {
  return in_range || abs(h) < infinity ? h + l : h;
}

// For float32, float16, bfloat16, or a binary label; V is double or Vector.
template <class V>
LOGITLOSS_INLINE V linear_term(V x, V z) {  // x a, rounded once
  return fma(-x, z, x > 0 ? x : V{});
}
template <class V>
LOGITLOSS_INLINE V linear_slope(V x, V z) {  // a
  return (x > 0 ? V{} + 1 : V{}) - z;
}
template <class V>
LOGITLOSS_INLINE V gradient_from_sigmoid(V x, V a, V sigmoid) {
  return a + (x > 0 ? -sigmoid : sigmoid);
}
template <class V>
LOGITLOSS_INLINE V hessian_from_sigmoid(V sigmoid) {
  return fma(-sigmoid, sigmoid, sigmoid);
}

// in_range: |x| <= in_range_limit, and in float64 z in [0, 1] and 1 <= n <= 2^64. Then 0 * inf cannot occur, and what
// is above 2^-804 is not subnormal; without a weight nothing is infinite, and the terms of a loss have the same sign.
// binary: in_range, and z is 0 or 1. Then x a is exact, and the terms of a gradient do not cancel.
template <class Format, bool weighted, bool in_range, bool binary = false>
LOGITLOSS_INLINE auto loss(Element e, const SoftplusSigmoid& softplus_sigmoid) {
  const bool positive = e.x > 0;
  if constexpr (Format::correctly_rounded && in_range && !weighted) {
    const double xa = linear_term(e.x, e.z);
    return Estimate{xa + softplus_sigmoid.softplus.hi, abs(xa) + softplus_sigmoid.softplus.hi};
  } else if constexpr (Format::correctly_rounded) {
    const double negatives = 1 - e.z, positives = weighted ? e.w * e.z : e.z;
    const double a = positive ? negatives : positives;    // of |x|
    const double x = !in_range && a == 0 ? 0 : abs(e.x);  // 0 * inf = 0
    const double m = weighted ? negatives + positives : 1;
    const double m_size = weighted ? abs(negatives) + abs(positives) : 1;
    const double size = fma(x, abs(a), m_size * softplus_sigmoid.softplus.hi);
    return Estimate{fma(x, a, m * softplus_sigmoid.softplus.hi), size};
  } else {
    constexpr bool finite = in_range && !weighted;
    const DoubleDouble negatives = one_minus<in_range>(e.z),
                       positives = weighted ? two_product(e.w, e.z) : DoubleDouble{e.z, 0};
    const DoubleDouble a{positive ? negatives.hi : -positives.hi, positive ? negatives.lo : -positives.lo};
    const double x = !in_range && a.hi == 0 ? 0 : e.x;
    const DoubleDouble l = weighted ? (negatives + positives) * softplus_sigmoid.softplus : softplus_sigmoid.softplus;
    const DoubleDouble xa = binary ? DoubleDouble{linear_term(e.x, e.z), 0} : two_product(x, a.hi);
    const DoubleDouble sum = two_sum(xa.hi, l.hi);
    const double value = sum_unless_infinite<finite>(sum.hi, sum.lo + (binary ? l.lo : xa.lo + fma(x, a.lo, l.lo)));
    const bool rounded_twice =
        !in_range && value != 0 && abs(value) < 0x1p-1019;  // its terms were rounded as subnormal numbers
    if constexpr (finite)
      return Decided{value};
    else
      return Estimate{value, rounded_twice ? infinity : abs(xa.hi) + abs(l.hi)};
  }
}

template <class Format, bool in_range = false, bool binary = false>
LOGITLOSS_INLINE auto gradient(Element e, const SoftplusSigmoid& softplus_sigmoid) {
  const double inverse = 1 / e.n;
  if constexpr (Format::correctly_rounded) {
    const double a = linear_slope(e.x, e.z);
    return Estimate{gradient_from_sigmoid(e.x, a, softplus_sigmoid.sigmoid.hi) * inverse,
                    (abs(a) + softplus_sigmoid.sigmoid.hi) * inverse};
  } else {
    const bool positive = e.x > 0;
    const double p = positive ? -softplus_sigmoid.sigmoid.hi : softplus_sigmoid.sigmoid.hi;
    const double p_lo = positive ? -softplus_sigmoid.sigmoid.lo : softplus_sigmoid.sigmoid.lo;
    const DoubleDouble one_minus_z = one_minus<in_range>(e.z);
    const DoubleDouble a{positive ? one_minus_z.hi : -e.z, positive ? one_minus_z.lo : 0};
    const DoubleDouble sum = binary ? fast_two_sum(a.hi, p) : two_sum(a.hi, p);
    const double quotient = sum.hi * inverse, low = sum.lo + (binary ? p_lo : a.lo + p_lo);
    const double value = sum_unless_infinite<in_range>(quotient, (fma(-quotient, e.n, sum.hi) + low) * inverse);
    const double size = (abs(a.hi) + softplus_sigmoid.sigmoid.hi) * inverse;
    const bool underflow = value == 0 && a.hi == 0 && abs(e.x) < infinity;  // then the result has the sign of p
    const bool no_sign = value == 0 && a.hi != 0;                           // and even a zero needs one
    if constexpr (binary)
      return Decided{value};
    else if constexpr (in_range)
      return Estimate{value, size};
    else
      return Estimate{underflow ? p * inverse : value, no_sign ? infinity : size};
  }
}

template <class Format>
LOGITLOSS_INLINE auto hessian(const SoftplusSigmoid& softplus_sigmoid) {
  const DoubleDouble p = softplus_sigmoid.sigmoid;
  if constexpr (Format::correctly_rounded) {
    const double value = hessian_from_sigmoid(p.hi);
    return Estimate{value, value};
  } else {
    const DoubleDouble q = fast_two_sum(1, -p.hi), h = two_product(p.hi, q.hi);
    return Decided{h.hi + (h.lo + fma(p.hi, q.lo - p.lo, p.lo * q.hi))};
  }
}

}  // namespace LOGITLOSS_NAMESPACE
