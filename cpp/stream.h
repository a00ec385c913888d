// Writes that leave the caches alone: a line is not read before it is overwritten, nor does it displace another.
#pragma once

#include "math/portable.h"

#if defined(__x86_64__) || defined(_M_X64)
#define XENT_STREAMS
#include <emmintrin.h>
#endif

namespace XENT_NAMESPACE {

XENT_INLINE void stream(const char* from, size_t bytes, char* to) {
  size_t done = 0;
#ifdef XENT_STREAMS
  constexpr size_t width = sizeof(__m128i);
  if (reinterpret_cast<uintptr_t>(to) % width == 0)
    for (; done + width <= bytes; done += width)
      _mm_stream_si128(reinterpret_cast<__m128i*>(to + done),
                       _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + done)));
#endif
  memcpy(to + done, from + done, bytes - done);
}

// Before another thread may see what was written.
XENT_INLINE void end_stream() {
#ifdef XENT_STREAMS
  _mm_sfence();
#endif
}

}  // namespace XENT_NAMESPACE
