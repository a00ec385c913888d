// The formats of logits and results: how each is read as a double, and how a double is rounded to it, once.
//
// Claim: load is exact; round is the nearest number of the format, ties to even, subnormals and overflow included
// (exhaustively tested on the halves of all float16 and bfloat16 neighbours); store(round(y)) is exact.
// float64 -> float32 -> float16 would round twice; `Half` adds and subtracts 1.5 * 2^52 units instead.
#pragma once

#include "vectors.h"

namespace LOGITLOSS_NAMESPACE {

// A value that is rounded, and whether another is possible: its error reaches a midpoint, or the sign of a zero.
template <class Result>
struct Decision {
  Result value;
  typename Unsigned<Result>::type open;  // 0 if it is not
};

// Relative error of what the quick tail gives, to the size of its terms.
constexpr double quick_error = 0x1.1p-43;

// A rounded value, and what a conversion to float makes the same of. Where the low 32 bits of `room` are less than the
// format's `open_room`, another is possible.
template <class V>
struct Nearest {
  V value, same;
  typename Unsigned<V>::type room;
};

// Where results lie among the numbers of their format.
enum class Numbers { normal, subnormal, any };

// The logits up to which divided results are as others are up to `limit`.
LOGITLOSS_INLINE double divided_limit(double limit, double divisor) {
  const int exponent = static_cast<int>(bit_cast<uint64_t>(divisor) >> 52 & 0x7ff) - 1022;  // divisor < 2^exponent
  return limit - (exponent > 0 ? 0.7 * exponent : 0);                                       // ln 2 < 0.7
}

// Those of results for logits up to `largest`; what is divided by more than 1 is a gradient, at most 1 before.
template <class Format>
LOGITLOSS_INLINE Numbers quick_numbers(double largest, double divisor) {
  if (largest <= divided_limit(Format::normal_limit, divisor)) return Numbers::normal;
  return divisor >= 0x1p14 ? Numbers::subnormal : Numbers::any;  // the latter two of float16
}

// Rounds a number y that is normal in the format, for an error of quick_error * |y|. Of a midpoint, plus half a
// unit, all bits below the last digit are 0: the room is 29 of them, or the last 32.
template <int digits>
struct Normal {
  static constexpr int fraction = 53 - digits, spare = fraction < 32 ? 32 - fraction : 0;
  static constexpr auto error = static_cast<uint32_t>(quick_error * 0x1p53);
  static constexpr uint32_t open_room = (2 * error + 1) << spare;
  template <Numbers, class V>
  LOGITLOSS_INLINE Nearest<V> nearest(V y) {
    constexpr uint64_t half = uint64_t{1} << (fraction - 1), below = 2 * half - 1;
    const auto bits = bit_cast<typename Unsigned<V>::type>(y) + (half + error);  // if error matters, y is open
    const V value = bit_cast<V>(bits & ~below);
    return {value, digits == 24 ? y : value, bits << spare};
  }
};

// Of the formats with the exponents of float32: exp(-86) > 2^-125.
struct Wide {
  static constexpr double normal_limit = 86, quick_limit = 86, most = 0x1p127;
};

// The formats of up to 16 bits: `digits` significant bits, normal from 2^least, finite below 2^end.
template <int digits, int least, int end>
struct Half {
  static constexpr bool narrow = true, rounds_by_conversion = false;

