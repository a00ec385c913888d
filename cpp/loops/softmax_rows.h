// Softmax: what float64 and the narrow formats share: the way to a row's arrays, and from its sums to its loss.
#pragma once

#include "loops.h"
#include "math/softmax_cross_entropy.h"

namespace LOGITLOSS_NAMESPACE {

using logitloss::SoftmaxRow;
using logitloss::SoftmaxSegment;
using logitloss::SoftmaxTask;

// Rows whose logarithms are taken together.
template <bool wide>
constexpr int most_rows = wide ? 512 : 64;

// Elements of rows that share a tile.
template <bool wide>
constexpr int tile_size = wide ? 512 : 1024;

LOGITLOSS_INLINE Array row_of(logitloss::Matrix a, size_t row, size_t column) {
  return {a.data + static_cast<ptrdiff_t>(row) * a.row_stride + static_cast<ptrdiff_t>(column) * a.column_stride,
          a.column_stride};
}

// Calls one(array, n, place) for the runs of a tile that lie side by side in it.
template <class One>
LOGITLOSS_INLINE void for_runs(logitloss::Matrix a, size_t row, size_t column, int n, int rows, const One& one) {
  if (rows == 1) return one(row_of(a, row, column), n, 0);
  for (int c = 0; c < n; ++c) {
    Array run = row_of(a, row, column + static_cast<size_t>(c));
    run.stride = a.row_stride;
    one(run, rows, c * rows);
  }
}

// Of a sparse task: how far behind `column` a row's class is; what is before it, or no class, is farther than any.
LOGITLOSS_INLINE uint64_t own_class(const SoftmaxTask& task, size_t row, size_t column) {
  return read<uint64_t>(row_of(task.labels, row, 0).data) - column;
}

// The labels of a tile; of a sparse task the one-hot rows that its indices stand for.
LOGITLOSS_INLINE void gather_tile_labels(const SoftmaxTask& task, size_t row, size_t column, int n, int rows,
                                         double* to) {
  if (!task.sparse) {
    for_runs(task.labels, row, column, n, rows,
             [&](Array from, int m, int at) { gather_labels(task.labels_type, from, m, to + at); });
    return;
  }
  for (int i = 0; i < n * rows; ++i) to[i] = 0;
  for (int r = 0; r < rows; ++r) {
    const uint64_t c = own_class(task, row + static_cast<size_t>(r), column);
    if (c < static_cast<uint64_t>(n)) to[static_cast<int>(c) * rows + r] = 1;
  }
}

// What is known of the rows of a tile. m: the largest logit. rest: the sum of exp(x - m), in units, over all classes
// but the first that has it. share and others: Z / (1 + R) and Z R / (1 + R).
template <bool wide>
struct Rows {
  double m[most_rows<wide>], least[most_rows<wide>];
  Pairs<wide, most_rows<wide>> rest, distance, labels;
  int64_t label[most_rows<wide>];  // of a sparse task
  double loss[most_rows<wide>], share[most_rows<wide>], others[most_rows<wide>],
      alone[most_rows<wide>];  // alone: R < 1
};

// a + b, whose hi is right also where it is infinite; then lo means nothing.
LOGITLOSS_INLINE Pair loose_sum(Pair a, Pair b) {
  const Pair s = two_sum(a.hi, b.hi);
  return {s.hi, s.lo + (a.lo + b.lo)};
}

// Row r of `of`, from the segments of a row, in their order.
template <bool wide>
LOGITLOSS_INLINE void merge(const SoftmaxSegment* segments, size_t count, int r, Rows<wide>& of) {
  constexpr double unit = softmax_unit<wide>;
  double m = segments[0].m, least = segments[0].least;
  for (size_t k = 1; k < count; ++k) {
    m = larger(segments[k].m, m);
    least = smaller(segments[k].least, least);
  }
  bool first = true;
  Pair rest{0, 0}, distance{0, 0}, labels{0, 0};
  for (size_t k = 0; k < count; ++k) {
    const SoftmaxSegment& s = segments[k];
    labels = loose_sum(labels, {s.labels, s.labels_lo});
    distance = loose_sum(distance, {s.distance, s.distance_lo});
    const Pair own{s.rest, s.rest_lo}, all = loose_sum(own, {unit, 0});
    if (s.m == m) {
      rest = loose_sum(rest, first ? own : all);
      first = false;
      continue;
    }
    const Pair power = softmax_power<wide>(s.m, m);
    if (power.hi != 0) rest = loose_sum(rest, all * Pair{power.hi * (1 / unit), power.lo * (1 / unit)});
    if (all.hi != all.hi) rest = all;  // nan also in a segment that is far below
    if (s.labels != 0) {
      const Pair farther = two_sum(m, -s.m);
      const double h = farther.hi * s.labels;
      const double low = fma(farther.hi, s.labels, -h) + fma(farther.lo, s.labels, farther.hi * s.labels_lo);
      distance = loose_sum(distance, {h, low});
    }
  }
  of.m[r] = m;
  of.least[r] = least;
  Pairs<wide, most_rows<wide>>::put(of.rest, r, rest);
  Pairs<wide, most_rows<wide>>::put(of.distance, r, distance);
  Pairs<wide, most_rows<wide>>::put(of.labels, r, labels);
}

// The class, distance and sum of the labels of a sparse task.
template <class Format>
LOGITLOSS_INLINE void find_labels(const SoftmaxTask& task, size_t row, int rows, Rows<!Format::narrow>& of) {
  using T = typename Format::Storage;
  constexpr bool wide = !Format::narrow;
  using P = Pairs<wide, most_rows<wide>>;
  const Array labels{row_of(task.labels, row, 0).data, task.labels.row_stride};
  gather<int64_t>(labels, rows, of.label, [](int64_t index) { return index; });
  for (int r = 0; r < rows; ++r) {
    const bool valid = static_cast<uint64_t>(of.label[r]) < task.classes;
    of.label[r] = valid ? of.label[r] : 0;
    P::put(of.labels, r, {valid ? 1 : nan, 0});
  }
  double x[most_rows<wide>];
  const char* logits = row_of(task.logits, row, 0).data;
  for (int r = 0; r < rows; ++r)
    x[r] = Format::load(read<T>(logits + r * task.logits.row_stride + of.label[r] * task.logits.column_stride));
  for (int r = 0; r < rows; ++r) P::put(of.distance, r, softmax_distance<wide>(x[r], 1, of.m[r]));
}

// Fills loss, share and others from what was summed.
template <class Format>
LOGITLOSS_INLINE void finish(const SoftmaxTask& task, size_t row, int rows, Rows<!Format::narrow>& of) {
  constexpr bool wide = !Format::narrow;
  using P = Pairs<wide, most_rows<wide>>;
  if (task.sparse) find_labels<Format>(task, row, rows, of);
  constexpr double down = 1 / softmax_unit<wide>;
  for (int r = 0; r < rows; ++r) {
    const double m = of.m[r];
    const Pair below = P::get(of.rest, r), z = P::get(of.labels, r), d = P::get(of.distance, r);
    const Pair known = fast_two_sum(below.hi * down, below.lo * down);
    const bool undefined = m == -infinity || (m == infinity && known.hi >= 1);  // no class, or two infinite ones
    const Pair rest = undefined ? Pair{nan, 0} : known;
    const Pair l = log_one_plus_sum(rest);
    const Pair zl = two_product(z.hi, l.hi), sum = two_sum(d.hi, zl.hi);
    const double low = sum.lo + (d.lo + (zl.lo + fma(z.hi, l.lo, z.lo * l.hi)));
    of.loss[r] = last_sum(sum.hi, wide ? low : 0);
    of.rest.hi[r] = rest.hi;
  }
  if (!task.gradient.data) return;
  for (int r = 0; r < rows; ++r) {
    const double rest = of.rest.hi[r];
    of.share[r] = of.labels.hi[r] / (1 + rest);
    of.others[r] = rest * of.share[r];
    of.alone[r] = rest < 1 ? 1 : 0;
  }
}

template <class Format>
LOGITLOSS_INLINE void store_loss(const SoftmaxTask& task, size_t row, int rows, Rows<!Format::narrow>& of) {
  for (int r = 0; r < rows; ++r) of.loss[r] = Format::round(of.loss[r]);
  scatter<Format>(of.loss, rows, at(task.loss, row));
}

}  // namespace LOGITLOSS_NAMESPACE
