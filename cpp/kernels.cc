// loops x maths. Compiled once per instruction set, each time in a namespace of its own; dispatch.cc chooses one.

#include "loops.h"

namespace XENT_NAMESPACE {

template <class Format>
static void run_format(const Task& task, size_t n) {
  const bool loss = task.loss.data || task.total;
  if (task.pos_weight.data) return loop<Format, loss_wanted | weighted>(task, n);
  if (task.hessian.data) return loop<Format, gradient_wanted | hessian_wanted>(task, n);
  if (!task.gradient.data) return loop<Format, loss_wanted>(task, n);
  return loss ? loop<Format, loss_wanted | gradient_wanted>(task, n) : loop<Format, gradient_wanted>(task, n);
}

void run(const Task& task, size_t n) {
  switch (task.logits_type) {
    case Type::f16: return run_format<Float16>(task, n);
    case Type::bf16: return run_format<BFloat16>(task, n);
    case Type::f32: return run_format<Float32>(task, n);
    default: return run_format<Float64>(task, n);
  }
}

void add(Array values, size_t n, xent::ExactSum& total) {
  double b[block];
  for (size_t start = 0; start < n; start += block) {
    const int m = static_cast<int>(n - start < block ? n - start : block);
    gather_format<Float64>(at(values, start), m, b);
    add_block(b, m, total);
  }
}

}  // namespace XENT_NAMESPACE
