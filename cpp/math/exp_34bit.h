// exp(t) for t <= 0 with 34 correct bits, enough for the float32, float16 and bfloat16 softmax.
//
// Range: t >= -700 (the constant below); exactly 1 at 0, never more than 1, and 0 at -709.
// Method: Cody and Waite's reduction with a single constant for ln 2, |r| <= ln(2) / 2, a minimax polynomial of degree
// 7, and 2^k from the bits of k. Without low parts it takes less than half of the operations of exp.h.
#pragma once

#include "portable.h"

namespace LOGITLOSS_NAMESPACE {

constexpr double exp_34bit_max_error = 0x1p-34;  // relative; largest seen 2^-34.17 at t = -0x1.5cd3899df327ap+9

// tools/coefficients/exp_34bit.sollya
namespace exp_34bit_constants {
constexpr double log2_e = 0x1.71547652b82fep0;
constexpr double ln2 = 0x1.62e42fefa39efp-1;
constexpr double q[6] = {  // relative error of 1 + r + r^2 q(r) on |r| <= ln(2)/2: 2^-34.1
    0x1.0000003a1ac1fp-1, 0x1.5555544365a02p-3,  0x1.55548dd8af5e8p-5,
    0x1.1112708fa73f7p-7, 0x1.6d8cf3e70732ep-10, 0x1.9f08a370bb38dp-13};
}  // namespace exp_34bit_constants

struct ScaledExp {
  double fraction, scale;  // exp(t) is their product
};

// For -709 <= t <= 0, or nan.
LOGITLOSS_INLINE ScaledExp exp_34bit(double t) {
  using namespace exp_34bit_constants;
  constexpr double shift =
      0x1.8p52 + 1023;  // leaves k + 1023 in the low bits, the exponent field of 2^k; k = -1023 gives the scale 0
  const double k_bits = fma(t, log2_e, shift);
  const double r = fma(shift - k_bits, ln2, t);
  const double r2 = r * r;
  const double q01 = fma(q[1], r, q[0]), q23 = fma(q[3], r, q[2]), q45 = fma(q[5], r, q[4]);
  return {fma(fma(fma(q45, r2, q23), r2, q01), r2, 1 + r), bit_cast<double>(bit_cast<uint64_t>(k_bits) << 52)};
}

}  // namespace LOGITLOSS_NAMESPACE
