// Non-temporal stores bypass the caches: a line is not read before it is overwritten and displaces no other line.
#pragma once

#include "math/portable.h"

#if defined(__x86_64__) || defined(_M_X64)
#define LOGITLOSS_HAS_NON_TEMPORAL_STORES
#include <immintrin.h>
#endif

namespace LOGITLOSS_NAMESPACE {

#ifdef LOGITLOSS_HAS_NON_TEMPORAL_STORES
// The widest store of the instruction set: a store of a whole line waits for no other part of it.
#if defined(__AVX512F__)
using StreamVector = __m512i;
LOGITLOSS_INLINE void store_non_temporal(StreamVector* to, StreamVector value) { _mm512_stream_si512(to, value); }
#elif defined(__AVX__)
using StreamVector = __m256i;
LOGITLOSS_INLINE void store_non_temporal(StreamVector* to, StreamVector value) { _mm256_stream_si256(to, value); }
#else
using StreamVector = __m128i;
LOGITLOSS_INLINE void store_non_temporal(StreamVector* to, StreamVector value) { _mm_stream_si128(to, value); }
#endif
#endif

LOGITLOSS_INLINE void stream(const char* from, size_t bytes, char* to) {
  size_t done = 0;
#ifdef LOGITLOSS_HAS_NON_TEMPORAL_STORES
  constexpr size_t width = sizeof(StreamVector);
  const size_t before = (width - reinterpret_cast<uintptr_t>(to) % width) % width;
  if (before <= bytes) {
    memcpy(to, from, before);
    for (done = before; done + width <= bytes; done += width) {
      StreamVector value;
      memcpy(&value, from + done, sizeof value);
      store_non_temporal(reinterpret_cast<StreamVector*>(to + done), value);
    }
  }
#endif
  memcpy(to + done, from + done, bytes - done);
}

// Orders the stores before whatever tells another thread that the data are there.
LOGITLOSS_INLINE void fence_non_temporal() {
#ifdef LOGITLOSS_HAS_NON_TEMPORAL_STORES
  _mm_sfence();
#endif
}

}  // namespace LOGITLOSS_NAMESPACE
