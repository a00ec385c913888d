// Softmax in float64: double-double arithmetic, each segment summed in a fixed tree.
#pragma once

#include "softmax_rows.h"

namespace LOGITLOSS_NAMESPACE {

constexpr int float64_segment = logitloss::softmax_segment(Type::f64);

struct Float64Tile {
  double x[float64_segment], z[float64_segment];
  DoubleDoubleArray<true> e;  // exp(x - m) times softmax_scale
  DoubleDoubleArray<true> sum;
  double gradient[float64_segment];
};

// Calls f(i, r) for each element i, of row r: along the classes of one row, or along the rows in a tile.
template <class F>
LOGITLOSS_INLINE void for_each(int n, int rows, const F& f) {
  if (rows == 1) {
#pragma omp simd
    for (int i = 0; i < n; ++i) f(i, 0);
  } else {
    for (int c = 0; c < n; ++c)
#pragma omp simd
      for (int r = 0; r < rows; ++r) f(c * rows + r, r);
  }
}

// Element i + h goes to element i, h halving, for n classes of `rows` neighbours each; the result lies in the first
// `rows` elements.
template <class Combine>
LOGITLOSS_INLINE void reduce_tree(int n, int rows, const Combine& combine) {
  int h = 1;
  while (2 * h < n) h *= 2;
  for (; n > 1; n = h, h /= 2) {
    const int count = (n - h) * rows, far = h * rows;
#pragma omp simd
    for (int i = 0; i < count; ++i) combine(i, i + far);
  }
}

LOGITLOSS_INLINE void sum_tree(DoubleDoubleArray<true>& a, int n, int rows) {
  using P = DoubleDoubleArray<true>;
  reduce_tree(n, rows, [&](int i, int j) { P::put(a, i, sum_with_low_part(P::get(a, i), P::get(a, j))); });
}

// The maximum of each row, ignoring nan, which shows in the sum.
LOGITLOSS_INLINE void largest(const double* x, int n, int rows, double* m) {
  if (rows > 1) {
    for (int r = 0; r < rows; ++r) m[r] = -infinity;
    for (int c = 0; c < n; ++c)
      for (int r = 0; r < rows; ++r) m[r] = max(x[c * rows + r], m[r]);
    return;
  }
  constexpr int lanes = 32;
  double lane[lanes];
  for (int j = 0; j < lanes; ++j) lane[j] = -infinity;
  int i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int j = 0; j < lanes; ++j) lane[j] = max(x[i + j], lane[j]);
  for (int j = 0; i + j < n; ++j) lane[j] = max(x[i + j], lane[j]);
  for (int h = lanes / 2; h > 0; h /= 2)
    for (int j = 0; j < h; ++j) lane[j] = max(lane[j + h], lane[j]);
  m[0] = lane[0];
}

// Sets e to 0 at the first class of each row that has the maximum: its 1 is the 1 of 1 + R.
LOGITLOSS_INLINE void zero_first_maximum(const double* x, const double* m, int n, int rows,
                                         DoubleDoubleArray<true>& e) {
  if (rows == 1) {
    constexpr int run = 64;
    for (int start = 0; start < n; start += run) {
      const int end = start + run < n ? start + run : n;
      uint64_t found = 0;
      for (int i = start; i < end; ++i) found |= x[i] == m[0] ? uint64_t{1} : uint64_t{0};
      for (int i = start; found && i < end; ++i)
        if (x[i] == m[0]) return DoubleDoubleArray<true>::put(e, i, {0, 0});
    }
    return;
  }
  double first[max_tile_rows<true>];
  for (int r = 0; r < rows; ++r) first[r] = 0;
  for (int c = n - 1; c >= 0; --c)
    for (int r = 0; r < rows; ++r) first[r] = x[c * rows + r] == m[r] ? c : first[r];
  for (int r = 0; r < rows; ++r) DoubleDoubleArray<true>::put(e, static_cast<int>(first[r]) * rows + r, {0, 0});
}

LOGITLOSS_INLINE void gather_float64(const SoftmaxTask& task, size_t row, size_t column, int n, int rows, double* to) {
  for_runs(task.logits, row, column, n, rows,
           [&](Array from, int m, int at) { gather_format<Float64>(from, m, to + at); });
}

