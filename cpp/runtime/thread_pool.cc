// A thread is not started for each call: for its first milliseconds a system may leave it on the processor of the
// thread that started it, where the two take turns. Nor is one left to wake where its caller runs: see `Processors`.
//
// No worker lives through a fork: it ends before, and the next call starts it again, in the parent and in the child.

#include "thread_pool.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#ifndef _WIN32
#include <pthread.h>
#endif
#ifdef __linux__
#include <sched.h>
#endif

namespace logitloss {
namespace {

// The processors of a caller. A scheduler that wakes a worker on the one where the caller runs may leave it there,
// waiting for its turn until the caller has done all the work: so it is woken with that one forbidden, and allowed
// again to run on it as soon as it runs.
#ifdef __linux__
class Processors {
 public:
  Processors() {
    known_ = sched_getaffinity(0, sizeof all_, &all_) == 0 && CPU_COUNT(&all_) > 1;
    others_ = all_;
    if (const int own = sched_getcpu(); known_ && own >= 0 && own < CPU_SETSIZE) CPU_CLR(own, &others_);
  }
  void send_elsewhere(std::thread& worker) const {
    if (known_) pthread_setaffinity_np(worker.native_handle(), sizeof others_, &others_);
  }
  void allow_all() const {
    if (known_) sched_setaffinity(0, sizeof all_, &all_);
  }

 private:
  bool known_;
  cpu_set_t all_, others_;
};
#else
struct Processors {
  void send_elsewhere(std::thread&) const {}
  void allow_all() const {}
};
#endif

struct Job {
  const std::function<void(std::size_t, std::size_t)>& work;
  std::size_t shares;
  const Processors processors{};
  std::atomic<std::size_t> next{0}, inside{0};
};

struct Worker {  // shared: one that has ended may still be known to the call it worked for
  std::thread thread;
  std::condition_variable wanted;
  Job* job = nullptr;  // what it is to begin
  std::size_t number = 0;
};

class Workers {
 public:
  void share_out(Job& job, std::size_t others) {
    std::vector<std::shared_ptr<Worker>> called;
    std::unique_lock lock(mutex_);
    start(others);
    for (; called.size() < others && !idle_.empty(); idle_.pop_back()) called.push_back(idle_.back());
    for (const auto& worker : called) {
      worker->job = &job;
      worker->number = ++job.inside;
      job.processors.send_elsewhere(worker->thread);
    }
    lock.unlock();
    for (const auto& worker : called) worker->wanted.notify_one();
    take_shares(job, 0);
    lock.lock();
    for (const auto& worker : called)
      if (worker->job == &job) {  // it has not begun, and need not
        worker->job = nullptr;
        rest(worker);
        --job.inside;
      }
    lock.unlock();
    // The others are in their last share: to look again is quicker than to be woken.
    for (int i = 0; i < 30 && job.inside != 0; ++i) std::this_thread::yield();
    lock.lock();
    left_.wait(lock, [&] { return job.inside == 0; });
  }

  void end() {
    std::vector<std::shared_ptr<Worker>> ending;
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      ending.swap(workers_);
      idle_.clear();
      for (const auto& worker : ending) worker->wanted.notify_one();
    }
    for (const auto& worker : ending) worker->thread.join();
  }

  void reopen() { closed_ = false; }

 private:
  // If the system has no thread to give, those that are there do the work, with the same bits.
  void start(std::size_t count) {
    try {
      workers_.reserve(count);  // a thread that runs must be known, and always finds its place among the idle ones
      idle_.reserve(count);
      while (!closed_ && workers_.size() < count) {
        const auto worker = std::make_shared<Worker>();
        worker->thread = std::thread([this, worker] { serve(worker); });
        idle_.push_back(worker);
        workers_.push_back(worker);
      }
    } catch (const std::exception&) {
    }
  }

  void serve(const std::shared_ptr<Worker>& own) {
    std::unique_lock lock(mutex_);
    for (;;) {
      own->wanted.wait(lock, [&] { return closed_ || own->job; });
      if (!own->job) return;
      Job& job = *own->job;
      own->job = nullptr;
      lock.unlock();
      job.processors.allow_all();
      take_shares(job, own->number);
      lock.lock();
      rest(own);
      if (--job.inside == 0) left_.notify_all();
    }
  }

  void rest(const std::shared_ptr<Worker>& worker) {
    if (!closed_) idle_.push_back(worker);
  }

  void take_shares(Job& job, std::size_t number) {
    while (number == 0 || !closed_) {
      const std::size_t share = job.next.fetch_add(1, std::memory_order_relaxed);
      if (share >= job.shares) return;
      job.work(number, share);
    }
  }

  std::mutex mutex_;
  std::condition_variable left_;
  std::vector<std::shared_ptr<Worker>> workers_, idle_;
  std::atomic<bool> closed_{false};
};

// Never destroyed: threads may wait in it while the process ends.
Workers* workers = new Workers;

#ifndef _WIN32
// From the beginning: a fork during a call that is the first, in another thread, would find nothing to end.
[[maybe_unused]] const int forks =
    pthread_atfork([] { workers->end(); }, [] { workers->reopen(); }, [] { workers = new Workers; });
#endif

}  // namespace

void share_out(std::size_t shares, std::size_t threads, const std::function<void(std::size_t, std::size_t)>& work) {
  Job job{work, shares};
  workers->share_out(job, threads - 1);
}

}  // namespace logitloss
