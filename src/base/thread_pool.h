// The process's workers: short fork/join for loops of independent tasks.
#pragma once
#include <cstdint>
#include <memory>

#include "base/function_ref.h"

namespace tenon {

/// A pool of `size() - 1` threads plus the caller. Any number of threads may use one pool at once: the first gets the
/// workers, the others run their loop alone, so nobody waits for somebody else's work. A child process made by fork()
/// starts workers of its own at its first loop.
class ThreadPool {
 public:
  /// `threads` counts the caller. 0 takes TENON_THREADS, else the number of processors this process may use.
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return threads_; }

  /// Calls fn(task, worker) once for every task in [0, tasks), 0 <= worker < size(), and returns when all are done.
  /// Worker w starts on the w-th equal share of the tasks, in order, and takes over what others have not begun.
  /// A loop inside a task runs on the worker that meets it. Allocates nothing. The first exception is rethrown here,
  /// after the loop; the tasks that had not begun by then are dropped.
  void parallel_for(int64_t tasks, FunctionRef<void(int64_t task, int worker)> fn);

  /// The pool that everything in this process shares unless told otherwise.
  static ThreadPool& shared();

 private:
  struct State;
  int threads_;
  State* state_ = nullptr;  ///< abandoned, not freed, in a forked child: its threads do not exist there
  int generation_ = 0;
  void start();
};

}  // namespace tenon
