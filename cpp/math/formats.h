// The formats of logits and results: how each is read as a double, and how a double is rounded to it, once.
//
// Claim: load is exact; round is the nearest number of the format, ties to even, subnormals and overflow included
// (exhaustively tested on the halves of all float16 and bfloat16 neighbours); store(round(y)) is exact.
// float64 -> float32 -> float16 would round twice; `Half` adds and subtracts 1.5 * 2^52 units instead.
#pragma once

#include "portable.h"

namespace XENT_NAMESPACE {

// A value that is rounded, and whether another is possible: its error reaches a midpoint, or the sign of a zero.
struct Decision {
  double value;
  bool open;
};

// The formats of up to 16 bits: `digits` significant bits, normal from 2^least, finite below 2^end.
template <int digits, int least, int end>
struct Half {
  static constexpr bool narrow = true;

  struct Steps {
    double rounded, half;  // half of the distance of neighbours at the value
  };
  XENT_INLINE Steps steps(double size) {
    const double power = bit_cast<double>(bit_cast<uint64_t>(size) & 0x7ff0000000000000u);
    const double lowest = bit_cast<double>(uint64_t{1023 + least} << 52);
    const double unit = larger(power, lowest);
    const double shift = unit * (1.5 * double(uint64_t{1} << (53 - digits)));
    return {(size + shift) - shift, unit * (1.0 / double(uint64_t{1} << digits))};
  }
  XENT_INLINE double finish(double y, double rounded) {
    const double size = rounded < bit_cast<double>(uint64_t{1023 + end} << 52) ? rounded : infinity;
    const double signed_size =
        bit_cast<double>(bit_cast<uint64_t>(size) | (bit_cast<uint64_t>(y) & 0x8000000000000000u));
    return y == y ? signed_size : y;
  }
  XENT_INLINE double round(double y) { return finish(y, steps(absolute(y)).rounded); }
  XENT_INLINE Decision round_within(double y, double error) {
    const double size = absolute(y);
    const Steps s = steps(size);
    return {finish(y, s.rounded), absolute(size - s.rounded) + error >= s.half || error > size};
  }
};

struct Float64 {
  using Storage = double;
  static constexpr bool narrow = false;
  XENT_INLINE double load(double v) { return v; }
  XENT_INLINE double round(double y) { return y; }
  // Open where terms cancel to less than 2^-9 of their size: near the root of a soft label's gradient.
  XENT_INLINE Decision round_within(double y, double error) { return {y, error > absolute(y) * 0x1p-47}; }
  XENT_INLINE double store(double y) { return y; }
};

struct Float32 {
  using Storage = float;
  static constexpr bool narrow = true;
  XENT_INLINE double load(float v) { return v; }
  XENT_INLINE double round(double y) { return static_cast<float>(y); }
  XENT_INLINE Decision round_within(double y, double error) {
    const double finite = smaller(error, 1e300);  // an infinite value has no distance
    const double low = round(y - finite), high = round(y + finite);
    return {low, bit_cast<uint64_t>(low) != bit_cast<uint64_t>(high)};  // -0 is not +0
  }
  XENT_INLINE float store(double y) { return static_cast<float>(y); }
};

struct BFloat16 : Half<8, -126, 128> {  // the upper half of a float32
  struct Storage {
    uint16_t bits;
  };
  XENT_INLINE double load(Storage v) { return bit_cast<float>(uint32_t{v.bits} << 16); }
  XENT_INLINE Storage store(double y) {
    const auto bits = static_cast<uint16_t>(bit_cast<uint32_t>(static_cast<float>(y)) >> 16);
    return {y == y ? bits : uint16_t{0x7fc0}};
  }
};

struct Float16 : Half<11, -14, 16> {
  struct Storage {
    uint16_t bits;
  };
  // Its exponent and fraction, put in the place of a double's, are the value times 2^-1008.
  XENT_INLINE double load(Storage v) {
    const uint64_t size = v.bits & 0x7fffu, sign = uint64_t{v.bits & 0x8000u} << 48;
    const double finite = bit_cast<double>(size << 42) * 0x1p1008;
    const double special = size == 0x7c00 ? infinity : nan;
    return bit_cast<double>(bit_cast<uint64_t>(size < 0x7c00 ? finite : special) | sign);
  }
  XENT_INLINE Storage store(double y) {
    const uint64_t size = bit_cast<uint64_t>(smaller(absolute(y), 65536) * 0x1p-1008) >> 42;
    const uint64_t sign = bit_cast<uint64_t>(y) >> 48 & 0x8000u;
    return {static_cast<uint16_t>((y == y ? size : 0x7e00) | sign)};
  }
};

}  // namespace XENT_NAMESPACE
