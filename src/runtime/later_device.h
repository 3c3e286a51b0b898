// For tests: a device in the host's memory whose streams do their work when somebody waits, in an order of their own
// that keeps to what they have to wait for.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "backends/backend.h"
#include "backends/device.h"
#include "ops/op.h"
#include "runtime/program.h"

namespace tenon::runtime::testing {

class LaterDevice final : public Device {
 public:
  static constexpr float kWorkUs = 10;
  bool present() const override { return true; }
  void* allocate(size_t bytes) const override {
    require(refusals_ == 0 || refusals_-- == 0, ErrorCode::kOutOfMemory, "no room for ", bytes, " bytes");
    return std::aligned_alloc(256, (bytes + 511) / 256 * 256);
  }
  void release(void* memory) const noexcept override { std::free(memory); }
  void* allocate_host(size_t bytes) const override { return allocate(bytes); }
  void release_host(void* memory) const noexcept override { std::free(memory); }
  void copy(void* to, const void* from, size_t bytes, void* stream) const override {
    later(stream, [=] { std::memcpy(to, from, bytes); });
  }
  void fill(void* to, int byte, size_t bytes, void* stream) const override {
    later(stream, [=] { std::memset(to, byte, bytes); });
  }
  void synchronize(void*) const override {
    std::vector<size_t> ready;
    std::vector<Work> work;
    work.swap(work_);
    last_.clear();
    for (size_t done = 0; done < work.size(); ++done) {
      ready.clear();
      for (size_t i = 0; i < work.size(); ++i)
        if (!work[i].done && (!work[i].waits || work[*work[i].waits].done) &&
            (!work[i].other || work[*work[i].other].done))
          ready.push_back(i);
      Work& next = work[ready[random_() % ready.size()]];
      if (next.run) next.run();
      next.done = true;
    }
  }
  void finish() const noexcept override { synchronize(nullptr); }
  void call_host(void* stream, void (*function)(void*), void* data) const override {
    later(stream, [=] { function(data); });
  }
  void follow(void* stream, void* other) const override {
    if (const auto found = last_.find(other); found != last_.end()) {
      const size_t before = found->second;
      later(stream, {});
      work_.back().other = before;
    }
  }
  void* own_stream() const override { return nullptr; }
  std::shared_ptr<void> new_stream() const override { return std::make_shared<int>(0); }
  bool recording(void*) const override { return false; }
  std::unique_ptr<Recording> record(const Device::Work& work) const override {
    struct Again final : Recording {
      Device::Work work;
      void replay(void* stream) const override { work(stream); }
    };
    auto again = std::make_unique<Again>();
    again->work = work;
    ++recordings_;
    return again;
  }
  float milliseconds(void* stream, const Device::Work& work) const override { return work(stream), 1.0F; }
  /// The longest chain of work, at kWorkUs each, if streams never hinder each other.
  float time_us(const Device::Work& work, double, double) const override {
    synchronize(nullptr);
    work(nullptr);
    std::vector<float> end(work_.size(), 0);
    float longest = 0;
    for (size_t i = 0; i < work_.size(); ++i) {
      const Work& w = work_[i];
      for (const auto& before : {w.waits, w.other})
        if (before) end[i] = std::max(end[i], end[*before]);
      if (w.run) end[i] += kWorkUs;
      longest = std::max(longest, end[i]);
    }
    synchronize(nullptr);
    return longest;
  }
  bool reaches(const void* memory) const override { return ++asked_, memory != foreign_; }
  bool host_reaches(const void* memory) const override { return ++asked_, memory != own_; }
  void activate() const override { active() = true; }
  /// Whether the device is current in the calling thread.
  static bool& active() {
    thread_local bool is = false;
    return is;
  }

