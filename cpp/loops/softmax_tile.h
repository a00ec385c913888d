// Softmax of float32, float16 and bfloat16: short rows are stored in a tile, class by class, so that a vector holds one
// class of several rows.
//
// The exponentials and sums of a row do not depend on the other rows: these only decide which loop computes them.
#pragma once

#include "softmax_float32.h"
#include "transpose.h"

namespace LOGITLOSS_NAMESPACE {

// Class c of row r is at c * pitch + r, the pitch a multiple of 16: the padding is computed and not read.
struct Float32Tile {
  int n, rows, pitch;
  double e[tile_size<false>], z[tile_size<false>];  // e: first the logits, last the gradient
  double sum[max_tile_rows<false>];
};

// One class of consecutive rows.
LOGITLOSS_INLINE Array class_of(logitloss::Matrix a, size_t row, int c) {
  return {row_of(a, row, static_cast<size_t>(c)).data, a.row_stride};
}

// Not inlined: a compiler that knows how few rows there are unrolls these loops beyond its registers.
template <class Format>
LOGITLOSS_NOINLINE void gather_class(Array from, int rows, double* to) {
  gather_format<Format>(from, rows, to);
}

template <class Format>
LOGITLOSS_NOINLINE void scatter_class(const double* from, int rows, Array to) {
  scatter<Format>(from, rows, to);
}

// Whether the classes of a row are adjacent floats, and there are enough rows and classes for blocks of 4 x 4.
template <class Format>
LOGITLOSS_INLINE bool is_transposable(logitloss::Matrix a, const Float32Tile& t) {
#ifdef LOGITLOSS_HAS_4X4_TRANSPOSE
  constexpr auto size = static_cast<ptrdiff_t>(sizeof(float));
  return sizeof(typename Format::Storage) == size && a.column_stride == size && t.rows >= 4 && t.n >= 4;
#else
  return false;
#endif
}

template <class Format>
LOGITLOSS_INLINE void gather_tile(logitloss::Matrix from, size_t row, Float32Tile& t) {
  for (int c = 0; c < t.n; ++c)
    for (int r = t.rows; r < t.pitch; ++r) t.e[c * t.pitch + r] = 0;
#ifdef LOGITLOSS_HAS_4X4_TRANSPOSE
  if (is_transposable<Format>(from, t))
    return rows_to_columns(row_of(from, row, 0).data, from.row_stride, t.rows, t.n, t.e, t.pitch);
#endif
  for (int c = 0; c < t.n; ++c) gather_class<Format>(class_of(from, row, c), t.rows, t.e + c * t.pitch);
}

// Exponentials, and their sums over the classes of each row.
template <bool no_underflow>
LOGITLOSS_INLINE void tile_powers(const double* m, Float32Tile& t) {
  for (int r = 0; r < t.pitch; r += lanes) {
    double sum[lanes] = {}, largest[lanes];
    for (int j = 0; j < lanes; ++j) largest[j] = m[r + j];
    for (int c = 0; c < t.n; ++c)
      for (int j = 0; j < lanes; ++j) {
        double& e = t.e[c * t.pitch + r + j];
        e = softmax_exp<no_underflow>(e, largest[j]);
        sum[j] += e;
      }
    for (int j = 0; j < lanes; ++j) t.sum[r + j] = sum[j];
  }
}

// The maximum of each row; true if every other logit is within no_underflow_distance of it.
LOGITLOSS_INLINE bool tile_range(const Float32Tile& t, double* m) {
  VectorBits far{};
  for (int r = 0; r < t.pitch; r += vector_lanes) {
    Vector largest = Vector{} - infinity, min_logit = Vector{} + infinity;
    for (int c = 0; c < t.n; ++c) {
      Vector x;
      memcpy(&x, t.e + c * t.pitch + r, sizeof x);
      largest = max(x, largest);
      min_logit = min(x, min_logit);
    }
    memcpy(m + r, &largest, sizeof largest);
    far |= largest - min_logit <= no_underflow_distance ? VectorBits{} : ~VectorBits{};
  }
  return or_lanes(far) == 0;
}

// Replaces the logits by their exponentials; their sums leave out the 1 of one class that has the maximum.
LOGITLOSS_INLINE void summarise_tile(Float32Tile& t, const double* m, bool no_underflow, double* sum_others) {
  if (no_underflow)
    tile_powers<true>(m, t);
  else
    tile_powers<false>(m, t);
  uint64_t few = 0;
  for (int r = 0; r < t.pitch; ++r) {
    sum_others[r] = t.sum[r] - 1;
    few |= sum_others[r] < cancellation_threshold ? uint64_t{1} : uint64_t{0};
    t.sum[r] = 0;
  }
  if (!few) return;
  for (int c = 0; c < t.n; ++c)
    for (int r = 0; r < t.pitch; ++r) {
      const double e = t.e[c * t.pitch + r];
      t.sum[r] += e < 1 ? e : 0;
    }
  for (int r = 0; r < t.pitch; ++r) sum_others[r] = sum_others[r] < cancellation_threshold ? t.sum[r] : sum_others[r];
}

// Reads the labels; their sums, and the sums of z (m - x).
LOGITLOSS_INLINE void tile_labels(const SoftmaxTask& task, size_t row, Float32Tile& t, Rows<false>& tile_rows) {
  for (int r = 0; r < t.rows; ++r) tile_rows.distance.hi[r] = tile_rows.labels.hi[r] = 0;
  for (int c = 0; c < t.n; ++c) {
    gather_labels(task.labels_type, class_of(task.labels, row, c), t.rows, t.z + c * t.pitch);
    for (int r = 0; r < t.rows; ++r) {
      const double z = t.z[c * t.pitch + r];
      tile_rows.distance.hi[r] += softmax_distance<false>(t.e[c * t.pitch + r], z, tile_rows.m[r]).hi;
      tile_rows.labels.hi[r] += z;
    }
  }
}

// Writes the gradient, which replaces the exponentials.
template <class Format>
LOGITLOSS_INLINE void tile_gradient(const SoftmaxTask& task, size_t row, Float32Tile& t, Rows<false>& tile_rows) {
  const double inverse = 1 / task.divisor;
  for (int r = 0; r < t.rows; ++r) tile_rows.z_over_sum[r] *= inverse;
  const auto derivative = [&](double e, double z, int r) {
    return class_derivative(
        e, z, inverse,
        {0, 0, tile_rows.z_over_sum[r], tile_rows.others_over_sum[r], tile_rows.dominant[r], tile_rows.labels.hi[r]});
  };
  double label_value[max_tile_rows<false>];  // of a sparse task: the derivative of the row's label
  const auto label_index = [&](int r) { return static_cast<int>(tile_rows.label[r]) * t.pitch + r; };
  if (task.sparse) {
    for (int r = 0; r < t.rows; ++r) label_value[r] = t.e[label_index(r)];
    for (int r = 0; r < t.rows; ++r) label_value[r] = derivative(label_value[r], 1, r);
  }
#ifdef LOGITLOSS_HAS_4X4_TRANSPOSE
  if (task.sparse && is_transposable<Format>(task.gradient, t)) {
    const Array to = row_of(task.gradient, row, 0);
    columns_to_rows(t.e, t.pitch, tile_rows.z_over_sum, t.rows, t.n, to.data, task.gradient.row_stride);
    for (int r = 0; r < t.rows; ++r) {
      const auto value = static_cast<float>(label_value[r]);
      memcpy(to.data + r * task.gradient.row_stride + tile_rows.label[r] * to.stride, &value, sizeof value);
    }
    return;
  }
#endif
  for (int c = 0; c < t.n; ++c) {
    double* e = t.e + c * t.pitch;
    const double* z = t.z + c * t.pitch;
    if (task.sparse)
      for (int r = 0; r < t.rows; ++r) e[r] *= tile_rows.z_over_sum[r];
    else
      for (int r = 0; r < t.rows; ++r) e[r] = derivative(e[r], z[r], r);
  }
  for (int r = 0; task.sparse && r < t.rows; ++r) t.e[label_index(r)] = label_value[r];
  for (int c = 0; c < t.n; ++c) {
    double* e = t.e + c * t.pitch;
    for (int r = 0; r < t.rows; ++r) e[r] = Format::round(e[r]);
    scatter_class<Format>(e, t.rows, class_of(task.gradient, row, c));
  }
}

// Computes the rows of a tile.
template <class Format>
LOGITLOSS_NOINLINE void shared_rows(Format, const SoftmaxTask& task, size_t row, int rows) {
  Float32Tile t;
  Rows<false> tile_rows;
  t.n = static_cast<int>(task.classes);
  t.rows = rows;
  t.pitch = (rows + lanes - 1) / lanes * lanes;
  gather_tile<Format>(task.logits, row, t);
  const bool no_underflow = tile_range(t, tile_rows.m);
  if (!task.sparse) tile_labels(task, row, t, tile_rows);
  summarise_tile(t, tile_rows.m, no_underflow, tile_rows.sum_others.hi);
  finish<Format>(task, row, rows, tile_rows);
  store_loss<Format>(task, row, rows, tile_rows);
  if (task.gradient.data) tile_gradient<Format>(task, row, t, tile_rows);
}

}  // namespace LOGITLOSS_NAMESPACE
