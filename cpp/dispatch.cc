// Chooses the kernels of the best instruction set once, and splits large tasks over threads.
//
// Threads live for one call: nothing survives that a forked child could wait for, and an idle library costs nothing.

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "floating_point_mode.h"
#include "xent.h"

#ifdef __linux__
#include <sched.h>
#endif
#ifdef _MSC_VER
#include <intrin.h>
#endif

#define XENT_DECLARE(isa)                                 \
  namespace isa {                                         \
  void run(const Task& task, std::size_t n);              \
  void add(Array values, std::size_t n, ExactSum& total); \
  }

namespace xent {

#ifdef XENT_X86
XENT_DECLARE(baseline)
XENT_DECLARE(avx2)
XENT_DECLARE(avx512)
#else
XENT_DECLARE(XENT_ONLY_ISA)
#endif

namespace {

struct Kernels {
  const char* name;
  void (*run)(const Task&, std::size_t);
  void (*add)(Array, std::size_t, ExactSum&);
};

#ifdef XENT_X86
constexpr Kernels kernels[] = {
    {"baseline", baseline::run, baseline::add}, {"avx2", avx2::run, avx2::add}, {"avx512", avx512::run, avx512::add}};

#ifdef _MSC_VER
std::size_t supported() {
  int leaf1[4], leaf7[4];
  __cpuid(leaf1, 1);
  __cpuidex(leaf7, 7, 0);
  const bool saves_state = leaf1[2] >> 27 & 1;
  const unsigned long long state = saves_state ? _xgetbv(0) : 0;
  if (!(leaf1[2] >> 12 & 1) || !(leaf7[1] >> 5 & 1) || (state & 0x6) != 0x6) return 1;
  const int avx512 = 1 << 16 | 1 << 17 | 1 << 30 | 1 << 31;  // f, dq, bw, vl
  return (leaf7[1] & avx512) == avx512 && (state & 0xe6) == 0xe6 ? 3 : 2;
}
#else
std::size_t supported() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return 1;
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                 __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
             ? 3
             : 2;
}
#endif
#else
#define XENT_STRING(x) #x
#define XENT_NAME(x) XENT_STRING(x)
constexpr Kernels kernels[] = {{XENT_NAME(XENT_ONLY_ISA), XENT_ONLY_ISA::run, XENT_ONLY_ISA::add}};
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

// Below this many elements a second thread costs more to start than it saves.
constexpr std::size_t elements_per_thread = std::size_t{1} << 16;
// Shares start on a multiple of this, so no two threads write to one cache line.
constexpr std::size_t share_unit = 512;

void advance(Array& array, std::size_t n) {
  if (array.data) array.data += static_cast<std::ptrdiff_t>(n) * array.stride;
}

Task from(Task task, std::size_t start) {
  for (Array* array : {&task.logits, &task.labels, &task.pos_weight, &task.loss, &task.gradient, &task.hessian})
    advance(*array, start);
  return task;
}

// Calls work(start, length, total) for shares of 0..n; each thread has a total of its own, added up at the end.
template <class Work>
void split(std::size_t n, ExactSum* total, const Work& work) {
  const std::size_t most = std::max<std::size_t>(1, n / elements_per_thread);
  const std::size_t count = std::min<std::size_t>(most, static_cast<std::size_t>(num_threads()));
  if (count == 1) {
    const DefaultFloatingPointMode mode;
    return work(std::size_t{0}, n, total);
  }
  const std::size_t share = ((n - 1) / count / share_unit + 1) * share_unit;
  std::vector<ExactSum> totals(total ? count : 0);
  const auto run_share = [&](std::size_t i) {
    const DefaultFloatingPointMode mode;
    const std::size_t start = std::min(n, i * share), end = std::min(n, start + share);
    work(start, end - start, total ? &totals[i] : nullptr);
  };
  std::vector<std::thread> others;
  others.reserve(count - 1);
  std::size_t next = 1;
  try {
    for (; next < count; ++next) others.emplace_back(run_share, next);
  } catch (const std::system_error&) {
    // The system has no thread to give: the shares that are left are done here, with the same bits.
  }
  run_share(0);
  for (; next < count; ++next) run_share(next);
  for (std::thread& thread : others) thread.join();
  for (const ExactSum& one : totals) total->merge(one);
}

}  // namespace

void run(const Task& task, std::size_t n) {
  split(n, task.total, [&](std::size_t start, std::size_t length, ExactSum* total) {
    Task share = from(task, start);
    share.total = total;
    active->run(share, length);
  });
}

void add(Array values, std::size_t n, ExactSum& total) {
  split(n, &total, [&](std::size_t start, std::size_t length, ExactSum* sum) {
    Array share = values;
    advance(share, start);
    active->add(share, length, *sum);
  });
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
  if (const char* wanted = std::getenv("XENT_ISA"); wanted && *wanted) {
    active = nullptr;
    std::string names;
    for (std::size_t i = 0; i < count; ++i) {
      if (std::strcmp(wanted, kernels[i].name) == 0) active = &kernels[i];
      names += (i ? ", " : "") + std::string(kernels[i].name);
    }
    if (!active) {
      message = "XENT_ISA: expected an instruction set of this processor (" + names + "), got '" + wanted +
                "'. Unset it to let xent choose the best.";
      return message.c_str();
    }
  }
  threads = usable_processors();
  if (const char* wanted = std::getenv("XENT_NUM_THREADS"); wanted && *wanted) {
    char* end;
    errno = 0;
    const long n = std::strtol(wanted, &end, 10);
    if (*end || errno || n < 1 || n > 1 << 16) {
      message = std::string("XENT_NUM_THREADS: expected a number of threads from 1 to 65536, got '") + wanted +
                "'. Unset it to use every processor this process may use.";
      return message.c_str();
    }
    threads = static_cast<int>(n);
  }
  return nullptr;
}

}  // namespace xent
