// Weights beyond an engine's budget of device memory. They stay in page-locked host memory, in the forms that kernels
// want, and are copied to the device before each use.
//
// Every program of a streaming engine belongs to one context and has a scratch area of its own: two halves, so that the
// copies for a step run on a stream of their own while the step before it computes. A step's weights lie at the same
// place at every run, so kernels and recordings know it when they are made.
#pragma once
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "backends/device_weights.h"
#include "runtime/program.h"

namespace tenon::runtime {

/// Constants that can be streamed: those of at least 4 KiB that a node reads, each once.
std::vector<const ir::Tensor*> streamable_constants(const ir::Graph& graph);

/// The bytes of a constant in the device's memory, from `weights` where that is given.
std::shared_ptr<const void> constant_on_device(const ir::Tensor& constant, const Device& device, WeightCache* weights);

class StreamedWeights {
 public:
  /// `resident` keeps what fits `budget` bytes, the largest constants first, and all that cannot be streamed.
  StreamedWeights(const Device& device, DeviceWeights& resident, const ir::Graph& graph, int64_t budget);

  const Device& device() const { return device_; }
  DeviceWeights& resident() const { return resident_; }
  bool empty() const { return sources_.empty(); }
  bool has(const ir::Tensor& source) const { return sources_.count(source.data().data()) > 0; }
  /// Bytes of the scratch area, as far as constants tell that no kernel has packed yet.
  int64_t scratch_bytes() const { return scratch_bytes_; }

  struct Form {
    std::shared_ptr<const void> bytes;  ///< page-locked
    size_t size = 0;                    ///< 0: `bytes` is on the device, its maker did not tell how many there are
  };
  /// A form of a constant, made by `make` on the device at first use: where it lies, and its size. Thread-safe.
  Form get(const ir::Tensor& source, const std::string& format, const std::function<Form()>& make);

 private:
  struct Entry {
    std::mutex mutex;
    ir::Tensor source;  // keeps the bytes alive, so the address in the key stays unique
    Form form;
  };
  const Device& device_;
  DeviceWeights& resident_;
  std::set<const std::byte*> sources_;
  int64_t scratch_bytes_ = 0;
  std::mutex mutex_;
  std::map<std::pair<const std::byte*, std::string>, std::shared_ptr<Entry>> forms_;
};

/// The weights as the kernel of one step sees them: addresses in its part of the scratch area.
class StepWeights final : public DeviceWeights {
 public:
  /// Without `scratch`, only tells what the step needs; the addresses are good for nothing but preparing.
  explicit StepWeights(StreamedWeights& all, std::shared_ptr<void> scratch = nullptr, size_t offset = 0)
      : all_(all), scratch_(std::move(scratch)), offset_(offset) {}
  std::shared_ptr<void> allocate(const Device& device, size_t bytes) override;
  std::shared_ptr<const void> get(const ir::Tensor& source, const std::string& format,
                                  const std::function<std::shared_ptr<const void>()>& make) override;
  /// Forgets what a kernel asked for that was not taken.
  void restart() { loads_.clear(), used_ = 0; }
  const std::vector<Load>& loads() const { return loads_; }
  size_t bytes() const { return used_; }

 private:
  StreamedWeights& all_;
  std::shared_ptr<void> scratch_;
  size_t offset_, used_ = 0, allocated_ = 0;
  std::vector<Load> loads_;
};

/// Puts a program's streamed weights on their way, step by step, while its steps are put on a stream.
class WeightFeed {
 public:
  WeightFeed(const Program& program, const Stretch& steps, const Device& device, void* stream)
      : program_(program), device_(device), stream_(stream), end_(steps.end) {}
  /// What is put on the stream from now on finds the weights of step `s`; those of the next step that streams some are
  /// on their way.
  void before(size_t s);

 private:
  void send(size_t s) const;
  const Program& program_;
  const Device& device_;
  void* stream_;
  size_t end_, sent_ = 0;  ///< weights of all steps before `sent_` have been sent
};

}  // namespace tenon::runtime
