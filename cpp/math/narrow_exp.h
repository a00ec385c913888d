// exp(t) for t <= 0, as exactly as a result of a narrow format needs it.
//
// Claim: relative error below 2^-34 for t >= -700; 1 at 0, never more, and 0 at -709.
// Method: t = k ln 2 + r with |r| <= ln(2) / 2, exp(r) = 1 + r + r^2 q(r), 2^k from the bits of k. One part of ln 2 and
// no low parts are enough here, which is less than half the work of exp.h.
#pragma once

#include "portable.h"

namespace LOGITLOSS_NAMESPACE {

// tools/coefficients/narrow_exp.sollya
namespace narrow_exp_constants {
constexpr double log2_e = 0x1.71547652b82fep0;
constexpr double ln2 = 0x1.62e42fefa39efp-1;
constexpr double q[6] = {  // relative error of 1 + r + r^2 q(r) on |r| <= ln(2)/2: 2^-34.1
    0x1.0000003a1ac1fp-1, 0x1.5555544365a02p-3,  0x1.55548dd8af5e8p-5,
    0x1.1112708fa73f7p-7, 0x1.6d8cf3e70732ep-10, 0x1.9f08a370bb38dp-13};
}  // namespace narrow_exp_constants

struct NarrowPower {
  double fraction, scale;  // the power is their product
};

// For -709 <= t <= 0, or nan.
LOGITLOSS_INLINE NarrowPower narrow_exp(double t) {
  using namespace narrow_exp_constants;
  constexpr double shift = 0x1.8p52 + 1023;  // leaves k + 1023 in the low bits; 0, where k is -1023, is the scale 0
  const double k_bits = fma(t, log2_e, shift);
  const double r = fma(shift - k_bits, ln2, t);
  const double r2 = r * r;
  const double q01 = fma(q[1], r, q[0]), q23 = fma(q[3], r, q[2]), q45 = fma(q[5], r, q[4]);
  return {fma(fma(fma(q45, r2, q23), r2, q01), r2, 1 + r), bit_cast<double>(bit_cast<uint64_t>(k_bits) << 52)};
}

}  // namespace LOGITLOSS_NAMESPACE
