// Failures of work that has been put on a stream: they turn up on the device's threads, after the call that enqueued it
// has returned.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backends/kernel.h"
#include "base/error.h"

namespace tenon::runtime {

struct Program;
using FailureListener = std::function<void(const Error&)>;

/// The first failure that nobody has been told of by an exception. Thread-safe.
class Failures {
 public:
  /// Told of each failure when it turns up, on a thread of its own, which the device waits for, but not for long: a
  /// listener may need a lock whose owner waits for the device.
  void set_listener(FailureListener listener);
  void put(const Error& failure);
  /// Throws the failure, if there is one, and forgets it; `where` is put in front of its place.
  void raise(std::string_view where = {});

  /// While it lives, the caller waits for the device and will raise(): the listener is not told.
  class Awaited {
   public:
    explicit Awaited(Failures& failures) : failures_(failures) { failures_.set_awaited(true); }
    ~Awaited() { failures_.set_awaited(false); }
    Awaited(const Awaited&) = delete;
    Awaited& operator=(const Awaited&) = delete;

   private:
    Failures& failures_;
  };

 private:
  void set_awaited(bool awaited);
  std::atomic<bool> any_{false};  // spares raise() the lock
  std::mutex mutex_;
  std::optional<Error> first_;
  FailureListener listener_;
  bool awaited_ = false;
};

/// Asks the kernels of a program that work on the host, once a run has come to its end, whether they failed.
class HostCheck {
 public:
  /// `host_workspace` is the context's; steps lie in it at their offsets.
  HostCheck(const Program& program, std::shared_ptr<void> host_workspace, std::shared_ptr<Failures> failures);
  /// Whether no kernel works on the host.
  bool empty() const { return steps_.empty(); }
  const void* host_workspace() const { return host_workspace_.get(); }
  /// For Device::call_host, with the check as `data`.
  static void call(void* check) noexcept;

 private:
  struct Step {
    std::shared_ptr<const Kernel> kernel;
    std::string layer;
    int64_t offset;
  };
  std::vector<Step> steps_;
  std::shared_ptr<void> host_workspace_;
  std::shared_ptr<Failures> failures_;
};

}  // namespace tenon::runtime
