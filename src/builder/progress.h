// Reporting of phases to a ProgressMonitor, and cancelling.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <string>
#include <thread>

#include "builder/builder.h"

namespace tenon::builder {

/// One phase at a time. A thread of its own asks the monitor again while a step lasts.
class Phases {
 public:
  explicit Phases(ProgressMonitor* monitor);
  ~Phases();
  Phases(const Phases&) = delete;
  Phases& operator=(const Phases&) = delete;

  /// Set once the monitor has cancelled the build or thrown.
  const std::atomic<bool>& cancelled() const { return cancelled_; }

  /// Throws what the monitor threw, if it did.
  void rethrow();
  /// That, or kCancelled if the monitor has cancelled the build.
  void check();

  /// A phase for as long as it lives.
  class Scope {
   public:
    Scope(Phases& phases, std::string name, int steps);
    ~Scope();
    /// Throws kCancelled if the build is to end, or what the monitor threw.
    void step(int index);

   private:
    Phases& phases_;
  };

 private:
  using Clock = std::chrono::steady_clock;
  void report(int index);
  void watch();

  ProgressMonitor* monitor_;
  std::atomic<bool> cancelled_{false};
  std::mutex mutex_;  ///< held during every call of the monitor
  std::condition_variable changed_;
  std::string phase_;  ///< empty: none
  int step_ = -1;
  Clock::time_point reported_;
  std::exception_ptr thrown_;
  bool done_ = false;
  std::thread watcher_;
};

}  // namespace tenon::builder
