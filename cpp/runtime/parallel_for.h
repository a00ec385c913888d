// Loops over 0..n that the threads of the pool run in chunks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include "floating_point_mode.h"
#include "thread_pool.h"

namespace logitloss {

// How many threads are worthwhile for `elements` elements: with fewer for each, a second thread costs more to wake than
// it saves.
std::size_t worthwhile_threads(std::size_t elements);

// Takes the number of threads from LOGITLOSS_NUM_THREADS, or from the processors of this process if that is null or
// empty. Returns an error message, or an empty string.
std::string choose_num_threads(const char* wanted);

// A chunk is so large that taking it costs nothing, and so small that all threads finish together.
constexpr std::size_t chunks_per_thread = 16;

// Calls work(thread, start, length) for chunks of 0..n whose lengths are multiples of `grain`, in the default
// floating-point mode.
template <class Work>
void parallel_for(std::size_t n, std::size_t threads, std::size_t grain, const Work& work) {
  if (threads == 1) {
    const DefaultFloatingPointMode mode;
    return work(std::size_t{0}, std::size_t{0}, n);
  }
  const std::size_t chunk = std::max(grain, n / (threads * chunks_per_thread)) / grain * grain;
  run_on_pool((n + chunk - 1) / chunk, threads, [&](std::size_t thread, std::size_t i) {
    const DefaultFloatingPointMode mode;
    work(thread, i * chunk, std::min(chunk, n - i * chunk));
  });
}

}  // namespace logitloss
