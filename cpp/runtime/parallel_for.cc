#include "parallel_for.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <thread>

#include "logitloss.h"

#ifdef __linux__
#include <sched.h>
#endif

namespace logitloss {
namespace {

std::atomic<int> threads{1};

int usable_processors() {
#ifdef __linux__
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

int num_threads() { return threads.load(std::memory_order_relaxed); }
void set_num_threads(int n) { threads.store(n, std::memory_order_relaxed); }

std::size_t worthwhile_threads(std::size_t elements) {
  constexpr std::size_t elements_per_thread = std::size_t{1} << 16;
  const std::size_t most = std::max<std::size_t>(1, elements / elements_per_thread);
  return std::min<std::size_t>(most, static_cast<std::size_t>(num_threads()));
}

std::string choose_num_threads(const char* wanted) {
  if (!wanted || !*wanted) {
    threads = usable_processors();
    return {};
  }
  char* end;
  errno = 0;
  const long n = std::strtol(wanted, &end, 10);
  if (*end || errno || n < 1 || n > 1 << 16)
    return std::string("LOGITLOSS_NUM_THREADS: expected a number of threads from 1 to 65536, got '") + wanted +
           "'. Unset it to use every processor this process may use.";
  threads = static_cast<int>(n);
  return {};
}

}  // namespace logitloss
