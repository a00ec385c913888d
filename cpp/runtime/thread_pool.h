// A pool of threads that wait for work; they are started when a call first needs them.
#pragma once

#include <cstddef>
#include <functional>

namespace logitloss {

// Calls work(thread, chunk) for every chunk of 0..chunks-1, on this thread, whose number is 0, and on up to `threads` -
// 1 others. Whichever thread is free takes the next chunk, so a late or slow one delays nobody.
void run_on_pool(std::size_t chunks, std::size_t threads, const std::function<void(std::size_t, std::size_t)>& work);

}  // namespace logitloss
