// Softmax, common to all formats: addresses of the elements of a row, and the loss from the sums of a row.
#pragma once

#include "loops.h"
#include "math/softmax_cross_entropy.h"

namespace LOGITLOSS_NAMESPACE {

using logitloss::SoftmaxRow;
using logitloss::SoftmaxSegment;
using logitloss::SoftmaxTask;

// Rows whose logarithms are computed together.
template <bool float64>
constexpr int max_tile_rows = float64 ? 512 : 64;

// Elements of a tile.
template <bool float64>
constexpr int tile_size = float64 ? 512 : 1024;

LOGITLOSS_INLINE Array row_of(logitloss::Matrix a, size_t row, size_t column) {
  return {a.data + static_cast<ptrdiff_t>(row) * a.row_stride + static_cast<ptrdiff_t>(column) * a.column_stride,
          a.column_stride};
}

// Calls one(array, n, index) for each run of a tile that is contiguous in it.
template <class One>
LOGITLOSS_INLINE void for_runs(logitloss::Matrix a, size_t row, size_t column, int n, int rows, const One& one) {
  if (rows == 1) return one(row_of(a, row, column), n, 0);
  for (int c = 0; c < n; ++c) {
    Array run = row_of(a, row, column + static_cast<size_t>(c));
    run.stride = a.row_stride;
    one(run, rows, c * rows);
  }
}

// Sparse labels: the offset of the label from `column`; wraps to a huge number if it is before it or outside the
// classes.
LOGITLOSS_INLINE uint64_t label_offset(const SoftmaxTask& task, size_t row, size_t column) {
  return read<uint64_t>(row_of(task.labels, row, 0).data) - column;
}

// The labels of a tile; for sparse labels, as one-hot rows.
LOGITLOSS_INLINE void gather_tile_labels(const SoftmaxTask& task, size_t row, size_t column, int n, int rows,
                                         double* to) {
  if (!task.sparse) {
    for_runs(task.labels, row, column, n, rows,
             [&](Array from, int m, int at) { gather_labels(task.labels_type, from, m, to + at); });
    return;
  }
  for (int i = 0; i < n * rows; ++i) to[i] = 0;
  for (int r = 0; r < rows; ++r) {
    const uint64_t c = label_offset(task, row + static_cast<size_t>(r), column);
    if (c < static_cast<uint64_t>(n)) to[static_cast<int>(c) * rows + r] = 1;
  }
}

// The summary of each row of a tile. m: the maximum. sum_others: the sum of exp(x - m) times softmax_scale over all
// classes but the first that has the maximum. z_over_sum: Z / (1 + R). others_over_sum: Z R / (1 + R).
template <bool float64>
struct Rows {
  double m[max_tile_rows<float64>], min_logit[max_tile_rows<float64>];
  DoubleDoubleArray<float64, max_tile_rows<float64>> sum_others, distance, labels;
  int64_t label[max_tile_rows<float64>];  // sparse labels
  double loss[max_tile_rows<float64>], z_over_sum[max_tile_rows<float64>], others_over_sum[max_tile_rows<float64>],
      dominant[max_tile_rows<float64>];  // dominant: R < 1
};

// a + b; hi is right for infinities too, where lo has no meaning.
LOGITLOSS_INLINE DoubleDouble sum_with_low_part(DoubleDouble a, DoubleDouble b) {
  const DoubleDouble s = two_sum(a.hi, b.hi);
  return {s.hi, s.lo + (a.lo + b.lo)};
}

// Merges the segments of a row, in order, into row r.
template <bool float64>
LOGITLOSS_INLINE void merge(const SoftmaxSegment* segments, size_t count, int r, Rows<float64>& tile_rows) {
  constexpr double unit = softmax_scale<float64>;
  double m = segments[0].m, min_logit = segments[0].min_logit;
  for (size_t k = 1; k < count; ++k) {
    m = max(segments[k].m, m);
    min_logit = min(segments[k].min_logit, min_logit);
  }
  bool first = true;
  DoubleDouble sum_others{0, 0}, distance{0, 0}, labels{0, 0};
  for (size_t k = 0; k < count; ++k) {
    const SoftmaxSegment& s = segments[k];
    labels = sum_with_low_part(labels, {s.labels, s.labels_lo});
    distance = sum_with_low_part(distance, {s.distance, s.distance_lo});
    const DoubleDouble own{s.sum_others, s.sum_others_lo}, all = sum_with_low_part(own, {unit, 0});
    if (s.m == m) {
      sum_others = sum_with_low_part(sum_others, first ? own : all);
      first = false;
      continue;
    }
    const DoubleDouble power = softmax_exp_scaled<float64>(s.m, m);
    if (power.hi != 0)
      sum_others = sum_with_low_part(sum_others, all * DoubleDouble{power.hi * (1 / unit), power.lo * (1 / unit)});
    if (all.hi != all.hi) sum_others = all;  // keeps the nan of a segment that is far below the maximum
    if (s.labels != 0) {
      const DoubleDouble farther = two_sum(m, -s.m);
      const double h = farther.hi * s.labels;
      const double low = fma(farther.hi, s.labels, -h) + fma(farther.lo, s.labels, farther.hi * s.labels_lo);
      distance = sum_with_low_part(distance, {h, low});
    }
  }
  tile_rows.m[r] = m;
  tile_rows.min_logit[r] = min_logit;
  DoubleDoubleArray<float64, max_tile_rows<float64>>::put(tile_rows.sum_others, r, sum_others);
  DoubleDoubleArray<float64, max_tile_rows<float64>>::put(tile_rows.distance, r, distance);
  DoubleDoubleArray<float64, max_tile_rows<float64>>::put(tile_rows.labels, r, labels);
}

// Sparse labels: the class, its distance from the maximum, and the sum of the labels.
template <class Format>
LOGITLOSS_INLINE void find_labels(const SoftmaxTask& task, size_t row, int rows,
                                  Rows<!Format::correctly_rounded>& tile_rows) {
  using T = typename Format::Storage;
  constexpr bool float64 = !Format::correctly_rounded;
  using P = DoubleDoubleArray<float64, max_tile_rows<float64>>;
  const Array labels{row_of(task.labels, row, 0).data, task.labels.row_stride};
  gather<int64_t>(labels, rows, tile_rows.label, [](int64_t index) { return index; });
  for (int r = 0; r < rows; ++r) {
    const bool valid = static_cast<uint64_t>(tile_rows.label[r]) < task.classes;
    tile_rows.label[r] = valid ? tile_rows.label[r] : 0;
    P::put(tile_rows.labels, r, {valid ? 1 : nan, 0});
  }
  double x[max_tile_rows<float64>];
  const char* logits = row_of(task.logits, row, 0).data;
  for (int r = 0; r < rows; ++r)
    x[r] = Format::load(read<T>(logits + r * task.logits.row_stride + tile_rows.label[r] * task.logits.column_stride));
  for (int r = 0; r < rows; ++r) P::put(tile_rows.distance, r, softmax_distance<float64>(x[r], 1, tile_rows.m[r]));
}

// Computes loss, z_over_sum and others_over_sum from the sums.
template <class Format>
LOGITLOSS_INLINE void finish(const SoftmaxTask& task, size_t row, int rows,
                             Rows<!Format::correctly_rounded>& tile_rows) {
  constexpr bool float64 = !Format::correctly_rounded;
  using P = DoubleDoubleArray<float64, max_tile_rows<float64>>;
  if (task.sparse) find_labels<Format>(task, row, rows, tile_rows);
  constexpr double down = 1 / softmax_scale<float64>;
  for (int r = 0; r < rows; ++r) {
    const double m = tile_rows.m[r];
    const DoubleDouble below = P::get(tile_rows.sum_others, r), z = P::get(tile_rows.labels, r),
                       d = P::get(tile_rows.distance, r);
    const DoubleDouble known = fast_two_sum(below.hi * down, below.lo * down);
    const bool undefined =
        m == -infinity || (m == infinity && known.hi >= 1);  // every class absent, or two infinite logits
    const DoubleDouble sum_others = undefined ? DoubleDouble{nan, 0} : known;
    const DoubleDouble l = log_one_plus_sum(sum_others);
    const DoubleDouble zl = two_product(z.hi, l.hi), sum = two_sum(d.hi, zl.hi);
    const double low = sum.lo + (d.lo + (zl.lo + fma(z.hi, l.lo, z.lo * l.hi)));
    tile_rows.loss[r] = sum_unless_infinite(sum.hi, float64 ? low : 0);
    tile_rows.sum_others.hi[r] = sum_others.hi;
  }
  if (!task.gradient.data) return;
  for (int r = 0; r < rows; ++r) {
    const double sum_others = tile_rows.sum_others.hi[r];
    tile_rows.z_over_sum[r] = tile_rows.labels.hi[r] / (1 + sum_others);
    tile_rows.others_over_sum[r] = sum_others * tile_rows.z_over_sum[r];
    tile_rows.dominant[r] = sum_others < 1 ? 1 : 0;
  }
}

template <class Format>
LOGITLOSS_INLINE void store_loss(const SoftmaxTask& task, size_t row, int rows,
                                 Rows<!Format::correctly_rounded>& tile_rows) {
  for (int r = 0; r < rows; ++r) tile_rows.loss[r] = Format::round(tile_rows.loss[r]);
  scatter<Format>(tile_rows.loss, rows, at(task.loss, row));
}

}  // namespace LOGITLOSS_NAMESPACE