  struct Steps {
    double shift, rounded, half;  // half of the distance of neighbours at the value
  };
  LOGITLOSS_INLINE Steps steps(double size) {
    const double power = bit_cast<double>(bit_cast<uint64_t>(size) & 0x7ff0000000000000u);
    const double unit = larger(power, bit_cast<double>(uint64_t{1023 + least} << 52));
    const double shift = unit * (1.5 * double(uint64_t{1} << (53 - digits)));
    return {shift, (size + shift) - shift, unit * (1.0 / double(uint64_t{1} << digits))};
  }
  LOGITLOSS_INLINE double finish(double y, double rounded) {
    const double size = rounded < bit_cast<double>(uint64_t{1023 + end} << 52) ? rounded : infinity;
    const double signed_size =
        bit_cast<double>(bit_cast<uint64_t>(size) | (bit_cast<uint64_t>(y) & 0x8000000000000000u));
    return y == y ? signed_size : y;
  }
  LOGITLOSS_INLINE double round(double y) { return finish(y, steps(absolute(y)).rounded); }
  using Result = float;
  // For an error of `relative` times the size of the terms; the quick way leaves infinities and nans open.
  template <bool quick>
  LOGITLOSS_INLINE Decision<Result> round_within(double y, double terms, double relative) {
    if constexpr (quick) {
      const double shift = steps(absolute(y)).shift;
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
      const double size = absolute(y), error = terms * relative;
      const auto s = steps(size);
      const bool open = absolute(size - s.rounded) + error >= s.half || error > size;
      return {static_cast<float>(finish(y, s.rounded)), open ? 1u : 0u};
    }
  }
};

struct Float64 {
  using Storage = double;
  static constexpr bool narrow = false;
  LOGITLOSS_INLINE double load(double v) { return v; }
  LOGITLOSS_INLINE double round(double y) { return y; }
  // Open where terms cancel to less than 2^-9 of their size: near the root of a soft label's gradient.
  using Result = double;
  template <bool quick>
  LOGITLOSS_INLINE Decision<Result> round_within(double y, double terms, double relative) {
    return {y, terms * relative > absolute(y) * 0x1p-47 ? uint64_t{1} : uint64_t{0}};
  }
  LOGITLOSS_INLINE double store(double y) { return y; }
};

struct Float32 : Normal<24>, Wide {
  using Storage = float;
  static constexpr bool narrow = true, rounds_by_conversion = true;
  LOGITLOSS_INLINE double load(float v) { return v; }
  LOGITLOSS_INLINE double round(double y) { return static_cast<float>(y); }
  using Result = float;
  template <bool quick>
  LOGITLOSS_INLINE Decision<Result> round_within(double y, double terms, double relative) {
    const double finite = quick ? terms : smaller(terms, 1e300);  // an infinite value has no distance
    const auto low = static_cast<float>(fma(-relative, finite, y)), high = static_cast<float>(fma(relative, finite, y));
    return {low, bit_cast<uint32_t>(low) ^ bit_cast<uint32_t>(high)};  // -0 is not +0
  }
  LOGITLOSS_INLINE float store(double y) { return static_cast<float>(y); }
};

struct BFloat16 : Half<8, -126, 128>, Normal<8>, Wide {  // the upper half of a float32
  struct Storage {
    uint16_t bits;
  };
  LOGITLOSS_INLINE double load(Storage v) { return bit_cast<float>(uint32_t{v.bits} << 16); }
  LOGITLOSS_INLINE Storage store(float y) {
    const auto bits = static_cast<uint16_t>(bit_cast<uint32_t>(y) >> 16);
    return {y == y ? bits : uint16_t{0x7fc0}};
  }
};

struct Float16 : Half<11, -14, 16>, Normal<11> {
  struct Storage {
    uint16_t bits;
  };
  static constexpr double normal_limit = 9.7, quick_limit = 512, most = 0x1p15;  // log1p(exp(-9.7)) > 2^-14
  // Beyond that limit, as Normal does, but of a sum whose last digit is 2^-32 of the format's at y: that of y and
  // 1.5 * 2^10 powers of two below y (2^-14 if y is subnormal). It rounds y by 2^-33 of a digit; quick_error is 2^-32.
  template <Numbers numbers, class V>
  LOGITLOSS_INLINE Nearest<V> nearest(V y) {
    if constexpr (numbers == Numbers::normal) return Normal<11>::nearest<numbers>(y);
    static_assert(quick_error < 0x1.2p-43 && Normal<11>::error >= 2);
    using U = typename Unsigned<V>::type;
    constexpr uint64_t half = uint64_t{1} << 31, below = 2 * half - 1, times = uint64_t{10} << 52 | uint64_t{1} << 51;
    const U power = bit_cast<U>(y) & 0x7ff0000000000000u;
    const U least = U{} + bit_cast<uint64_t>(0x1p-14),
            unit = numbers == Numbers::any ? larger_high(power, least) : least;
    const V shift = bit_cast<V>(unit + (times | (half + error)));
    const U sum = bit_cast<U>(y + shift);
    const V size = bit_cast<V>(or_masked(U{} + (half + error), sum, U{} + ~below)) - shift;
    const V value = bit_cast<V>(or_masked(bit_cast<U>(size), bit_cast<U>(y), U{} + 0x8000000000000000u));  // of a zero
    return {value, value, sum};
  }
  // Its exponent and fraction, put in the place of a float32's, are the value times 2^-112.
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
