// Softmax in the narrow formats: doubles, which have digits to spare.
//
// Sums have 16 parts, one for each place in a run of 16 classes, whatever the width of a vector.
#pragma once

#include "softmax_rows.h"

namespace XENT_NAMESPACE {

constexpr int narrow_segment = xent::softmax_segment(Type::f32);
constexpr int lanes = 16;

// Below this distance from the largest logit exp needs no care.
constexpr double calm_distance = 700;

// Logits as floats, which hold every narrow format: where they are, or in `buffer`.
template <class Format>
XENT_INLINE const char* as_floats(Array from, int n, float* buffer) {
  using T = typename Format::Storage;
  if (sizeof(T) == sizeof(float) && from.stride == sizeof(float)) return from.data;
  for (int i = 0; i < n; ++i) buffer[i] = static_cast<float>(Format::load(read<T>(from.data + i * from.stride)));
  return reinterpret_cast<const char*>(buffer);
}

XENT_INLINE float float_at(const char* x, int i) { return read<float>(x + i * static_cast<ptrdiff_t>(sizeof(float))); }

template <class T>
XENT_INLINE T sum_of_lanes(const T (&a)[lanes]) {
  T b[8], c[4];
  for (int j = 0; j < 8; ++j) b[j] = a[j] + a[j + 8];
  for (int j = 0; j < 4; ++j) c[j] = b[j] + b[j + 4];
  return (c[0] + c[2]) + (c[1] + c[3]);
}

struct Range {
  float least, largest;
};

// Of no logit but nan: infinity and -infinity.
XENT_INLINE Range range_of(const char* x, int n) {
  constexpr int parts = 64;
  float low[parts], high[parts];
  for (int j = 0; j < parts; ++j) low[j] = static_cast<float>(infinity), high[j] = -low[j];
  const auto take = [&](int i, int j) {
    const float v = float_at(x, i);
    low[j] = v < low[j] ? v : low[j];
    high[j] = v > high[j] ? v : high[j];
  };
  int i = 0;
  for (; i + parts <= n; i += parts)
    for (int j = 0; j < parts; ++j) take(i + j, j);
  if (n >= parts)
    for (int j = 0; j < parts; ++j) take(n - parts + j, j);  // some of them again
  else
    for (int j = 0; j < n; ++j) take(j, j);
  for (int h = parts / 2; h > 0; h /= 2)
    for (int j = 0; j < h; ++j) {
      low[j] = low[j + h] < low[j] ? low[j + h] : low[j];
      high[j] = high[j + h] > high[j] ? high[j + h] : high[j];
    }
  return {low[0], high[0]};
}

// The sum of exp(x - m), where no x is far below m.
XENT_INLINE double calm_sum(const char* x, int n, double m) {
  double sum[lanes] = {};
  int i = 0;
  for (; i + lanes <= n; i += lanes) {
    prefetch(x + (i + narrow_segment) * static_cast<ptrdiff_t>(sizeof(float)));
    for (int j = 0; j < lanes; ++j) {
      const NarrowPower p = narrow_exp(float_at(x, i + j) - m);
      sum[j] = fma(p.fraction, p.scale, sum[j]);
    }
  }
  if (i < n) {
    float last[lanes];
    for (int j = 0; j < lanes; ++j) last[j] = static_cast<float>(m);
    for (int j = 0; i + j < n; ++j) last[j] = float_at(x, i + j);
    for (int j = 0; j < lanes; ++j) {
      const NarrowPower p = narrow_exp(last[j] - m);
      sum[j] = fma(p.fraction, i + j < n ? p.scale : 0, sum[j]);
    }
  }
  return sum_of_lanes(sum);
}

// The sum of exp(x - m) without the 1 of one largest class: also where nearly nothing is left, at infinity, and for nan.
XENT_NOINLINE double careful_rest(const char* x, int n, double m) {
  double sum[lanes] = {}, ties[lanes] = {};
  for (int i = 0; i < n; i += lanes)
    for (int j = 0; j < (n - i < lanes ? n - i : lanes); ++j) {
      const double v = float_at(x, i + j), e = softmax_power<false>(v, m).hi;
      sum[j] += v == m ? 0 : e;
      ties[j] += v == m ? 1 : 0;
    }
  return sum_of_lanes(sum) + (sum_of_lanes(ties) - 1);
}

struct NarrowBuffer {
  float x[narrow_segment];
  double z[narrow_segment];
};

template <class Format>
XENT_NOINLINE SoftmaxSegment summarise_segment(Format, const SoftmaxTask& task, size_t row, size_t column, int n) {
  NarrowBuffer b;
  const char* x = as_floats<Format>(row_of(task.logits, row, column), n, b.x);
  const Range range = range_of(x, n);
  const double m = range.largest, least = range.least;
  double rest = m - least <= calm_distance ? calm_sum(x, n, m) - 1 : 0;
  if (rest < 0x1p-12) rest = careful_rest(x, n, m);
  SoftmaxSegment sums{m, least, rest, 0, 0, 0, 0, 0};
  if (task.sparse) return sums;

  gather_tile_labels(task, row, column, n, 1, b.z);
  double distance[lanes] = {}, labels[lanes] = {};
  for (int i = 0; i < n; i += lanes)
    for (int j = 0; j < (n - i < lanes ? n - i : lanes); ++j) {
      const double z = b.z[i + j];
      distance[j] += softmax_distance<false>(float_at(x, i + j), z, m).hi;
      labels[j] += z;
    }
  sums.distance = sum_of_lanes(distance);
  sums.labels = sum_of_lanes(labels);
  return sums;
}

// The derivative of a class with the power e and the label z; share is already divided.
XENT_INLINE double narrow_derivative(double e, double z, double share, double inverse, const SoftmaxRow& of) {
  const double leading = ((of.labels - z) - of.others) * inverse;  // of the only largest class
  return z != 0 && e == 1 && of.alone != 0 ? leading : fma(share, e, -(z * inverse));
}

// Writes f(i) for n classes `stride` bytes apart; f may read what it replaces.
template <class Format, class F>
XENT_INLINE void write_each(char* to, ptrdiff_t stride, int n, const F& f) {
#pragma omp simd
  for (int i = 0; i < n; ++i) {
    const auto value = Format::store(Format::round(f(i)));
    memcpy(to + i * stride, &value, sizeof value);
  }
}

// The gradient of n classes in a row.
template <class Format, bool calm>
XENT_INLINE void narrow_gradient(const SoftmaxTask& task, size_t row, size_t column, int n, const SoftmaxRow& of) {
  NarrowBuffer b;
  const char* x = as_floats<Format>(row_of(task.logits, row, column), n, b.x);
  const double m = of.m, inverse = 1 / task.divisor, share = of.share * inverse;
  const auto power = [&](int i) {
    if constexpr (!calm) return softmax_power<false>(float_at(x, i), m).hi;
    const NarrowPower p = narrow_exp(float_at(x, i) - m);
    return p.fraction * p.scale;
  };
  const Array to = row_of(task.gradient, row, column);
  if (!task.sparse) {
    gather_tile_labels(task, row, column, n, 1, b.z);
    return write_each<Format>(to.data, to.stride, n,
                              [&](int i) { return narrow_derivative(power(i), b.z[i], share, inverse, of); });
  }
  const auto label = read<int64_t>(row_of(task.labels, row, 0).data) - static_cast<int64_t>(column);
  const bool here = label >= 0 && label < n;
  const int at_label = here ? static_cast<int>(label) : 0;
  const double own = narrow_derivative(power(at_label), 1, share, inverse, of);
  constexpr auto next = static_cast<ptrdiff_t>(sizeof(typename Format::Storage));
  if (to.stride == next)
    write_each<Format>(to.data, next, n, [&](int i) { return share * power(i); });
  else
    write_each<Format>(to.data, to.stride, n, [&](int i) { return share * power(i); });
  if (here) write_each<Format>(to.data + at_label * to.stride, next, 1, [&](int) { return own; });
}

template <class Format>
XENT_NOINLINE void gradient_segment(Format, const SoftmaxTask& task, size_t row, size_t column, int n,
                                    const SoftmaxRow& of) {
  if (of.m - of.least <= calm_distance)
    narrow_gradient<Format, true>(task, row, column, n, of);
  else
    narrow_gradient<Format, false>(task, row, column, n, of);
}

struct NarrowTile {
  double e[most_rows], z[most_rows], all[most_rows];  // e: first the logits
};

// Rows that share a tile.
template <class Format>
XENT_NOINLINE void shared_rows(Format, const SoftmaxTask& task, size_t row, int rows) {
  NarrowTile t;
  Rows<false> of;
  const int n = static_cast<int>(task.classes), size = n * rows;
  for_runs(task.logits, row, 0, n, rows, [&](Array from, int m, int at) { gather_format<Format>(from, m, t.e + at); });
  for (int r = 0; r < rows; ++r) of.m[r] = -infinity;
  for (int c = 0; c < n; ++c)
    for (int r = 0; r < rows; ++r) of.m[r] = larger(t.e[c * rows + r], of.m[r]);
  if (!task.sparse) {
    gather_tile_labels(task, row, 0, n, rows, t.z);
    for (int r = 0; r < rows; ++r) of.distance.hi[r] = of.labels.hi[r] = 0;
    for (int c = 0; c < n; ++c)
      for (int r = 0; r < rows; ++r) {
        const int i = c * rows + r;
        of.distance.hi[r] += softmax_distance<false>(t.e[i], t.z[i], of.m[r]).hi;
        of.labels.hi[r] += t.z[i];
      }
  }
  for (int r = 0; r < rows; ++r) t.all[r] = of.rest.hi[r] = 0;
  for (int c = 0; c < n; ++c)
    for (int r = 0; r < rows; ++r) {
      const int i = c * rows + r;
      const double e = softmax_power<false>(t.e[i], of.m[r]).hi;
      t.e[i] = e;
      t.all[r] += e;
      of.rest.hi[r] += e < 1 ? e : 0;
    }
  for (int r = 0; r < rows; ++r) of.rest.hi[r] = t.all[r] < 2 ? of.rest.hi[r] : t.all[r] - 1;
  finish<Format>(task, row, rows, of);
  store_loss<Format>(task, row, rows, of);
  if (!task.gradient.data) return;
  const double inverse = 1 / task.divisor;
  for (int r = 0; r < rows; ++r) of.share[r] *= inverse;
  if (task.sparse) gather_tile_labels(task, row, 0, n, rows, t.z);
  for (int c = 0; c < n; ++c)
    for (int r = 0; r < rows; ++r) {
      const int i = c * rows + r;
      t.e[i] = narrow_derivative(t.e[i], t.z[i], of.share[r], inverse, {of.m[r], 0, 0, of.others[r], of.alone[r], of.labels.hi[r]});
    }
  for (int i = 0; i < size; ++i) t.e[i] = Format::round(t.e[i]);
  for_runs(task.gradient, row, 0, n, rows, [&](Array to, int m, int at) { scatter<Format>(t.e + at, m, to); });
}

}  // namespace XENT_NAMESPACE
