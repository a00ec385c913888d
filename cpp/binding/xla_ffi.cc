// XLA's buffers -> pointers: fills a task from the operands of an XLA custom call. No arithmetic.

#include "xla_ffi.h"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "logitloss.h"
#include "xla_api.h"

#ifdef __linux__
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace logitloss {
namespace {

using xla::Buffer;
using xla::Buffers;
using xla::Call;
using xla::Error;

// --- operands ------------------------------------------------------------------------------------------------------

struct XlaType {
  int number;
  Type type;
};

constexpr XlaType xla_types[] = {{1, Type::boolean}, {2, Type::i8},   {3, Type::i16},  {4, Type::i32}, {5, Type::i64},
                                 {6, Type::u8},      {7, Type::u16},  {8, Type::u32},  {9, Type::u64}, {10, Type::f16},
                                 {11, Type::f32},    {12, Type::f64}, {16, Type::bf16}};

Type type_of(const Buffer& buffer) {
  for (const XlaType& known : xla_types)
    if (known.number == buffer.type) return known.type;
  throw std::invalid_argument("logitloss: no kernel for XLA's type " + std::to_string(buffer.type));
}

const Buffer& operand(const Buffers& of, std::int64_t i) {
  if (i >= of.size) throw std::invalid_argument("logitloss: too few operands, got " + std::to_string(of.size));
  return *of.buffers[i];
}

std::size_t elements(const Buffer& buffer) {
  std::int64_t n = 1;
  for (std::int64_t i = 0; i < buffer.rank; ++i) n *= buffer.dimensions[i];
  return static_cast<std::size_t>(n);
}

// A large result is new memory, whose pages appear when they are written to: with small pages, the system takes longer
// to make them than the kernel to fill them. A hint, as NumPy gives it; where it is refused nothing changes.
void expect_writes(const Buffer& buffer) {
#ifdef __linux__
  constexpr std::size_t large = std::size_t{1} << 22;
  const std::size_t bytes = elements(buffer) * size_of(type_of(buffer));
  if (bytes < large) return;
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t before = reinterpret_cast<std::uintptr_t>(buffer.data) % page, skipped = before ? page - before : 0;
  madvise(static_cast<char*>(buffer.data) + skipped, bytes - skipped, MADV_HUGEPAGE);
#else
  static_cast<void>(buffer);
#endif
}

const Buffer& result(const Call& call, std::int64_t i) {
  const Buffer& buffer = operand(call.results, i);
  expect_writes(buffer);
  return buffer;
}

Array array(const Buffer& buffer) { return {static_cast<char*>(buffer.data), stride_of(type_of(buffer))}; }

Matrix matrix(const Buffer& buffer, std::size_t classes) {
  const std::ptrdiff_t size = stride_of(type_of(buffer));
  return {static_cast<char*>(buffer.data), static_cast<std::ptrdiff_t>(classes) * size, size};
}

// --- handlers: a body of each, with what it takes ------------------------------------------------------------------

// logits, labels of one shape -> the outputs, all of it
template <Array Task::*... outputs>
void elementwise(const Call& call) {
  const Buffer &logits = operand(call.arguments, 0), &labels = operand(call.arguments, 1);
  Task task;
  task.logits_type = type_of(logits);
  task.labels_type = type_of(labels);
  task.logits = array(logits);
  task.labels = array(labels);
  std::int64_t i = 0;
  ((task.*outputs = array(result(call, i++))), ...);
  if (const std::size_t n = elements(logits)) run(task, n);
}

// logits (..., classes), labels of that shape or int64 indices (...) -> loss (...), and the gradient (..., classes)
void softmax(const Call& call) {
  const Buffer &logits = operand(call.arguments, 0), &labels = operand(call.arguments, 1);
  const std::size_t n = elements(logits);
  if (!n) return;
  SoftmaxTask task;
  task.classes = static_cast<std::size_t>(logits.dimensions[logits.rank - 1]);
  task.sparse = labels.rank < logits.rank;
  task.logits_type = type_of(logits);
  task.labels_type = type_of(labels);
  task.logits = matrix(logits, task.classes);
  task.labels = matrix(labels, task.sparse ? 1 : task.classes);
  const std::size_t rows = n / task.classes;
  std::vector<std::int64_t> indices;
  if (task.sparse && task.labels_type == Type::i32) {  // JAX has no int64 unless jax_enable_x64 is set
    const auto* int32_labels = static_cast<const std::int32_t*>(labels.data);
    indices.assign(int32_labels, int32_labels + rows);
    task.labels = {reinterpret_cast<char*>(indices.data()), sizeof(std::int64_t), 0};
  } else if (task.sparse && task.labels_type != Type::i64) {
    throw std::invalid_argument("logitloss: class indices must be int32 or int64");
  }
  task.loss = array(result(call, 0));
  if (call.results.size > 1) task.gradient = matrix(result(call, 1), task.classes);
  run(task, rows);
}

template <void (*body)(const Call&)>
Error* handle(Call* call) {
  xla::Extension* extension = call->header.extensions;
  if (extension && extension->type == xla::MetadataExtension::type) {
    xla::Version& version = reinterpret_cast<xla::MetadataExtension*>(extension)->metadata->version;
    version.major = 0;
    version.minor = 1;
    return nullptr;
  }
  try {
    body(*call);
    return nullptr;
  } catch (const std::exception& error) {
    xla::ErrorArguments arguments{{sizeof(xla::ErrorArguments), nullptr}, error.what(), xla::internal_error};
    return call->api->create_error(&arguments);
  }
}

}  // namespace

void for_each_xla_handler(void (*keep)(void* context, const char* name, void* handler), void* context) {
  const auto give = [&](const char* name, Error* (*handler)(Call*)) {
    keep(context, name, reinterpret_cast<void*>(handler));
  };
  give("sigmoid_cross_entropy", handle<elementwise<&Task::loss>>);
  give("sigmoid_cross_entropy_value_and_grad", handle<elementwise<&Task::loss, &Task::gradient>>);
  give("sigmoid_cross_entropy_grad_and_hess", handle<elementwise<&Task::gradient, &Task::hessian>>);
  give("softmax_cross_entropy", handle<softmax>);
}

}  // namespace logitloss
