// Addresses -> pointers: the way of a call's tensors into a task. No arithmetic.

#include "tensors.h"

#include <cstring>
#include <vector>

#include "logitloss.h"

namespace logitloss {
namespace {

Array array(std::uintptr_t address, Type type) { return {reinterpret_cast<char*>(address), stride_of(type)}; }

Matrix matrix(std::uintptr_t address, Type type, std::size_t columns) {
  return {reinterpret_cast<char*>(address), static_cast<std::ptrdiff_t>(columns) * stride_of(type), stride_of(type)};
}

Task task_of(std::uintptr_t logits, std::uintptr_t labels, std::uintptr_t gradient, int logits_type, int labels_type) {
  Task task;
  task.logits_type = static_cast<Type>(logits_type);
  task.labels_type = static_cast<Type>(labels_type);
  task.logits = array(logits, task.logits_type);
  task.labels = array(labels, task.labels_type);
  task.gradient = array(gradient, task.logits_type);
  return task;
}

}  // namespace

void sigmoid_cross_entropy_at(std::uintptr_t logits, std::uintptr_t labels, std::uintptr_t losses,
                              std::uintptr_t gradient, std::size_t n, int logits_type, int labels_type) {
  Task task = task_of(logits, labels, gradient, logits_type, labels_type);
  task.loss = array(losses, task.logits_type);
  run(task, n);
}

double sigmoid_cross_entropy_mean_at(std::uintptr_t logits, std::uintptr_t labels, std::uintptr_t gradient,
                                     std::size_t n, int logits_type, int labels_type, double divisor,
                                     std::uint64_t count) {
  Task task = task_of(logits, labels, gradient, logits_type, labels_type);
  task.divisor = divisor;
  ExactSum total;
  task.total = &total;
  run(task, n);
  return total.over(count);
}

double softmax_cross_entropy_mean_at(std::uintptr_t logits, std::uintptr_t labels, std::uintptr_t ignored,
                                     std::uintptr_t gradient, std::size_t rows, std::size_t classes, int logits_type,
                                     int labels_type, bool sparse, double divisor, std::uint64_t count) {
  SoftmaxTask task;
  task.logits_type = static_cast<Type>(logits_type);
  task.labels_type = static_cast<Type>(labels_type);
  task.sparse = sparse;
  task.classes = classes;
  task.logits = matrix(logits, task.logits_type, classes);
  task.labels = matrix(labels, task.labels_type, sparse ? 1 : classes);
  task.gradient = matrix(gradient, task.logits_type, classes);
  task.divisor = divisor;
  const std::size_t size = size_of(task.logits_type);
  std::vector<char> losses(rows * size);
  task.loss = {losses.data(), stride_of(task.logits_type)};
  run(task, rows);
  const auto* skipped = reinterpret_cast<const bool*>(ignored);
  for (std::size_t row = 0; skipped && row < rows; ++row) {
    if (!skipped[row]) continue;
    std::memset(losses.data() + row * size, 0, size);
    if (gradient) std::memset(task.gradient.data + row * classes * size, 0, classes * size);
  }
  ExactSum total;
  add(task.logits_type, task.loss, rows, total);
  return total.over(count);
}

bool are_classes_at(std::uintptr_t labels, std::size_t n, std::int64_t classes, std::int64_t ignored) {
  const auto* label = reinterpret_cast<const std::int64_t*>(labels);
  bool all = true;
  for (std::size_t i = 0; i < n; ++i) all &= label[i] >= 0 && label[i] < classes && label[i] != ignored;
  return all;
}

}  // namespace logitloss
