// A few threads that wait for blocks of work. Safe after fork: the child starts anew with threads of its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include <pthread.h>

namespace amiss {

class Pool {
 public:
  // The pool of this process; in a forked child a new one, as the parent's threads are not there.
  static Pool& of_process() {
    static std::once_flag once;
    std::call_once(once, [] { pthread_atfork(nullptr, nullptr, [] { current() = new Pool; }); });
    return *current();
  }

  // Calls work(i) for each i < count, on up to `threads` threads with this one among them. Who comes while
  // another Python thread has the pool works alone: the result is the same.
  void run(std::size_t count, std::size_t threads, const std::function<void(std::size_t)>& work) {
    std::unique_lock<std::mutex> owner(busy_, std::try_to_lock);
    if (threads <= 1 || count <= 1 || !owner.owns_lock()) {
      for (std::size_t i = 0; i < count; ++i) work(i);
      return;
    }
    {
      std::lock_guard<std::mutex> lock(mutex_);
      while (workers_.size() + 1 < threads) {
        const std::size_t number = workers_.size();
        workers_.emplace_back([this, number] { wait_for_work(number); });
        workers_.back().detach();
      }
      work_ = &work;
      count_ = count;
      next_ = 0;
      helpers_ = std::min(threads, count) - 1;
      active_ = helpers_;
      ++generation_;
    }
    wake_.notify_all();
    take(work, count);
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return active_ == 0; });
    work_ = nullptr;
  }

 private:
  static Pool*& current() {
    static Pool* pool = new Pool;  // never destroyed: threads may still wait when the process ends
    return pool;
  }

  void take(const std::function<void(std::size_t)>& work, std::size_t count) {
    for (std::size_t i = next_.fetch_add(1); i < count; i = next_.fetch_add(1)) work(i);
  }

  void wait_for_work(std::size_t number) {
    std::size_t seen = 0;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return generation_ != seen; });
      seen = generation_;
      if (number >= helpers_) continue;
      const auto* work = work_;
      const std::size_t count = count_;
      lock.unlock();
      take(*work, count);
      lock.lock();
      if (--active_ == 0) done_.notify_one();
    }
  }

  std::mutex busy_, mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> workers_;
  const std::function<void(std::size_t)>* work_ = nullptr;
  std::size_t count_ = 0, helpers_ = 0, active_ = 0, generation_ = 0;
  std::atomic<std::size_t> next_{0};
};

}  // namespace amiss
