// Threads are not started for each call: for its first milliseconds the system may keep a new thread on the processor
// of the thread that started it, where the two alternate. For the same reason no thread is woken there: see
// `Processors`.
//
// No worker survives a fork: all end before it, and the next call starts them again, in the parent and in the child.

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

// The processors of a caller. A scheduler that wakes a worker on the processor of its caller may leave it waiting there
// until the caller has done all the work. So a worker is woken with that processor forbidden, and may use it again once
// it runs.
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
  std::size_t chunks;
  const Processors processors{};
  std::atomic<std::size_t> next{0}, running{0};
};

struct Worker {  // shared, because the call it worked for may outlive it
  std::thread thread;
  std::condition_variable wake;
  Job* job = nullptr;  // the job to start with
  std::size_t number = 0;
};

class ThreadPool {
 public:
  void run(Job& job, std::size_t others) {
    std::vector<std::shared_ptr<Worker>> woken;
    std::unique_lock lock(mutex_);
    start(others);
    for (; woken.size() < others && !idle_.empty(); idle_.pop_back()) woken.push_back(idle_.back());
    for (const auto& worker : woken) {
      worker->job = &job;
      worker->number = ++job.running;
      job.processors.send_elsewhere(worker->thread);
    }
    lock.unlock();
    for (const auto& worker : woken) worker->wake.notify_one();
    take_chunks(job, 0);
    lock.lock();
    for (const auto& worker : woken)
      if (worker->job == &job) {  // it has not started, and need not
        worker->job = nullptr;
        mark_idle(worker);
        --job.running;
      }
    lock.unlock();
    // The others are in their last chunk: polling is faster than being woken.
    for (int i = 0; i < 30 && job.running != 0; ++i) std::this_thread::yield();
    lock.lock();
    finished_.wait(lock, [&] { return job.running == 0; });
  }

  void end() {
    std::vector<std::shared_ptr<Worker>> ending;
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      ending.swap(workers_);
      idle_.clear();
      for (const auto& worker : ending) worker->wake.notify_one();
    }
    for (const auto& worker : ending) worker->thread.join();
  }

  void reopen() { closed_ = false; }

 private:
  // If the system cannot start a thread, the existing ones do the work, with the same bits.
  void start(std::size_t count) {
    try {
      workers_.reserve(count);  // so that push_back cannot fail once a thread runs
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
      own->wake.wait(lock, [&] { return closed_ || own->job; });
      if (!own->job) return;
      Job& job = *own->job;
      own->job = nullptr;
      lock.unlock();
      job.processors.allow_all();
      take_chunks(job, own->number);
      lock.lock();
      mark_idle(own);
      if (--job.running == 0) finished_.notify_all();
    }
  }

  void mark_idle(const std::shared_ptr<Worker>& worker) {
    if (!closed_) idle_.push_back(worker);
  }

  void take_chunks(Job& job, std::size_t number) {
    while (number == 0 || !closed_) {
      const std::size_t chunk = job.next.fetch_add(1, std::memory_order_relaxed);
      if (chunk >= job.chunks) return;
      job.work(number, chunk);
    }
  }

  std::mutex mutex_;
  std::condition_variable finished_;
  std::vector<std::shared_ptr<Worker>> workers_, idle_;
  std::atomic<bool> closed_{false};
};

// Never destroyed: threads may wait in it while the process exits.
ThreadPool* pool = new ThreadPool;

#ifndef _WIN32
// Registered at load time, because a fork may happen during the first call of another thread.
[[maybe_unused]] const int forks =
    pthread_atfork([] { pool->end(); }, [] { pool->reopen(); }, [] { pool = new ThreadPool; });
#endif

}  // namespace

void run_on_pool(std::size_t chunks, std::size_t threads, const std::function<void(std::size_t, std::size_t)>& work) {
  Job job{work, chunks};
  pool->run(job, threads - 1);
}

}  // namespace logitloss
