// A few threads that wait for blocks of work. Safe after fork: the child starts anew with threads of its own.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

#include <pthread.h>
#include <sched.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace amiss {

class Pool {
 public:
  // The pool of this process; in a forked child a new one, as the parent's threads are not there.
  static Pool& of_process() {
    static std::once_flag once;
    std::call_once(once, [] { pthread_atfork(nullptr, nullptr, [] { current() = new Pool; }); });
    return *current();
  }

  // Whether threads without work stay awake for long, since calls come soon one after the other: there may be less
  // in each of them. To be taken back as often as it was said.
  static void keep_awake(bool wish) { watches_.fetch_add(wish ? 1 : -1); }
  static bool kept_awake() { return watches_.load(std::memory_order_relaxed) > 0; }

  // Calls work(i) for each i < count, on up to `threads` threads with this one among them. Who comes while
  // another Python thread has the pool works alone: the result is the same.
  //
  // Each thread starts in a range of its own, the same one each time, so that it finds in its cache what it
  // had there before; who is done helps in the other ranges. A helper that wakes up too late is not waited for.
  //
  // To wake a thread takes longer than a short call: it is done only if calls come soon one after the other.
  void run(std::size_t count, std::size_t threads, const std::function<void(std::size_t)>& work, bool is_short = false) {
    threads = std::min({threads, count, most});
    std::unique_lock<std::mutex> owner(busy_, std::defer_lock);
    if (threads <= 1 || (is_short && !is_burst(threads)) || !owner.try_lock()) {
      for (std::size_t i = 0; i < count; ++i) work(i);
      if (is_short) last_call_ = now();
      return;
    }
    try {
      for (; workers_ + 1 < threads; ++workers_)
        std::thread([this, number = workers_.load()] { wait_for_work(number); }).detach();
    } catch (const std::system_error&) {
      // No more threads are to be had: those that are there do the work.
    }
    for (std::size_t r = 0; r < threads; ++r) {
      ranges_[r].next.store(count * r / threads, std::memory_order_relaxed);
      ranges_[r].end = count * (r + 1) / threads;
    }
    work_ = &work;
    participants_ = threads;
    finished_.store(0, std::memory_order_relaxed);
    open_.store(threads - 1);  // publishes what was written above
    calls_.fetch_add(1);
    if (sleepers_.load() > 0) {
      std::lock_guard<std::mutex> lock(mutex_);
      wake_elsewhere();
    }
    take(0);
    const std::size_t joined = threads - 1 - open_.exchange(0);
    while (finished_.load(std::memory_order_acquire) < joined) pause();
    if (is_short) last_call_ = now();
  }

 private:
  static constexpr std::size_t most = 256;  // threads

  // How long a thread without work stays awake.
  static constexpr std::chrono::microseconds patience{60}, long_patience{1000};

  struct alignas(64) Range {
    std::atomic<std::size_t> next{0};
    std::size_t end = 0;
  };

  static std::int64_t now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
  }

  // Whether enough threads are awake, or the last short call was so near that they would stay awake from now on.
  bool is_burst(std::size_t threads) const {
    constexpr std::int64_t near = std::chrono::nanoseconds(patience).count() / 2;
    const std::size_t there = workers_.load(), asleep = std::min(there, sleepers_.load());
    return there - asleep + 1 >= threads || now() - last_call_ < near;
  }

  static Pool*& current() {
    static Pool* pool = new Pool;  // never destroyed: threads may still wait when the process ends
    return pool;
  }

  // A thread that wakes up is often put on the core of the one that wakes it. There it waits until the scheduler
  // looks again, milliseconds later, while another core has nothing to do. So the sleepers are told to wake up
  // elsewhere; who is awake may go where it likes.
  void wake_elsewhere() {
#if defined(__linux__)
    cpu_set_t others;
    const int here = sched_getcpu();
    if (here >= 0 && sched_getaffinity(0, sizeof allowed_, &allowed_) == 0) {
      others = allowed_;
      CPU_CLR(here, &others);
      for (std::size_t i = 0; CPU_COUNT(&others) > 0 && i < workers_; ++i)
        if (const pid_t thread = sleeping_[i].load()) sched_setaffinity(thread, sizeof others, &others);
    }
#endif
    wake_.notify_all();
  }

  void awake([[maybe_unused]] std::size_t number) {
#if defined(__linux__)
    sleeping_[number].store(0);
    sched_setaffinity(0, sizeof allowed_, &allowed_);
#endif
  }

  void falls_asleep([[maybe_unused]] std::size_t number) {
#if defined(__linux__)
    sleeping_[number].store(pid_t(syscall(SYS_gettid)));
#endif
  }

  // Lets whoever else wants this core have it.
  static void pause() { sched_yield(); }

  void take(std::size_t first) {
    for (std::size_t r = 0; r < participants_; ++r) {
      Range& range = ranges_[(first + r) % participants_];
      for (std::size_t i = range.next.fetch_add(1); i < range.end; i = range.next.fetch_add(1)) (*work_)(i);
    }
  }

  void wait_for_work(std::size_t number) {
    std::size_t seen = 0;
    for (;;) {
      wait_for_call(seen, number);
      seen = calls_.load();
      std::size_t place = open_.load();
      while (place > 0 && !open_.compare_exchange_weak(place, place - 1)) {
      }
      if (place == 0) continue;
      take(place);
      finished_.fetch_add(1, std::memory_order_release);
    }
  }

  // A sleeping thread takes long to wake up, so it stays awake for a while: calls come in bursts.
  void wait_for_call(std::size_t seen, std::size_t number) {
    const auto until = std::chrono::steady_clock::now() + (kept_awake() ? long_patience : patience);
    while (calls_.load() == seen) {
      if (std::chrono::steady_clock::now() < until) {
        pause();
        continue;
      }
      std::unique_lock<std::mutex> lock(mutex_);
      falls_asleep(number);
      sleepers_.fetch_add(1);
      wake_.wait(lock, [&] { return calls_.load() != seen; });
      sleepers_.fetch_sub(1);
      awake(number);
    }
  }

  static inline std::atomic<int> watches_{0};
  std::atomic<std::int64_t> last_call_{0};  // when the last short one ended
  std::mutex busy_, mutex_;
  std::condition_variable wake_;
  std::atomic<std::size_t> workers_{0};
  std::size_t participants_ = 0;
  const std::function<void(std::size_t)>* work_ = nullptr;
  std::unique_ptr<Range[]> ranges_{new Range[most]};
#if defined(__linux__)
  cpu_set_t allowed_{};  // the cores of the thread that wakes others up
  std::unique_ptr<std::atomic<pid_t>[]> sleeping_{new std::atomic<pid_t>[most]()};  // threads; 0 where one is awake
#endif
  std::atomic<std::size_t> open_{0}, finished_{0}, calls_{0}, sleepers_{0};
};

}  // namespace amiss
