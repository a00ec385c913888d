// float32, float16 and bfloat16 as the proofs see them: decoded by their definition.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "logitloss.h"

namespace proof {

struct Float32 {
  using Storage = float;
  static constexpr int digits = 24, least = -126;
  static constexpr logitloss::Type type = logitloss::Type::f32;
  static constexpr const char* name = "float32";
  static double decode(float v) { return v; }
};

// The binary formats of 16 bits by their definition, through a table.
template <int digits_, int least_>
struct Half {
  using Storage = std::uint16_t;
  static constexpr int digits = digits_, least = least_;
  static double decode(std::uint16_t v) {
    static const std::vector<double> table = [] {
      std::vector<double> t(65536);
      for (unsigned i = 0; i < 65536; ++i) {
        const unsigned size = i & 0x7fff, exponent = size >> (digits - 1), fraction = size & ((1u << (digits - 1)) - 1);
        const unsigned special = (1u << (16 - digits)) - 1;
        const double finite = exponent
                                  ? std::ldexp(fraction + (1u << (digits - 1)), int(exponent) - 1 + least - digits + 1)
                                  : std::ldexp(fraction, least - digits + 1);
        t[i] = std::copysign(exponent < special ? finite : fraction ? NAN : INFINITY, i < 32768 ? 1.0 : -1.0);
      }
      return t;
    }();
    return table[v];
  }
};

struct Float16 : Half<11, -14> {
  static constexpr logitloss::Type type = logitloss::Type::f16;
  static constexpr const char* name = "float16";
};

struct BFloat16 : Half<8, -126> {
  static constexpr logitloss::Type type = logitloss::Type::bf16;
  static constexpr const char* name = "bfloat16";
};

}  // namespace proof
