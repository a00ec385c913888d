// exp(t + t_lo) for t <= 0 and |t_lo| < ulp(t), as a double-double.
//
// Range: t >= -760 with exponent_bias = 128, t >= -700 with exponent_bias = 0. The result is exp(t + t_lo)
// 2^exponent_bias. Method: Cody and Waite's reduction, t = k ln 2 + r with |r| <= ln(2) / 2; exp(r) = 1 + (r + r^2
// q(r)) with a minimax polynomial q and the low part of every sum kept; then 2^k by adding k to the exponent field.
//
// Adding 1.5 * 2^52 to t log2(e) rounds it to an integer: between 2^52 and 2^53 consecutive doubles differ by 1. The
// integer k then occupies the low bits of the sum's mantissa, where power_of_two shifts it to the exponent.
#pragma once

#include "double_double.h"
#include "portable.h"

namespace LOGITLOSS_NAMESPACE {

constexpr double exp_max_error = 0x1p-55;  // of hi + lo, relative; largest seen 2^-55.1 at t = -0x1.fbbaf5914ff9p+8
constexpr double exp_hi_max_ulp = 1;       // of hi with t_lo = 0; largest seen 0.969 at t = -0x1.b826017352fa5p+7

// tools/coefficients/exp.sollya
namespace exp_constants {
constexpr double log2_e = 0x1.71547652b82fep0;
constexpr double ln2_head = 0x1.62e42fefa38p-1;  // 42 bits: k * ln2_head is exact
constexpr double ln2_tail = 0x1.ef35793c7673p-45;
constexpr double q[10] = {  // relative error of 1 + r + r^2 q(r) on |r| <= ln(2)/2: 2^-57.8
    0x1.000000000000ap-1,  0x1.55555555554fep-3,  0x1.55555555506cp-5,   0x1.1111111126b37p-7,  0x1.6c16c18475a18p-10,
    0x1.a01a012fec2e1p-13, 0x1.a0199963c9dc2p-16, 0x1.71df18fbcdccbp-19, 0x1.28adf7a182e4fp-22, 0x1.ad92c7cc89963p-26};
}  // namespace exp_constants

struct Reduced {
  double k_bits;  // k sits in the low bits of its mantissa
  double k;
};

LOGITLOSS_INLINE Reduced nearest_multiple_of_ln2(double t) {
  constexpr double shift = 0x1.8p52;
  const double k_bits = fma(t, exp_constants::log2_e, shift);
  return {k_bits, k_bits - shift};
}

LOGITLOSS_INLINE double power_of_two(Reduced n,
                                     uint64_t exponent_bias) {  // 2^(k + exponent_bias), which must be a normal number
  return bit_cast<double>(((bit_cast<uint64_t>(n.k_bits) + exponent_bias) << 52) + bit_cast<uint64_t>(1.0));
}

LOGITLOSS_INLINE DoubleDouble exp(double t, uint64_t exponent_bias, double t_lo = 0) {
  using namespace exp_constants;
  const Reduced n = nearest_multiple_of_ln2(t);
  const double r0 = fma(-n.k, ln2_head, t);  // exact
  const double r = fma(-n.k, ln2_tail, r0);
  const double r_lo = fma(-n.k, ln2_tail, r0 - r) + t_lo;
  const double v = r * r * polynomial(q, r);
  const DoubleDouble m = fast_two_sum(r, v);  // |v| < 0.2 |r|
  const DoubleDouble e = fast_two_sum(1, m.hi);
  const double scale = power_of_two(n, exponent_bias);
  return {e.hi * scale, (e.lo + (m.lo + r_lo * e.hi)) * scale};
}

}  // namespace LOGITLOSS_NAMESPACE
