// Doubles that take every step together: the vectors of a processor, and several of them side by side.
//
// A processor looks ahead a few hundred instructions only, and finds too little to do where one long chain of
// operations, each waiting for the one before, follows another. Several chains that take their steps in turn leave it
// no gap.
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
LOGITLOSS_INLINE Vector absolute(Vector x) { return bit_cast<Vector>(bit_cast<VectorBits>(x) & 0x7fffffffffffffffu); }
LOGITLOSS_INLINE VectorFloats to_floats(Vector x) { return __builtin_convertvector(x, VectorFloats); }

LOGITLOSS_INLINE VectorBits or_masked(VectorBits a, VectorBits b, VectorBits mask) {
#if defined(__AVX512F__)
  return reinterpret_cast<VectorBits>(_mm512_ternarylogic_epi64(
      reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b), reinterpret_cast<__m512i>(mask), 0xf8));
#else
  return a | (b & mask);
#endif
}
LOGITLOSS_INLINE VectorBits larger_high(VectorBits a, VectorBits b) {
  const auto x = bit_cast<VectorWords>(a), y = bit_cast<VectorWords>(b);
  return bit_cast<VectorBits>(x > y ? x : y);
}
LOGITLOSS_INLINE VectorBits smaller_low(VectorBits a, VectorBits b) {
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

// The sum of `first` and all lanes.
template <class V, class T>
LOGITLOSS_INLINE T add_lanes(V vector, T first) {
  T lanes[vector_lanes];
  memcpy(lanes, &vector, sizeof lanes);
  for (T lane : lanes) first += lane;
  return first;
}

// The bits that any lane has.
template <class T = uint64_t, class U>
LOGITLOSS_INLINE T any(U bits) {
  T lanes[vector_lanes], all = 0;
  memcpy(lanes, &bits, sizeof lanes);
  for (T lane : lanes) all |= lane;
  return all;
}

// The smallest low half, and the largest upper half, of all lanes.
LOGITLOSS_INLINE uint32_t smallest_low(VectorBits bits) {
  uint64_t lanes[vector_lanes], least = ~uint64_t{0};
  memcpy(lanes, &bits, sizeof lanes);
  for (uint64_t lane : lanes) least = smaller(least, lane & 0xffffffffu);
  return static_cast<uint32_t>(least);
}
LOGITLOSS_INLINE uint32_t largest_high(VectorBits bits) {
  uint64_t lanes[vector_lanes], most = 0;
  memcpy(lanes, &bits, sizeof lanes);
  for (uint64_t lane : lanes) most = larger(most, lane >> 32);
  return static_cast<uint32_t>(most);
}

// x times 2^k, where k sits in the low bits of the mantissa of `k_bits`; both are normal numbers.
template <class V>
LOGITLOSS_INLINE V times_power_of_two(V x, V k_bits) {
  using U = typename Unsigned<V>::type;
  return bit_cast<V>(bit_cast<U>(x) + (bit_cast<U>(k_bits) << 52));
}

#ifdef __GNUC__
#define LOGITLOSS_EACH_CHAIN _Pragma("GCC unroll 4") for (int j = 0; j < chains; ++j)
#else
#define LOGITLOSS_EACH_CHAIN for (int j = 0; j < chains; ++j)
#endif

constexpr int chains = 4, side_by_side = chains * vector_lanes;

struct Doubles {
  Vector v[chains];

  Doubles() = default;
  Doubles(double all) { LOGITLOSS_EACH_CHAIN v[j] = Vector{} + all; }
};

template <class F, class... From>
LOGITLOSS_INLINE Doubles each(F f, const From&... from) {
  Doubles to;
  LOGITLOSS_EACH_CHAIN to.v[j] = f(from.v[j]...);
  return to;
}

LOGITLOSS_INLINE Doubles operator+(const Doubles& a, const Doubles& b) {
  return each([](Vector x, Vector y) { return x + y; }, a, b);
}
LOGITLOSS_INLINE Doubles operator-(const Doubles& a, const Doubles& b) {
  return each([](Vector x, Vector y) { return x - y; }, a, b);
}
LOGITLOSS_INLINE Doubles operator*(const Doubles& a, const Doubles& b) {
  return each([](Vector x, Vector y) { return x * y; }, a, b);
}
LOGITLOSS_INLINE Doubles operator/(const Doubles& a, const Doubles& b) {
  return each([](Vector x, Vector y) { return x / y; }, a, b);
}
LOGITLOSS_INLINE Doubles operator-(const Doubles& a) {
  return each([](Vector x) { return -x; }, a);
}
LOGITLOSS_INLINE Doubles fma(const Doubles& a, const Doubles& b, const Doubles& c) {
  return each([](Vector x, Vector y, Vector z) { return fma(x, y, z); }, a, b, c);
}
LOGITLOSS_INLINE Doubles times_power_of_two(const Doubles& a, const Doubles& k_bits) {
  return each([](Vector x, Vector k) { return times_power_of_two(x, k); }, a, k_bits);
}

LOGITLOSS_INLINE Doubles load(const double* from) {
  Doubles to;
  LOGITLOSS_EACH_CHAIN memcpy(&to.v[j], from + j * vector_lanes, sizeof to.v[j]);
  return to;
}
LOGITLOSS_INLINE void store(const Doubles& from, double* to) {
  LOGITLOSS_EACH_CHAIN memcpy(to + j * vector_lanes, &from.v[j], sizeof from.v[j]);
}
LOGITLOSS_INLINE void store(const Doubles& from, float* to) {
  LOGITLOSS_EACH_CHAIN {
    const auto floats = to_floats(from.v[j]);
    memcpy(to + j * vector_lanes, &floats, sizeof floats);
  }
}

}  // namespace LOGITLOSS_NAMESPACE
