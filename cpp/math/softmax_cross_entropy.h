// Softmax cross entropy of one row, from what was summed over its classes.
//
// With m the largest logit and R the sum of exp(x_j - m) over all other classes (a class that ties with the largest
// counts as 1 in R, but one of them), labels z and Z their sum:
//     loss       = sum z_j (m - x_j) + Z log1p(R)            every term is >= 0 for labels >= 0: nothing cancels
//     gradient_j = Z exp(x_j - m) / (1 + R) - z_j
//                = (Z - z_j) - Z R / (1 + R)                  for the only largest class: minus what the others have
//
// Claim: narrow losses and one-hot gradients within 0.502 ulp at up to 2^17 classes; float64 losses within 2 ulp and
// one-hot gradients within 4 ulp. Gradients of other labels are within that of the larger of their two terms.
// Method: the narrow formats take narrow_exp.h and sum doubles; float64 takes exp.h and keeps pairs in every sum.
#pragma once

#include "narrow_exp.h"
#include "pair.h"
#include "portable.h"
#include "tail.h"

namespace LOGITLOSS_NAMESPACE {

// exp(x - m) for x <= m, where every x is finite and at most 700 below m (calm), or anywhere; nan passes.
template <bool calm>
LOGITLOSS_INLINE double narrow_power(double x, double m) {
  constexpr double least = -709;
  const double d = x - m;
  const NarrowPower power = narrow_exp(calm ? d : larger(least, d));
  return !calm && x == m ? 1 : power.fraction * power.scale;  // infinity less infinity is 0 here
}

// For float64 powers are 2^128 times as large: see tail.h.
template <bool wide>
constexpr double softmax_unit = wide ? 0x1p128 : 1;

// exp(x - m) in units, for x <= m.
template <bool wide>
LOGITLOSS_INLINE Pair softmax_power(double x, double m) {
  if constexpr (!wide) return {narrow_power<false>(x, m), 0};
  constexpr double least = -760;
  const Pair d = two_sum(x, -m);
  const Pair power = exp(d.hi < least ? least : d.hi, 128, absolute(d.hi) < 800 ? d.lo : 0);
  const Pair e = fast_two_sum(power.hi, power.lo);
  const bool none = d.hi < least, same = x == m;  // nan is neither, and infinity less infinity is the same
  return {none ? 0 : same ? softmax_unit<wide> : e.hi, none || same ? 0 : e.lo};
}

// z (m - x), where 0 * inf = 0 and the largest class has no distance, also at infinity.
template <bool wide>
LOGITLOSS_INLINE Pair softmax_distance(double x, double z, double m) {
  if (z == 0 || x == m) return {0, 0};
  const Pair d = two_sum(m, -x);
  const double h = z * d.hi;
  if (!wide || absolute(h) == infinity) return {h, 0};
  return {h, fma(z, d.hi, -h) + z * d.lo};
}

// log(1 + r) for r >= 0.
LOGITLOSS_INLINE Pair log_one_plus_sum(Pair r) {
  // 1 + r = 2^k f with f in [3/4, 3/2); for k = 0 the fraction f - 1 is r itself, and keeps its relative accuracy.
  const Pair one = two_sum(1, r.hi);
  const double shifted = one.hi * (4.0 / 3);
  const uint64_t exponent = (bit_cast<uint64_t>(shifted) & 0x7ff0000000000000u);
  const bool near = r.hi < 0.5;
  const double scale = near ? 1 : bit_cast<double>(0x7fe0000000000000u - exponent);
  const double k = near ? 0 : double(int(exponent >> 52)) - 1023;
  const double f_one = near ? r.hi : fma(one.hi, scale, -1);  // f - 1, exact
  const double f_lo = near ? r.lo : (one.lo + r.lo) * scale;
  const Pair f = fast_two_sum(f_one, f_lo);
  const Pair two = two_sum(2, f.hi);
  const double inverse = 1 / two.hi;
  const double s = f.hi * inverse;
  const double s_lo = (fma(-s, two.hi, f.hi) + fma(-s, two.lo + f.lo, f.lo)) * inverse;
  const Pair l = softplus<false>(0, {s, s_lo});  // 2 atanh(s)
  const Pair head = two_sum(k * exp_constants::ln2_head, l.hi);
  return {head.hi, head.lo + fma(k, exp_constants::ln2_tail, l.lo)};
}

}  // namespace LOGITLOSS_NAMESPACE