// Sums a tile: fills t.x, t.e and the first fields of `of`; of a dense task also t.z.
LOGITLOSS_INLINE void summarise(const SoftmaxTask& task, size_t row, size_t column, int n, int rows, Float64Tile& t,
                                Rows<true>& tile_rows) {
  using P = DoubleDoubleArray<true>;
  const auto sum_to = [&](P& to) {
    sum_tree(t.sum, n, rows);
    for (int r = 0; r < rows; ++r) P::put(to, r, P::get(t.sum, r));
  };
  gather_float64(task, row, column, n, rows, t.x);
  largest(t.x, n, rows, tile_rows.m);
  for_each(n, rows, [&](int i, int r) {
    const DoubleDouble e = softmax_exp_scaled<true>(t.x[i], tile_rows.m[r]);
    P::put(t.e, i, e);
    P::put(t.sum, i, e);
  });
  zero_first_maximum(t.x, tile_rows.m, n, rows, t.sum);
  sum_to(tile_rows.sum_others);
  if (task.sparse) return;

  gather_tile_labels(task, row, column, n, rows, t.z);
  for_each(n, rows, [&](int i, int r) { P::put(t.sum, i, softmax_distance<true>(t.x[i], t.z[i], tile_rows.m[r])); });
  sum_to(tile_rows.distance);
  for (int i = 0; i < n * rows; ++i) P::put(t.sum, i, {t.z[i], 0});
  sum_to(tile_rows.labels);
}

// The gradient of a tile; t.e is relative to the largest logit of the whole row.
LOGITLOSS_INLINE void gradient_tile(const SoftmaxTask& task, size_t row, size_t column, int n, int rows, Float64Tile& t,
                                    const Rows<true>& tile_rows) {
  const double inverse = 1 / task.divisor, down = 1 / softmax_scale<true>;
  for_each(n, rows, [&](int i, int r) {
    const DoubleDouble e = DoubleDoubleArray<true>::get(t.e, i);
    const double z = t.z[i], z_over_sum = tile_rows.z_over_sum[r] * down;
    const double general = fma(z_over_sum, e.hi, -z) + z_over_sum * e.lo;
    const double leading = (tile_rows.labels.hi[r] - z) - tile_rows.others_over_sum[r];  // of the only largest class
    t.gradient[i] = (t.x[i] == tile_rows.m[r] && tile_rows.dominant[r] != 0 ? leading : general) * inverse;
  });
  for_runs(task.gradient, row, column, n, rows,
           [&](Array to, int m, int at) { scatter<Float64>(t.gradient + at, m, to); });
}

// Computes the rows of a tile.
LOGITLOSS_NOINLINE void shared_rows(Float64, const SoftmaxTask& task, size_t row, int rows) {
  Float64Tile t;
  Rows<true> tile_rows;
  const int n = static_cast<int>(task.classes);
  summarise(task, row, 0, n, rows, t, tile_rows);
  finish<Float64>(task, row, rows, tile_rows);
  store_loss<Float64>(task, row, rows, tile_rows);
  if (!task.gradient.data) return;
  if (task.sparse) gather_tile_labels(task, row, 0, n, rows, t.z);
  gradient_tile(task, row, 0, n, rows, t, tile_rows);
}

LOGITLOSS_NOINLINE SoftmaxSegment summarise_segment(Float64, const SoftmaxTask& task, size_t row, size_t column,
                                                    int n) {
  Float64Tile t;
  Rows<true> tile_rows;
  summarise(task, row, column, n, 1, t, tile_rows);
  SoftmaxSegment sums{tile_rows.m[0], 0, tile_rows.sum_others.hi[0], tile_rows.sum_others.lo[0], 0, 0, 0, 0};
  if (task.sparse) return sums;
  sums.distance = tile_rows.distance.hi[0];
  sums.distance_lo = tile_rows.distance.lo[0];
  sums.labels = tile_rows.labels.hi[0];
  sums.labels_lo = tile_rows.labels.lo[0];
  return sums;
}

LOGITLOSS_NOINLINE void gradient_segment(Float64, const SoftmaxTask& task, size_t row, size_t column, int n,
                                         const SoftmaxRow& state) {
  Float64Tile t;
  Rows<true> tile_rows;
  tile_rows.m[0] = state.m;
  tile_rows.dominant[0] = state.dominant;
  tile_rows.z_over_sum[0] = state.z_over_sum;
  tile_rows.others_over_sum[0] = state.others_over_sum;
  tile_rows.labels.hi[0] = state.labels;
  gather_float64(task, row, column, n, 1, t.x);
  gather_tile_labels(task, row, column, n, 1, t.z);
  for_each(n, 1, [&](int i, int) { DoubleDoubleArray<true>::put(t.e, i, softmax_exp_scaled<true>(t.x[i], state.m)); });
  gradient_tile(task, row, column, n, 1, t, tile_rows);
}

}  // namespace LOGITLOSS_NAMESPACE
