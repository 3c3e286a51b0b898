// Products on operands that are stored in f16: converted to f32, computed by the f32 kernels, converted back.
#include "backends/cpu/kernels/product.h"

namespace tenon::cpu {
namespace {

constexpr int64_t kStrip = 4096;  ///< elements converted at a time

/// The problem in f32. Constant weights and the epilogue's operands keep their type: kernels convert those themselves.
Problem in_f32(const Problem& p) {
  Problem q = p;
  const auto widen = [](TensorDesc& d) {
    if (d.dtype == ir::DType::kF16) d.dtype = ir::DType::kF32;
  };
  widen(q.inputs[0]);
  widen(q.inputs[1]);
  widen(q.outputs[0]);
  return q;
}

std::vector<KernelDef> defs_of(std::string_view op);

/// The first f32 kernel that accepts. Not the one with the least estimate: estimates depend on threads and batch, and a
/// row's bits must not.
const KernelDef* choose(const Problem& q, const std::vector<KernelDef>& defs, double& cost) {
  for (const KernelDef& d : defs)
    if (const Support s = d.supports(q); s.ok) {
      cost = s.cost_us;
      return &d;
    }
  return nullptr;
}

class F16Storage final : public Kernel {
 public:
  explicit F16Storage(const Problem& p) : loops_(isa::loop_table().pointwise) {
    const Problem q = in_f32(p);
    const std::vector<KernelDef> defs = defs_of(p.node->op);
    double cost = 0;
    const KernelDef* def = choose(q, defs, cost);
    require(def != nullptr, ErrorCode::kInternal, "no f32 kernel for ", p.node->op);
    inner_ = def->prepare(q);
    space_ = round_up(inner_->workspace_bytes());
    for (size_t i = 0; i < 2; ++i)
      if (p.inputs[i].dtype == ir::DType::kF16 && !(i == 1 && p.constants[1]))
        inputs_.push_back(reserve(i, p.inputs[i]));
    if (p.outputs[0].dtype == ir::DType::kF16) output_ = reserve(0, p.outputs[0]);
    count_ = p.inputs.size();
    require(count_ <= kMaxInputs, ErrorCode::kUnsupported, count_, " operands, accepted are ", kMaxInputs);
  }
  int64_t workspace_bytes() const override { return space_; }

  void run(const RunArgs& args) const override {
    const void* inputs[kMaxInputs];
    for (size_t i = 0; i < count_; ++i) inputs[i] = args.inputs[i];
    char* space = static_cast<char*>(args.workspace);
    for (const Copy& c : inputs_) {
      inputs[c.index] = space + c.offset;
      strips(args, c.count, [&](int64_t at, int64_t n) {
        loops_.load[size_t(isa::PwType::kF16)](static_cast<const uint16_t*>(args.inputs[c.index]) + at,
                                               reinterpret_cast<float*>(space + c.offset) + at, n);
      });
    }
    void* output = output_.count ? space + output_.offset : args.outputs[0];
    inner_->run({inputs, &output, args.workspace, args.pool, nullptr});
    if (output_.count)
      strips(args, output_.count, [&](int64_t at, int64_t n) {
        loops_.store[size_t(isa::PwType::kF16)](reinterpret_cast<const float*>(space + output_.offset) + at,
                                                static_cast<uint16_t*>(args.outputs[0]) + at, n);
      });
  }

 private:
  static constexpr size_t kMaxInputs = 3 + kMaxExtras;
  struct Copy {
    size_t index = 0;
    int64_t offset = 0, count = 0;
  };
  Copy reserve(size_t index, const TensorDesc& d) {
    const Copy c{index, space_, d.count()};
    space_ += round_up(c.count * 4);
    return c;
  }
  template <class F>
  static void strips(const RunArgs& args, int64_t count, const F& f) {
    args.pool.parallel_for((count + kStrip - 1) / kStrip,
                           [&](int64_t i, int) { f(i * kStrip, std::min(kStrip, count - i * kStrip)); });
  }

  const isa::PointwiseLoops& loops_;
  std::unique_ptr<Kernel> inner_;
  std::vector<Copy> inputs_;
  Copy output_;
  size_t count_;
  int64_t space_ = 0;
};

Support supports(const Problem& p) {
  if (p.inputs[0].dtype != ir::DType::kF16)
    return Support::no("input is ", ir::name(p.inputs[0].dtype), ", accepted is f16");
  if (!p.all_dense()) return Support::no("operands must be dense");
  double cost = 0;
  if (!choose(in_f32(p), defs_of(p.node->op), cost)) return Support::no("no f32 kernel accepts the problem");
  return Support::yes(cost + double(p.inputs[0].count() + p.outputs[0].count()) * 0.0005 / p.threads);
}

std::unique_ptr<Kernel> prepare(const Problem& p) { return std::make_unique<F16Storage>(p); }

}  // namespace

#define TENON_KERNELS(name) std::vector<KernelDef> name();
TENON_KERNELS(conv_depthwise)
TENON_KERNELS(conv_implicit_gemm)
TENON_KERNELS(conv_transpose)
TENON_KERNELS(matmul)
#undef TENON_KERNELS

namespace {
std::vector<KernelDef> defs_of(std::string_view op) {
  std::vector<KernelDef> all;
  for (auto make : {conv_depthwise, conv_implicit_gemm, conv_transpose, matmul})
    for (const KernelDef& d : make())
      if (d.op == op) all.push_back(d);
  return all;
}
}  // namespace

std::vector<KernelDef> f16_storage() {
  return {{"conv_f16_storage", "Conv", supports, prepare},
          {"conv_transpose_f16_storage", "ConvTranspose", supports, prepare},
          {"matmul_f16_storage", "MatMul", supports, prepare}};
}

}  // namespace tenon::cpu
