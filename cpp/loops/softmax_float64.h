// Softmax in float64: pairs of doubles, each segment summed in a fixed tree.
#pragma once

#include "softmax_rows.h"

namespace LOGITLOSS_NAMESPACE {

constexpr int wide_segment = logitloss::softmax_segment(Type::f64);

struct WideTile {
  double x[wide_segment], z[wide_segment];
  Pairs<true> e;  // exp(x - m), in units
  Pairs<true> sum;
  double gradient[wide_segment];
};

// Calls f(i, r) for element i, of row r: along the classes of one row, or along the rows that share a tile.
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

LOGITLOSS_INLINE void sum_tree(Pairs<true>& a, int n, int rows) {
  using P = Pairs<true>;
  reduce_tree(n, rows, [&](int i, int j) { P::put(a, i, loose_sum(P::get(a, i), P::get(a, j))); });
}

// The largest logit of each row; a nan is none, and is found in the sum.
LOGITLOSS_INLINE void largest(const double* x, int n, int rows, double* m) {
  if (rows > 1) {
    for (int r = 0; r < rows; ++r) m[r] = -infinity;
    for (int c = 0; c < n; ++c)
      for (int r = 0; r < rows; ++r) m[r] = larger(x[c * rows + r], m[r]);
    return;
  }
  constexpr int lanes = 32;
  double lane[lanes];
  for (int j = 0; j < lanes; ++j) lane[j] = -infinity;
  int i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int j = 0; j < lanes; ++j) lane[j] = larger(x[i + j], lane[j]);
  for (int j = 0; i + j < n; ++j) lane[j] = larger(x[i + j], lane[j]);
  for (int h = lanes / 2; h > 0; h /= 2)
    for (int j = 0; j < h; ++j) lane[j] = larger(lane[j + h], lane[j]);
  m[0] = lane[0];
}

// Sets e to 0 at the first class of each row that has its largest logit: the 1 in 1 + R.
LOGITLOSS_INLINE void leave_out_first(const double* x, const double* m, int n, int rows, Pairs<true>& e) {
  if (rows == 1) {
    constexpr int stretch = 64;
    for (int start = 0; start < n; start += stretch) {
      const int end = start + stretch < n ? start + stretch : n;
      uint64_t found = 0;
      for (int i = start; i < end; ++i) found |= x[i] == m[0] ? uint64_t{1} : uint64_t{0};
      for (int i = start; found && i < end; ++i)
        if (x[i] == m[0]) return Pairs<true>::put(e, i, {0, 0});
    }
    return;
  }
  double first[most_rows<true>];
  for (int r = 0; r < rows; ++r) first[r] = 0;
  for (int c = n - 1; c >= 0; --c)
    for (int r = 0; r < rows; ++r) first[r] = x[c * rows + r] == m[r] ? c : first[r];
  for (int r = 0; r < rows; ++r) Pairs<true>::put(e, static_cast<int>(first[r]) * rows + r, {0, 0});
}

LOGITLOSS_INLINE void gather_wide(const SoftmaxTask& task, size_t row, size_t column, int n, int rows, double* to) {
  for_runs(task.logits, row, column, n, rows,
           [&](Array from, int m, int at) { gather_format<Float64>(from, m, to + at); });
}

// Sums a tile: fills t.x, t.e and the first fields of `of`; of a dense task also t.z.
LOGITLOSS_INLINE void summarise(const SoftmaxTask& task, size_t row, size_t column, int n, int rows, WideTile& t,
                                Rows<true>& of) {
  using P = Pairs<true>;
  const auto sum_to = [&](P& to) {
    sum_tree(t.sum, n, rows);
    for (int r = 0; r < rows; ++r) P::put(to, r, P::get(t.sum, r));
  };
  gather_wide(task, row, column, n, rows, t.x);
  largest(t.x, n, rows, of.m);
  for_each(n, rows, [&](int i, int r) {
    const Pair e = softmax_power<true>(t.x[i], of.m[r]);
    P::put(t.e, i, e);
    P::put(t.sum, i, e);
  });
  leave_out_first(t.x, of.m, n, rows, t.sum);
  sum_to(of.rest);
  if (task.sparse) return;

  gather_tile_labels(task, row, column, n, rows, t.z);
  for_each(n, rows, [&](int i, int r) { P::put(t.sum, i, softmax_distance<true>(t.x[i], t.z[i], of.m[r])); });
  sum_to(of.distance);
  for (int i = 0; i < n * rows; ++i) P::put(t.sum, i, {t.z[i], 0});
  sum_to(of.labels);
}

// The gradient of a tile; t.e is relative to the largest logit of the whole row.
LOGITLOSS_INLINE void gradient_tile(const SoftmaxTask& task, size_t row, size_t column, int n, int rows, WideTile& t,
                                    const Rows<true>& of) {
  const double inverse = 1 / task.divisor, down = 1 / softmax_unit<true>;
  for_each(n, rows, [&](int i, int r) {
    const Pair e = Pairs<true>::get(t.e, i);
    const double z = t.z[i], share = of.share[r] * down;
    const double general = fma(share, e.hi, -z) + share * e.lo;
    const double leading = (of.labels.hi[r] - z) - of.others[r];  // of the only largest class
    t.gradient[i] = (t.x[i] == of.m[r] && of.alone[r] != 0 ? leading : general) * inverse;
  });
  for_runs(task.gradient, row, column, n, rows,
           [&](Array to, int m, int at) { scatter<Float64>(t.gradient + at, m, to); });
}

// Rows that share a tile.
LOGITLOSS_NOINLINE void shared_rows(Float64, const SoftmaxTask& task, size_t row, int rows) {
  WideTile t;
  Rows<true> of;
  const int n = static_cast<int>(task.classes);
  summarise(task, row, 0, n, rows, t, of);
  finish<Float64>(task, row, rows, of);
  store_loss<Float64>(task, row, rows, of);
  if (!task.gradient.data) return;
  if (task.sparse) gather_tile_labels(task, row, 0, n, rows, t.z);
  gradient_tile(task, row, 0, n, rows, t, of);
}

LOGITLOSS_NOINLINE SoftmaxSegment summarise_segment(Float64, const SoftmaxTask& task, size_t row, size_t column,
                                                    int n) {
  WideTile t;
  Rows<true> of;
  summarise(task, row, column, n, 1, t, of);
  SoftmaxSegment sums{of.m[0], 0, of.rest.hi[0], of.rest.lo[0], 0, 0, 0, 0};
  if (task.sparse) return sums;
  sums.distance = of.distance.hi[0];
  sums.distance_lo = of.distance.lo[0];
  sums.labels = of.labels.hi[0];
  sums.labels_lo = of.labels.lo[0];
  return sums;
}

LOGITLOSS_NOINLINE void gradient_segment(Float64, const SoftmaxTask& task, size_t row, size_t column, int n,
                                         const SoftmaxRow& state) {
  WideTile t;
  Rows<true> of;
  of.m[0] = state.m;
  of.alone[0] = state.alone;
  of.share[0] = state.share;
  of.others[0] = state.others;
  of.labels.hi[0] = state.labels;
  gather_wide(task, row, column, n, 1, t.x);
  gather_tile_labels(task, row, column, n, 1, t.z);
  for_each(n, 1, [&](int i, int) { Pairs<true>::put(t.e, i, softmax_power<true>(t.x[i], state.m)); });
  gradient_tile(task, row, column, n, 1, t, of);
}

}  // namespace LOGITLOSS_NAMESPACE
