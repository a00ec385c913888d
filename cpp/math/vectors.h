// SIMD vectors of float64 lanes, and packs of several vectors that take every step together.
//
// A processor looks ahead only a few hundred instructions, and finds too little to do in one long chain of dependent
// operations. A pack interleaves `unroll` independent vectors, so that one of them is always ready.
#pragma once

#include "portable.h"

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace LOGITLOSS_NAMESPACE {

#ifdef __GNUC__
#if defined(__AVX512F__)
constexpr int vector_lanes = 8;
#elif defined(__AVX2__)
constexpr int vector_lanes = 4;
#else
constexpr int vector_lanes = 2;
#endif
typedef double Vector __attribute__((vector_size(8 * vector_lanes)));
typedef uint64_t VectorBits __attribute__((vector_size(8 * vector_lanes)));
typedef uint32_t VectorWords __attribute__((vector_size(8 * vector_lanes)));
typedef float VectorFloats __attribute__((vector_size(4 * vector_lanes)));
typedef uint32_t VectorFloatBits __attribute__((vector_size(4 * vector_lanes)));

template <>
struct Unsigned<Vector> {
  using type = VectorBits;
};

LOGITLOSS_INLINE Vector fma(Vector a, Vector b, Vector c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_pd(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_pd(a, b, c);
#elif defined(__aarch64__)
  return vfmaq_f64(c, a, b);
#else
  for (int j = 0; j < vector_lanes; ++j) c[j] = fma(a[j], b[j], c[j]);
  return c;
#endif
}
LOGITLOSS_INLINE Vector abs(Vector x) { return bit_cast<Vector>(bit_cast<VectorBits>(x) & 0x7fffffffffffffffu); }
LOGITLOSS_INLINE VectorFloats to_floats(Vector x) { return __builtin_convertvector(x, VectorFloats); }

LOGITLOSS_INLINE VectorBits or_masked(VectorBits a, VectorBits b, VectorBits mask) {
#if defined(__AVX512F__)
  return reinterpret_cast<VectorBits>(_mm512_ternarylogic_epi64(
      reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b), reinterpret_cast<__m512i>(mask), 0xf8));
#else
  return a | (b & mask);
#endif
}
LOGITLOSS_INLINE VectorBits max_high32(VectorBits a, VectorBits b) {
  const auto x = bit_cast<VectorWords>(a), y = bit_cast<VectorWords>(b);
  return bit_cast<VectorBits>(x > y ? x : y);
}
LOGITLOSS_INLINE VectorBits min_low32(VectorBits a, VectorBits b) {
  const auto x = bit_cast<VectorWords>(a), y = bit_cast<VectorWords>(b);
  return bit_cast<VectorBits>(x < y ? x : y);
}
#else
constexpr int vector_lanes = 1;
using Vector = double;
using VectorBits = uint64_t;
using VectorFloatBits = uint32_t;
LOGITLOSS_INLINE float to_floats(double x) { return static_cast<float>(x); }
#endif

// The sum of `first` and all lanes, in order.
template <class V, class T>
LOGITLOSS_INLINE T add_lanes(V vector, T first) {
  T lanes[vector_lanes];
  memcpy(lanes, &vector, sizeof lanes);
  for (T lane : lanes) first += lane;
  return first;
}

// The bitwise or of all lanes.
template <class T = uint64_t, class U>
LOGITLOSS_INLINE T or_lanes(U bits) {
  T lanes[vector_lanes], all = 0;
  memcpy(lanes, &bits, sizeof lanes);
  for (T lane : lanes) all |= lane;
  return all;
}

// The minimum of the lower 32 bits, and the maximum of the upper 32 bits, over all lanes.
LOGITLOSS_INLINE uint32_t min_low32_of_lanes(VectorBits bits) {
  uint64_t lanes[vector_lanes], least = ~uint64_t{0};
  memcpy(lanes, &bits, sizeof lanes);
  for (uint64_t lane : lanes) least = min(least, lane & 0xffffffffu);
  return static_cast<uint32_t>(least);
}
LOGITLOSS_INLINE uint32_t max_high32_of_lanes(VectorBits bits) {
  uint64_t lanes[vector_lanes], most = 0;
  memcpy(lanes, &bits, sizeof lanes);
  for (uint64_t lane : lanes) most = max(most, lane >> 32);
  return static_cast<uint32_t>(most);
}

// x 2^k, where k is in the low bits of the mantissa of `k_bits`; x and the result must be normal numbers.
template <class V>
LOGITLOSS_INLINE V times_power_of_two(V x, V k_bits) {
  using U = typename Unsigned<V>::type;
  return bit_cast<V>(bit_cast<U>(x) + (bit_cast<U>(k_bits) << 52));
}

#ifdef __GNUC__
#define LOGITLOSS_UNROLL _Pragma("GCC unroll 4") for (int j = 0; j < unroll; ++j)
#else
#define LOGITLOSS_UNROLL for (int j = 0; j < unroll; ++j)
#endif

constexpr int unroll = 4, interleaved = unroll * vector_lanes;

struct VectorPack {
  Vector v[unroll];

  VectorPack() = default;
  VectorPack(double all) { LOGITLOSS_UNROLL v[j] = Vector{} + all; }
};

template <class F, class... From>
LOGITLOSS_INLINE VectorPack map(F f, const From&... from) {
  VectorPack to;
  LOGITLOSS_UNROLL to.v[j] = f(from.v[j]...);
  return to;
}

LOGITLOSS_INLINE VectorPack operator+(const VectorPack& a, const VectorPack& b) {
  return map([](Vector x, Vector y) { return x + y; }, a, b);
}
LOGITLOSS_INLINE VectorPack operator-(const VectorPack& a, const VectorPack& b) {
  return map([](Vector x, Vector y) { return x - y; }, a, b);
}
LOGITLOSS_INLINE VectorPack operator*(const VectorPack& a, const VectorPack& b) {
  return map([](Vector x, Vector y) { return x * y; }, a, b);
}
LOGITLOSS_INLINE VectorPack operator/(const VectorPack& a, const VectorPack& b) {
  return map([](Vector x, Vector y) { return x / y; }, a, b);
}
LOGITLOSS_INLINE VectorPack operator-(const VectorPack& a) {
  return map([](Vector x) { return -x; }, a);
}
LOGITLOSS_INLINE VectorPack fma(const VectorPack& a, const VectorPack& b, const VectorPack& c) {
  return map([](Vector x, Vector y, Vector z) { return fma(x, y, z); }, a, b, c);
}
LOGITLOSS_INLINE VectorPack times_power_of_two(const VectorPack& a, const VectorPack& k_bits) {
  return map([](Vector x, Vector k) { return times_power_of_two(x, k); }, a, k_bits);
}

LOGITLOSS_INLINE VectorPack load(const double* from) {
  VectorPack to;
  LOGITLOSS_UNROLL memcpy(&to.v[j], from + j * vector_lanes, sizeof to.v[j]);
  return to;
}
LOGITLOSS_INLINE void store(const VectorPack& from, double* to) {
  LOGITLOSS_UNROLL memcpy(to + j * vector_lanes, &from.v[j], sizeof from.v[j]);
}
LOGITLOSS_INLINE void store(const VectorPack& from, float* to) {
  LOGITLOSS_UNROLL {
    const auto floats = to_floats(from.v[j]);
    memcpy(to + j * vector_lanes, &floats, sizeof floats);
  }
}

}  // namespace LOGITLOSS_NAMESPACE
