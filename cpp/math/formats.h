// The formats of logits and results: how each is read as a double, and how a double is rounded to it, once.
//
// load is exact; round returns the nearest number of the format, ties to even, with subnormals and overflow; and
// store(round(y)) is exact. The proofs try every float16 and bfloat16 midpoint. float64 -> float32 -> float16 would
// round twice, so `Format16` rounds in float64 arithmetic.
//
// The rounding tests follow Ziv's strategy (Fast evaluation of elementary mathematical functions with correctly rounded
// last bit, 1991): if both ends of an interval that holds the true value round to the same number, that is the result;
// if not, the rounding is undecided and a more accurate method must decide it.
#pragma once

#include "vectors.h"

namespace LOGITLOSS_NAMESPACE {

// A rounded value, and whether its rounding is undecided: the error reaches a midpoint, or leaves the sign of a zero
// open.
template <class Result>
struct Rounding {
  Result value;
  typename Unsigned<Result>::type undecided;  // 0 if decided
};

// A bound on the error of the fast path, relative to the size of its terms; it includes
// fast_softplus_sigmoid_max_error.
constexpr double fast_path_error = 0x1.1p-43;

// A rounded value, and a number that a conversion to float rounds to it. The rounding is undecided if the low 32 bits
// of `boundary_distance` are less than the format's `undecided_distance`.
template <class V>
struct NearestValue {
  V value, to_convert;
  typename Unsigned<V>::type boundary_distance;
};

// Whether the results are normal numbers of their format, subnormal, or of both kinds.
enum class ResultRange { normal, subnormal, mixed };

// The bound on |x| at which divided results are as small as undivided ones at `limit`.
LOGITLOSS_INLINE double limit_when_divided(double limit, double divisor) {
  const int exponent = static_cast<int>(bit_cast<uint64_t>(divisor) >> 52 & 0x7ff) - 1022;  // divisor < 2^exponent
  return limit - (exponent > 0 ? 0.7 * exponent : 0);                                       // ln 2 < 0.7
}

// The range of the results for |x| <= max_abs. Only gradients are divided by more than 1; they are at most 1 before.
template <class Format>
LOGITLOSS_INLINE ResultRange fast_result_range(double max_abs, double divisor) {
  if (max_abs <= limit_when_divided(Format::normal_result_limit, divisor)) return ResultRange::normal;
  return divisor >= 0x1p14 ? ResultRange::subnormal : ResultRange::mixed;  // float16 only
}

// Rounds y, a normal number of the format, and tests the rounding for an error of fast_path_error |y|.
//
// Read as an integer b, the bits of y count in units of its last place. The error is at most `error` of these units:
// one is at least 2^-53 |y|. So the true value lies in [b - error, b + error]. Rounding drops `fraction` bits, and a
// midpoint is a number whose dropped bits are `half`. There is a midpoint in the interval if and only if (b + half +
// error) mod 2^fraction is at most 2 error; otherwise the whole interval rounds to (b + half + error) without its
// dropped bits. The test reads 32 bits: for float32 all 29 dropped bits, moved up by `spare`; for the others the low 32
// of them, which reports undecided a little too often and never too seldom.
template <int digits>
struct NormalRounding {
  static constexpr int fraction = 53 - digits, spare = fraction < 32 ? 32 - fraction : 0;
  static constexpr auto error = static_cast<uint32_t>(fast_path_error * 0x1p53);
  static constexpr uint32_t undecided_distance = (2 * error + 1) << spare;
  template <ResultRange, class V>
  LOGITLOSS_INLINE NearestValue<V> nearest(V y) {
    constexpr uint64_t half = uint64_t{1} << (fraction - 1), below = 2 * half - 1;
    const auto bits = bit_cast<typename Unsigned<V>::type>(y) + (half + error);  // `error` changes no decided result
    const V value = bit_cast<V>(bits & ~below);
    return {value, digits == 24 ? y : value, bits << spare};
  }
};

// The formats with the exponents of float32: exp(-86) > 2^-125, so results up to |x| = 86 are normal.
struct Float32Exponents {
  static constexpr double normal_result_limit = 86, fast_path_limit = 86, term_limit = 0x1p127;
};

// The 16-bit formats: `digits` significant bits, normal from 2^least on, finite below 2^end.
//
// round adds and subtracts 1.5 * 2^(53 - digits) times the power of two below |y|: the sum has its last place where the
// format has it at y, so the addition rounds to the format, ties to even. Below 2^least the power stays at 2^least,
// which is how subnormal numbers are spaced.
template <int digits, int least, int end>
struct Format16 {
  static constexpr bool correctly_rounded = true, rounds_by_conversion = false;

