// Custom operators: the application's implementation on device memory and the engine's stream.
#include "ops/custom/custom.h"

#include <optional>

#include "backends/cuda/cuda.h"
#include "backends/cuda/device/repack.h"
#include "base/checked.h"

namespace tenon::cuda {
namespace {

constexpr int64_t kAlign = 256;  // of the implementation's workspace and of repacked operands
constexpr int64_t kArenaAlign = 64;

int64_t rounded(int64_t bytes) { return checked_add(bytes, kAlign - 1) / kAlign * kAlign; }

std::vector<ops::CustomTensor> operands(const std::vector<TensorDesc>& descs, size_t count) {
  std::vector<ops::CustomTensor> out;
  for (size_t i = 0; i < count; ++i) out.push_back({descs[i].dtype, descs[i].dims});
  return out;
}

/// An operand that the implementation wants in another order than the engine's; `bytes` as the implementation sees it.
struct Operand {
  std::optional<RepackParams> repack;
  int element = 0;
  int64_t bytes = 0, at = 0;  ///< `at` in the scratch behind the implementation's workspace
};

Operand operand_of(const TensorDesc& d, const std::optional<ops::CustomPacking>& packing) {
  Operand o;
  if (d.dtype == ir::DType::kUndefined) return o;
  o.bytes = ir::storage_bytes(d.dtype, d.count());
  if (!packing) return o;
  o.element = ir::bits(d.dtype) / 8;
  RepackParams p;
  p.outer = packing->outer, p.channels = packing->channels, p.inner = packing->inner;
  p.vector = int(packing->vector), p.channels_last = packing->channels_last;
  p.padded = checked_mul(packing->groups(), packing->vector);
  o.bytes = checked_mul(checked_mul(checked_mul(p.outer, p.padded), p.inner), int64_t(o.element));
  o.repack = p;
  return o;
}

class Custom final : public Kernel {
 public:
  explicit Custom(const Problem& p) {
    const ops::CustomAttrs& a = ops::custom_attrs(p.node->attrs);
    aliases_ = a.aliases;
    const size_t inputs = p.inputs.size() - size_t(a.shape_inputs);
    run_ = ops::live_of(a).prepare(operands(p.inputs, inputs), operands(p.outputs, p.outputs.size()));
    int64_t at = rounded(run_->device_workspace_bytes());
    auto add = [&](std::vector<Operand>& list, const TensorDesc& d) {
      Operand& o = list.emplace_back(operand_of(d, run_->packing(in_.size() + out_.size())));
      if (!o.repack) return;
      o.at = at;
      at = checked_add(at, rounded(o.bytes));
    };
    for (size_t i = 0; i < inputs; ++i) add(in_, p.inputs[i]);
    for (const TensorDesc& d : p.outputs) add(out_, d);
    bytes_ = at == 0 ? 0 : checked_add(at, kAlign - kArenaAlign);
  }

  int64_t workspace_bytes() const override { return bytes_; }
  bool reads_constant(size_t input) const override { return input < in_.size(); }

  void run(const RunArgs& args) const override {
    const cudaStream_t stream = stream_of(args);
    const auto begin = (reinterpret_cast<uintptr_t>(args.workspace) + kAlign - 1) / kAlign * kAlign;
    auto* workspace = reinterpret_cast<std::byte*>(begin);
    std::vector<const void*> in(args.inputs, args.inputs + in_.size());
    std::vector<void*> out(args.outputs, args.outputs + out_.size());
    for (size_t i = 0; i < in.size(); ++i) {
      if (!in_[i].repack) continue;
      TENON_CUDA(pack(between(in_[i], args.inputs[i], workspace + in_[i].at), in_[i].element, stream));
      in[i] = workspace + in_[i].at;
    }
    for (size_t i = 0; i < out.size(); ++i)
      if (out_[i].repack) out[i] = workspace + out_[i].at;
    share_aliases(in, out, stream);
    try {
      run_->enqueue(in.data(), out.data(), workspace, args.stream);
    } catch (const Error&) {
      check_context();  // once that is lost, every implementation fails
      throw;
    }
    for (size_t i = 0; i < out.size(); ++i)
      if (out_[i].repack) TENON_CUDA(unpack(between(out_[i], out[i], args.outputs[i]), out_[i].element, stream));
  }

 private:
  static RepackParams between(const Operand& o, const void* from, void* to) {
    RepackParams p = *o.repack;
    p.x = from, p.y = to;
    return p;
  }
  /// Outputs that the implementation updates in place begin as their inputs, in the output's memory.
  void share_aliases(std::vector<const void*>& in, const std::vector<void*>& out, cudaStream_t stream) const {
    for (size_t i = 0; i < aliases_.size() && i < out.size(); ++i) {
      const auto from = size_t(aliases_[i]);
      if (aliases_[i] < 0 || from >= in.size()) continue;
      if (out[i] != in[from])
        TENON_CUDA(cudaMemcpyAsync(out[i], in[from], size_t(out_[i].bytes), cudaMemcpyDeviceToDevice, stream));
      in[from] = out[i];
    }
  }

  std::unique_ptr<ops::CustomRun> run_;
  std::vector<Operand> in_, out_;
  std::vector<int64_t> aliases_;
  int64_t bytes_ = 0;
};

Support supports(const Problem& p) {
  const ops::CustomAttrs& a = ops::custom_attrs(p.node->attrs);
  if (!a.live) return Support::no("no implementation of '", a.name, "' is loaded");
  if (!p.all_dense()) return Support::no("operands must be dense");
  for (const TensorDesc& d : p.outputs)
    if (d.dtype == ir::DType::kUndefined) return Support::no("every output must have memory");
  return Support::yes(estimate_us(p, 0, 1));
}

}  // namespace

std::vector<KernelDef> custom() {
  return {{"custom", "Custom", supports,
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<Custom>(p); }}};
}

}  // namespace tenon::cuda
