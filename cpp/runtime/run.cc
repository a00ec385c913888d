// Splits large tasks into chunks and runs them on the threads of the pool, with the kernels of the instruction set in
// use.

#include <algorithm>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "instruction_set.h"
#include "logitloss.h"
#include "parallel_for.h"
#include "sums/histogram.h"

namespace logitloss {

namespace {

// The smallest chunk. Chunks are multiples of a cache line, so no two threads write to the same line.
constexpr std::size_t grain = std::size_t{1} << 13;

// Results at grain_rows as large as most last-level caches bypass the caches: nothing would read them there.
constexpr std::size_t cache_size = std::size_t{1} << 25;

void advance(Array& array, std::size_t n) {
  if (array.data) array.data += static_cast<std::ptrdiff_t>(n) * array.stride;
}

Task from(Task task, std::size_t start) {
  for (Array* array :
       {&task.logits, &task.labels, &task.pos_weight, &task.where, &task.loss, &task.gradient, &task.hessian})
    advance(*array, start);
  return task;
}

// Calls work(start, length, total) for chunks of n elements; each thread has a total of its own, and these are added
// up.
template <class Work>
void parallel_for_elements(std::size_t n, std::size_t threads, ExactSum* total, const Work& work) {
  std::vector<ExactSum> totals(total ? threads - 1 : 0);
  parallel_for(n, threads, grain, [&](std::size_t thread, std::size_t start, std::size_t length) {
    work(start, length, total && thread ? &totals[thread - 1] : total);
  });
  for (const ExactSum& part : totals) total->merge(part);
}

struct Memory {
  std::uintptr_t begin, end;
};
Memory memory_of(Array a, Type type, std::size_t n) {
  const auto first = reinterpret_cast<std::uintptr_t>(a.data),
             last = first + (n - 1) * static_cast<std::size_t>(a.stride);
  return {std::min(first, last), std::max(first, last) + size_of(type)};
}

// Whether an output shares memory with an input other than element by element. NumPy allows an output that lies behind
// its input, because a loop in order reads each element before it overwrites it; threads would not.
bool needs_order(const Task& task, std::size_t n) {
  const std::pair<Array, Type> inputs[] = {{task.logits, task.logits_type},
                                           {task.labels, task.labels_type},
                                           {task.pos_weight, Type::f64},
                                           {task.where, Type::boolean}};
  for (const Array& out : {task.loss, task.gradient, task.hessian})
    for (const auto& [in, type] : inputs) {
      if (!out.data || !in.data || (out.data == in.data && out.stride == in.stride)) continue;
      const Memory written = memory_of(out, task.logits_type, n), read = memory_of(in, type, n);
      if (written.begin < read.end && read.begin < written.end) return true;
    }
  return false;
}

}  // namespace

void run(const Task& task, std::size_t n) {
  const std::size_t most = worthwhile_threads(n), threads = most > 1 && needs_order(task, n) ? 1 : most;
  std::size_t results = 0;
  for (const Array* array : {&task.loss, &task.gradient, &task.hessian}) results += array->data ? n : 0;
  const bool non_temporal = results * size_of(task.logits_type) >= cache_size;
  parallel_for_elements(n, threads, task.total, [&](std::size_t start, std::size_t length, ExactSum* total) {
    Task chunk = from(task, start);
    chunk.total = total;
    chunk.non_temporal = non_temporal;
    kernels().run(chunk, length);
  });
}

void add(Type type, Array values, std::size_t n, ExactSum& total) {
  parallel_for_elements(n, worthwhile_threads(n), &total, [&](std::size_t start, std::size_t length, ExactSum* sum) {
    Array chunk = values;
    advance(chunk, start);
    kernels().add(type, chunk, length, *sum);
  });
}

void bin_block(const float* logits, const std::uint8_t* labels, const float* loss, const float* residual, int n,
               BinnedBlock& block) {
  kernels().bin_block(logits, labels, loss, residual, n, block);
}

void run(const SoftmaxTask& task, std::size_t rows) {
  const std::size_t size = static_cast<std::size_t>(softmax_segment(task.logits_type));
  const std::size_t segments = task.classes ? (task.classes - 1) / size + 1 : 1;
  const std::size_t threads = worthwhile_threads(rows * task.classes);
  std::vector<SoftmaxSegment> sums(segments * (rows < threads ? 1 : threads));
  if (rows >= threads) {
    const std::size_t grain_rows = std::max<std::size_t>(1, grain / std::max<std::size_t>(1, task.classes));
    return parallel_for(rows, threads, grain_rows, [&](std::size_t thread, std::size_t start, std::size_t length) {
      kernels().softmax_rows(task, start, length, &sums[thread * segments]);
    });
  }
  // With fewer rows than threads, the threads work on the segments of each row.
  for (std::size_t row = 0; row < rows; ++row) {
    parallel_for(segments, threads, 1, [&](std::size_t, std::size_t first, std::size_t n) {
      kernels().softmax_summarise(task, row, first, n, sums.data());
    });
    SoftmaxRow state;
    parallel_for(1, 1, 1, [&](std::size_t, std::size_t, std::size_t) {
      state = kernels().softmax_finish(task, row, sums.data(), segments);
    });
    if (!task.gradient.data) continue;
    parallel_for(segments, threads, 1, [&](std::size_t, std::size_t first, std::size_t n) {
      kernels().softmax_gradient(task, row, first, n, state);
    });
  }
}

const char* initialise() {
  static std::string message;
  message = choose_isa(std::getenv("LOGITLOSS_ISA"));
  if (message.empty()) message = choose_num_threads(std::getenv("LOGITLOSS_NUM_THREADS"));
  return message.empty() ? nullptr : message.c_str();
}

}  // namespace logitloss
