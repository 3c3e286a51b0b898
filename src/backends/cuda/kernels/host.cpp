// Operators that have no kernel on the GPU run on the processor, inside the same stream: operands are copied to
// page-locked memory, a host function runs the CPU backend's kernel, and the results are copied back. All of it can be
// recorded. Where the kernel fails, the results are poisoned and check_ran() tells.
#include <cstring>
#include <map>
#include <mutex>

#include "backends/cuda/cuda.h"
#include "base/checked.h"
#include "base/thread_pool.h"

namespace tenon::cuda {
namespace {

int64_t rounded(int64_t bytes) { return (bytes + 63) / 64 * 64; }

int64_t bytes_of(const TensorDesc& d) {
  return d.dtype == ir::DType::kUndefined ? 0 : ir::storage_bytes(d.dtype, d.count());
}

Problem on_host(const Problem& p) {
  Problem host = p;
  host.backend = &cpu_backend();
  host.threads = ThreadPool::shared().size();
  return host;
}

/// The CPU's cheapest kernel for a problem, or null.
const KernelDef* host_kernel(const Problem& host) {
  const KernelDef* best = nullptr;
  double cost = 0;
  for (const KernelDef* k : kernels_for(cpu_backend(), host.node->op))
    if (const Support s = k->supports(host); s.ok && (!best || s.cost_us < cost)) best = k, cost = s.cost_us;
  return best;
}

class HostKernel final : public Kernel {
 public:
  explicit HostKernel(const Problem& p) : constants_(p.inputs.size()) {
    const Problem host = on_host(p);
    kernel_ = host_kernel(host)->prepare(host);
    int64_t at = 0;
    auto place = [&](const TensorDesc& d) {
      const Staged s{bytes_of(d), at};
      at += rounded(s.bytes);
      return s;
    };
    for (size_t i = 0; i < p.inputs.size(); ++i) {
      if (p.constants[i]) constants_[i] = *p.constants[i];
      in_.push_back(p.constants[i] ? Staged{} : place(p.inputs[i]));
    }
    for (const TensorDesc& d : p.outputs) {
      out_.push_back(place(d));
      poison_.push_back(d.dtype == ir::DType::kBool ? 0 : 0xFF);
    }
    pointers_at_ = at;
    at += rounded(int64_t((in_.size() + out_.size()) * sizeof(void*)));
    workspace_at_ = at;
    bytes_ = at + kernel_->workspace_bytes();
  }

  int64_t host_workspace_bytes() const override { return bytes_; }
  bool reads_constant(size_t) const override { return false; }

  void run(const RunArgs& args) const override {
    auto* base = static_cast<std::byte*>(args.host_workspace);
    const cudaStream_t stream = stream_of(args);
    for (size_t i = 0; i < in_.size(); ++i)
      if (in_[i].bytes)
        TENON_CUDA(
            cudaMemcpyAsync(base + in_[i].at, args.inputs[i], size_t(in_[i].bytes), cudaMemcpyDeviceToHost, stream));
    TENON_CUDA(cudaLaunchHostFunc(stream, &HostKernel::call, call_in(base)));
    for (size_t i = 0; i < out_.size(); ++i)
      if (out_[i].bytes)
        TENON_CUDA(
            cudaMemcpyAsync(args.outputs[i], base + out_[i].at, size_t(out_[i].bytes), cudaMemcpyHostToDevice, stream));
  }
  void check_ran(const void* host_workspace) const override {
    const Call* call = call_in(static_cast<const std::byte*>(host_workspace));
    require(call->failure.empty(), ErrorCode::kInvalidArgument, call->failure);
  }

 private:
  /// A run in one workspace, and how the last one went.
  struct Call {
    const HostKernel* self;
    std::byte* base;
    std::string failure;
  };
  struct Staged {
    int64_t bytes = 0, at = 0;
  };

  /// The call in a workspace: the same for every run there, since runs that are on the stream still need it.
  Call* call_in(const std::byte* workspace) const {
    auto* base = const_cast<std::byte*>(workspace);
    const std::lock_guard lock(mutex_);
    return &calls_.try_emplace(base, Call{this, base, {}}).first->second;
  }
  static void call(void* data) {
    auto& c = *static_cast<Call*>(data);
    c.failure.clear();
    try {
      c.self->on_processor(c.base);
    } catch (const std::exception& e) {
      c.self->poison(c.base);
      c.failure = e.what();
    }
  }
  /// NaN, or -1: a failure must not look like a result.
  void poison(std::byte* base) const {
    for (size_t i = 0; i < out_.size(); ++i)
      if (out_[i].bytes) std::memset(base + out_[i].at, poison_[i], size_t(out_[i].bytes));
  }
  void on_processor(std::byte* base) const {
    auto** pointers = reinterpret_cast<void**>(base + pointers_at_);
    for (size_t i = 0; i < in_.size(); ++i) {
      const void* constant = constants_[i].data().data();
      pointers[i] = constant ? const_cast<void*>(constant) : in_[i].bytes ? base + in_[i].at : nullptr;
    }
    for (size_t i = 0; i < out_.size(); ++i) pointers[in_.size() + i] = out_[i].bytes ? base + out_[i].at : nullptr;
    kernel_->run({pointers, pointers + in_.size(), base + workspace_at_, ThreadPool::shared()});
  }

  std::unique_ptr<Kernel> kernel_;
  std::vector<ir::Tensor> constants_;
  std::vector<Staged> in_, out_;
  std::vector<int> poison_;  // the byte that a failed output is filled with
  int64_t pointers_at_ = 0, workspace_at_ = 0, bytes_ = 0;
  mutable std::mutex mutex_;
  mutable std::map<const std::byte*, Call> calls_;
};

Support supports(const Problem& p) {
  if (p.node->op == "Custom") return Support::no("the application's operators run on the GPU that its process uses");
  if (!p.all_dense()) return Support::no("operands must be dense");
  for (const auto* list : {&p.inputs, &p.outputs})
    for (const TensorDesc& d : *list)
      if (d.dtype == ir::DType::kString) return Support::no("strings have no place in device memory");
  if (!host_kernel(on_host(p))) return Support::no("the CPU backend has no kernel either");
  // Two transfers over the bus, two synchronisations, and a processor's memory rate.
  return Support::yes(60 + operand_bytes(p) / 10e3);
}

std::unique_ptr<Kernel> prepare(const Problem& p) { return std::make_unique<HostKernel>(p); }

}  // namespace

std::vector<KernelDef> host() { return {{"host", "*", supports, prepare, 0}}; }

}  // namespace tenon::cuda
