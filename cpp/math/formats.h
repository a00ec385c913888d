// The formats of logits and results: how each is read as a double, and how a double is rounded to it, once.
//
// Claim: load is exact; round is the nearest number of the format, ties to even, subnormals and overflow included
// (exhaustively tested on the halves of all float16 and bfloat16 neighbours); store(round(y)) is exact.
// float64 -> float32 -> float16 would round twice; `round_to_digits` adds and subtracts 1.5 * 2^52 units instead.
#pragma once

#include "portable.h"

namespace XENT_NAMESPACE {

// y to `digits` significant bits, or to multiples of the subnormal unit below 2^least. Keeps nan and |y| >= 2^200.
template <int digits, int least>
XENT_INLINE double round_to_digits(double y) {
  const double size = absolute(y);
  const double power = bit_cast<double>(bit_cast<uint64_t>(size) & 0x7ff0000000000000u);
  const double lowest = bit_cast<double>(uint64_t{1023 + least} << 52);
  const double shift = larger(power, lowest) * (1.5 * double(uint64_t{1} << (53 - digits)));
  const double rounded = (size + shift) - shift;
  const double sign_kept =
      bit_cast<double>(bit_cast<uint64_t>(rounded) | (bit_cast<uint64_t>(y) & 0x8000000000000000u));
  return size < 0x1p200 ? sign_kept : y;
}

struct Float64 {
  using Storage = double;
  static constexpr bool narrow = false;
  XENT_INLINE double load(double v) { return v; }
  XENT_INLINE double round(double y) { return y; }
  XENT_INLINE double store(double y) { return y; }
};

struct Float32 {
  using Storage = float;
  static constexpr bool narrow = true;
  XENT_INLINE double load(float v) { return v; }
  XENT_INLINE double round(double y) { return static_cast<float>(y); }
  XENT_INLINE float store(double y) { return static_cast<float>(y); }
};

struct BFloat16 {  // the upper half of a float32
  struct Storage {
    uint16_t bits;
  };
  static constexpr bool narrow = true;
  XENT_INLINE double load(Storage v) { return bit_cast<float>(uint32_t{v.bits} << 16); }
  XENT_INLINE double round(double y) { return static_cast<float>(round_to_digits<8, -126>(y)); }  // overflow: infinity
  XENT_INLINE Storage store(double y) {
    const auto bits = static_cast<uint16_t>(bit_cast<uint32_t>(static_cast<float>(y)) >> 16);
    return {y == y ? bits : uint16_t{0x7fc0}};
  }
};

struct Float16 {
  struct Storage {
    uint16_t bits;
  };
  static constexpr bool narrow = true;
  // Its exponent and fraction, put in the place of a double's, are the value times 2^-1008.
  XENT_INLINE double load(Storage v) {
    const uint64_t size = v.bits & 0x7fffu, sign = uint64_t{v.bits & 0x8000u} << 48;
    const double finite = bit_cast<double>(size << 42) * 0x1p1008;
    const double special = size == 0x7c00 ? infinity : bit_cast<double>(uint64_t{0x7ff8} << 48);
    return bit_cast<double>(bit_cast<uint64_t>(size < 0x7c00 ? finite : special) | sign);
  }
  XENT_INLINE double round(double y) {
    const double rounded = round_to_digits<11, -14>(y);
    const double overflow =
        bit_cast<double>(bit_cast<uint64_t>(infinity) | (bit_cast<uint64_t>(y) & 0x8000000000000000u));
    return absolute(rounded) < 65536 || y != y ? rounded : overflow;
  }
  XENT_INLINE Storage store(double y) {
    const uint64_t size = bit_cast<uint64_t>(smaller(absolute(y), 65536) * 0x1p-1008) >> 42;
    const uint64_t sign = bit_cast<uint64_t>(y) >> 48 & 0x8000u;
    return {static_cast<uint16_t>((y == y ? size : 0x7e00) | sign)};
  }
};

}  // namespace XENT_NAMESPACE
