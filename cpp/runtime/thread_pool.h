// Threads that wait for work, started when a call first needs them.
#pragma once

#include <cstddef>
#include <functional>

namespace logitloss {

// Calls work(thread, share) for every share of 0..shares-1, on this thread, whose number is 0, and on as many as
// `threads` - 1 others. Who is free takes the next share, so one that comes late or is slow holds up nobody.
void share_out(std::size_t shares, std::size_t threads, const std::function<void(std::size_t, std::size_t)>& work);

}  // namespace logitloss