  /// Puts `run` on a stream.
  void later(void* stream, std::function<void()> run) const {
    Work work{std::move(run), {}, {}, false};
    if (const auto found = last_.find(stream); found != last_.end()) work.waits = found->second;
    last_[stream] = work_.size();
    work_.push_back(std::move(work));
  }
  /// The next `count` allocations fail.
  void refuse(int count) const { refusals_ = count; }
  /// Memory that the device does not reach, and how often it has been asked whether memory is reached.
  void set_foreign(const void* memory) const { foreign_ = memory; }
  /// Memory that the host does not reach.
  void set_own(const void* memory) const { own_ = memory; }
  int asked() const { return asked_; }
  /// How many have been made.
  int recordings() const { return recordings_; }
  /// Another order for what is done from now on.
  void set_seed(unsigned seed) const { random_.seed(seed); }

 private:
  struct Work {
    std::function<void()> run;
    std::optional<size_t> waits, other;  ///< for work before it on its stream, and on another
    bool done;
  };
  mutable std::vector<Work> work_;
  mutable int refusals_ = 0;
  mutable int recordings_ = 0, asked_ = 0;
  mutable const void *foreign_ = nullptr, *own_ = nullptr;
  mutable std::map<void*, size_t> last_;  ///< work on each stream
  mutable std::minstd_rand random_;
};

inline const LaterDevice& later_device() {
  static const LaterDevice device;
  return device;
}

/// Runs the processor's kernels when the device comes to them.
class LaterKernel final : public Kernel {
 public:
  explicit LaterKernel(const Problem& p) : inputs_(p.inputs.size()), outputs_(p.outputs.size()) {
    Problem host = p;
    host.backend = &cpu_backend();
    kernel_ = runtime::pick_kernel(cpu_backend(), host, {}).prepare(host);
  }
  int64_t workspace_bytes() const override { return kernel_->workspace_bytes(); }
  bool reads_constant(size_t i) const override { return kernel_->reads_constant(i); }
  void run(const RunArgs& args) const override {
    std::vector<const void*> in(args.inputs, args.inputs + inputs_);
    std::vector<void*> out(args.outputs, args.outputs + outputs_);
    later_device().later(args.stream, [kernel = kernel_, in, out, workspace = args.workspace, &pool = args.pool] {
      kernel->run({in.data(), out.data(), workspace, pool});
    });
  }

 private:
  size_t inputs_, outputs_;
  std::shared_ptr<const Kernel> kernel_;
};

/// NonZero that finds its result's size when the device comes to it. A NaN is an operand that it refuses.
class LaterNonZero final : public Kernel {
 public:
  explicit LaterNonZero(const Problem& p) : node_(*p.node), x_(p.inputs[0]) {}
  void run(const RunArgs& args) const override {
    later_device().later(args.stream, [this, from = args.inputs[0], to = args.outputs[0], found = args.found] {
      ir::Tensor x(x_.dtype, x_.dims);
      std::memcpy(x.mutable_data(), from, size_t(x.bytes()));
      *found = -1;
      for (int64_t i = 0; i < x.count(); ++i)
        if (x.get(i) != x.get(i)) return;
      const ir::Tensor y = ops::eval_node(node_, {x}, {ir::DType::kI64})[0];
      if (y.bytes()) std::memcpy(to, y.data().data(), size_t(y.bytes()));
      *found = y.dims()[1];
    });
  }
  static KernelDef def() {
    KernelDef def{"later_non_zero", "NonZero", [](const Problem&) { return Support::yes(1); },
                  [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<LaterNonZero>(p); }};
    def.most = [](const Problem& p) { return p.inputs[0].count(); };
    return def;
  }

 private:
  ir::Node node_;
  TensorDesc x_;
};

/// The device with kernels of its own, or else with the processor's.
class LaterBackend final : public Backend {
 public:
  LaterBackend()
      : LaterBackend({"later", "*", [](const Problem&) { return Support::yes(double(LaterDevice::kWorkUs)); },
                      [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<LaterKernel>(p); }}) {}
  explicit LaterBackend(KernelDef kernel) : kernels_{std::move(kernel), LaterNonZero::def()} {}
  std::string_view name() const override { return "later"; }
  std::string fingerprint() const override { return "later"; }
  std::span<const KernelDef> kernels() const override { return kernels_; }
  const Device* device() const override { return &later_device(); }

 private:
  std::vector<KernelDef> kernels_;
};

}  // namespace tenon::runtime::testing
