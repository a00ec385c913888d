// The formats of logits and results: how each is read as a double, and how a double is rounded to it, once.
//
// Claim: load is exact; round is the nearest number of the format, ties to even, subnormals and overflow included
// (exhaustively tested on the halves of all float16 and bfloat16 neighbours); store(round(y)) is exact.
// float64 -> float32 -> float16 would round twice; `Half` adds and subtracts 1.5 * 2^52 units instead.
#pragma once

#include "vectors.h"

namespace XENT_NAMESPACE {

// A value that is rounded, and whether another is possible: its error reaches a midpoint, or the sign of a zero.
template <class Result>
struct Decision {
  Result value;
  typename Unsigned<Result>::type open;  // 0 if it is not
};

// Relative error of what the quick tail gives, to the size of its terms.
constexpr double quick_error = 0x1.1p-43;

// A rounded value, and what a conversion to float makes the same of; in the top bit of `open`, whether another is possible.
template <class V>
struct Nearest {
  V value, same;
  typename Unsigned<V>::type open;
};

// Rounds a number y that is normal in the format, for an error of quick_error * |y|. Of a midpoint, plus half a
// unit, all bits below the last digit are 0.
template <int digits>
struct Normal {
  static constexpr double quick_limit = 86;  // exp(-86) > 2^-125
  template <class V>
  XENT_INLINE Nearest<V> nearest(V y) {
    constexpr uint64_t half = uint64_t{1} << (52 - digits), below = 2 * half - 1;
    constexpr auto error = static_cast<uint64_t>(quick_error * 0x1p53);
    const auto bits = bit_cast<typename Unsigned<V>::type>(y) + (half + error);  // if error matters, y is open
    const V value = bit_cast<V>(bits & ~below);
    return {value, digits == 24 ? y : value, (bits & below) - (2 * error + 1)};
  }
};

// The formats of up to 16 bits: `digits` significant bits, normal from 2^least, finite below 2^end.
template <int digits, int least, int end>
struct Half {
  static constexpr bool narrow = true;

