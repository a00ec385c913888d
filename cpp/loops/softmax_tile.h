// Softmax in the narrow formats: short rows share a tile, class by class, so that a vector holds one class of many
// rows.
//
// A row's powers and sums are the same whatever its neighbours: these decide only which loop computes them.
#pragma once

#include "softmax_float32.h"
#include "transpose.h"

namespace LOGITLOSS_NAMESPACE {

// Class c of row r is at c * pitch + r, the pitch a multiple of 16: what pads the rows is computed and not read.
struct NarrowTile {
  int n, rows, pitch;
  double e[tile_size<false>], z[tile_size<false>];  // e: first the logits, last the gradient
  double sum[most_rows<false>];
};

// One class of neighbouring rows.
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

// Whether the classes of a row are neighbouring floats, and there are enough rows and classes for squares of them.
template <class Format>
LOGITLOSS_INLINE bool has_squares(logitloss::Matrix a, const NarrowTile& t) {
#ifdef LOGITLOSS_SQUARES
  constexpr auto size = static_cast<ptrdiff_t>(sizeof(float));
  return sizeof(typename Format::Storage) == size && a.column_stride == size && t.rows >= 4 && t.n >= 4;
#else
  return false;
#endif
}

template <class Format>
LOGITLOSS_INLINE void gather_tile(logitloss::Matrix from, size_t row, NarrowTile& t) {
  for (int c = 0; c < t.n; ++c)
    for (int r = t.rows; r < t.pitch; ++r) t.e[c * t.pitch + r] = 0;
#ifdef LOGITLOSS_SQUARES
  if (has_squares<Format>(from, t))
    return rows_to_columns(row_of(from, row, 0).data, from.row_stride, t.rows, t.n, t.e, t.pitch);
#endif
  for (int c = 0; c < t.n; ++c) gather_class<Format>(class_of(from, row, c), t.rows, t.e + c * t.pitch);
}

// Powers and their sums over the classes of each row.
template <bool calm>
LOGITLOSS_INLINE void tile_powers(const double* m, NarrowTile& t) {
  for (int r = 0; r < t.pitch; r += lanes) {
    double sum[lanes] = {}, largest[lanes];
    for (int j = 0; j < lanes; ++j) largest[j] = m[r + j];
    for (int c = 0; c < t.n; ++c)
      for (int j = 0; j < lanes; ++j) {
        double& e = t.e[c * t.pitch + r + j];
        e = narrow_power<calm>(e, largest[j]);
        sum[j] += e;
      }
    for (int j = 0; j < lanes; ++j) t.sum[r + j] = sum[j];
  }
}

// The largest logit of each row; whether every other one is close to it.
LOGITLOSS_INLINE bool tile_range(const NarrowTile& t, double* m) {
  VectorBits far{};
  for (int r = 0; r < t.pitch; r += vector_lanes) {
    Vector largest = Vector{} - infinity, least = Vector{} + infinity;
    for (int c = 0; c < t.n; ++c) {
      Vector x;
      memcpy(&x, t.e + c * t.pitch + r, sizeof x);
      largest = larger(x, largest);
      least = smaller(x, least);
    }
    memcpy(m + r, &largest, sizeof largest);
    far |= largest - least <= calm_distance ? VectorBits{} : ~VectorBits{};
  }
  return any(far) == 0;
}

// The powers in place of the logits, and their sums without the 1 of one largest class.
LOGITLOSS_INLINE void summarise_tile(NarrowTile& t, const double* m, bool calm, double* rest) {
  if (calm)
    tile_powers<true>(m, t);
  else
    tile_powers<false>(m, t);
  uint64_t few = 0;
  for (int r = 0; r < t.pitch; ++r) {
    rest[r] = t.sum[r] - 1;
    few |= rest[r] < enough_left ? uint64_t{1} : uint64_t{0};
    t.sum[r] = 0;
  }
  if (!few) return;
  for (int c = 0; c < t.n; ++c)
    for (int r = 0; r < t.pitch; ++r) {
      const double e = t.e[c * t.pitch + r];
      t.sum[r] += e < 1 ? e : 0;
    }
  for (int r = 0; r < t.pitch; ++r) rest[r] = rest[r] < enough_left ? t.sum[r] : rest[r];
}

// The labels, their sums and distances.
LOGITLOSS_INLINE void tile_labels(const SoftmaxTask& task, size_t row, NarrowTile& t, Rows<false>& of) {
  for (int r = 0; r < t.rows; ++r) of.distance.hi[r] = of.labels.hi[r] = 0;
  for (int c = 0; c < t.n; ++c) {
    gather_labels(task.labels_type, class_of(task.labels, row, c), t.rows, t.z + c * t.pitch);
    for (int r = 0; r < t.rows; ++r) {
      const double z = t.z[c * t.pitch + r];
      of.distance.hi[r] += softmax_distance<false>(t.e[c * t.pitch + r], z, of.m[r]).hi;
      of.labels.hi[r] += z;
    }
  }
}

// Writes the gradient, which takes the place of the powers.
template <class Format>
LOGITLOSS_INLINE void tile_gradient(const SoftmaxTask& task, size_t row, NarrowTile& t, Rows<false>& of) {
  const double inverse = 1 / task.divisor;
  for (int r = 0; r < t.rows; ++r) of.share[r] *= inverse;
  const auto derivative = [&](double e, double z, int r) {
    return narrow_derivative(e, z, inverse, {0, 0, of.share[r], of.others[r], of.alone[r], of.labels.hi[r]});
  };
  double own[most_rows<false>];  // of a sparse task: the derivative of the row's label
  const auto own_place = [&](int r) { return static_cast<int>(of.label[r]) * t.pitch + r; };
  if (task.sparse) {
    for (int r = 0; r < t.rows; ++r) own[r] = t.e[own_place(r)];
    for (int r = 0; r < t.rows; ++r) own[r] = derivative(own[r], 1, r);
  }
#ifdef LOGITLOSS_SQUARES
  if (task.sparse && has_squares<Format>(task.gradient, t)) {
    const Array to = row_of(task.gradient, row, 0);
    columns_to_rows(t.e, t.pitch, of.share, t.rows, t.n, to.data, task.gradient.row_stride);
    for (int r = 0; r < t.rows; ++r) {
      const auto value = static_cast<float>(own[r]);
      memcpy(to.data + r * task.gradient.row_stride + of.label[r] * to.stride, &value, sizeof value);
    }
    return;
  }
#endif
  for (int c = 0; c < t.n; ++c) {
    double* e = t.e + c * t.pitch;
    const double* z = t.z + c * t.pitch;
    if (task.sparse)
      for (int r = 0; r < t.rows; ++r) e[r] *= of.share[r];
    else
      for (int r = 0; r < t.rows; ++r) e[r] = derivative(e[r], z[r], r);
  }
  for (int r = 0; task.sparse && r < t.rows; ++r) t.e[own_place(r)] = own[r];
  for (int c = 0; c < t.n; ++c) {
    double* e = t.e + c * t.pitch;
    for (int r = 0; r < t.rows; ++r) e[r] = Format::round(e[r]);
    scatter_class<Format>(e, t.rows, class_of(task.gradient, row, c));
  }
}

// Rows that share a tile.
template <class Format>
LOGITLOSS_NOINLINE void shared_rows(Format, const SoftmaxTask& task, size_t row, int rows) {
  NarrowTile t;
  Rows<false> of;
  t.n = static_cast<int>(task.classes);
  t.rows = rows;
  t.pitch = (rows + lanes - 1) / lanes * lanes;
  gather_tile<Format>(task.logits, row, t);
  const bool calm = tile_range(t, of.m);
  if (!task.sparse) tile_labels(task, row, t, of);
  summarise_tile(t, of.m, calm, of.rest.hi);
  finish<Format>(task, row, rows, of);
  store_loss<Format>(task, row, rows, of);
  if (task.gradient.data) tile_gradient<Format>(task, row, t, of);
}

}  // namespace LOGITLOSS_NAMESPACE
