// Chooses the kernels of the best instruction set once, and splits large tasks over threads.

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "floating_point_mode.h"
#include "logitloss.h"
#include "sums/histogram.h"
#include "thread_pool.h"

#ifdef __linux__
#include <sched.h>
#endif
#ifdef _MSC_VER
#include <intrin.h>
#elif defined(LOGITLOSS_X86)
#include <cpuid.h>
#endif

// What kernels.cc defines for one instruction set.
#define LOGITLOSS_DECLARE(isa)                                                                                         \
  namespace isa {                                                                                                      \
  void run(const Task&, std::size_t n);                                                                                \
  void add(Type, Array, std::size_t n, ExactSum&);                                                                     \
  void tally_cells(const float*, const std::uint8_t*, const float*, int n, std::uint16_t*, double*);                   \
  void softmax_rows(const SoftmaxTask&, std::size_t start, std::size_t count, SoftmaxSegment*);                        \
  void softmax_summarise(const SoftmaxTask&, std::size_t row, std::size_t first, std::size_t count, SoftmaxSegment*);  \
  SoftmaxRow softmax_finish(const SoftmaxTask&, std::size_t row, const SoftmaxSegment*, std::size_t count);            \
  void softmax_gradient(const SoftmaxTask&, std::size_t row, std::size_t first, std::size_t count, const SoftmaxRow&); \
  }
#define LOGITLOSS_NAME(isa) #isa
#define LOGITLOSS_KERNELS(isa)                                                                            \
  {                                                                                                       \
    LOGITLOSS_NAME(isa), isa::run, isa::add, isa::tally_cells, isa::softmax_rows, isa::softmax_summarise, \
        isa::softmax_finish, isa::softmax_gradient                                                        \
  }

namespace logitloss {

#ifdef LOGITLOSS_X86
LOGITLOSS_DECLARE(baseline)
LOGITLOSS_DECLARE(avx2)
LOGITLOSS_DECLARE(avx512)
#define LOGITLOSS_FIRST_ISA baseline
#else
LOGITLOSS_DECLARE(LOGITLOSS_ONLY_ISA)
#define LOGITLOSS_FIRST_ISA LOGITLOSS_ONLY_ISA
#define LOGITLOSS_KERNELS_OF(isa) LOGITLOSS_KERNELS(isa)  // expands the macro before it becomes a string
#endif

namespace {

struct Kernels {
  const char* name;
  decltype(&LOGITLOSS_FIRST_ISA::run) run;
  decltype(&LOGITLOSS_FIRST_ISA::add) add;
  decltype(&LOGITLOSS_FIRST_ISA::tally_cells) tally_cells;
  decltype(&LOGITLOSS_FIRST_ISA::softmax_rows) softmax_rows;
  decltype(&LOGITLOSS_FIRST_ISA::softmax_summarise) softmax_summarise;
  decltype(&LOGITLOSS_FIRST_ISA::softmax_finish) softmax_finish;
  decltype(&LOGITLOSS_FIRST_ISA::softmax_gradient) softmax_gradient;
};

#ifdef LOGITLOSS_X86
constexpr Kernels kernels[] = {LOGITLOSS_KERNELS(baseline), LOGITLOSS_KERNELS(avx2), LOGITLOSS_KERNELS(avx512)};

#ifdef _MSC_VER
std::size_t supported() {
  int leaf1[4], leaf7[4];
  __cpuid(leaf1, 1);
  __cpuidex(leaf7, 7, 0);
  const bool saves_state = leaf1[2] >> 27 & 1;
  const unsigned long long state = saves_state ? _xgetbv(0) : 0;
  const int fma_f16c = 1 << 12 | 1 << 29;
  if ((leaf1[2] & fma_f16c) != fma_f16c || !(leaf7[1] >> 5 & 1) || (state & 0x6) != 0x6) return 1;
  const int avx512 = 1 << 16 | 1 << 17 | 1 << 30 | 1 << 31;  // f, dq, bw, vl
  return (leaf7[1] & avx512) == avx512 && (state & 0xe6) == 0xe6 ? 3 : 2;
}
#else
std::size_t supported() {
  __builtin_cpu_init();
  unsigned eax, ebx, ecx, edx;  // __builtin_cpu_supports knows f16c only in newer compilers
  const bool f16c = __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C);
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !f16c) return 1;
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                 __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
             ? 3
             : 2;
}
#endif
#else
constexpr Kernels kernels[] = {LOGITLOSS_KERNELS_OF(LOGITLOSS_ONLY_ISA)};
std::size_t supported() { return 1; }
#endif