  template <class V>
  struct Steps {
    V shift, rounded, half;  // half of the distance of neighbours at the value
  };
  template <class V>
  XENT_INLINE Steps<V> steps(V size) {
    const V power = bit_cast<V>(bit_cast<typename Unsigned<V>::type>(size) & 0x7ff0000000000000u);
    const V unit = larger(power, V{} + bit_cast<double>(uint64_t{1023 + least} << 52));
    const V shift = unit * (1.5 * double(uint64_t{1} << (53 - digits)));
    return {shift, (size + shift) - shift, unit * (1.0 / double(uint64_t{1} << digits))};
  }
  XENT_INLINE double finish(double y, double rounded) {
    const double size = rounded < bit_cast<double>(uint64_t{1023 + end} << 52) ? rounded : infinity;
    const double signed_size =
        bit_cast<double>(bit_cast<uint64_t>(size) | (bit_cast<uint64_t>(y) & 0x8000000000000000u));
    return y == y ? signed_size : y;
  }
  XENT_INLINE double round(double y) { return finish(y, steps(absolute(y)).rounded); }
  using Result = float;
  // For an error of `relative` times the size of the terms; the quick way leaves infinities and nans open.
  template <bool quick>
  XENT_INLINE Decision<Result> round_within(double y, double terms, double relative) {
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
  XENT_INLINE double load(double v) { return v; }
  XENT_INLINE double round(double y) { return y; }
  // Open where terms cancel to less than 2^-9 of their size: near the root of a soft label's gradient.
  using Result = double;
  template <bool quick>
  XENT_INLINE Decision<Result> round_within(double y, double terms, double relative) {
    return {y, terms * relative > absolute(y) * 0x1p-47 ? uint64_t{1} : uint64_t{0}};
  }
  XENT_INLINE double store(double y) { return y; }
};

struct Float32 : Normal<24> {
  using Storage = float;
  static constexpr bool narrow = true;
  XENT_INLINE double load(float v) { return v; }
  XENT_INLINE double round(double y) { return static_cast<float>(y); }
  using Result = float;
  template <bool quick>
  XENT_INLINE Decision<Result> round_within(double y, double terms, double relative) {
    const double finite = quick ? terms : smaller(terms, 1e300);  // an infinite value has no distance
    const auto low = static_cast<float>(fma(-relative, finite, y)), high = static_cast<float>(fma(relative, finite, y));
    return {low, bit_cast<uint32_t>(low) ^ bit_cast<uint32_t>(high)};  // -0 is not +0
  }
  XENT_INLINE float store(double y) { return static_cast<float>(y); }
};

struct BFloat16 : Half<8, -126, 128>, Normal<8> {  // the upper half of a float32
  struct Storage {
    uint16_t bits;
  };
  XENT_INLINE double load(Storage v) { return bit_cast<float>(uint32_t{v.bits} << 16); }
  XENT_INLINE Storage store(float y) {
    const auto bits = static_cast<uint16_t>(bit_cast<uint32_t>(y) >> 16);
    return {y == y ? bits : uint16_t{0x7fc0}};
  }
};

struct Float16 : Half<11, -14, 16> {
  struct Storage {
    uint16_t bits;
  };
  static constexpr double quick_limit = 512;  // results may be subnormal
  template <class V>
  XENT_INLINE Nearest<V> nearest(V y) {
    static_assert(quick_error < 0x1p-41);  // of half a unit: 2^-29
    using U = typename Unsigned<V>::type;
    const V size = absolute(y);
    const auto s = steps(size);
    const U below_half = bit_cast<U>(s.half) - (uint64_t{1} << 24);
    const U far = bit_cast<uint64_t>(0x1p15) - bit_cast<U>(size);
    const V value = bit_cast<V>(bit_cast<U>(s.rounded) | (bit_cast<U>(y) & 0x8000000000000000u));
    return {value, value, (below_half - bit_cast<U>(absolute(size - s.rounded))) | far};
  }
  // Its exponent and fraction, put in the place of a float32's, are the value times 2^-112.
  XENT_INLINE double load(Storage v) {
    const uint32_t size = (v.bits & 0x7fffu) << 13, sign = uint32_t{v.bits & 0x8000u} << 16;
    const float finite = bit_cast<float>(size) * 0x1p112f, special = bit_cast<float>(size | 0x7f800000u);
    return bit_cast<float>(bit_cast<uint32_t>(size < 0x7c00u << 13 ? finite : special) | sign);
  }
  XENT_INLINE Storage store(float y) {
    const uint32_t bits = bit_cast<uint32_t>(y), sign = bits >> 16 & 0x8000u;
    const float size = bit_cast<float>(bits & 0x7fffffffu);
    const uint32_t finite = bit_cast<uint32_t>((size < 65536 ? size : 65536) * 0x1p-112f) >> 13;
    return {static_cast<uint16_t>((y == y ? finite : 0x7e00) | sign)};
  }
};

// Of n contiguous numbers the first ones, in whole vectors, where the processor has an instruction that converts them;
// how many it did.
template <class Format>
XENT_INLINE int load_vectors(Format, const char*, int, double*) {
  return 0;
}
template <class Format, class Result>
XENT_INLINE int store_vectors(Format, const Result*, int, char*) {
  return 0;
}

#ifdef XENT_CONVERTS_HALVES
XENT_INLINE int load_vectors(Float16, const char* from, int n, double* to) {
  int i = 0;
  for (; i + vector_lanes <= n; i += vector_lanes) {
    const Vector values = from_halves(from + i * sizeof(Float16::Storage));
    memcpy(to + i, &values, sizeof values);
  }
  return i;
}
XENT_INLINE int store_vectors(Float16, const float* from, int n, char* to) {
  int i = 0;
  for (; i + vector_lanes <= n; i += vector_lanes) {
    VectorFloats y;
    memcpy(&y, from + i, sizeof y);
    const auto bits = bit_cast<VectorFloatBits>(y);
    const auto one_nan = (bits & 0x80000000u) | 0x7fc00000u;  // the instruction would keep each nan's own bits
    to_halves(bit_cast<VectorFloats>(y == y ? bits : one_nan), to + i * sizeof(Float16::Storage));
  }
  return i;
}
#endif

}  // namespace XENT_NAMESPACE
