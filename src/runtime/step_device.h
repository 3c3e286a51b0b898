// What a device needs to run nodes one at a time, where shapes depend on data.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "runtime/program.h"

namespace tenon::runtime {

/// A value in the host's memory, in a device's, or in both.
struct Held {
  ir::DType dtype = ir::DType::kUndefined;
  ir::Dims dims;
  ir::Tensor host;               ///< undefined where the value is on the device alone
  std::shared_ptr<void> device;  ///< null where the value is on the host alone

  static Held on_host(ir::Tensor t) { return {t.dtype(), t.dims(), t, nullptr}; }
  bool on_device_alone() const { return device && !host.defined(); }
  size_t bytes() const;
};

/// Memory and prepared kernels, kept from one run to the next. Of one context: not thread-safe.
class StepDevice {
 public:
  struct Prepared {
    const KernelDef* def = nullptr;
    std::shared_ptr<const Kernel> kernel;  ///< null: the device has none but the host's
  };

  /// `without`: see without_kernels().
  StepDevice(const Backend& backend, WeightCache& weights, int threads, std::vector<std::string> without = {});
  ~StepDevice();
  const Device& device() const { return *options_.backend->device(); }

  /// Begins a run of a program on a stream: everything until the next call is put there. The run before must be over.
  void begin(std::shared_ptr<const Program> program, void* stream);
  void* stream() const { return stream_; }
  /// Memory that is used again once it is released, in the order of the stream.
  std::shared_ptr<void> memory(size_t bytes);
  std::shared_ptr<const void> constant(const ir::Tensor& tensor);
  /// The problem of node `n` with the sizes that `sized` has, a copy of the program's graph, and its kernel. Sizes that
  /// the kernel finds are the most that they can be.
  std::pair<Problem, const Prepared*> prepare(const ir::Graph& sized, ir::NodeId n);
  /// Where a kernel leaves the size that it finds.
  int64_t* size_to_find();
  /// That size; waits for the stream.
  int64_t found_size();

  /// Puts values on the device, or brings them back; the latter waits for the stream once.
  void upload(Held& value);
  void download(const std::vector<Held*>& values);
  void synchronize();

 private:
  struct Pool;
  std::shared_ptr<void> new_block(size_t size);
  const KernelDef* finder(const ir::Graph& sized, Problem& problem) const;
  using Key = std::vector<int64_t>;  // node and dims

  PrepareOptions options_;
  void* stream_ = nullptr;
  std::shared_ptr<const Program> program_;
  std::shared_ptr<Pool> pool_;
  std::map<Key, Prepared> prepared_;
  std::vector<ir::Tensor> on_their_way_;  // to the device
  std::shared_ptr<void> found_;           // page-locked
};

}  // namespace tenon::runtime
