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

// What is left of a sum less 1 has enough digits above this.
constexpr double few_digits = 0x1p-12;

// Logits as floats, which hold every narrow format: where they are, or in `buffer`.
template <class Format>
XENT_INLINE const char* as_floats(Array from, int n, float* buffer) {
  using T = typename Format::Storage;
  if (sizeof(T) == sizeof(float) && from.stride == sizeof(float)) return from.data;
  for (int i = 0; i < n; ++i) buffer[i] = static_cast<float>(Format::load(read<T>(from.data + i * from.stride)));
  return reinterpret_cast<const char*>(buffer);
}

XENT_INLINE float float_at(const char* x, int i) { return read<float>(x + i * static_cast<ptrdiff_t>(sizeof(float))); }

// Calls combine(j, j + half) for all j < half, and so on with half of that: element 0 has the result.
template <int half, class Combine>
XENT_INLINE void fold(const Combine& combine) {
  for (int j = 0; j < half; ++j) combine(j, j + half);
  if constexpr (half > 1) fold<half / 2>(combine);
}

XENT_INLINE double sum_of_lanes(double (&a)[lanes]) {
  fold<lanes / 2>([&](int i, int j) { a[i] += a[j]; });
  return a[0];
}

struct Range {
  float least, largest;
};

// Of no logit but nan: infinity and -infinity.
XENT_INLINE Range range_of(const char* x, int n) {
  constexpr int parts = 32;
  float low[parts], high[parts];
  for (int j = 0; j < parts; ++j) low[j] = static_cast<float>(infinity), high[j] = -low[j];
  const auto take = [&](int i, int j) {
    const float v = float_at(x, i);
    low[j] = v < low[j] ? v : low[j];
    high[j] = v > high[j] ? v : high[j];
  };
  for (int i = 0; i + parts <= n; i += parts)
    for (int j = 0; j < parts; ++j) take(i + j, j);
  if (n >= parts)
    for (int j = 0; j < parts; ++j) take(n - parts + j, j);  // some of them again
  else
    for (int j = 0; j < n; ++j) take(j, j);
  fold<parts / 2>([&](int i, int j) {
    low[i] = low[j] < low[i] ? low[j] : low[i];
    high[i] = high[j] > high[i] ? high[j] : high[i];
  });
  return {low[0], high[0]};
}

// The sum of exp(x - m) over at least 16 classes, where no x is far below m.
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
  const int last = n - lanes;  // the first of the last 16, some of which have been summed
  if (i < n)
    for (int j = 0; j < lanes; ++j) {
      const NarrowPower p = narrow_exp(float_at(x, last + j) - m);
      sum[j] = fma(p.fraction, last + j < i ? 0 : p.scale, sum[j]);
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
  double rest = n >= lanes && m - least <= calm_distance ? calm_sum(x, n, m) - 1 : 0;
  if (rest < few_digits) rest = careful_rest(x, n, m);
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
  double e[tile_size<false>], z[tile_size<false>];  // e: first the logits
  double least[most_rows], sum[most_rows];
};

// Not inlined: a compiler that knows how few rows there are unrolls these loops beyond its registers.
template <class Format>
XENT_NOINLINE void gather_class(Array from, int rows, double* to) {
  gather_format<Format>(from, rows, to);
}

template <class Format>
XENT_NOINLINE void scatter_class(const double* from, int rows, Array to) {
  scatter<Format>(from, rows, to);
}

// Powers and their sums over the classes of each row.
template <bool calm>
XENT_INLINE void tile_powers(int n, int rows, const double* m, NarrowTile& t) {
  for (int c = 0; c < n; ++c)
    for (int r = 0; r < rows; ++r) {
      double& e = t.e[c * rows + r];
      if constexpr (calm) {
        const NarrowPower p = narrow_exp(e - m[r]);
        e = p.fraction * p.scale;
      } else {
        e = softmax_power<false>(e, m[r]).hi;
      }
      t.sum[r] += e;
    }
}

