#include "builder/progress.h"

#include <algorithm>
#include <utility>

namespace tenon::builder {
namespace {

constexpr auto kSilence = std::chrono::milliseconds(100);  ///< after which the monitor is asked again

}  // namespace

Phases::Phases(ProgressMonitor* monitor) : monitor_(monitor) {
  if (monitor_) watcher_ = std::thread([this] { watch(); });
}

Phases::~Phases() {
  if (!monitor_) return;
  {
    std::lock_guard lock(mutex_);
    done_ = true;
  }
  changed_.notify_all();
  watcher_.join();
}

// Called with the mutex held.
void Phases::report(int index) {
  step_ = index;
  try {
    if (!monitor_->step_complete(phase_, index)) cancelled_ = true;
  } catch (...) {
    thrown_ = std::current_exception();
    cancelled_ = true;
  }
  reported_ = Clock::now();
}

void Phases::rethrow() {
  std::lock_guard lock(mutex_);
  if (thrown_) std::rethrow_exception(std::exchange(thrown_, nullptr));
}

void Phases::check() {
  rethrow();
  if (cancelled_) fail(ErrorCode::kCancelled, "the build was cancelled");
}

void Phases::watch() {
  std::unique_lock lock(mutex_);
  while (!done_) {
    if (phase_.empty() || cancelled_) {
      changed_.wait(lock, [&] { return done_ || (!phase_.empty() && !cancelled_); });
    } else if (Clock::now() - reported_ >= kSilence) {
      report(std::max(step_, 0));
    } else {
      changed_.wait_until(lock, reported_ + kSilence);
    }
  }
}

Phases::Scope::Scope(Phases& phases, std::string name, int steps) : phases_(phases) {
  if (!phases_.monitor_) return;
  std::lock_guard lock(phases_.mutex_);
  phases_.monitor_->phase_start(name, "", steps);
  phases_.phase_ = std::move(name);
  phases_.step_ = -1;  // none is complete
  phases_.reported_ = Clock::now();
  phases_.changed_.notify_all();
}

Phases::Scope::~Scope() {
  if (!phases_.monitor_) return;
  std::lock_guard lock(phases_.mutex_);
  const std::string name = std::exchange(phases_.phase_, {});
  try {
    phases_.monitor_->phase_finish(name);
  } catch (...) {
    phases_.thrown_ = std::current_exception();
    phases_.cancelled_ = true;
  }
}

void Phases::Scope::step(int index) {
  if (!phases_.monitor_) return;
  std::lock_guard lock(phases_.mutex_);
  const bool news = index != phases_.step_ || Clock::now() - phases_.reported_ >= kSilence;
  if (!phases_.cancelled_ && news) phases_.report(index);
  if (!phases_.cancelled_) return;
  if (phases_.thrown_) std::rethrow_exception(std::exchange(phases_.thrown_, nullptr));
  fail(ErrorCode::kCancelled, "the build was cancelled in phase '", phases_.phase_, "'");
}

}  // namespace tenon::builder
