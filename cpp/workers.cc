// A thread is not started for each call: for its first milliseconds a system may leave it on the processor of the thread
// that started it, where the two take turns. One that was asleep wakes on a processor that is free.
//
// No worker lives through a fork: it ends before, and the next call starts it again, in the parent and in the child.

#include "workers.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#ifndef _WIN32
#include <pthread.h>
#endif

namespace xent {
namespace {

struct Job {
  const std::function<void(std::size_t, std::size_t)>& work;
  std::size_t shares;
  std::size_t places;  // for threads that may still join
  std::size_t joined = 0;
  std::atomic<std::size_t> inside{0};
  std::atomic<std::size_t> next{0};
};

class Workers {
 public:
  void share_out(Job& job) {
    const std::size_t others = job.places;
    {
      const std::lock_guard lock(mutex_);
      start(others);
      jobs_.push_back(&job);
    }
    for (std::size_t i = 0; i < others; ++i) wanted_.notify_one();
    take_shares(job, 0);
    std::unique_lock lock(mutex_);
    jobs_.erase(std::remove(jobs_.begin(), jobs_.end(), &job), jobs_.end());
    lock.unlock();
    // The others are in their last share: to look again is quicker than to be woken.
    for (int i = 0; i < 30 && job.inside != 0; ++i) std::this_thread::yield();
    lock.lock();
    left_.wait(lock, [&] { return job.inside == 0; });
  }

  void end() {
    std::vector<std::thread> ending;
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      ending.swap(threads_);
    }
    wanted_.notify_all();
    for (std::thread& thread : ending) thread.join();
  }

  void reopen() { closed_ = false; }

 private:
  // If the system has no thread to give, those that are there do the work, with the same bits.
  void start(std::size_t count) {
    try {
      while (!closed_ && threads_.size() < count) threads_.emplace_back([this] { serve(); });
    } catch (const std::system_error&) {
    }
  }

  void serve() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wanted_.wait(lock, [&] { return closed_ || !jobs_.empty(); });
      if (closed_) return;
      Job& job = *jobs_.front();
      if (--job.places == 0) jobs_.erase(jobs_.begin());
      const std::size_t thread = ++job.joined;
      ++job.inside;
      lock.unlock();
      take_shares(job, thread);
      lock.lock();
      if (--job.inside == 0) left_.notify_all();
    }
  }

  void take_shares(Job& job, std::size_t thread) {
    while (thread == 0 || !closed_) {
      const std::size_t share = job.next.fetch_add(1, std::memory_order_relaxed);
      if (share >= job.shares) return;
      job.work(thread, share);
    }
  }

  std::mutex mutex_;
  std::condition_variable wanted_, left_;
  std::vector<std::thread> threads_;
  std::vector<Job*> jobs_;
  std::atomic<bool> closed_{false};
};

// Never destroyed: threads may wait in it while the process ends.
Workers* workers = new Workers;

}  // namespace

void share_out(std::size_t shares, std::size_t threads, const std::function<void(std::size_t, std::size_t)>& work) {
#ifndef _WIN32
  static const int forks =
      pthread_atfork([] { workers->end(); }, [] { workers->reopen(); }, [] { workers = new Workers; });
  static_cast<void>(forks);
#endif
  Job job{work, shares, threads - 1};
  workers->share_out(job);
}

}  // namespace xent
