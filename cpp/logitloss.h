// logitloss: cross entropy from logits, and its derivatives, in one pass over memory.
//
// Python asks (binding/: objects -> pointers), `run` chooses a kernel and splits the work (runtime/), the kernel walks
// the arrays in blocks (loops/: pointers -> values), the maths sees doubles (math/: values -> values).
//
// With x the logit, z the label and w the weight of the positive class (1 where none is given), per element
//
//     loss     = w z softplus(-x) + (1 - z) softplus(x)        softplus(x) = log(1 + exp(x))
//     gradient = sigmoid(x) - z                                its derivative with respect to x (w = 1)
//     hessian  = sigmoid(x) sigmoid(-x)                        the second one
//
// The bits of a result depend on the values of x, z and w alone.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sums/exact_sum.h"

namespace logitloss {

enum class Type : std::uint8_t { f16, bf16, f32, f64, boolean, i8, u8, i16, u16, i32, u32, i64, u64 };

// Name and size of each type, in the order of the enumeration.
constexpr struct {
  const char* name;
  std::size_t size;
} types[] = {{"float16", 2}, {"bfloat16", 2}, {"float32", 4}, {"float64", 8}, {"bool", 1},  {"int8", 1},  {"uint8", 1},
             {"int16", 2},   {"uint16", 2},   {"int32", 4},   {"uint32", 4},  {"int64", 8}, {"uint64", 8}};
constexpr std::size_t size_of(Type type) { return types[static_cast<int>(type)].size; }
constexpr std::ptrdiff_t stride_of(Type type) { return static_cast<std::ptrdiff_t>(size_of(type)); }  // of neighbours

// Elements `stride` bytes apart; a null `data` says that this array is not given or not wanted.
struct Array {
  char* data = nullptr;
  std::ptrdiff_t stride = 0;
};

// What one call computes: the outputs that have data are written, and the losses are summed if there is a total.
struct Task {
  Type logits_type, labels_type;
  Array logits, labels, pos_weight;  // pos_weight: float64
  Array where;                       // bool: results of elements that do not count are +0, whatever they hold
  Array loss, gradient, hessian;     // of the logits' type
  double divisor = 1;                // the gradient is divided by it before it is rounded
  ExactSum* total = nullptr;         // gains every rounded loss, none of which is written
  bool non_temporal = false;         // whether results bypass the caches; `run` decides
};

// Runs `task` over n elements with as many threads as are worthwhile, in the default floating-point mode, and restores
// the caller's mode.
void run(const Task& task, std::size_t n);

// Adds n values to `total`.
void add(Type type, Array values, std::size_t n, ExactSum& total);

// Softmax cross entropy along the columns of a matrix, one loss per row:
//
//     loss       = sum z_j (log(sum exp(x_k)) - x_j)
//     gradient_j = (sum z_k) exp(x_j) / sum exp(x_k) - z_j
struct Matrix {
  char* data = nullptr;
  std::ptrdiff_t row_stride = 0, column_stride = 0;
};

struct SoftmaxTask {
  Type logits_type, labels_type;
  std::size_t classes = 0;
  bool sparse = false;  // labels: an int64 class index per row, which gives nan outside the classes; else a matrix
  Matrix logits, labels;
  Array loss;          // of the logits' type
  Matrix gradient;     // likewise, or not wanted
  double divisor = 1;  // of the gradient
};

void run(const SoftmaxTask& task, std::size_t rows);

// The summary of a segment of a row: the maximum and minimum of the logits, and three sums (each with its low part).
constexpr int softmax_segment(Type logits) { return logits == Type::f64 ? 512 : 2048; }
struct SoftmaxSegment {
  double m, min_logit, sum_others, sum_others_lo, distance, distance_lo, labels, labels_lo;
};

// What the gradient needs of a whole row: Z / (1 + R), Z R / (1 + R), and whether R < 1.
struct SoftmaxRow {
  double m, min_logit, z_over_sum, others_over_sum, dominant, labels;
};

int num_threads();
void set_num_threads(int n);

// Chooses the instruction set (LOGITLOSS_ISA overrides) and the number of threads (LOGITLOSS_NUM_THREADS overrides).
// Returns null, or a message about an override that cannot be met.
const char* initialise();

}  // namespace logitloss
