// Inputs that are hashed counters, and the hash of a result: a sum of hashed bits. tests/proofs/test_proofs.py makes
// both again in NumPy.
#pragma once

#include <cstring>
#include <vector>

#include "logitloss.h"
#include "random.h"

namespace proof {

using logitloss::Type;

struct Format {
  const char* name;
  Type type;
  int bytes, mantissa, exponents;
};
constexpr Format formats[] = {{"float16", Type::f16, 2, 10, 31},
                              {"bfloat16", Type::bf16, 2, 7, 255},
                              {"float32", Type::f32, 4, 23, 255},
                              {"float64", Type::f64, 8, 52, 2047}};

inline std::uint64_t assemble(const Format& f, std::uint64_t sign, std::uint64_t exponent, std::uint64_t r) {
  const std::uint64_t fraction = r & ((std::uint64_t{1} << f.mantissa) - 1);
  return sign << (8 * f.bytes - 1) | exponent << f.mantissa | fraction;
}

// One in eight of any finite size, the others from 2^-12 to 2^10.
inline std::uint64_t logit(const Format& f, std::uint64_t r) {
  const std::uint64_t kind = r >> 52 & 7, e = r >> 55 & 255, bias = f.exponents / 2;
  return assemble(f, r >> 63, kind == 0 ? e * f.exponents >> 8 : bias - 12 + e % 22, r);
}

// Half of them 0 or 1, the others from 2^-9 to 1.
inline std::uint64_t label(const Format& f, std::uint64_t r) {
  const std::uint64_t kind = r >> 52 & 3, e = r >> 55 & 255, bias = f.exponents / 2;
  if (kind < 2) return kind * (bias << f.mantissa);
  return assemble(f, 0, bias - 1 - e % 8, r);
}

inline std::uint64_t weight(std::uint64_t r) { return assemble(formats[3], 0, 1020 + (r >> 55 & 255) % 6, r); }

struct Inputs {
  std::vector<char> logits, labels, weights;

  Inputs(const Format& f, std::size_t n) : logits(n * f.bytes), labels(n * f.bytes), weights(n * 8) {
    const auto seed = static_cast<std::uint64_t>(&f - formats) * 3;
    Random x(seed + 1), z(seed + 2), w(seed + 3);
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t values[] = {logit(f, x()), label(f, z()), weight(w())};
      std::memcpy(&logits[i * f.bytes], &values[0],
                  f.bytes);  // little-endian, like every machine there is a kernel for
      std::memcpy(&labels[i * f.bytes], &values[1], f.bytes);
      std::memcpy(&weights[i * 8], &values[2], 8);
    }
  }
};

inline std::uint64_t hash(const std::vector<char>& bytes, int size) {
  std::uint64_t h = 0;
  for (std::size_t i = 0; i * size < bytes.size(); ++i) {
    std::uint64_t value = 0;
    std::memcpy(&value, &bytes[i * size], size);
    h += Random::mix(value + (i + 1) * Random::step);
  }
  return h;
}

}  // namespace proof
