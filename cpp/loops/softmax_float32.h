// Softmax of float32, float16 and bfloat16 logits: sums of doubles, which have digits to spare.
//
// Sums have 16 accumulators, one for each position in a run of 16 classes, whatever the width of a vector.
#pragma once

#include "softmax_rows.h"

namespace LOGITLOSS_NAMESPACE {

constexpr int float32_segment = logitloss::softmax_segment(Type::f32);
constexpr int lanes = 16;

// If no logit is farther than this below the maximum, no exponential underflows.
constexpr double no_underflow_distance = 700;

// Down to this, the sum of all exponentials minus the 1 of the maximum keeps enough digits; below it, the
// exponentials of the other classes are summed separately.
constexpr double cancellation_threshold = 0x1p-12;

// The logits as floats, which hold float16 and bfloat16 exactly: in place, or converted into `buffer`.
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

// Prefetches the line `ahead` bytes after p, which may lie past the end of the array.
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
  float min_logit, largest;
};

// Minimum and maximum; infinity and -infinity if there is nothing but nan.
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

// The sum of exp(x - m) over at least 16 classes, if no x is so far below m that its exponential underflows.
LOGITLOSS_INLINE double sum_without_underflow(const char* x, int n, double m) {
  double sum[lanes] = {};
  int i = 0;
  for (; i + lanes <= n; i += lanes) {
    prefetch(x,
             static_cast<size_t>(i + float32_segment) * sizeof(float));  // the next segment, while this one is computed
    for (int j = 0; j < lanes; ++j) {
      const ScaledExp p = exp_34bit(float_at(x, i + j) - m);
      sum[j] = fma(p.fraction, p.scale, sum[j]);
    }
  }
  const int last = n - lanes;  // where the last 16 classes begin; some of them have been summed already
  if (i < n)
    for (int j = 0; j < lanes; ++j) {
      const ScaledExp p = exp_34bit(float_at(x, last + j) - m);
      sum[j] = fma(p.fraction, last + j < i ? 0 : p.scale, sum[j]);
    }
  return sum_of_lanes(sum);
}

// The sum of exp(x - m) over all classes but one that has the maximum; accurate for tiny sums too, and right for
// infinities and nan.
LOGITLOSS_NOINLINE double sum_of_others(const char* x, int n, double m) {
  double sum[lanes] = {}, ties[lanes] = {};
  for (int i = 0; i < n; i += lanes)
    for (int j = 0; j < (n - i < lanes ? n - i : lanes); ++j) {
      const double v = float_at(x, i + j), e = softmax_exp<false>(v, m);
      sum[j] += v == m ? 0 : e;
      ties[j] += v == m ? 1 : 0;
    }
  return sum_of_lanes(sum) + (sum_of_lanes(ties) - 1);
}

struct Float32Buffer {
  float x[float32_segment];
  double z[float32_segment];
};

template <class Format>
LOGITLOSS_NOINLINE SoftmaxSegment summarise_segment(Format, const SoftmaxTask& task, size_t row, size_t column, int n) {
  Float32Buffer b;
  const char* x = as_floats<Format>(row_of(task.logits, row, column), n, b.x);
  const Range range = range_of(x, n);
  const double m = range.largest, min_logit = range.min_logit;
  double sum_others = n >= lanes && m - min_logit <= no_underflow_distance ? sum_without_underflow(x, n, m) - 1 : 0;
  if (sum_others < cancellation_threshold) sum_others = sum_of_others(x, n, m);
  SoftmaxSegment sums{m, min_logit, sum_others, 0, 0, 0, 0, 0};
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

// The gradient of a class with the exponential e and the label z; z_over_sum is already divided by the divisor.
LOGITLOSS_INLINE double class_derivative(double e, double z, double inverse, SoftmaxRow tile_rows) {
  const double leading =
      ((tile_rows.labels - z) - tile_rows.others_over_sum) * inverse;  // for the only class that has the maximum
  const double general = fma(tile_rows.z_over_sum, e, -(z * inverse));
  const double largest = tile_rows.dominant != 0 ? 1 : 2;  // no exponential is 2
  return e != largest ? general : z == 0 ? general : leading;
}

// Writes f(i) for n elements; f may read what it overwrites, and `y` may hold it.
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
template <class Format, bool no_underflow>
LOGITLOSS_INLINE void gradient_from_sigmoid(const SoftmaxTask& task, size_t row, size_t column, int n,
                                            SoftmaxRow tile_rows) {
  Float32Buffer b;
  const char* x = as_floats<Format>(row_of(task.logits, row, column), n, b.x);
  const double m = tile_rows.m, inverse = 1 / task.divisor;
  tile_rows.z_over_sum *= inverse;
  const auto power = [=](int i) { return softmax_exp<no_underflow>(float_at(x, i), m); };
  const Array to = row_of(task.gradient, row, column);
  if (!task.sparse) {
    gather_tile_labels(task, row, column, n, 1, b.z);
    return write_each<Format>(to, n, b.z,
                              [=, &b](int i) { return class_derivative(power(i), b.z[i], inverse, tile_rows); });
  }
  const uint64_t label = label_offset(task, row, column);
  const bool here = label < static_cast<uint64_t>(n);
  const double label_value = class_derivative(power(here ? static_cast<int>(label) : 0), 1, inverse, tile_rows);
  write_each<Format>(to, n, b.z, [=](int i) { return tile_rows.z_over_sum * power(i); });
  if (here) write_each<Format>(at(to, static_cast<size_t>(label)), 1, b.z, [&](int) { return label_value; });
}

template <class Format>
LOGITLOSS_NOINLINE void gradient_segment(Format, const SoftmaxTask& task, size_t row, size_t column, int n,
                                         const SoftmaxRow& tile_rows) {
  if (tile_rows.m - tile_rows.min_logit <= no_underflow_distance)
    gradient_from_sigmoid<Format, true>(task, row, column, n, tile_rows);
  else
    gradient_from_sigmoid<Format, false>(task, row, column, n, tile_rows);
}

}  // namespace LOGITLOSS_NAMESPACE
