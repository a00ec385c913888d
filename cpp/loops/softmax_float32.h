// Softmax in the narrow formats: doubles, which have digits to spare.
//
// Sums have 16 parts, one for each place in a run of 16 classes, whatever the width of a vector.
#pragma once

#include "softmax_rows.h"

namespace LOGITLOSS_NAMESPACE {

constexpr int narrow_segment = logitloss::softmax_segment(Type::f32);
constexpr int lanes = 16;

// Where no logit is farther than this below the largest, powers need no care.
constexpr double calm_distance = 700;

// Above this, a sum of powers less the 1 of the largest class has digits enough; below, the others are summed alone.
constexpr double enough_left = 0x1p-12;

// Logits as floats, which hold every narrow format: where they are, or in `buffer`.
template <class Format>
LOGITLOSS_INLINE const char* as_floats(Array from, int n, float* buffer) {
  using T = typename Format::Storage;
  if (sizeof(T) == sizeof(float) && from.stride == sizeof(float)) return from.data;
  gather<T>(from, n, buffer, [](T v) { return static_cast<float>(Format::load(v)); });
  return reinterpret_cast<const char*>(buffer);
}

LOGITLOSS_INLINE float float_at(const char* x, int i) {
  return read<float>(x + i * static_cast<ptrdiff_t>(sizeof(float)));
}

// Asks for what lies `ahead` bytes after p, also past the end of an array.
LOGITLOSS_INLINE void prefetch(const char* p, size_t ahead) {
#ifndef _MSC_VER
  __builtin_prefetch(reinterpret_cast<const char*>(reinterpret_cast<uintptr_t>(p) + ahead));
#endif
}

// Calls combine(j, j + half) for all j < half, and so on with half of that: element 0 has the result.
template <int half, class Combine>
LOGITLOSS_INLINE void fold(const Combine& combine) {
  for (int j = 0; j < half; ++j) combine(j, j + half);
  if constexpr (half > 1) fold<half / 2>(combine);
}

LOGITLOSS_INLINE double sum_of_lanes(double (&a)[lanes]) {
  fold<lanes / 2>([&](int i, int j) { a[i] += a[j]; });
  return a[0];
}

struct Range {
  float least, largest;
};

// Of no logit but nan: infinity and -infinity.
LOGITLOSS_INLINE Range range_of(const char* x, int n) {
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

// The sum of exp(x - m) over at least 16 classes, no x far below m.
LOGITLOSS_INLINE double calm_sum(const char* x, int n, double m) {
  double sum[lanes] = {};
  int i = 0;
  for (; i + lanes <= n; i += lanes) {
    prefetch(x,
             static_cast<size_t>(i + narrow_segment) * sizeof(float));  // the next segment, while this one is computed
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

// The sum of exp(x - m) without the 1 of one largest class: also where nearly nothing is left, at infinity, and for
// nan.
LOGITLOSS_NOINLINE double careful_rest(const char* x, int n, double m) {
  double sum[lanes] = {}, ties[lanes] = {};
  for (int i = 0; i < n; i += lanes)
    for (int j = 0; j < (n - i < lanes ? n - i : lanes); ++j) {
      const double v = float_at(x, i + j), e = narrow_power<false>(v, m);
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
LOGITLOSS_NOINLINE SoftmaxSegment summarise_segment(Format, const SoftmaxTask& task, size_t row, size_t column, int n) {
  NarrowBuffer b;
  const char* x = as_floats<Format>(row_of(task.logits, row, column), n, b.x);
  const Range range = range_of(x, n);
  const double m = range.largest, least = range.least;
  double rest = n >= lanes && m - least <= calm_distance ? calm_sum(x, n, m) - 1 : 0;
  if (rest < enough_left) rest = careful_rest(x, n, m);
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

// The derivative of a class with the power e and the label z; the row's share is already divided.
LOGITLOSS_INLINE double narrow_derivative(double e, double z, double inverse, SoftmaxRow of) {
  const double leading = ((of.labels - z) - of.others) * inverse;  // of the only largest class
  const double general = fma(of.share, e, -(z * inverse));
  const double largest = of.alone != 0 ? 1 : 2;  // no power is 2
  return e != largest ? general : z == 0 ? general : leading;
}

// Writes f(i) for n elements; f may read what it replaces, which `y` may be.
template <class Format, class F>
LOGITLOSS_INLINE void write_each(Array to, int n, double* y, const F& f) {
  if constexpr (sizeof(typename Format::Storage) == sizeof(float)) {
    if (to.stride == sizeof(float)) {
#pragma omp simd
      for (int i = 0; i < n; ++i) {
        const float value = Format::store(f(i));
        memcpy(to.data + i * static_cast<ptrdiff_t>(sizeof value), &value, sizeof value);
      }
      return;
    }
  }
#pragma omp simd
  for (int i = 0; i < n; ++i) y[i] = f(i);
  for (int i = 0; i < n; ++i) y[i] = Format::round(y[i]);
  scatter<Format>(y, n, to);
}

// The gradient of n classes in a row.
template <class Format, bool calm>
LOGITLOSS_INLINE void narrow_gradient(const SoftmaxTask& task, size_t row, size_t column, int n, SoftmaxRow of) {
  NarrowBuffer b;
  const char* x = as_floats<Format>(row_of(task.logits, row, column), n, b.x);
  const double m = of.m, inverse = 1 / task.divisor;
  of.share *= inverse;
  const auto power = [=](int i) { return narrow_power<calm>(float_at(x, i), m); };
  const Array to = row_of(task.gradient, row, column);
  if (!task.sparse) {
    gather_tile_labels(task, row, column, n, 1, b.z);
    return write_each<Format>(to, n, b.z, [=, &b](int i) { return narrow_derivative(power(i), b.z[i], inverse, of); });
  }
  const uint64_t label = own_class(task, row, column);
  const bool here = label < static_cast<uint64_t>(n);
  const double own = narrow_derivative(power(here ? static_cast<int>(label) : 0), 1, inverse, of);
  write_each<Format>(to, n, b.z, [=](int i) { return of.share * power(i); });
  if (here) write_each<Format>(at(to, static_cast<size_t>(label)), 1, b.z, [&](int) { return own; });
}

template <class Format>
LOGITLOSS_NOINLINE void gradient_segment(Format, const SoftmaxTask& task, size_t row, size_t column, int n,
                                         const SoftmaxRow& of) {
  if (of.m - of.least <= calm_distance)
    narrow_gradient<Format, true>(task, row, column, n, of);
  else
    narrow_gradient<Format, false>(task, row, column, n, of);
}

}  // namespace LOGITLOSS_NAMESPACE
