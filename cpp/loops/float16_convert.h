// Conversion of float16 numbers in memory, a vector at a time where the processor has an instruction for it.
#pragma once

#include "math/formats.h"

namespace LOGITLOSS_NAMESPACE {

#ifdef __GNUC__
typedef float FloatsOfTwoVectors __attribute__((vector_size(8 * vector_lanes)));

#if defined(__AVX512F__)
#define LOGITLOSS_HAS_FLOAT16_CONVERSION
LOGITLOSS_INLINE Vector from_float16(const char* from) {
  return _mm512_cvtps_pd(_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))));
}
LOGITLOSS_INLINE void to_float16(FloatsOfTwoVectors y, char* to) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtps_ph(y, _MM_FROUND_TO_NEAREST_INT));
}
#elif defined(__AVX2__)
#define LOGITLOSS_HAS_FLOAT16_CONVERSION
LOGITLOSS_INLINE Vector from_float16(const char* from) {
  return _mm256_cvtps_pd(_mm_cvtph_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from))));
}
LOGITLOSS_INLINE void to_float16(FloatsOfTwoVectors y, char* to) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_cvtps_ph(y, _MM_FROUND_TO_NEAREST_INT));
}
#elif defined(__aarch64__)
#define LOGITLOSS_HAS_FLOAT16_CONVERSION
LOGITLOSS_INLINE Vector from_float16(const char* from) {
  uint32_t two;
  memcpy(&two, from, sizeof two);
  return vcvt_f64_f32(vget_low_f32(vcvt_f32_f16(vreinterpret_f16_u32(vdup_n_u32(two)))));
}
LOGITLOSS_INLINE void to_float16(FloatsOfTwoVectors y, char* to) {
  const float16x4_t four = vcvt_f16_f32(y);
  memcpy(to, &four, sizeof four);
}
#endif
#endif

// Convert the first of n contiguous numbers, as many as fill whole vectors, if the processor has an instruction for it;
// they return how many they converted.
template <class Format>
LOGITLOSS_INLINE int load_vectors(Format, const char*, int, double*) {
  return 0;
}
template <class Format, class Result>
LOGITLOSS_INLINE int store_vectors(Format, const Result*, int, char*) {
  return 0;
}

#ifdef LOGITLOSS_HAS_FLOAT16_CONVERSION
LOGITLOSS_INLINE int load_vectors(Float16, const char* from, int n, double* to) {
  int i = 0;
  for (; i + vector_lanes <= n; i += vector_lanes) {
    const Vector values = from_float16(from + i * sizeof(Float16::Storage));
    memcpy(to + i, &values, sizeof values);
  }
  return i;
}
LOGITLOSS_INLINE int store_vectors(Float16, const float* from, int n, char* to) {
  int i = 0;
  for (; i + 2 * vector_lanes <= n; i += 2 * vector_lanes) {
    FloatsOfTwoVectors y;
    memcpy(&y, from + i, sizeof y);
    const auto bits = bit_cast<VectorWords>(y);
    const auto one_nan = (bits & 0x80000000u) | 0x7fc00000u;  // the instruction would keep each nan's own bits
    to_float16(bit_cast<FloatsOfTwoVectors>(y == y ? bits : one_nan), to + i * sizeof(Float16::Storage));
  }
  return i;
}
#endif

}  // namespace LOGITLOSS_NAMESPACE
