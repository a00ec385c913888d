// loops x maths. Compiled once per instruction set, each time in a namespace of its own; dispatch.cc chooses one.

#include "loops.h"
#include "softmax_loops.h"
#include "sums/histogram.h"

namespace LOGITLOSS_NAMESPACE {

template <class Format>
static void run_format(const Task& task, size_t n) {
  const bool gradient = task.gradient.data;
  if (task.pos_weight.data) return loop<Format, loss_wanted | weighted>(task, n);
  if (task.hessian.data) return loop<Format, gradient_wanted | hessian_wanted>(task, n);
  if (task.total)
    return gradient ? loop<Format, total_wanted | gradient_wanted>(task, n) : loop<Format, total_wanted>(task, n);
  if (task.loss.data)
    return gradient ? loop<Format, loss_wanted | gradient_wanted>(task, n) : loop<Format, loss_wanted>(task, n);
  return loop<Format, gradient_wanted>(task, n);
}

// Calls f(Format{}) with the format of a type.
template <class F>
static void with_format(Type type, const F& f) {
  switch (type) {
    case Type::f16: return f(Float16{});
    case Type::bf16: return f(BFloat16{});
    case Type::f32: return f(Float32{});
    default: return f(Float64{});
  }
}

void run(const Task& task, size_t n) {
  with_format(task.logits_type, [&](auto format) { run_format<decltype(format)>(task, n); });
}

void softmax_rows(const SoftmaxTask& task, size_t start, size_t count, SoftmaxSegment* segments) {
  with_format(task.logits_type, [&](auto format) { rows(format, task, start, count, segments); });
}

void softmax_summarise(const SoftmaxTask& task, size_t row, size_t first, size_t count, SoftmaxSegment* out) {
  with_format(task.logits_type, [&](auto format) { summarise_segments(format, task, row, first, count, out); });
}

SoftmaxRow softmax_finish(const SoftmaxTask& task, size_t row, const SoftmaxSegment* segments, size_t count) {
  SoftmaxRow state;
  with_format(task.logits_type, [&](auto format) { state = finish_segments(format, task, row, segments, count); });
  return state;
}

void softmax_gradient(const SoftmaxTask& task, size_t row, size_t first, size_t count, const SoftmaxRow& state) {
  with_format(task.logits_type, [&](auto format) { gradient_segments(format, task, row, first, count, state); });
}

void add(Type type, Array values, size_t n, logitloss::ExactSum& total) {
  double b[block];
  for (size_t start = 0; start < n; start += block) {
    const int m = static_cast<int>(n - start < block ? n - start : block);
    gather_labels(type, at(values, start), m, b);
    add_block(b, m, total);
  }
}

void bin_block(const float* logits, const uint8_t* labels, const float* loss, const float* residual, int n,
               logitloss::BinnedBlock& to) {
  for (int i = 0; i < n; ++i) {
    const unsigned exponent = bit_cast<uint32_t>(loss[i]) >> 23;
    const int coarse = logitloss::bin_of(logitloss::coarse_bins, logits[i], logitloss::is_one(labels[i]));
    to.coarse[i] = static_cast<uint16_t>(2 * coarse + (exponent & 1));
    to.fine[i] =
        static_cast<uint16_t>(logitloss::bin_of(logitloss::fine_bins, logits[i], logitloss::is_one(labels[i])));
  }
  for (int i = 0; i < n; ++i) {
    const double l = loss[i], r = residual[i], p = r < 0 ? -r : r;  // p or 1 - p
    to.loss2[i] = l * l;
    to.brier[i] = r * r;
    to.variance[i] = p * (1 - p);
  }
}

}  // namespace LOGITLOSS_NAMESPACE
