// XLA's buffers -> pointers: the way of a call's operands into a task. No arithmetic.
//
// Nothing of XLA is needed to build this: the structures below are those of its stable C interface that are used here
// (xla/ffi/api/c_api.h, version 0.1 and later), with the same layout. XLA asks for the version when a handler is
// registered and refuses those that it no longer supports.

#include "xla_ffi.h"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "xent.h"

namespace xent {
namespace {

// --- XLA's structures ----------------------------------------------------------------------------------------------

struct Extension {
  std::size_t struct_size;
  int type;
  Extension* next;
};

struct Header {  // what most of them begin with
  std::size_t struct_size;
  Extension* extensions;
};

struct Version {
  Header header;
  int major, minor;
};

struct MetadataExtension {
  static constexpr int type = 1;
  Extension extension;
  struct {
    std::size_t struct_size;
    Version version;
  }* metadata;  // and more, which stay as they are
};

struct Error;

struct ErrorArguments {
  Header header;
  const char* message;
  int code;
};

struct Api {
  Header header;
  Version version;
  const void* internal;
  Error* (*create_error)(ErrorArguments*);  // and more
};

struct Buffer {
  Header header;
  int type;
  void* data;
  std::int64_t rank;
  const std::int64_t* dimensions;
};

struct Buffers {
  Header header;
  std::int64_t size;
  const int* kinds;
  Buffer* const* buffers;
};

struct Call {
  Header header;
  const Api* api;
  void* context;
  int stage;
  Buffers arguments, results;  // and more
};

constexpr int internal_error = 13;

// --- operands ------------------------------------------------------------------------------------------------------

struct XlaType {
  int number;
  Type type;
  std::ptrdiff_t size;
};

constexpr XlaType xla_types[] = {{1, Type::boolean, 1}, {2, Type::i8, 1},   {3, Type::i16, 2}, {4, Type::i32, 4},
                                 {5, Type::i64, 8},     {6, Type::u8, 1},   {7, Type::u16, 2}, {8, Type::u32, 4},
                                 {9, Type::u64, 8},     {10, Type::f16, 2}, {11, Type::f32, 4}, {12, Type::f64, 8},
                                 {16, Type::bf16, 2}};

const XlaType& type_of(const Buffer& buffer) {
  for (const XlaType& known : xla_types)
    if (known.number == buffer.type) return known;
  throw std::invalid_argument("xent: no kernel for XLA's type " + std::to_string(buffer.type));
}

const Buffer& operand(const Buffers& of, std::int64_t i) {
  if (i >= of.size) throw std::invalid_argument("xent: too few operands, got " + std::to_string(of.size));
  return *of.buffers[i];
}

std::size_t elements(const Buffer& buffer) {
  std::int64_t n = 1;
  for (std::int64_t i = 0; i < buffer.rank; ++i) n *= buffer.dimensions[i];
  return static_cast<std::size_t>(n);
}

Array array(const Buffer& buffer) { return {static_cast<char*>(buffer.data), type_of(buffer).size}; }

Matrix matrix(const Buffer& buffer, std::size_t classes) {
  const std::ptrdiff_t size = type_of(buffer).size;
  return {static_cast<char*>(buffer.data), static_cast<std::ptrdiff_t>(classes) * size, size};
}

// --- handlers: a body of each, with what it takes ------------------------------------------------------------------

// logits, labels of one shape -> the outputs, all of it
template <Array Task::*... outputs>
void elementwise(const Call& call) {
  const Buffer &logits = operand(call.arguments, 0), &labels = operand(call.arguments, 1);
  Task task;
  task.logits_type = type_of(logits).type;
  task.labels_type = type_of(labels).type;
  task.logits = array(logits);
  task.labels = array(labels);
  std::int64_t i = 0;
  ((task.*outputs = array(operand(call.results, i++))), ...);
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
  task.logits_type = type_of(logits).type;
  task.labels_type = type_of(labels).type;
  task.logits = matrix(logits, task.classes);
  task.labels = matrix(labels, task.sparse ? 1 : task.classes);
  const std::size_t rows = n / task.classes;
  std::vector<std::int64_t> wide;
  if (task.sparse && task.labels_type == Type::i32) {  // JAX has no wider integers unless it is told so
    const auto* narrow = static_cast<const std::int32_t*>(labels.data);
    wide.assign(narrow, narrow + rows);
    task.labels = {reinterpret_cast<char*>(wide.data()), sizeof(std::int64_t), 0};
  } else if (task.sparse && task.labels_type != Type::i64) {
    throw std::invalid_argument("xent: class indices must be int32 or int64");
  }
  task.loss = array(operand(call.results, 0));
  if (call.results.size > 1) task.gradient = matrix(operand(call.results, 1), task.classes);
  run(task, rows);
}

template <void (*body)(const Call&)>
Error* handle(Call* call) {
  Extension* extension = call->header.extensions;
  if (extension && extension->type == MetadataExtension::type) {
    Version& version = reinterpret_cast<MetadataExtension*>(extension)->metadata->version;
    version.major = 0;
    version.minor = 1;
    return nullptr;
  }
  try {
    body(*call);
    return nullptr;
  } catch (const std::exception& error) {
    ErrorArguments arguments{{sizeof(ErrorArguments), nullptr}, error.what(), internal_error};
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

}  // namespace xent
