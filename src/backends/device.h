// A device with its own memory: allocation, copies, streams, recording and timing.
//
// Streams are opaque (a cudaStream_t); null is the device's default stream. Failures of the driver throw Error. After a
// failure that leaves the device unusable every later call throws the same message.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>

namespace tenon {

/// Work recorded once, replayed as a whole.
class Recording {
 public:
  virtual ~Recording() = default;
  virtual void replay(void* stream) const = 0;
};

class Device {
 public:
  using Work = std::function<void(void* stream)>;
  virtual ~Device() = default;
  /// False for a description of a GPU that is not there: kernels are chosen, nothing runs.
  virtual bool present() const = 0;
  virtual void* allocate(size_t bytes) const = 0;  ///< throws kOutOfMemory; aligned for kernels
  virtual void release(void* memory) const noexcept = 0;
  virtual void* allocate_host(size_t bytes) const = 0;  ///< page-locked
  virtual void release_host(void* memory) const noexcept = 0;
  /// Copies in the order of the stream, between any two places.
  virtual void copy(void* to, const void* from, size_t bytes, void* stream) const = 0;
  virtual void fill(void* to, int byte, size_t bytes, void* stream) const = 0;
  virtual void synchronize(void* stream) const = 0;
  /// Waits for all streams, those of the caller's that are gone too. Failures are left for a later call.
  virtual void finish() const noexcept = 0;
  /// Calls `function(data)` on a thread of the driver's when the stream has come so far; the stream goes on when it
  /// returns. It may not use the device. Can be recorded.
  virtual void call_host(void* stream, void (*function)(void* data), void* data) const = 0;
  /// What is put on `stream` from now on waits for what is on `other` by now. If `other` is recorded, `stream` is from
  /// now on, and has to be waited for again before the recording ends.
  virtual void follow(void* stream, void* other) const = 0;
  /// A stream owned by the device. What is put on it waits for what the caller has put on the default stream.
  virtual void* own_stream() const = 0;
  /// Another, which waits for none but what it follows.
  virtual std::shared_ptr<void> new_stream() const = 0;
  /// Whether the caller is recording this stream.
  virtual bool recording(void* stream) const = 0;
  /// Runs `work` on a stream of its own that records instead of running.
  virtual std::unique_ptr<Recording> record(const Work& work) const = 0;
  /// Milliseconds that `work` takes from begin to end on `stream`.
  virtual float milliseconds(void* stream, const Work& work) const = 0;
  /// Median time of one run of `work` in microseconds, over replays of a recording for about `budget_ms`. Work whose
  /// first timed run takes longer than `hopeless_us` (if that is not 0) is not repeated.
  virtual float time_us(const Work& work, double budget_ms, double hopeless_us) const = 0;
  /// Whether kernels can read and write `memory`: the device's own, managed, or page-locked.
  virtual bool reaches(const void* memory) const = 0;
  /// Whether the host can read and write it.
  virtual bool host_reaches(const void* memory) const = 0;
  /// Makes this device current in the calling thread.
  virtual void activate() const = 0;
};

/// What buffers of kernels begin at a multiple of, in bytes. cuBLASLt refuses workspace that is aligned to less on
/// Hopper. Null: the host.
constexpr int64_t buffer_alignment(const Device* device) { return device ? 256 : 64; }

/// Memory of a device, released when the last reference goes.
std::shared_ptr<void> device_memory(const Device& device, size_t bytes);
std::shared_ptr<void> page_locked_memory(const Device& device, size_t bytes);

}  // namespace tenon
