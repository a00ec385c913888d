// Softmax: pointers -> values. A row is cut into segments, each summed in a fixed order, and the segments are merged in
// order, so the bits depend on the row alone: not on the width of a vector, the other rows of the batch, the strides or
// the threads.
//
// Short rows share a tile, class by class: softmax_tile.h, and softmax_float64.h for float64.
#pragma once

#include "softmax_float32.h"
#include "softmax_float64.h"
#include "softmax_rows.h"
#include "softmax_tile.h"

namespace LOGITLOSS_NAMESPACE {

// Calls one(k, column, n) for `count` segments of a row.
template <class One>
LOGITLOSS_INLINE void for_segments(const SoftmaxTask& task, size_t first, size_t count, const One& one) {
  const auto size = static_cast<size_t>(logitloss::softmax_segment(task.logits_type));
  for (size_t k = first; k < first + count; ++k) {
    const size_t left = task.classes - k * size;
    one(k, k * size, static_cast<int>(left < size ? left : size));
  }
}

template <class Format>
void summarise_segments(Format format, const SoftmaxTask& task, size_t row, size_t first, size_t count,
                        SoftmaxSegment* out) {
  for_segments(task, first, count,
               [&](size_t k, size_t column, int n) { out[k] = summarise_segment(format, task, row, column, n); });
}

template <class Format>
void gradient_segments(Format format, const SoftmaxTask& task, size_t row, size_t first, size_t count,
                       const SoftmaxRow& state) {
  for_segments(task, first, count,
               [&](size_t, size_t column, int n) { gradient_segment(format, task, row, column, n, state); });
}

template <bool float64>
LOGITLOSS_INLINE SoftmaxRow row_state(const Rows<float64>& tile_rows, int r) {
  return {tile_rows.m[r],        tile_rows.min_logit[r], tile_rows.z_over_sum[r], tile_rows.others_over_sum[r],
          tile_rows.dominant[r], tile_rows.labels.hi[r]};
}

// Writes the loss of a row.
template <class Format>
SoftmaxRow finish_segments(Format, const SoftmaxTask& task, size_t row, const SoftmaxSegment* segments, size_t count) {
  Rows<!Format::correctly_rounded> tile_rows{};  // what only a gradient needs stays 0 without one
  merge(segments, count, 0, tile_rows);
  finish<Format>(task, row, 1, tile_rows);
  store_loss<Format>(task, row, 1, tile_rows);
  return row_state(tile_rows, 0);
}

// Computes whole rows; `segments` is a buffer with the capacity for one row.
template <class Format>
void rows(Format format, const SoftmaxTask& task, size_t start, size_t count, SoftmaxSegment* segments) {
  const size_t n = task.classes, end = start + count;
  const auto size = static_cast<size_t>(logitloss::softmax_segment(task.logits_type));
  if (n == 0) {  // the sum of no exponentials has no logarithm
    const double none = nan;
    for (size_t row = start; row < end; ++row) scatter<Format>(&none, 1, at(task.loss, row));
    return;
  }
  constexpr bool float64 = !Format::correctly_rounded;
  constexpr size_t most_shared = 64, tile = tile_size<float64>, boundary_distance = max_tile_rows<float64>,
                   pitch = float64 ? 8 : lanes;
  static_assert(most_shared * pitch <= tile && boundary_distance % pitch == 0);
  if (n <= most_shared || (float64 && n <= tile)) {
    const size_t fit = n <= most_shared ? tile / n / pitch * pitch : 1,
                 most = fit < boundary_distance ? fit : boundary_distance;
    for (size_t row = start; row < end; row += most)
      shared_rows(format, task, row, static_cast<int>(end - row < most ? end - row : most));
    return;
  }
  // The logarithms of a few rows are taken together, while the rows are in the cache for their gradients.
  constexpr size_t most = 16, cached = size_t{1} << 14;
  const size_t segment_count = (n - 1) / size + 1, group = n * most <= cached ? most : cached / n ? cached / n : 1;
  Rows<float64> tile_rows;
  for (size_t row = start; row < end; row += group) {
    const int m = static_cast<int>(end - row < group ? end - row : group);
    for (int r = 0; r < m; ++r) {
      summarise_segments(format, task, row + static_cast<size_t>(r), 0, segment_count, segments);
      merge(segments, segment_count, r, tile_rows);
    }
    finish<Format>(task, row, m, tile_rows);
    store_loss<Format>(task, row, m, tile_rows);
    for (int r = 0; task.gradient.data && r < m; ++r)
      gradient_segments(format, task, row + static_cast<size_t>(r), 0, segment_count, row_state(tile_rows, r));
  }
}

}  // namespace LOGITLOSS_NAMESPACE
