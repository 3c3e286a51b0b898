// Operators that have no kernel on the GPU run on the processor, inside the same stream: operands are copied to
// page-locked memory, a host function runs the CPU backend's kernel, and the results are copied back. All of it can be
// recorded.
#include <cstring>
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
    int64_t at = rounded(int64_t(sizeof(Call)));
    auto place = [&](const TensorDesc& d) {
      const Staged s{bytes_of(d), at};
      at += rounded(s.bytes);
      return s;
    };
    for (size_t i = 0; i < p.inputs.size(); ++i) {
      if (p.constants[i]) constants_[i] = *p.constants[i];
      in_.push_back(p.constants[i] ? Staged{} : place(p.inputs[i]));
    }
    for (const TensorDesc& d : p.outputs) out_.push_back(place(d));
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
    auto* call = new (base) Call{this, base, {}};
    TENON_CUDA(cudaLaunchHostFunc(stream, &HostKernel::call, call));
    for (size_t i = 0; i < out_.size(); ++i)
      if (out_[i].bytes)
        TENON_CUDA(
            cudaMemcpyAsync(args.outputs[i], base + out_[i].at, size_t(out_[i].bytes), cudaMemcpyHostToDevice, stream));
  }
  void check_ran(const void* host_workspace) const override {
    const auto* call = static_cast<const Call*>(host_workspace);
    require(call->failure[0] == 0, ErrorCode::kInvalidArgument, call->failure);
  }

 private:
  struct Call {
    const HostKernel* self;
    std::byte* base;
    char failure[240];
  };
  struct Staged {
    int64_t bytes = 0, at = 0;
  };

  static void call(void* data) {
    auto& c = *static_cast<Call*>(data);
    c.failure[0] = 0;
    try {
      c.self->on_processor(c.base);
    } catch (const std::exception& e) {
      std::strncpy(c.failure, e.what(), sizeof c.failure - 1);
      c.failure[sizeof c.failure - 1] = 0;
    }
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
  int64_t pointers_at_ = 0, workspace_at_ = 0, bytes_ = 0;
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
