#include "base/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/knobs.h"

namespace tenon {
namespace {

constexpr int kSpins = 4000;  // about 50 microseconds: longer than the gap between two kernels of one network
constexpr int kMaxThreads = 1024;

std::atomic<int> fork_generation{0};
thread_local int current_worker = -1;  // >= 0 inside a task
thread_local const std::atomic<bool>* interrupt = nullptr;

bool is_set(const std::atomic<bool>* flag) { return flag && flag->load(std::memory_order_relaxed); }
void check(const std::atomic<bool>* flag) {
  if (is_set(flag)) fail(ErrorCode::kCancelled, "the work was cancelled");
}

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

int usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return CPU_COUNT(&set);
  unsigned n = std::thread::hardware_concurrency();
  return n ? int(n) : 1;
}

int default_threads() {
  const int n = int(knob_int(Knob::kThreads, 0, kMaxThreads));
  return n > 0 ? n : usable_processors();
}

struct WorkerScope {
  int before;
  explicit WorkerScope(int worker) : before(current_worker) { current_worker = worker; }
  ~WorkerScope() { current_worker = before; }
};

}  // namespace

struct ThreadPool::State {
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  // One word says it all: which loop, whether it can be joined, how many workers are in it.
  static constexpr uint64_t kOpen = 1u << 16, kEpoch = 1u << 17;
  alignas(64) std::atomic<uint64_t> word{0};
  alignas(64) std::atomic<bool> busy{false};
  std::atomic<int> sleepers{0};
  std::atomic<bool> stop{false}, failed{false};
  std::mutex mutex;
  std::condition_variable wake;
  std::exception_ptr error;
  const FunctionRef<void(int64_t, int)>* fn = nullptr;
  const std::atomic<bool>* interrupt = nullptr;
  std::vector<Share> shares;
  std::vector<std::thread> threads;

  explicit State(int n) : shares(n) {}

  void work(int worker) {
    WorkerScope scope(worker);
    const int n = int(shares.size());
    for (int i = 0; i < n; ++i) {
      Share& share = shares[(worker + i) % n];
      while (share.next.load(std::memory_order_relaxed) < share.end) {
        int64_t task = share.next.fetch_add(1, std::memory_order_relaxed);
        if (task >= share.end || failed.load(std::memory_order_relaxed) || is_set(interrupt)) break;
        try {
          (*fn)(task, worker);
        } catch (...) {
          std::lock_guard lock(mutex);
          if (!failed.exchange(true)) error = std::current_exception();
        }
      }
    }
  }

  /// Returns the epoch of a loop that this worker has joined, or 0 to stop.
  uint64_t join_next(uint64_t last) {
    for (int spin = 0;;) {
      uint64_t w = word.load(std::memory_order_acquire);
      if ((w & kOpen) && (w / kEpoch) != last) {
        if (word.compare_exchange_weak(w, w + 1, std::memory_order_acquire)) return w / kEpoch;
        continue;
      }
      if (stop.load(std::memory_order_relaxed)) return 0;
      if (++spin < kSpins) {
        relax();
        continue;
      }
      std::unique_lock lock(mutex);
      sleepers.fetch_add(1);
      wake.wait(lock, [&] {
        uint64_t v = word.load();
        return stop.load() || ((v & kOpen) && (v / kEpoch) != last);
      });
      sleepers.fetch_sub(1);
      spin = 0;
    }
  }

  void run(int worker) {
    uint64_t last = 0;
    while ((last = join_next(last)) != 0) {
      work(worker);
      word.fetch_sub(1, std::memory_order_release);
    }
  }

  void loop(int64_t tasks, const FunctionRef<void(int64_t, int)>& f) {
    const int64_t n = int64_t(shares.size());
    for (int64_t i = 0; i < n; ++i) {
      shares[i].next.store(tasks / n * i + std::min(i, tasks % n), std::memory_order_relaxed);
      shares[i].end = tasks / n * (i + 1) + std::min(i + 1, tasks % n);
    }
    fn = &f;
    interrupt = tenon::interrupt;
    uint64_t epoch = word.load(std::memory_order_relaxed) / kEpoch + 1;
    word.store(epoch * kEpoch + kOpen, std::memory_order_seq_cst);
    if (sleepers.load(std::memory_order_seq_cst) > 0) {
      std::lock_guard lock(mutex);
      wake.notify_all();
    }
    work(0);
    word.fetch_and(~kOpen, std::memory_order_relaxed);
    for (int spin = 0; word.load(std::memory_order_acquire) % kOpen != 0; ++spin)
      spin < kSpins ? relax() : std::this_thread::yield();
  }
};

ThreadPool::ThreadPool(int threads) : threads_(threads > 0 ? threads : default_threads()) {
  require(threads >= 0 && threads_ <= kMaxThreads, ErrorCode::kInvalidArgument, "thread count ", threads,
          " is outside 0 to ", kMaxThreads);
  static const int registered = pthread_atfork(nullptr, nullptr, [] { fork_generation.fetch_add(1); });
  require(registered == 0, ErrorCode::kInternal, "pthread_atfork: error ", registered);
  start();
}

// A limit on threads leaves fewer than asked for, or none: the caller takes over what they would do.
void ThreadPool::start() {
  if (threads_ > 1) {
    auto* state = new State(threads_);
    try {
      for (int i = 1; i < threads_; ++i) state->threads.emplace_back([state, i] { state->run(i); });
    } catch (const std::system_error&) {
    }
    state_ = state;
  }
  std::atomic_ref(generation_).store(fork_generation.load(), std::memory_order_release);  // others may use state_ now
}

ThreadPool::~ThreadPool() {
  if (!state_ || generation_ != fork_generation.load()) return;
  {
    std::lock_guard lock(state_->mutex);
    state_->stop.store(true);
    state_->wake.notify_all();
  }
  for (auto& t : state_->threads) t.join();
  delete state_;
}

void ThreadPool::parallel_for(int64_t tasks, FunctionRef<void(int64_t, int)> fn) {
  auto alone = [&] {
    for (int64_t i = 0; i < tasks; ++i) {
      check(interrupt);
      fn(i, current_worker < 0 ? 0 : current_worker);
    }
  };
  if (tasks <= 1 || threads_ == 1 || current_worker >= 0) return alone();
  const auto is_from_before_fork = [this] {
    return std::atomic_ref(generation_).load(std::memory_order_acquire) != fork_generation.load();
  };
  if (is_from_before_fork()) {
    static std::atomic<int> starting{0};
    if (starting.fetch_add(1) == 0 && is_from_before_fork()) start();
    bool first = starting.fetch_sub(1) == 1;
    if (!first) return alone();
  }
  State& state = *state_;
  if (state.busy.exchange(true, std::memory_order_acquire)) return alone();
  state.loop(tasks, fn);
  std::exception_ptr error;
  if (state.failed.load()) {
    error = state.error;
    state.error = nullptr;
    state.failed.store(false);
  }
  state.busy.store(false, std::memory_order_release);
  if (error) std::rethrow_exception(error);
  check(interrupt);
}

Interruptible::Interruptible(const std::atomic<bool>& flag) : before_(interrupt) { interrupt = &flag; }
Interruptible::~Interruptible() { interrupt = before_; }

ThreadPool& ThreadPool::shared() {
  static ThreadPool* pool = new ThreadPool();  // never destroyed: threads may still hold engines at exit
  return *pool;
}

}  // namespace tenon
