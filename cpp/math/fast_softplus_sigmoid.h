// softplus(-|x|) and sigmoid(-|x|) as doubles with just enough digits to decide nearly every rounding to 24 bits.
//
// Range: |x| <= 512.
// Method: that of exp.h and softplus_sigmoid.h with shorter minimax polynomials and no low parts. The rounding stays
// undecided for about one float32 element in 2^18, which the accurate path recomputes. Polynomials one degree shorter
// leave so many undecided that they are slower.
#pragma once

#include "exp.h"
#include "portable.h"
#include "softplus_sigmoid.h"
#include "vectors.h"

namespace LOGITLOSS_NAMESPACE {

// Relative; largest seen 2^-43.47 at x = 0x1.4b55610d7443ap+0.
constexpr double fast_softplus_sigmoid_max_error = 0x1p-43;

// tools/coefficients/fast_path.sollya
namespace fast_constants {
constexpr double ln2 = 0x1.62e42fefa39efp-1;
constexpr double q[9] = {  // exp(r) = 1 + r q(r)
    0x1.ffffffffffcf2p-1,  0x1.ffffffffeedbfp-2,  0x1.55555555b44c5p-3,  0x1.555555811db78p-5, 0x1.1111105e04952p-7,
    0x1.6c1636c4a752cp-10, 0x1.a01bcbd29e094p-13, 0x1.a17361f8910dfp-16, 0x1.70c965c10abf9p-19};
constexpr double Q[7] = {  // relative error of 2 s + s^3 Q(s^2) on 0 <= s <= 1/3 with that of u: 2^-43.3
    0x1.55555556356c4p-1, 0x1.9999980b6ac55p-2, 0x1.2492c07c28cdbp-2, 0x1.c6faacb82ef07p-3,
    0x1.76e6385098a9ep-3, 0x1.20b40313c8d9cp-3, 0x1.99bb75832ef9fp-3};
}  // namespace fast_constants

// V is double or VectorPack.
//
// c[0] + c[1] x + ... by Horner's scheme: many elements are in flight, so the fewest operations win over the shortest
// chain.
template <int first = 0, int n, class V>
LOGITLOSS_INLINE V horner(const double (&c)[n], const V& x) {
  if constexpr (first == n - 1)
    return c[first];
  else
    return fma(horner<first + 1>(c, x), x, c[first]);
}

template <class V>
LOGITLOSS_INLINE V fast_exp_neg(const V& size) {  // exp(-size), 0 <= size <= in_range_limit
  constexpr double shift = 0x1.8p52;
  const V k_bits = fma(size, -exp_constants::log2_e, shift);
  const V r = fma(shift - k_bits, fast_constants::ln2, -size);
  return times_power_of_two(fma(r, horner(fast_constants::q, r), 1), k_bits);
}

template <class V>
LOGITLOSS_INLINE V fast_sigmoid(const V& u) {
  return u / (1 + u);
}

template <class V>
LOGITLOSS_INLINE V fast_s(const V& u) {
  return u / (2 + u);
}

template <class V>
LOGITLOSS_INLINE V fast_softplus(const V& s) {
  const V y = s * s;
  return s * fma(y, horner(fast_constants::Q, y), 2);
}

}  // namespace LOGITLOSS_NAMESPACE
