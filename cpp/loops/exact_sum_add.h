// Adds doubles to an ExactSum: whole blocks by exact floating-point sums where these fit, single values by integers.
//
// Each value is split into multiples of 2^-30, 2^-75 and 2^-120. As long as every |v| < 2^14, sums of 512 such parts
// need at most 53 bits each, so they are exact in any order, and the remainder of a value tells whether its split was
// exact.
#pragma once

#include "math/vectors.h"
#include "sums/exact_sum.h"

namespace LOGITLOSS_NAMESPACE {

using logitloss::ExactSum;

LOGITLOSS_INLINE void add_value(double v, ExactSum& sum) {
  const auto bits = bit_cast<uint64_t>(v);
  const int exponent = static_cast<int>(bits >> 52 & 0x7ff);
  const uint64_t fraction = bits & 0xfffffffffffffu;
  if (exponent == 0x7ff) {
    ++(fraction ? sum.nan : bits >> 63 ? sum.negative_infinity : sum.positive_infinity);
    return;
  }
  const uint64_t mantissa = exponent ? fraction | uint64_t{1} << 52 : fraction;
  const int position = exponent ? exponent - 1 : 0, offset = position & 31;
  const uint64_t low = mantissa << offset, high = offset ? mantissa >> (64 - offset) : 0;
  int64_t* limb = sum.limb + (position >> 5);
  const int64_t sign = bits >> 63 ? -1 : 1;
  limb[0] += sign * static_cast<int64_t>(low & 0xffffffff);
  limb[1] += sign * static_cast<int64_t>(low >> 32);
  limb[2] += sign * static_cast<int64_t>(high);
  if (++sum.pending == ExactSum::max_pending) sum.carry();
}

// y to a multiple of 2^-52 / 1.5 of `shift`.
LOGITLOSS_INLINE double to_multiple(double y, double shift) { return (y + shift) - shift; }

// Adds at most 512 values.
LOGITLOSS_INLINE void add_block(const double* v, int n, ExactSum& sum) {
  constexpr double high_unit = 0x1.8p22, middle_unit = 0x1.8p-23, low_unit = 0x1.8p-68;
  double high = 0, middle = 0, low = 0;
  uint64_t failed = 0;
#pragma omp simd reduction(+ : high, middle, low) reduction(| : failed)
  for (int i = 0; i < n; ++i) {
    const double h = to_multiple(v[i], high_unit), h_rest = v[i] - h;
    const double m = to_multiple(h_rest, middle_unit), m_rest = h_rest - m;
    const double l = to_multiple(m_rest, low_unit);
    high += h;
    middle += m;
    low += l;
    failed |= abs(v[i]) < 0x1p14 && m_rest == l ? uint64_t{0} : uint64_t{1};
  }
  if (failed) {
    for (int i = 0; i < n; ++i) add_value(v[i], sum);
    return;
  }
  add_value(high, sum);
  add_value(middle, sum);
  add_value(low, sum);
}

// The sums of the parts of losses from 2^-50 to 2^14, two of them integers: that takes other ports of a processor.
// Losses of at most 24 digits are multiples of 2^-75, and have no third part; the others are multiples of 2^-102.
template <class V>
struct LossParts {
  typename Unsigned<V>::type high{}, middle{}, others{};  // others: its upper 6 bits are 0 without another loss
  V rest{};
};

template <bool correctly_rounded, class V>
LOGITLOSS_INLINE void add_to_parts(V v, LossParts<V>& to) {
  using U = typename Unsigned<V>::type;
  const auto take = [&](double shift, U& sum) {
    const V shifted = v + shift;
    sum += bit_cast<U>(shifted) - bit_cast<uint64_t>(shift);
    v -= shifted - shift;
  };
  to.others |= bit_cast<U>(v) - bit_cast<uint64_t>(0x1p-50);
  take(0x1.8p22, to.high);
  if constexpr (!correctly_rounded) take(0x1.8p-23, to.middle);
  to.rest += v;
}

// Calls take(value, sums) for n values: vectors go to two accumulators in turn, so that no addition waits for the
// previous one, and the values that fill no vector go to a third.
template <class VectorSums, class Sums, class Take>
LOGITLOSS_INLINE void for_vectors_and_rest(const double* v, int n, VectorSums& even, VectorSums& odd, Sums& rest,
                                           const Take& take) {
  int i = 0;
  const auto next = [&](auto value, auto& sums) {
    memcpy(&value, v + i, sizeof value);
    take(value, sums);
    i += static_cast<int>(sizeof value / sizeof *v);
  };
  while (i + 2 * vector_lanes <= n) next(Vector{}, even), next(Vector{}, odd);
  while (i < n) next(0.0, rest);
}

// Adds at most 512 losses.
template <bool correctly_rounded>
LOGITLOSS_INLINE void add_loss_block(const double* v, int n, ExactSum& sum) {
  LossParts<Vector> even, odd;
  LossParts<double> all;
  for_vectors_and_rest(v, n, even, odd, all,
                       [](auto value, auto& parts) { add_to_parts<correctly_rounded>(value, parts); });
  if ((or_lanes(even.others | odd.others) | all.others) >> 58) return add_block(v, n, sum);
  const auto add = [&](VectorBits lanes, uint64_t first, double unit) {
    add_value(static_cast<double>(static_cast<int64_t>(add_lanes(lanes, first))) * unit, sum);
  };
  add(even.high + odd.high, all.high, 0x1p-30);
  if constexpr (!correctly_rounded) add(even.middle + odd.middle, all.middle, 0x1p-75);
  add_value(add_lanes(even.rest + odd.rest, all.rest), sum);
}

// The same for float16 values: multiples of 2^-24 below 2^16, of which a double holds any sum.
LOGITLOSS_INLINE void add_float16_block(const double* v, int n, ExactSum& sum) {
  Vector even{}, odd{};
  double all = 0;
  for_vectors_and_rest(v, n, even, odd, all, [](auto value, auto& total) { total += value; });
  all = add_lanes(even + odd, all);
  if (!(abs(all) < infinity)) return add_block(v, n, sum);
  add_value(all, sum);
}

}  // namespace LOGITLOSS_NAMESPACE
