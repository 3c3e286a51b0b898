// Element-wise operators on integers of up to 64 bits and bool, and Where on elements of any type.
#include "backends/cuda/device/integer.h"
#include "backends/cuda/cuda.h"
#include "backends/cuda/kernels/plain.h"
#include "backends/cuda/kernels/strided_copy.h"
#include "ops/math/binary.h"

namespace tenon::cuda {
namespace {

using ir::Dims;
using ir::DType;

struct Named {
  std::string_view op;
  size_t operands;
  IntegerRule rule;
};
constexpr Named kRules[] = {{"Add", 2, IntegerRule::kAdd},
                            {"Sub", 2, IntegerRule::kSub},
                            {"Mul", 2, IntegerRule::kMul},
                            {"Div", 2, IntegerRule::kDiv},
                            {"Mod", 2, IntegerRule::kMod},
                            {"Pow", 2, IntegerRule::kPow},
                            {"Min", 2, IntegerRule::kMin},
                            {"Max", 2, IntegerRule::kMax},
                            {"Equal", 2, IntegerRule::kEqual},
                            {"Less", 2, IntegerRule::kLess},
                            {"LessOrEqual", 2, IntegerRule::kLessOrEqual},
                            {"Greater", 2, IntegerRule::kGreater},
                            {"GreaterOrEqual", 2, IntegerRule::kGreaterOrEqual},
                            {"And", 2, IntegerRule::kAnd},
                            {"Or", 2, IntegerRule::kOr},
                            {"Xor", 2, IntegerRule::kXor},
                            {"BitwiseAnd", 2, IntegerRule::kAnd},
                            {"BitwiseOr", 2, IntegerRule::kOr},
                            {"BitwiseXor", 2, IntegerRule::kXor},
                            {"BitShift", 2, IntegerRule::kShiftRight},
                            {"Neg", 1, IntegerRule::kNeg},
                            {"Abs", 1, IntegerRule::kAbs},
                            {"Sign", 1, IntegerRule::kSign},
                            {"Not", 1, IntegerRule::kInvert},
                            {"BitwiseNot", 1, IntegerRule::kInvert}};

const Named& named(const Problem& p) {
  for (const Named& n : kRules)
    if (n.op == p.node->op) return n;
  fail(ErrorCode::kInternal, "operator ", p.node->op, " is not in the list of integer kernels");
}
IntegerRule rule_of(const Problem& p) {
  if (p.node->op == "Mod") return p.attrs<ops::ModAttrs>().fmod ? IntegerRule::kFmod : IntegerRule::kMod;
  if (p.node->op == "BitShift")
    return p.attrs<ops::BitShiftAttrs>().left ? IntegerRule::kShiftLeft : IntegerRule::kShiftRight;
  return named(p).rule;
}

/// The inputs walked along the axes of a dense result.
struct Walk {
  Dims dims;
  std::vector<Dims> strides;  ///< of each input
  explicit Walk(const Problem& p) : dims(p.outputs[0].dims) {
    for (const TensorDesc& d : p.inputs) strides.push_back(broadcast_strides(d, dims));
    strides.push_back(ir::strides_of(dims));
    collapse(dims, strides);
  }
};

class IntegerKernel final : public Kernel {
 public:
  explicit IntegerKernel(const Problem& p) : operands_(p.inputs.size()) {
    const Walk walk(p);
    params_.rule = rule_of(p);
    params_.to = *plain_of(p.outputs[0].dtype);
    params_.count = uint32_t(p.outputs[0].count());
    if (params_.count == 0) return;
    params_.extents = extents_of(walk.dims);
    for (size_t i = 0; i < operands_; ++i) {
      params_.types[i] = *plain_of(p.inputs[i].dtype);
      params_.strides[i] = strides_of(walk.strides[i]);
    }
  }
  void run(const RunArgs& args) const override {
    IntegerParams p = params_;
    for (size_t i = 0; i < operands_; ++i) p.x[i] = args.inputs[i];
    p.y = args.outputs[0];
    TENON_CUDA(cuda::integer(p, stream_of(args)));
  }

 private:
  size_t operands_;
  IntegerParams params_;
};

Support supports_walk(const Problem& p) {
  if (!p.outputs[0].dense()) return Support::no("the result must be dense");
  if (p.outputs[0].count() > kMaxElements)
    return Support::no("the result has ", p.outputs[0].count(), " elements, accepted are ", kMaxElements);
  if (p.outputs[0].count() > 0 && Walk(p).dims.size() > size_t(kAxes))
    return Support::no("more than ", kAxes, " axes are walked");
  return Support::yes(estimate_us(p, 0, 1));
}

Support supports_integer(const Problem& p) {
  if (p.inputs.size() != named(p).operands)
    return Support::no("operator ", p.node->op, " of ", p.inputs.size(), " operands");
  auto whole = [](DType t) { return plain_of(t) && !ir::is_float(t); };
  for (const TensorDesc& d : p.inputs)
    if (!whole(d.dtype))
      return Support::no("an operand is ", d.dtype, ", accepted are bool and integers of 8 to 64 bits but u64");
  if (!whole(p.outputs[0].dtype)) return Support::no("the result is ", p.outputs[0].dtype);
  return supports_walk(p);
}

class SelectKernel final : public Kernel {
 public:
  explicit SelectKernel(const Problem& p) : bytes_(int(element_bytes(p.outputs[0].dtype))) {
    const Walk walk(p);
    params_.count = uint32_t(p.outputs[0].count());
    if (params_.count == 0) return;
    params_.extents = extents_of(walk.dims);
    for (size_t i = 0; i < 3; ++i) params_.strides[i] = strides_of(walk.strides[i]);
  }
  void run(const RunArgs& args) const override {
    SelectParams p = params_;
    p.condition = static_cast<const bool*>(args.inputs[0]);
    p.a = args.inputs[1];
    p.b = args.inputs[2];
    p.y = args.outputs[0];
    TENON_CUDA(cuda::select(p, bytes_, stream_of(args)));
  }

 private:
  int bytes_;
  SelectParams params_;
};

Support supports_select(const Problem& p) {
  if (p.inputs.size() != 3 || p.inputs[0].dtype != DType::kBool) return Support::no("the condition is not bool");
  const DType t = p.outputs[0].dtype;
  if (element_bytes(t) == 0 || p.inputs[1].dtype != t || p.inputs[2].dtype != t)
    return Support::no("the operands are ", p.inputs[1].dtype, " and ", p.inputs[2].dtype,
                       ", accepted is one type of whole bytes");
  return supports_walk(p);
}

template <class K>
std::unique_ptr<Kernel> make(const Problem& p) {
  return std::make_unique<K>(p);
}

}  // namespace

std::vector<KernelDef> integer() {
  std::vector<KernelDef> defs;
  for (const Named& n : kRules)
    defs.push_back({"integer_elements", n.op, supports_integer, make<IntegerKernel>, 0xffff});
  defs.push_back({"select_elements", "Where", supports_select, make<SelectKernel>, 0xffff});
  return defs;
}

}  // namespace tenon::cuda