  struct Spacing {
    double shift, rounded, half;  // half the spacing of the format at the value
  };
  LOGITLOSS_INLINE Spacing spacing(double size) {
    const double power = bit_cast<double>(bit_cast<uint64_t>(size) & 0x7ff0000000000000u);
    const double unit = max(power, bit_cast<double>(uint64_t{1023 + least} << 52));
    const double shift = unit * (1.5 * double(uint64_t{1} << (53 - digits)));
    return {shift, (size + shift) - shift, unit * (1.0 / double(uint64_t{1} << digits))};
  }
  LOGITLOSS_INLINE double finish(double y, double rounded) {
    const double size = rounded < bit_cast<double>(uint64_t{1023 + end} << 52) ? rounded : infinity;
    const double signed_size =
        bit_cast<double>(bit_cast<uint64_t>(size) | (bit_cast<uint64_t>(y) & 0x8000000000000000u));
    return y == y ? signed_size : y;
  }
  LOGITLOSS_INLINE double round(double y) { return finish(y, spacing(abs(y)).rounded); }
  using Result = float;
  // For an error of `relative` times the size of the terms; the fast path reports infinities and nans as undecided.
  template <bool fast>
  LOGITLOSS_INLINE Rounding<Result> rounding_test(double y, double terms, double relative) {
    if constexpr (fast) {
      const double shift = spacing(abs(y)).shift;
      const auto nearest = [&](double x) {  // keeps the sign of a zero
        const uint64_t sign = bit_cast<uint64_t>(x) & 0x8000000000000000u;
        return static_cast<float>(bit_cast<double>(bit_cast<uint64_t>((x + shift) - shift) | sign));
      };
      const float low = nearest(fma(-relative, terms, y)), high = nearest(fma(relative, terms, y));
      constexpr auto infinite = static_cast<float>(infinity);
      constexpr float limit = end < 64 ? static_cast<float>(uint64_t{1} << end % 64) : infinite;
      const float size = bit_cast<float>(bit_cast<uint32_t>(low) & 0x7fffffffu);
      const uint32_t differ = bit_cast<uint32_t>(low) ^ bit_cast<uint32_t>(high);
      return {size < limit ? low : low * infinite, low == low ? differ : 1};
    } else {
      const double size = abs(y), error = terms * relative;
      const auto s = spacing(size);
      const bool undecided = abs(size - s.rounded) + error >= s.half || error > size;
      return {static_cast<float>(finish(y, s.rounded)), undecided ? 1u : 0u};
    }
  }
};

struct Float64 {
  using Storage = double;
  static constexpr bool correctly_rounded = false;
  LOGITLOSS_INLINE double load(double v) { return v; }
  LOGITLOSS_INLINE double round(double y) { return y; }
  // Undecided where terms cancel to less than 2^-9 of their size: near the root of the gradient of a soft label.
  using Result = double;
  template <bool fast>
  LOGITLOSS_INLINE Rounding<Result> rounding_test(double y, double terms, double relative) {
    return {y, terms * relative > abs(y) * 0x1p-47 ? uint64_t{1} : uint64_t{0}};
  }
  LOGITLOSS_INLINE double store(double y) { return y; }
};

struct Float32 : NormalRounding<24>, Float32Exponents {
  using Storage = float;
  static constexpr bool correctly_rounded = true, rounds_by_conversion = true;
  LOGITLOSS_INLINE double load(float v) { return v; }
  LOGITLOSS_INLINE double round(double y) { return static_cast<float>(y); }
  using Result = float;
  template <bool fast>
  LOGITLOSS_INLINE Rounding<Result> rounding_test(double y, double terms, double relative) {
    const double finite = fast ? terms : min(terms, 1e300);  // an infinite value has no distance
    const auto low = static_cast<float>(fma(-relative, finite, y)), high = static_cast<float>(fma(relative, finite, y));
    return {low, bit_cast<uint32_t>(low) ^ bit_cast<uint32_t>(high)};  // compares the sign of zeros, too
  }
  LOGITLOSS_INLINE float store(double y) { return static_cast<float>(y); }
};

struct BFloat16 : Format16<8, -126, 128>, NormalRounding<8>, Float32Exponents {  // the upper half of a float32
  struct Storage {
    uint16_t bits;
  };
  LOGITLOSS_INLINE double load(Storage v) { return bit_cast<float>(uint32_t{v.bits} << 16); }
  LOGITLOSS_INLINE Storage store(float y) {
    const auto bits = static_cast<uint16_t>(bit_cast<uint32_t>(y) >> 16);
    return {y == y ? bits : uint16_t{0x7fc0}};
  }
};

struct Float16 : Format16<11, -14, 16>, NormalRounding<11> {
  struct Storage {
    uint16_t bits;
  };
  static constexpr double normal_result_limit = 9.7, fast_path_limit = 512,
                          term_limit = 0x1p15;  // log1p(exp(-9.7)) > 2^-14
  // Up to normal_result_limit as NormalRounding does. Beyond it the place of the last digit does not depend on the bits
  // of y alone, so y is added to 1.5 * 2^10 times the power of two below it (2^-14 if y is subnormal): the last place
  // of the sum is 2^-32 of the format's at y, and the low 32 bits of the sum are the part that rounding drops. The
  // addition itself errs by at most 2^-33 of a place of the format, fast_path_error is 2^-32 of one, and `error` covers
  // both.
  template <ResultRange numbers, class V>
  LOGITLOSS_INLINE NearestValue<V> nearest(V y) {
    if constexpr (numbers == ResultRange::normal) return NormalRounding<11>::nearest<numbers>(y);
    static_assert(fast_path_error < 0x1.2p-43 && NormalRounding<11>::error >= 2);
    using U = typename Unsigned<V>::type;
    constexpr uint64_t half = uint64_t{1} << 31, below = 2 * half - 1, times = uint64_t{10} << 52 | uint64_t{1} << 51;
    const U power = bit_cast<U>(y) & 0x7ff0000000000000u;
    const U least = U{} + bit_cast<uint64_t>(0x1p-14),
            unit = numbers == ResultRange::mixed ? max_high32(power, least) : least;
    const V shift = bit_cast<V>(unit + (times | (half + error)));
    const U sum = bit_cast<U>(y + shift);
    const V size = bit_cast<V>(or_masked(U{} + (half + error), sum, U{} + ~below)) - shift;
    const V value = bit_cast<V>(or_masked(bit_cast<U>(size), bit_cast<U>(y), U{} + 0x8000000000000000u));  // of a zero
    return {value, value, sum};
  }
  // Exponent and fraction, shifted to their place in a float32, are the value times 2^-112: the biases differ by 112.
  LOGITLOSS_INLINE double load(Storage v) {
    const uint32_t size = (v.bits & 0x7fffu) << 13, sign = uint32_t{v.bits & 0x8000u} << 16;
    const float finite = bit_cast<float>(size) * 0x1p112f, special = bit_cast<float>(size | 0x7f800000u);
    return bit_cast<float>(bit_cast<uint32_t>(size < 0x7c00u << 13 ? finite : special) | sign);
  }
  LOGITLOSS_INLINE Storage store(float y) {
    const uint32_t bits = bit_cast<uint32_t>(y), sign = bits >> 16 & 0x8000u;
    const float size = bit_cast<float>(bits & 0x7fffffffu);
    const uint32_t finite = bit_cast<uint32_t>((size < 65536 ? size : 65536) * 0x1p-112f) >> 13;
    return {static_cast<uint16_t>((y == y ? finite : 0x7e00) | sign)};
  }
};

}  // namespace LOGITLOSS_NAMESPACE