const Kernels* active = nullptr;
std::atomic<int> threads{1};

int usable_processors() {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

// With fewer elements for each, a second thread costs more to wake than it saves.
constexpr std::size_t elements_per_thread = std::size_t{1} << 16;
// What a thread takes at once: so much that taking it costs nothing, so little that all of them end together.
constexpr std::size_t least_share = std::size_t{1} << 13, shares_per_thread = 16;

// Results as large as most last-level caches are written past them: nobody would find them there.
constexpr std::size_t cache_size = std::size_t{1} << 25;

void advance(Array& array, std::size_t n) {
  if (array.data) array.data += static_cast<std::ptrdiff_t>(n) * array.stride;
}

Task from(Task task, std::size_t start) {
  for (Array* array : {&task.logits, &task.labels, &task.pos_weight, &task.loss, &task.gradient, &task.hessian})
    advance(*array, start);
  return task;
}

// How many threads pay for `elements` elements.
std::size_t paying_threads(std::size_t elements) {
  const std::size_t most = std::max<std::size_t>(1, elements / elements_per_thread);
  return std::min<std::size_t>(most, static_cast<std::size_t>(num_threads()));
}

// Calls work(thread, start, length) for shares of 0..n, of at least `least` each.
template <class Work>
void split(std::size_t n, std::size_t threads, std::size_t least, const Work& work) {
  if (threads == 1) {
    const DefaultFloatingPointMode mode;
    return work(std::size_t{0}, std::size_t{0}, n);
  }
  const std::size_t share = std::max(least, n / (threads * shares_per_thread)) / least * least;
  share_out((n + share - 1) / share, threads, [&](std::size_t thread, std::size_t i) {
    const DefaultFloatingPointMode mode;
    work(thread, i * share, std::min(share, n - i * share));
  });
}

// As above for n elements; each thread has a total of its own, added up at the end. Shares are multiples of a cache
// line, so no two threads write to one.
template <class Work>
void split_elements(std::size_t n, std::size_t threads, ExactSum* total, const Work& work) {
  std::vector<ExactSum> totals(total ? threads - 1 : 0);
  split(n, threads, least_share, [&](std::size_t thread, std::size_t start, std::size_t length) {
    work(start, length, total && thread ? &totals[thread - 1] : total);
  });
  for (const ExactSum& one : totals) total->merge(one);
}

struct Memory {
  std::uintptr_t begin, end;
};
Memory memory_of(Array a, Type type, std::size_t n) {
  const auto first = reinterpret_cast<std::uintptr_t>(a.data),
             last = first + (n - 1) * static_cast<std::size_t>(a.stride);
  return {std::min(first, last), std::max(first, last) + size_of(type)};
}

// Whether an output shares memory with an input, but not each element with its own. NumPy lets it lie behind the input:
// who takes the elements in their order has read there before he writes.
bool needs_order(const Task& task, std::size_t n) {
  const std::pair<Array, Type> inputs[] = {
      {task.logits, task.logits_type}, {task.labels, task.labels_type}, {task.pos_weight, Type::f64}};
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
  const std::size_t most = paying_threads(n), threads = most > 1 && needs_order(task, n) ? 1 : most;
  std::size_t results = 0;
  for (const Array* array : {&task.loss, &task.gradient, &task.hessian}) results += array->data ? n : 0;
  const bool non_temporal = results * size_of(task.logits_type) >= cache_size;
  split_elements(n, threads, task.total, [&](std::size_t start, std::size_t length, ExactSum* total) {
    Task share = from(task, start);
    share.total = total;
    share.non_temporal = non_temporal;
    active->run(share, length);
  });
}

void add(Type type, Array values, std::size_t n, ExactSum& total) {
  split_elements(n, paying_threads(n), &total, [&](std::size_t start, std::size_t length, ExactSum* sum) {
    Array share = values;
    advance(share, start);
    active->add(type, share, length, *sum);
  });
}

void tally_cells(const float* logits, const std::uint8_t* labels, const float* loss, int n, std::uint16_t* cells,
                 double* squares) {
  active->tally_cells(logits, labels, loss, n, cells, squares);
}

void run(const SoftmaxTask& task, std::size_t rows) {
  const std::size_t size = static_cast<std::size_t>(softmax_segment(task.logits_type));
  const std::size_t segments = task.classes ? (task.classes - 1) / size + 1 : 1;
  const std::size_t threads = paying_threads(rows * task.classes);
  std::vector<SoftmaxSegment> sums(segments * (rows < threads ? 1 : threads));
  if (rows >= threads) {
    const std::size_t least = std::max<std::size_t>(1, least_share / std::max<std::size_t>(1, task.classes));
    return split(rows, threads, least, [&](std::size_t thread, std::size_t start, std::size_t length) {
      active->softmax_rows(task, start, length, &sums[thread * segments]);
    });
  }
  // Fewer rows than threads: the threads share the segments of each row.
  for (std::size_t row = 0; row < rows; ++row) {
    split(segments, threads, 1, [&](std::size_t, std::size_t first, std::size_t n) {
      active->softmax_summarise(task, row, first, n, sums.data());
    });
    SoftmaxRow state;
    split(1, 1, 1, [&](std::size_t, std::size_t, std::size_t) {
      state = active->softmax_finish(task, row, sums.data(), segments);
    });
    if (!task.gradient.data) continue;
    split(segments, threads, 1,
          [&](std::size_t, std::size_t first, std::size_t n) { active->softmax_gradient(task, row, first, n, state); });
  }
}

const char* isa() { return active->name; }

std::size_t isas(const char* const** names) {
  static const char* all[sizeof kernels / sizeof *kernels];
  const std::size_t count = supported();
  for (std::size_t i = 0; i < count; ++i) all[i] = kernels[i].name;
  *names = all;
  return count;
}

int num_threads() { return threads.load(std::memory_order_relaxed); }
void set_num_threads(int n) { threads.store(n, std::memory_order_relaxed); }

const char* initialise() {
  static std::string message;
  const std::size_t count = supported();
  active = &kernels[count - 1];
  if (const char* wanted = std::getenv("LOGITLOSS_ISA"); wanted && *wanted) {
    active = nullptr;
    std::string names;
    for (std::size_t i = 0; i < count; ++i) {
      if (std::strcmp(wanted, kernels[i].name) == 0) active = &kernels[i];
      names += (i ? ", " : "") + std::string(kernels[i].name);
    }
    if (!active) {
      message = "LOGITLOSS_ISA: expected an instruction set of this processor (" + names + "), got '" + wanted +
                "'. Unset it to let logitloss choose the best.";
      return message.c_str();
    }
  }
  threads = usable_processors();
  if (const char* wanted = std::getenv("LOGITLOSS_NUM_THREADS"); wanted && *wanted) {
    char* end;
    errno = 0;
    const long n = std::strtol(wanted, &end, 10);
    if (*end || errno || n < 1 || n > 1 << 16) {
      message = std::string("LOGITLOSS_NUM_THREADS: expected a number of threads from 1 to 65536, got '") + wanted +
                "'. Unset it to use every processor this process may use.";
      return message.c_str();
    }
    threads = static_cast<int>(n);
  }
  return nullptr;
}

}  // namespace logitloss
