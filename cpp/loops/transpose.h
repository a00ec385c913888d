// Neighbouring columns of a matrix of floats as rows of doubles, and back, without touching its elements one by one.
#pragma once

#include "math/portable.h"

namespace LOGITLOSS_NAMESPACE {

#if defined(__GNUC__) && (defined(__clang__) || __GNUC__ >= 12)
#define LOGITLOSS_SQUARES
typedef float Four __attribute__((vector_size(16)));
typedef double WideFour __attribute__((vector_size(32)));

// A square of four rows becomes one of four columns.
LOGITLOSS_INLINE void transpose(Four (&a)[4]) {
  const Four left01 = __builtin_shufflevector(a[0], a[1], 0, 4, 1, 5);
  const Four left23 = __builtin_shufflevector(a[2], a[3], 0, 4, 1, 5);
  const Four right01 = __builtin_shufflevector(a[0], a[1], 2, 6, 3, 7);
  const Four right23 = __builtin_shufflevector(a[2], a[3], 2, 6, 3, 7);
  a[0] = __builtin_shufflevector(left01, left23, 0, 1, 4, 5);
  a[1] = __builtin_shufflevector(left01, left23, 2, 3, 6, 7);
  a[2] = __builtin_shufflevector(right01, right23, 0, 1, 4, 5);
  a[3] = __builtin_shufflevector(right01, right23, 2, 3, 6, 7);
}

// Calls one(i, j) for the corners of squares that cover rows x columns, both at least 4; some overlap.
template <class One>
LOGITLOSS_INLINE void for_squares(int rows, int columns, const One& one) {
  for (int i = 0; i < rows; i += 4)
    for (int j = 0; j < columns; j += 4) one(smaller(i, rows - 4), smaller(j, columns - 4));
}

// to[j * pitch + i] = from[i][j], the rows of `from` being `stride` bytes apart.
LOGITLOSS_NOINLINE void rows_to_columns(const char* from, ptrdiff_t stride, int rows, int columns, double* to,
                                        int pitch) {
  for_squares(rows, columns, [=](int i, int j) {
    Four a[4];
    for (int k = 0; k < 4; ++k) memcpy(&a[k], from + (i + k) * stride + j * ptrdiff_t{sizeof(float)}, sizeof a[k]);
    transpose(a);
    for (int k = 0; k < 4; ++k) {
      const WideFour wide = __builtin_convertvector(a[k], WideFour);
      memcpy(to + (j + k) * pitch + i, &wide, sizeof wide);
    }
  });
}

// to[i][j] = from[j * pitch + i] * factor[i], the rows of `to` being `stride` bytes apart.
LOGITLOSS_NOINLINE void columns_to_rows(const double* from, int pitch, const double* factor, int rows, int columns,
                                        char* to, ptrdiff_t stride) {
  for_squares(rows, columns, [=](int i, int j) {
    WideFour factors;
    memcpy(&factors, factor + i, sizeof factors);
    Four a[4];
    for (int k = 0; k < 4; ++k) {
      WideFour wide;
      memcpy(&wide, from + (j + k) * pitch + i, sizeof wide);
      a[k] = __builtin_convertvector(wide * factors, Four);
    }
    transpose(a);
    for (int k = 0; k < 4; ++k) memcpy(to + (i + k) * stride + j * ptrdiff_t{sizeof(float)}, &a[k], sizeof a[k]);
  });
}
#endif

}  // namespace LOGITLOSS_NAMESPACE
