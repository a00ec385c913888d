// Softmax: pointers -> values. A row is cut into segments, each summed by itself in a fixed order, and the segments are
// put together in theirs, so the bits depend on the row alone: not on the vector's width, the other rows of the batch,
// the strides or the threads.
//
// Short rows share a tile, class by class: softmax_tile.h, and softmax_wide.h for float64.
#pragma once

#include "softmax_float32.h"
#include "softmax_rows.h"
#include "softmax_tile.h"
#include "softmax_float64.h"

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

template <bool wide>
LOGITLOSS_INLINE SoftmaxRow state_of(const Rows<wide>& of, int r) {
  return {of.m[r], of.least[r], of.share[r], of.others[r], of.alone[r], of.labels.hi[r]};
}

// Writes the loss of a row.
template <class Format>
SoftmaxRow finish_segments(Format, const SoftmaxTask& task, size_t row, const SoftmaxSegment* segments, size_t count) {
  Rows<!Format::narrow> of{};  // what only a gradient needs stays 0 without one
  merge(segments, count, 0, of);
  finish<Format>(task, row, 1, of);
  store_loss<Format>(task, row, 1, of);
  return state_of(of, 0);
}

// Whole rows; `segments` has room for those of one.
template <class Format>
void rows(Format format, const SoftmaxTask& task, size_t start, size_t count, SoftmaxSegment* segments) {
  const size_t n = task.classes, end = start + count;
  const auto size = static_cast<size_t>(logitloss::softmax_segment(task.logits_type));
  if (n == 0) {  // the sum of no exponentials has no logarithm
    const double none = nan;
    for (size_t row = start; row < end; ++row) scatter<Format>(&none, 1, at(task.loss, row));
    return;
  }
  constexpr bool wide = !Format::narrow;
  constexpr size_t most_shared = 64, tile = tile_size<wide>, room = most_rows<wide>, pitch = wide ? 8 : lanes;
  static_assert(most_shared * pitch <= tile && room % pitch == 0);
  if (n <= most_shared || (wide && n <= tile)) {
    const size_t fit = n <= most_shared ? tile / n / pitch * pitch : 1, most = fit < room ? fit : room;
    for (size_t row = start; row < end; row += most)
      shared_rows(format, task, row, static_cast<int>(end - row < most ? end - row : most));
    return;
  }
  // The logarithms of a few rows are taken together, while the rows are in the cache for their gradients.
  constexpr size_t most = 16, cached = size_t{1} << 14;
  const size_t pieces = (n - 1) / size + 1, group = n * most <= cached ? most : cached / n ? cached / n : 1;
  Rows<wide> of;
  for (size_t row = start; row < end; row += group) {
    const int m = static_cast<int>(end - row < group ? end - row : group);
    for (int r = 0; r < m; ++r) {
      summarise_segments(format, task, row + static_cast<size_t>(r), 0, pieces, segments);
      merge(segments, pieces, r, of);
    }
    finish<Format>(task, row, m, of);
    store_loss<Format>(task, row, m, of);
    for (int r = 0; task.gradient.data && r < m; ++r)
      gradient_segments(format, task, row + static_cast<size_t>(r), 0, pieces, state_of(of, r));
  }
}

}  // namespace LOGITLOSS_NAMESPACE
