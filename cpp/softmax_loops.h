// Softmax: pointers -> values. A row is cut into segments of 512 classes, each summed by itself in a fixed tree, so the
// bits depend on the row alone: not on the vector's width, the other rows of the batch, the strides or the threads.
//
// Short rows share a tile, class by class, so that a vector holds one class of many rows; the tree is the same.
#pragma once

#include "loops.h"
#include "math/softmax_cross_entropy.h"

namespace XENT_NAMESPACE {

using xent::SoftmaxRow;
using xent::SoftmaxSegment;
using xent::SoftmaxTask;

constexpr int segment = xent::softmax_segment;
constexpr int most_shared = 64;  // classes of rows that share a tile

template <bool wide>
struct Tile {
  double x[segment], z[segment];
  Pairs<wide> e;  // exp(x - m), in units
  Pairs<wide> sum;
  double gradient[segment];
};

// What is known of the rows of a tile. m: the largest logit. rest: the sum of exp(x - m), in units, over all classes but
// the first that has it. share and others: Z / (1 + R) and Z R / (1 + R).
template <bool wide>
struct Rows {
  double m[segment];
  Pairs<wide> rest, distance, labels;
  double loss[segment], share[segment], others[segment], alone[segment];  // alone: R < 1
};

// Calls f(i, r) for element i, of row r: along the classes of one row, or along the rows that share a tile.
template <class F>
XENT_INLINE void for_each(int n, int rows, const F& f) {
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
XENT_INLINE void reduce_tree(int n, int rows, const Combine& combine) {
  int h = 1;
  while (2 * h < n) h *= 2;
  for (; n > 1; n = h, h /= 2) {
    const int count = (n - h) * rows, far = h * rows;
#pragma omp simd
    for (int i = 0; i < count; ++i) combine(i, i + far);
  }
}

// a + b, whose hi is right also where it is infinite; then lo means nothing.
XENT_INLINE Pair loose_sum(Pair a, Pair b) {
  const Pair s = two_sum(a.hi, b.hi);
  return {s.hi, s.lo + (a.lo + b.lo)};
}

template <bool wide>
XENT_INLINE void sum_tree(Pairs<wide>& a, int n, int rows) {
  using P = Pairs<wide>;
  reduce_tree(n, rows, [&](int i, int j) {
    if constexpr (wide)
      P::put(a, i, loose_sum(P::get(a, i), P::get(a, j)));
    else
      a.hi[i] += a.hi[j];
  });
}

// The largest logit of each row; a nan is none, and is found in the sum.
XENT_INLINE void largest(const double* x, int n, int rows, double* m) {
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
template <bool wide>
XENT_INLINE void leave_out_first(const double* x, const double* m, int n, int rows, Pairs<wide>& e) {
  if (rows == 1) {
    constexpr int stretch = 64;
    for (int start = 0; start < n; start += stretch) {
      const int end = start + stretch < n ? start + stretch : n;
      uint64_t found = 0;
      for (int i = start; i < end; ++i) found |= x[i] == m[0] ? uint64_t{1} : uint64_t{0};
      for (int i = start; found && i < end; ++i)
        if (x[i] == m[0]) return Pairs<wide>::put(e, i, {0, 0});
    }
    return;
  }
  double first[segment];
  for (int r = 0; r < rows; ++r) first[r] = 0;
  for (int c = n - 1; c >= 0; --c)
    for (int r = 0; r < rows; ++r) first[r] = x[c * rows + r] == m[r] ? c : first[r];
  for (int r = 0; r < rows; ++r) Pairs<wide>::put(e, static_cast<int>(first[r]) * rows + r, {0, 0});
}

XENT_INLINE Array row_of(xent::Matrix a, size_t row, size_t column) {
  return {a.data + static_cast<ptrdiff_t>(row) * a.row_stride + static_cast<ptrdiff_t>(column) * a.column_stride,
          a.column_stride};
}

// Calls one(array, n, place) for the runs of a tile that lie side by side in it.
template <class One>
XENT_INLINE void for_runs(xent::Matrix a, size_t row, size_t column, int n, int rows, const One& one) {
  if (rows == 1) return one(row_of(a, row, column), n, 0);
  for (int c = 0; c < n; ++c) {
    Array run = row_of(a, row, column + static_cast<size_t>(c));
    run.stride = a.row_stride;
    one(run, rows, c * rows);
  }
}

template <class Format>
XENT_INLINE void gather_logits(const SoftmaxTask& task, size_t row, size_t column, int n, int rows, double* to) {
  for_runs(task.logits, row, column, n, rows,
           [&](Array from, int m, int at) { gather_format<Format>(from, m, to + at); });
}

// The labels of a tile; of a sparse task the one-hot rows that its indices stand for.
XENT_INLINE void gather_tile_labels(const SoftmaxTask& task, size_t row, size_t column, int n, int rows, double* to) {
  if (!task.sparse) {
    for_runs(task.labels, row, column, n, rows,
             [&](Array from, int m, int at) { gather_labels(task.labels_type, from, m, to + at); });
    return;
  }
  for (int i = 0; i < n * rows; ++i) to[i] = 0;
  for (int r = 0; r < rows; ++r) {
    const auto index = read<int64_t>(row_of(task.labels, row + static_cast<size_t>(r), 0).data);
    const int64_t c = index - static_cast<int64_t>(column);
    if (c >= 0 && c < n) to[c * rows + r] = 1;
  }
}

// Sums a tile: fills t.x, t.e and the first fields of `of`; of a dense task also t.z.
template <class Format>
XENT_INLINE void summarise(const SoftmaxTask& task, size_t row, size_t column, int n, int rows,
                           Tile<!Format::narrow>& t, Rows<!Format::narrow>& of) {
  constexpr bool wide = !Format::narrow;
  using P = Pairs<wide>;
  const auto sum_to = [&](Pairs<wide>& to) {
    sum_tree<wide>(t.sum, n, rows);
    for (int r = 0; r < rows; ++r) P::put(to, r, P::get(t.sum, r));
  };
  gather_logits<Format>(task, row, column, n, rows, t.x);
  largest(t.x, n, rows, of.m);
  for_each(n, rows, [&](int i, int r) {
    const Pair e = softmax_power<wide>(t.x[i], of.m[r]);
    P::put(t.e, i, e);
    P::put(t.sum, i, e);
  });
  leave_out_first<wide>(t.x, of.m, n, rows, t.sum);
  sum_to(of.rest);
  if (task.sparse) return;

  gather_tile_labels(task, row, column, n, rows, t.z);
  for_each(n, rows, [&](int i, int r) { P::put(t.sum, i, softmax_distance<wide>(t.x[i], t.z[i], of.m[r])); });
  sum_to(of.distance);
  for (int i = 0; i < n * rows; ++i) P::put(t.sum, i, {t.z[i], 0});
  sum_to(of.labels);
}

// Row 0 of `of`, from the segments of a long row, in their order.
template <bool wide>
XENT_INLINE void merge(const SoftmaxSegment* segments, size_t count, Rows<wide>& of) {
  constexpr double unit = softmax_unit<wide>;
  double m = segments[0].m;
  for (size_t k = 1; k < count; ++k) m = larger(segments[k].m, m);
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
  of.m[0] = m;
  Pairs<wide>::put(of.rest, 0, rest);
  Pairs<wide>::put(of.distance, 0, distance);
  Pairs<wide>::put(of.labels, 0, labels);
}

// Fills loss, share and others from what was summed.
template <class Format>
XENT_INLINE void finish(const SoftmaxTask& task, size_t row, int rows, Rows<!Format::narrow>& of) {
  constexpr bool wide = !Format::narrow;
  using P = Pairs<wide>;
  for (int r = 0; task.sparse && r < rows; ++r) {
    const auto index = read<int64_t>(row_of(task.labels, row + static_cast<size_t>(r), 0).data);
    const bool valid = index >= 0 && static_cast<uint64_t>(index) < task.classes;
    double x;
    const size_t column = valid ? static_cast<size_t>(index) : 0;
    gather_format<Format>(row_of(task.logits, row + static_cast<size_t>(r), column), 1, &x);
    P::put(of.distance, r, softmax_distance<wide>(x, 1, of.m[r]));
    P::put(of.labels, r, {valid ? 1 : nan, 0});
  }
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
    of.share[r] = z.hi / (1 + rest.hi);
    of.others[r] = rest.hi * of.share[r];
    of.alone[r] = rest.hi < 1 ? 1 : 0;
  }
}

// The gradient of a tile; t.e is relative to the largest logit of the whole row.
template <class Format>
XENT_INLINE void gradient_tile(const SoftmaxTask& task, size_t row, size_t column, int n, int rows,
                               Tile<!Format::narrow>& t, const Rows<!Format::narrow>& of) {
  constexpr bool wide = !Format::narrow;
  const double inverse = 1 / task.divisor, down = 1 / softmax_unit<wide>;
  for_each(n, rows, [&](int i, int r) {
    const Pair e = Pairs<wide>::get(t.e, i);
    const double z = t.z[i], share = of.share[r] * down;
    const double general = fma(share, e.hi, -z) + (wide ? share * e.lo : 0);
    const double leading = (of.labels.hi[r] - z) - of.others[r];  // of the only largest class
    t.gradient[i] = Format::round((t.x[i] == of.m[r] && of.alone[r] != 0 ? leading : general) * inverse);
  });
  for_runs(task.gradient, row, column, n, rows,
           [&](Array to, int m, int at) { scatter<Format>(t.gradient + at, m, to); });
}

template <class Format>
XENT_INLINE void store_loss(const SoftmaxTask& task, size_t row, int rows, Rows<!Format::narrow>& of) {
  for (int r = 0; r < rows; ++r) of.loss[r] = Format::round(of.loss[r]);
  scatter<Format>(of.loss, rows, at(task.loss, row));
}

// Rows of one segment, as many to a tile as fit.
template <class Format>
XENT_NOINLINE void short_rows(const SoftmaxTask& task, size_t start, size_t count) {
  Tile<!Format::narrow> t;
  Rows<!Format::narrow> of;
  const int n = static_cast<int>(task.classes);
  if (n == 0) {  // the sum of no exponentials has no logarithm
    const double none = nan;
    for (size_t row = start; row < start + count; ++row) scatter<Format>(&none, 1, at(task.loss, row));
    return;
  }
  const size_t most = n > most_shared ? 1 : static_cast<size_t>(segment / n / 8 * 8);
  for (size_t row = start; row < start + count; row += most) {
    const int rows = static_cast<int>(start + count - row < most ? start + count - row : most);
    summarise<Format>(task, row, 0, n, rows, t, of);
    finish<Format>(task, row, rows, of);
    store_loss<Format>(task, row, rows, of);
    if (!task.gradient.data) continue;
    if (task.sparse) gather_tile_labels(task, row, 0, n, rows, t.z);
    gradient_tile<Format>(task, row, 0, n, rows, t, of);
  }
}

XENT_INLINE int segment_size(const SoftmaxTask& task, size_t k) {
  const size_t left = task.classes - k * segment;
  return static_cast<int>(left < segment ? left : segment);
}

template <class Format>
XENT_NOINLINE void summarise_segments(const SoftmaxTask& task, size_t row, size_t first, size_t count,
                                      SoftmaxSegment* out) {
  constexpr bool wide = !Format::narrow;
  Tile<wide> t;
  Rows<wide> of;
  for (size_t k = first; k < first + count; ++k) {
    summarise<Format>(task, row, k * segment, segment_size(task, k), 1, t, of);
    const Pair rest = Pairs<wide>::get(of.rest, 0), distance = Pairs<wide>::get(of.distance, 0);
    const Pair labels = Pairs<wide>::get(of.labels, 0);
    out[k] = {of.m[0], rest.hi, rest.lo, 0, 0, 0, 0};
    if (task.sparse) continue;
    out[k].distance = distance.hi;
    out[k].distance_lo = distance.lo;
    out[k].labels = labels.hi;
    out[k].labels_lo = labels.lo;
  }
}

// Writes the loss of a long row.
template <class Format>
XENT_NOINLINE SoftmaxRow finish_segments(const SoftmaxTask& task, size_t row, const SoftmaxSegment* segments,
                                         size_t count) {
  Rows<!Format::narrow> of;
  merge(segments, count, of);
  finish<Format>(task, row, 1, of);
  store_loss<Format>(task, row, 1, of);
  return {of.m[0], of.share[0], of.others[0], of.alone[0], of.labels.hi[0]};
}

template <class Format>
XENT_NOINLINE void gradient_segments(const SoftmaxTask& task, size_t row, size_t first, size_t count,
                                     const SoftmaxRow& state) {
  constexpr bool wide = !Format::narrow;
  Tile<wide> t;
  Rows<wide> of;
  of.m[0] = state.m;
  of.alone[0] = state.alone;
  of.share[0] = state.share;
  of.others[0] = state.others;
  of.labels.hi[0] = state.labels;
  for (size_t k = first; k < first + count; ++k) {
    const int n = segment_size(task, k);
    gather_logits<Format>(task, row, k * segment, n, 1, t.x);
    gather_tile_labels(task, row, k * segment, n, 1, t.z);
    for_each(n, 1, [&](int i, int) { Pairs<wide>::put(t.e, i, softmax_power<wide>(t.x[i], state.m)); });
    gradient_tile<Format>(task, row, k * segment, n, 1, t, of);
  }
}

}  // namespace XENT_NAMESPACE
