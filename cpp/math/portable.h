// What the maths needs from a compiler: fma, bit casts, inlining. No standard headers with inline functions: one
// translation unit is compiled per instruction set, and the linker may keep any copy of a shared inline function.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef _MSC_VER
#include <math.h>
#define LOGITLOSS_INLINE static __forceinline
#define LOGITLOSS_NOINLINE static __declspec(noinline)
#define LOGITLOSS_RESTRICT __restrict
#else
#define LOGITLOSS_INLINE static inline __attribute__((always_inline))
#define LOGITLOSS_NOINLINE static __attribute__((noinline))
#define LOGITLOSS_RESTRICT __restrict__
#endif

namespace LOGITLOSS_NAMESPACE {

#ifdef _MSC_VER
LOGITLOSS_INLINE double fma(double a, double b, double c) { return ::fma(a, b, c); }
#else
LOGITLOSS_INLINE double fma(double a, double b, double c) { return __builtin_fma(a, b, c); }
#endif

template <class To, class From>
LOGITLOSS_INLINE To bit_cast(From from) {
  return __builtin_bit_cast(To, from);
}

// The unsigned integer type with as many bits as a number, or a vector of them with one for each number of a vector.
template <class T>
struct Unsigned {
  using type = uint64_t;
};
template <>
struct Unsigned<float> {
  using type = uint32_t;
};

constexpr double infinity = __builtin_huge_val(), nan = __builtin_nan("");

LOGITLOSS_INLINE double abs(double x) { return bit_cast<double>(bit_cast<uint64_t>(x) & 0x7fffffffffffffffu); }
template <class V>
LOGITLOSS_INLINE V max(V x, V y) {
  return x > y ? x : y;
}
template <class V>
LOGITLOSS_INLINE V min(V x, V y) {
  return x < y ? x : y;
}

LOGITLOSS_INLINE uint64_t or_masked(uint64_t a, uint64_t b, uint64_t mask) { return a | (b & mask); }
// The maximum of the upper 32 bits, or the minimum of the lower 32 bits; the other half of the result is unspecified.
LOGITLOSS_INLINE uint64_t max_high32(uint64_t a, uint64_t b) { return max(a, b); }
LOGITLOSS_INLINE uint64_t min_low32(uint64_t a, uint64_t b) {
  return min(static_cast<uint32_t>(a), static_cast<uint32_t>(b));
}

// c[0] + c[1] x + ... + c[9] x^9 by Estrin's scheme: its chain of dependent operations is four long, Horner's nine.
LOGITLOSS_INLINE double polynomial(const double (&c)[10], double x) {
  const double x2 = x * x, x4 = x2 * x2;
  const double c01 = fma(c[1], x, c[0]), c23 = fma(c[3], x, c[2]), c45 = fma(c[5], x, c[4]), c67 = fma(c[7], x, c[6]);
  const double c89 = fma(c[9], x, c[8]);
  return fma(fma(c89, x4, fma(c67, x2, c45)), x4, fma(c23, x2, c01));
}

}  // namespace LOGITLOSS_NAMESPACE
