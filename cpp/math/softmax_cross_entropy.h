// Softmax cross entropy of one row, from the sums over its classes.
//
// With m the maximum and R the sum of exp(x_j - m) over the other classes (a class that ties with the maximum adds 1 to
// R, except for one of them), labels z and Z their sum:
//     loss       = sum z_j (m - x_j) + Z log1p(R)            every term is >= 0 for labels >= 0: nothing cancels
//     gradient_j = Z exp(x_j - m) / (1 + R) - z_j
//                = (Z - z_j) - Z R / (1 + R)                  for a dominant maximum: minus the sum over the others
// The sums run online over segments whose maxima differ, as in Milakov and Gimelshein (Online normalizer calculation
// for softmax, 2018).
//
// Method: float32, float16 and bfloat16 take exp_34bit.h and sums of doubles; float64 takes exp.h and double-double
// sums. The bounds hold for up to 2^17 classes. For labels that are not one-hot, errors are in ulp of the larger of the
// two terms of a gradient.
#pragma once

#include "double_double.h"
#include "exp_34bit.h"
#include "portable.h"
#include "softplus_sigmoid.h"

namespace LOGITLOSS_NAMESPACE {

constexpr double softmax_max_ulp = 0.502;  // float32, float16, bfloat16: losses, and gradients for one-hot labels
constexpr double softmax_float64_loss_max_ulp = 2;
constexpr double softmax_float64_gradient_max_ulp = 4;  // one-hot labels

// exp(x - m) for x <= m, where every x is finite and at most 700 below m (no_underflow), or any value; nan passes.
template <bool no_underflow>
LOGITLOSS_INLINE double softmax_exp(double x, double m) {
  constexpr double least = -709;
  const double d = x - m;
  const ScaledExp power = exp_34bit(no_underflow ? d : max(least, d));
  return !no_underflow && x == m ? 1 : power.fraction * power.scale;  // also for infinity - infinity
}

// For float64 exponentials are scaled by 2^128: see softplus_sigmoid.h.
template <bool float64>
constexpr double softmax_scale = float64 ? 0x1p128 : 1;

// exp(x - m) times softmax_scale, for x <= m.
template <bool float64>
LOGITLOSS_INLINE DoubleDouble softmax_exp_scaled(double x, double m) {
  if constexpr (!float64) return {softmax_exp<false>(x, m), 0};
  constexpr double least = -760;
  const DoubleDouble d = two_sum(x, -m);
  const DoubleDouble power = exp(d.hi < least ? least : d.hi, 128, abs(d.hi) < 800 ? d.lo : 0);
  const DoubleDouble e = fast_two_sum(power.hi, power.lo);
  const bool none = d.hi < least, same = x == m;  // false for nan; x == m covers infinity - infinity
  return {none ? 0 : same ? softmax_scale<float64> : e.hi, none || same ? 0 : e.lo};
}

// z (m - x), where 0 * inf = 0 and the maximum has distance 0 also at infinity.
template <bool float64>
LOGITLOSS_INLINE DoubleDouble softmax_distance(double x, double z, double m) {
  if (z == 0 || x == m) return {0, 0};
  const DoubleDouble d = two_sum(m, -x);
  const double h = z * d.hi;
  if (!float64 || abs(h) == infinity) return {h, 0};
  return {h, fma(z, d.hi, -h) + z * d.lo};
}

// log(1 + r) for r >= 0.
LOGITLOSS_INLINE DoubleDouble log_one_plus_sum(DoubleDouble r) {
  // 1 + r = 2^k f with f in [3/4, 3/2); for k = 0 the fraction f - 1 is r itself, and keeps its relative accuracy.
  const DoubleDouble one = two_sum(1, r.hi);
  const double shifted = one.hi * (4.0 / 3);
  const uint64_t exponent = (bit_cast<uint64_t>(shifted) & 0x7ff0000000000000u);
  const bool small = r.hi < 0.5;
  const double scale = small ? 1 : bit_cast<double>(0x7fe0000000000000u - exponent);
  const double k = small ? 0 : double(int(exponent >> 52)) - 1023;
  const double f_one = small ? r.hi : fma(one.hi, scale, -1);  // f - 1, exact
  const double f_lo = small ? r.lo : (one.lo + r.lo) * scale;
  const DoubleDouble f = fast_two_sum(f_one, f_lo);
  const DoubleDouble two = two_sum(2, f.hi);
  const double inverse = 1 / two.hi;
  const double s = f.hi * inverse;
  const double s_lo = (fma(-s, two.hi, f.hi) + fma(-s, two.lo + f.lo, f.lo)) * inverse;
  const DoubleDouble l = softplus<false>(0, {s, s_lo});  // 2 atanh(s)
  const DoubleDouble head = two_sum(k * exp_constants::ln2_head, l.hi);
  return {head.hi, head.lo + fma(k, exp_constants::ln2_tail, l.lo)};
}

}  // namespace LOGITLOSS_NAMESPACE