XENT_INLINE void summarise_tile(int n, int rows, NarrowTile& t, Rows<false>& of) {
  for (int r = 0; r < rows; ++r) of.m[r] = -infinity, t.least[r] = infinity, t.sum[r] = 0;
  for (int c = 0; c < n; ++c)
    for (int r = 0; r < rows; ++r) {
      const double x = t.e[c * rows + r];
      of.m[r] = larger(x, of.m[r]);
      t.least[r] = smaller(x, t.least[r]);
    }
  uint64_t far = 0, few = 0;
  for (int r = 0; r < rows; ++r) far |= of.m[r] - t.least[r] <= calm_distance ? uint64_t{0} : uint64_t{1};
  if (far)
    tile_powers<false>(n, rows, of.m, t);
  else
    tile_powers<true>(n, rows, of.m, t);
  for (int r = 0; r < rows; ++r) {
    of.rest.hi[r] = t.sum[r] - 1;
    few |= of.rest.hi[r] < few_digits ? uint64_t{1} : uint64_t{0};
    t.sum[r] = 0;
  }
  if (!few) return;
  for (int c = 0; c < n; ++c)
    for (int r = 0; r < rows; ++r) {
      const double e = t.e[c * rows + r];
      t.sum[r] += e < 1 ? e : 0;
    }
  for (int r = 0; r < rows; ++r) of.rest.hi[r] = of.rest.hi[r] < few_digits ? t.sum[r] : of.rest.hi[r];
}

template <class Format>
XENT_INLINE void tile_gradient(const SoftmaxTask& task, size_t row, int rows, NarrowTile& t, Rows<false>& of) {
  const int n = static_cast<int>(task.classes);
  const double inverse = 1 / task.divisor;
  for (int r = 0; r < rows; ++r) of.share[r] *= inverse;
  const auto derivative = [&](double e, int r, double z) {
    const SoftmaxRow state{of.m[r], 0, 0, of.others[r], of.alone[r], of.labels.hi[r]};
    return narrow_derivative(e, z, of.share[r], inverse, state);
  };
  if (task.sparse) {
    double own[most_rows];
    for (int r = 0; r < rows; ++r) own[r] = t.e[static_cast<int>(of.label[r]) * rows + r];
    for (int r = 0; r < rows; ++r) own[r] = derivative(own[r], r, 1);
    for (int c = 0; c < n; ++c)
      for (int r = 0; r < rows; ++r) t.e[c * rows + r] = Format::round(t.e[c * rows + r] * of.share[r]);
    for (int r = 0; r < rows; ++r) t.e[static_cast<int>(of.label[r]) * rows + r] = Format::round(own[r]);
  } else {
    for (int c = 0; c < n; ++c)
      for (int r = 0; r < rows; ++r) t.e[c * rows + r] = Format::round(derivative(t.e[c * rows + r], r, t.z[c * rows + r]));
  }
  for_runs(task.gradient, row, 0, n, rows, [&](Array to, int m, int at) { scatter_class<Format>(t.e + at, m, to); });
}

// Rows that share a tile.
template <class Format>
XENT_NOINLINE void shared_rows(Format, const SoftmaxTask& task, size_t row, int rows) {
  NarrowTile t;
  Rows<false> of;
  const int n = static_cast<int>(task.classes);
  for_runs(task.logits, row, 0, n, rows, [&](Array from, int m, int at) { gather_class<Format>(from, m, t.e + at); });
  if (!task.sparse) gather_tile_labels(task, row, 0, n, rows, t.z);
  double x[tile_size<false>];
  if (!task.sparse) memcpy(x, t.e, static_cast<size_t>(n * rows) * sizeof *x);
  summarise_tile(n, rows, t, of);
  if (!task.sparse) {
    for (int r = 0; r < rows; ++r) of.distance.hi[r] = of.labels.hi[r] = 0;
    for (int c = 0; c < n; ++c)
      for (int r = 0; r < rows; ++r) {
        const int i = c * rows + r;
        of.distance.hi[r] += softmax_distance<false>(x[i], t.z[i], of.m[r]).hi;
        of.labels.hi[r] += t.z[i];
      }
  }
  finish<Format>(task, row, rows, of);
  store_loss<Format>(task, row, rows, of);
  if (task.gradient.data) tile_gradient<Format>(task, row, rows, t, of);
}

}  // namespace XENT_NAMESPACE
