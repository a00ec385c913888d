// Adds doubles to an ExactSum: blocks by exact floating-point sums where they fit, single values by integers.
//
// A block is split into multiples of 2^-30, 2^-75 and 2^-120. While every |v| < 2^14, sums of 512 such parts need at
// most 53 bits each, so they are exact in any order, and what is left of a value tells whether the split was.
#pragma once

#include "exact_sum.h"
#include "math/portable.h"

namespace XENT_NAMESPACE {

using xent::ExactSum;

XENT_INLINE void add_value(double v, ExactSum& sum) {
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
  if (++sum.pending == ExactSum::most_pending) sum.carry();
}

XENT_INLINE void add_block(const double* v, int n, ExactSum& sum) {  // n <= 512
  constexpr int lanes = 8;
  constexpr double unit[3] = {0x1.8p22, 0x1.8p-23, 0x1.8p-68};  // 1.5 * 2^52 units of each part
  double parts[3][lanes] = {}, left[lanes] = {};
  const auto split = [&](double value, int j) {
    double rest = value;
    for (int k = 0; k < 3; ++k) {
      const double part = (rest + unit[k]) - unit[k];
      parts[k][j] += part;
      rest -= part;
    }
    left[j] = absolute(value) < 0x1p14 && rest == 0 ? left[j] : 1;
  };
  int i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int j = 0; j < lanes; ++j) split(v[i + j], j);
  for (; i < n; ++i) split(v[i], 0);

  double failed = 0;
  for (int j = 0; j < lanes; ++j) failed += left[j];
  if (failed != 0) {
    for (int k = 0; k < n; ++k) add_value(v[k], sum);
    return;
  }
  for (int k = 0; k < 3; ++k)
    for (int j = 0; j < lanes; ++j) add_value(parts[k][j], sum);
}

}  // namespace XENT_NAMESPACE
