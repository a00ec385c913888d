// Writes that leave the caches alone: a line is not read before it is overwritten, nor does it displace another.
#pragma once

#include "math/portable.h"

#if defined(__x86_64__) || defined(_M_X64)
#define LOGITLOSS_STREAMS
#include <immintrin.h>
#endif

namespace LOGITLOSS_NAMESPACE {

#ifdef LOGITLOSS_STREAMS
// As much as one instruction writes: with a whole line at a time, nothing waits for the rest of one.
#if defined(__AVX512F__)
using Stretch = __m512i;
LOGITLOSS_INLINE void write_past(Stretch* to, Stretch value) { _mm512_stream_si512(to, value); }
#elif defined(__AVX__)
using Stretch = __m256i;
LOGITLOSS_INLINE void write_past(Stretch* to, Stretch value) { _mm256_stream_si256(to, value); }
#else
using Stretch = __m128i;
LOGITLOSS_INLINE void write_past(Stretch* to, Stretch value) { _mm_stream_si128(to, value); }
#endif
#endif

LOGITLOSS_INLINE void stream(const char* from, size_t bytes, char* to) {
  size_t done = 0;
#ifdef LOGITLOSS_STREAMS
  constexpr size_t width = sizeof(Stretch);
  const size_t before = (width - reinterpret_cast<uintptr_t>(to) % width) % width;
  if (before <= bytes) {
    memcpy(to, from, before);
    for (done = before; done + width <= bytes; done += width) {
      Stretch value;
      memcpy(&value, from + done, sizeof value);
      write_past(reinterpret_cast<Stretch*>(to + done), value);
    }
  }
#endif
  memcpy(to + done, from + done, bytes - done);
}

// Before another thread may see what was written.
LOGITLOSS_INLINE void end_stream() {
#ifdef LOGITLOSS_STREAMS
  _mm_sfence();
#endif
}

}  // namespace LOGITLOSS_NAMESPACE
