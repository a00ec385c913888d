// Transposes blocks of a float matrix into rows of doubles, and back, in vectors of four.
#pragma once

#include "math/portable.h"

namespace LOGITLOSS_NAMESPACE {

#if defined(__GNUC__) && (defined(__clang__) || __GNUC__ >= 12)
#define LOGITLOSS_HAS_4X4_TRANSPOSE
typedef float Float4 __attribute__((vector_size(16)));
typedef double Double4 __attribute__((vector_size(32)));

// Transposes a 4 x 4 matrix.
LOGITLOSS_INLINE void transpose(Float4 (&a)[4]) {
  const Float4 left01 = __builtin_shufflevector(a[0], a[1], 0, 4, 1, 5);
  const Float4 left23 = __builtin_shufflevector(a[2], a[3], 0, 4, 1, 5);
  const Float4 right01 = __builtin_shufflevector(a[0], a[1], 2, 6, 3, 7);
  const Float4 right23 = __builtin_shufflevector(a[2], a[3], 2, 6, 3, 7);
  a[0] = __builtin_shufflevector(left01, left23, 0, 1, 4, 5);
  a[1] = __builtin_shufflevector(left01, left23, 2, 3, 6, 7);
  a[2] = __builtin_shufflevector(right01, right23, 0, 1, 4, 5);
  a[3] = __builtin_shufflevector(right01, right23, 2, 3, 6, 7);
}

// Calls one(i, j) for the corners of squares that cover rows x columns, both at least 4; some overlap.
template <class One>
LOGITLOSS_INLINE void for_4x4_blocks(int rows, int columns, const One& one) {
  for (int i = 0; i < rows; i += 4)
    for (int j = 0; j < columns; j += 4) one(min(i, rows - 4), min(j, columns - 4));
}

// to[j * pitch + i] = from[i][j], the rows of `from` being `stride` bytes apart.
LOGITLOSS_NOINLINE void rows_to_columns(const char* from, ptrdiff_t stride, int rows, int columns, double* to,
                                        int pitch) {
  for_4x4_blocks(rows, columns, [=](int i, int j) {
    Float4 a[4];
    for (int k = 0; k < 4; ++k) memcpy(&a[k], from + (i + k) * stride + j * ptrdiff_t{sizeof(float)}, sizeof a[k]);
    transpose(a);
    for (int k = 0; k < 4; ++k) {
      const Double4 wide = __builtin_convertvector(a[k], Double4);
      memcpy(to + (j + k) * pitch + i, &wide, sizeof wide);
    }
  });
}

// to[i][j] = from[j * pitch + i] * factor[i], the rows of `to` being `stride` bytes apart.
LOGITLOSS_NOINLINE void columns_to_rows(const double* from, int pitch, const double* factor, int rows, int columns,
                                        char* to, ptrdiff_t stride) {
  for_4x4_blocks(rows, columns, [=](int i, int j) {
    Double4 factors;
    memcpy(&factors, factor + i, sizeof factors);
    Float4 a[4];
    for (int k = 0; k < 4; ++k) {
      Double4 wide;
      memcpy(&wide, from + (j + k) * pitch + i, sizeof wide);
      a[k] = __builtin_convertvector(wide * factors, Float4);
    }
    transpose(a);
    for (int k = 0; k < 4; ++k) memcpy(to + (i + k) * stride + j * ptrdiff_t{sizeof(float)}, &a[k], sizeof a[k]);
  });
}
#endif

}  // namespace LOGITLOSS_NAMESPACE
