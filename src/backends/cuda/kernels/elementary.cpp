// Elementary functions that pointwise programs have no name for, and rotary embeddings.
#include <array>

#include "backends/cuda/cuda.h"
#include "backends/cuda/device/elementary.h"
#include "backends/cuda/elem.h"
#include "ops/math/activation.h"
#include "ops/math/predicate.h"
#include "ops/nn/attention.h"

namespace tenon::cuda {
namespace {

constexpr int64_t kMost = int64_t(1) << 38;  // elements that a grid reaches

constexpr std::array<std::pair<std::string_view, Elementary>, 10> kFunctions{{{"Asin", Elementary::kAsin},
                                                                              {"Acos", Elementary::kAcos},
                                                                              {"Atan", Elementary::kAtan},
                                                                              {"Sinh", Elementary::kSinh},
                                                                              {"Cosh", Elementary::kCosh},
                                                                              {"Asinh", Elementary::kAsinh},
                                                                              {"Acosh", Elementary::kAcosh},
                                                                              {"Atanh", Elementary::kAtanh},
                                                                              {"Shrink", Elementary::kShrink},
                                                                              {"IsInf", Elementary::kIsInf}}};

class Function final : public Kernel {
 public:
  explicit Function(const Problem& p) : type_(elem_of(p.inputs[0].dtype)) {
    args_.count = p.outputs[0].count();
    for (const auto& [name, f] : kFunctions)
      if (name == p.node->op) args_.f = f;
    if (args_.f == Elementary::kShrink) {
      const auto& a = p.attrs<ops::ShrinkAttrs>();
      args_.a = a.bias, args_.b = a.lambd;
    } else if (args_.f == Elementary::kIsInf) {
      const auto& a = p.attrs<ops::IsInfAttrs>();
      args_.a = a.detect_negative, args_.b = a.detect_positive;
    }
  }
  void run(const RunArgs& args) const override {
    ElementaryArgs a = args_;
    a.x = args.inputs[0];
    a.y = args.outputs[0];
    TENON_CUDA(elementary(a, type_, stream_of(args)));
  }

 private:
  ElementaryArgs args_;
  Elem type_;
};

Support supports_function(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  const TensorDesc &x = p.inputs[0], &y = p.outputs[0];
  if (!is_elem(x.dtype)) return Support::no("elements of type ", x.dtype, ", accepted are f32, f16 and bf16");
  if (y.dtype != x.dtype && y.dtype != ir::DType::kBool) return Support::no("results of type ", y.dtype);
  if (y.count() > kMost) return Support::no("x has ", y.count(), " elements");
  return Support::yes(estimate_us(p, 0, 1));
}

RotaryArgs rotary_of(const Problem& p) {
  const auto& a = p.attrs<ops::RotaryEmbeddingAttrs>();
  const ir::Dims& d = p.inputs[0].dims;
  const bool flat = d.size() == 3;
  RotaryArgs r;
  r.batch = d[0];
  r.heads = flat ? a.num_heads : d[1];
  r.steps = flat ? d[1] : d[2];
  r.size = flat ? d[2] / r.heads : d[3];
  r.half = (a.rotary_embedding_dim > 0 ? a.rotary_embedding_dim : r.size) / 2;
  r.b = r.heads * r.steps * r.size;
  r.p = flat ? r.heads * r.size : r.size;
  r.h = flat ? r.size : r.steps * r.size;
  r.rows = p.has_input(3) ? p.inputs[1].dims[0] : r.batch * r.steps;
  r.interleaved = a.interleaved;
  return r;
}

class Rotary final : public Kernel {
 public:
  explicit Rotary(const Problem& p)
      : args_(rotary_of(p)), type_(elem_of(p.inputs[0].dtype)), has_positions_(p.has_input(3)) {}
  void run(const RunArgs& args) const override {
    RotaryArgs r = args_;
    r.x = args.inputs[0];
    r.cos = args.inputs[1];
    r.sin = args.inputs[2];
    r.positions = has_positions_ ? static_cast<const int64_t*>(args.inputs[3]) : nullptr;
    r.y = args.outputs[0];
    TENON_CUDA(rotary(r, type_, stream_of(args)));
  }

 private:
  RotaryArgs args_;
  Elem type_;
  bool has_positions_;
};

Support supports_rotary(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  for (size_t i = 0; i < 3; ++i)
    if (!is_elem(p.inputs[i].dtype) || p.inputs[i].dtype != p.inputs[0].dtype)
      return Support::no("operand ", i, " has the type ", p.inputs[i].dtype, ", accepted is one of f32, f16 and bf16");
  if (p.has_input(3) && p.inputs[3].dtype != ir::DType::kI64)
    return Support::no("positions of type ", p.inputs[3].dtype);
  if (p.inputs[0].count() > kMost || p.inputs[0].count() == 0) return Support::no(p.inputs[0].count(), " elements");
  return Support::yes(estimate_us(p, 0, 1));
}

}  // namespace

std::vector<KernelDef> elementary_functions() {
  std::vector<KernelDef> all;
  for (const auto& [name, f] : kFunctions)
    all.push_back({"elementary", name, supports_function,
                   [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<Function>(p); }});
  all.push_back({"rotary_pairs", "RotaryEmbedding", supports_rotary,
                 [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<Rotary>(p); }});
  return all;
}

}  // namespace tenon::cuda
