// softplus(-|x|) and sigmoid(-|x|) as doubles, with just enough digits to decide nearly every rounding to 24 bits.
//
// Claim: quick softplus and sigmoid have a relative error below 2^-43 for |x| <= 512.
// Method: that of exp.h and tail.h with shorter polynomials and no low parts. Where a rounding stays open, about once
// in 2^18 float32 elements, tail.h decides. Polynomials one degree shorter leave so many open that they are slower.
#pragma once

#include "exp.h"
#include "portable.h"
#include "tail.h"
#include "vectors.h"

namespace LOGITLOSS_NAMESPACE {

// tools/coefficients/quick.sollya
namespace quick_constants {
constexpr double ln2 = 0x1.62e42fefa39efp-1;
constexpr double q[9] = {  // exp(r) = 1 + r q(r)
    0x1.ffffffffffcf2p-1,  0x1.ffffffffeedbfp-2,  0x1.55555555b44c5p-3,  0x1.555555811db78p-5, 0x1.1111105e04952p-7,
    0x1.6c1636c4a752cp-10, 0x1.a01bcbd29e094p-13, 0x1.a17361f8910dfp-16, 0x1.70c965c10abf9p-19};
constexpr double Q[7] = {  // relative error of 2 s + s^3 Q(s^2) on 0 <= s <= 1/3 with that of u: 2^-43.3
    0x1.55555556356c4p-1, 0x1.9999980b6ac55p-2, 0x1.2492c07c28cdbp-2, 0x1.c6faacb82ef07p-3,
    0x1.76e6385098a9ep-3, 0x1.20b40313c8d9cp-3, 0x1.99bb75832ef9fp-3};
}  // namespace quick_constants

// For a V that is double, or Doubles.
//
// c[0] + c[1] x + ... by Horner's scheme: many elements are under way at a time, so the fewest operations win.
template <int first = 0, int n, class V>
LOGITLOSS_INLINE V horner(const double (&c)[n], const V& x) {
  if constexpr (first == n - 1)
    return c[first];
  else
    return fma(horner<first + 1>(c, x), x, c[first]);
}

template <class V>
LOGITLOSS_INLINE V quick_power(const V& size) {  // exp(-size), 0 <= size <= near_limit
  constexpr double shift = 0x1.8p52;
  const V k_bits = fma(size, -exp_constants::log2_e, shift);
  const V r = fma(shift - k_bits, quick_constants::ln2, -size);
  return times_power_of_two(fma(r, horner(quick_constants::q, r), 1), k_bits);
}

template <class V>
LOGITLOSS_INLINE V quick_sigmoid(const V& u) {
  return u / (1 + u);
}

template <class V>
LOGITLOSS_INLINE V quick_s(const V& u) {
  return u / (2 + u);
}

template <class V>
LOGITLOSS_INLINE V quick_softplus(const V& s) {
  const V y = s * s;
  return s * fma(y, horner(quick_constants::Q, y), 2);
}

}  // namespace LOGITLOSS_NAMESPACE
