// Ending a thread's long work from another thread.
#pragma once
#include <atomic>

namespace tenon {

/// While it lives, the parallel loops that its thread runs stop between two tasks and throw Error kCancelled once the
/// flag is set. Scopes nest; the inner one counts.
class Interruptible {
 public:
  explicit Interruptible(const std::atomic<bool>& flag);
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  const std::atomic<bool>* before_;
};

}  // namespace tenon
