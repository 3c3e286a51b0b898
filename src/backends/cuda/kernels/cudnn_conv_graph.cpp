#include "backends/cuda/kernels/cudnn_conv_graph.h"

#include <algorithm>
#include <limits>
#include <map>

#include "backends/cuda/elem.h"
#include "ops/fused/pointwise_program.h"
#include "ops/nn/conv.h"
#include "ops/nn/conv_transpose.h"

namespace tenon::cuda {
namespace {

using cudnn::GraphSpec;
using cudnn::TensorSpec;
using ops::PointwiseArg;
using ops::PointwiseFn;
using ops::PointwiseInstr;

constexpr size_t kBias = 2, kExtras = 3;

cudnn::DataType type_of(ir::DType t) {
  return t == ir::DType::kF16 ? cudnn::kHalf : t == ir::DType::kBF16 ? cudnn::kBFloat16 : cudnn::kFloat;
}

/// Puts axes in cuDNN's order: N, C, then two or three spatial axes.
struct AxisOrder {
  bool channels_last;
  size_t rank;
  std::vector<int64_t> operator()(const std::vector<int64_t>& v, int64_t inserted) const {
    std::vector<int64_t> out{v[0], channels_last ? v[rank - 1] : v[1]};
    if (rank == 3) out.push_back(inserted);
    for (size_t i = 0; i + 2 < rank; ++i) out.push_back(v[(channels_last ? 1 : 2) + i]);
    return out;
  }
  TensorSpec tensor(ir::DType type, const ir::Dims& dims, const std::vector<int64_t>& strides) const {
    const size_t row = channels_last ? 1 : 2;  // the axis that a window over one axis is extended in front of
    return {type_of(type), (*this)(dims, 1), (*this)(strides, rank == 3 ? strides[row] * dims[row] : 0)};
  }
};

/// Row-major strides with rows of the last axis `pitch` apart.
std::vector<int64_t> row_major(const ir::Dims& dims, int64_t pitch) {
  std::vector<int64_t> s(dims.size(), 1);
  for (size_t i = dims.size() - 1; i-- > 0;) s[i] = i + 2 == dims.size() ? pitch : s[i + 1] * dims[i + 1];
  return s;
}

std::vector<int64_t> two_or_more(std::vector<int64_t> v, int64_t inserted) {
  if (v.size() == 1) v.insert(v.begin(), inserted);
  return v;
}

/// Turns bias and epilogue into pointwise operations.
class EpilogueWriter {
 public:
  EpilogueWriter(const Problem& p, const AxisOrder& order, int sum, ConvGraph& g)
      : p_(p), order_(order), g_(g), value_(sum) {}

  std::string write(const std::string& text) {
    ops::PointwiseProgram program;
    if (!text.empty()) {
      program = ops::parse_pointwise(text);
      if (program.results.size() != 1) return cat("the epilogue '", text, "' has several results");
    }
    if (p_.has_input(kBias) && !add_residual_first(program)) value_ = binary(cudnn::kAdd, value_, bias());
    for (size_t i = temps_.size(); i < program.instrs.size(); ++i) {
      const int t = instr(program.instrs[i]);
      if (t < 0) return cat("cuDNN has no counterpart of the epilogue '", text, "'");
      temps_.push_back(t);
    }
    if (text.empty()) return finish(value_);
    const PointwiseArg& r = program.results[0];
    if (r.kind == PointwiseArg::Kind::kTemp && size_t(r.index) + 1 == temps_.size()) return finish(temps_.back());
    if (r.kind == PointwiseArg::Kind::kInput && r.index == 0 && temps_.empty()) return finish(value_);
    return cat("the result of the epilogue '", text, "' is not its last value");
  }

 private:
  using Mode = cudnn::PointwiseMode;
  using Kind = PointwiseArg::Kind;

  const TensorDesc& y() const { return p_.outputs[0]; }
  int temporary() {
    TensorSpec t = order_.tensor(ir::DType::kF32, y().dims, row_major(y().dims, y().dims.back()));
    t.kind = TensorSpec::Kind::kVirtual;
    return g_.spec.add(std::move(t));
  }
  int number(float v) {
    TensorSpec t;
    t.dims = t.strides = std::vector<int64_t>(std::max<size_t>(order_.rank, 4), 1);
    t.kind = TensorSpec::Kind::kNumber;
    t.number = v;
    return g_.spec.add(std::move(t));
  }
  int unary(Mode mode, int x, std::vector<std::pair<cudnn::Attribute, double>> parameters = {}) {
    const int to = temporary();
    g_.spec.operations.push_back(cudnn::PointwiseSpec{mode, x, -1, to, std::move(parameters)});
    return to;
  }
  int binary(Mode mode, int x, int b) {
    const bool swaps = mode == cudnn::kAdd || mode == cudnn::kMul || mode == cudnn::kMin || mode == cudnn::kMax;
    const auto computed = [&](int t) { return g_.spec.tensors[size_t(t)].kind == TensorSpec::Kind::kVirtual; };
    if (swaps && !computed(x) && computed(b)) std::swap(x, b);
    const int to = temporary();
    g_.spec.operations.push_back(cudnn::PointwiseSpec{mode, x, b, to});
    return to;
  }
  int clip(int x, float low, float high) {
    const int raised = low == 0 ? unary(cudnn::kRelu, x) : binary(cudnn::kMax, x, number(low));
    return binary(cudnn::kMin, raised, number(high));
  }

  int bias() {
    const TensorDesc& b = p_.inputs[kBias];
    g_.bias_type = p_.constants[kBias] ? p_.inputs[0].dtype : b.dtype;
    ir::Dims dims(order_.rank, 1);
    dims[order_.channels_last ? order_.rank - 1 : 1] = b.count();
    return g_.bias = g_.spec.add(order_.tensor(g_.bias_type, dims, row_major(dims, dims.back())));
  }
  /// Operand `k` of the program, or -1 where its type has no counterpart.
  int operand(int k) {
    const size_t input = kExtras + size_t(k) - 1;
    if (const auto found = operands_.find(k); found != operands_.end()) return found->second;
    if (!p_.has_input(input) || !is_elem(p_.inputs[input].dtype)) return -1;
    const TensorDesc& d = p_.inputs[input];
    ir::Dims dims(order_.rank - d.dims.size(), 1);
    dims.insert(dims.end(), d.dims.begin(), d.dims.end());
    const int t = g_.spec.add(order_.tensor(d.dtype, dims, row_major(dims, d.dims.empty() ? 1 : d.pitch)));
    g_.extras.emplace_back(t, input);
    return operands_[k] = t;
  }
  int value(const PointwiseArg& a) {
    if (a.kind == Kind::kConstant) return number(a.value);
    if (a.kind == Kind::kTemp) return temps_.at(size_t(a.index));
    return a.index == 0 ? value_ : operand(a.index);
  }

  /// cuDNN's precompiled kernels add a residual before the bias.
  bool add_residual_first(const ops::PointwiseProgram& program) {
    if (program.instrs.empty() || program.instrs[0].fn != PointwiseFn::kAdd) return false;
    const PointwiseArg &a = program.instrs[0].args[0], &b = program.instrs[0].args[1];
    const auto sum = [](const PointwiseArg& v) { return v.kind == Kind::kInput && v.index == 0; };
    const auto full = [&](const PointwiseArg& v) {
      return v.kind == Kind::kInput && v.index > 0 && p_.inputs[kExtras + size_t(v.index) - 1].dims == y().dims;
    };
    if (!(sum(a) && full(b)) && !(sum(b) && full(a))) return false;
    for (size_t i = 1; i < program.instrs.size(); ++i)
      if (std::any_of(program.instrs[i].args.begin(), program.instrs[i].args.end(), sum)) return false;
    const int residual = operand(sum(a) ? b.index : a.index);
    if (residual < 0) return false;
    const int added = binary(cudnn::kAdd, value_, residual);
    temps_.push_back(binary(cudnn::kAdd, added, bias()));
    return true;
  }

  /// The tensor of an instruction's result, or -1 where cuDNN has no counterpart.
  int instr(const PointwiseInstr& in) {
    const bool with_constants = in.fn == PointwiseFn::kClip || in.fn == PointwiseFn::kLeakyRelu ||
                                in.fn == PointwiseFn::kElu || in.fn == PointwiseFn::kHardSigmoid;
    std::vector<int> v;
    for (size_t i = 0; i < in.args.size(); ++i) {
      if (with_constants && i > 0) {
        if (in.args[i].kind != Kind::kConstant) return -1;
        continue;
      }
      v.push_back(value(in.args[i]));
      if (v.back() < 0) return -1;
    }
    const auto constant = [&](size_t i) { return in.args[i].value; };
    switch (in.fn) {
      case PointwiseFn::kClip:
        return clip(v[0], constant(1), constant(2));
      case PointwiseFn::kLeakyRelu:
        return unary(cudnn::kRelu, v[0], {{cudnn::kReluSlope, double(constant(1))}});
      case PointwiseFn::kElu:
        return unary(cudnn::kElu, v[0], {{cudnn::kEluAlpha, double(constant(1))}});
      case PointwiseFn::kHardSigmoid:
        return hard_sigmoid(v[0], constant(1), constant(2));
      case PointwiseFn::kHardSwish:
        return binary(cudnn::kMul, v[0], hard_sigmoid(v[0], 1 / 6.f, 0.5f));
      case PointwiseFn::kMish:
        return binary(cudnn::kMul, v[0], unary(cudnn::kTanh, unary(cudnn::kSoftplus, v[0])));
      case PointwiseFn::kSquare:
        return binary(cudnn::kMul, v[0], v[0]);
      default:
        return simple(in.fn, v);
    }
  }
  int hard_sigmoid(int x, float alpha, float beta) {
    return clip(binary(cudnn::kAdd, binary(cudnn::kMul, x, number(alpha)), number(beta)), 0, 1);
  }
  int simple(PointwiseFn fn, const std::vector<int>& v) {
    static const std::map<PointwiseFn, Mode> modes{
        {PointwiseFn::kAdd, cudnn::kAdd},           {PointwiseFn::kSub, cudnn::kSub},
        {PointwiseFn::kMul, cudnn::kMul},           {PointwiseFn::kDiv, cudnn::kDiv},
        {PointwiseFn::kMin, cudnn::kMin},           {PointwiseFn::kMax, cudnn::kMax},
        {PointwiseFn::kPow, cudnn::kPow},           {PointwiseFn::kRelu, cudnn::kRelu},
        {PointwiseFn::kSigmoid, cudnn::kSigmoid},   {PointwiseFn::kTanh, cudnn::kTanh},
        {PointwiseFn::kExp, cudnn::kExp},           {PointwiseFn::kLog, cudnn::kLog},
        {PointwiseFn::kSqrt, cudnn::kSqrt},         {PointwiseFn::kReciprocal, cudnn::kReciprocal},
        {PointwiseFn::kAbs, cudnn::kAbs},           {PointwiseFn::kNeg, cudnn::kNeg},
        {PointwiseFn::kFloor, cudnn::kFloor},       {PointwiseFn::kCeil, cudnn::kCeil},
        {PointwiseFn::kErf, cudnn::kErf},           {PointwiseFn::kSilu, cudnn::kSwish},
        {PointwiseFn::kGeluErf, cudnn::kGeluErf},   {PointwiseFn::kGeluTanh, cudnn::kGeluTanh},
        {PointwiseFn::kSoftplus, cudnn::kSoftplus}, {PointwiseFn::kSin, cudnn::kSin},
        {PointwiseFn::kCos, cudnn::kCos},           {PointwiseFn::kRsqrt, cudnn::kRsqrt}};
    const auto found = modes.find(fn);
    if (found == modes.end()) return -1;
    return v.size() == 2 ? binary(found->second, v[0], v[1]) : unary(found->second, v[0]);
  }

  std::string finish(int last) {
    g_.spec.tensors[size_t(last)] = order_.tensor(y().dtype, y().dims, row_major(y().dims, y().pitch));
    g_.y = last;
    return {};
  }

  const Problem& p_;
  const AxisOrder& order_;
  ConvGraph& g_;
  int value_;
  std::vector<int> temps_;
  std::map<int, int> operands_;
};

std::string check_operands(const Problem& p, bool channels_last) {
  const TensorDesc &x = p.inputs[0], &w = p.inputs[1], &y = p.outputs[0];
  constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
  if (x.dims.size() < 3 || x.dims.size() > 5) return cat(x.dims.size() - 2, " spatial axes, accepted are 1 to 3");
  if (!is_elem(x.dtype) || w.dtype != x.dtype)
    return cat("types ", x.dtype, " and ", w.dtype, ", accepted are f32, f16 and bf16, both alike");
  if (y.dtype != x.dtype && y.dtype != ir::DType::kF32)
    return cat("result type ", y.dtype, " of ", x.dtype, " operands");
  if (channels_last && !p.constants[1]) return "the weights are not constant";
  if (!w.dense()) return "the weights have a pitch";
  if (p.has_input(kBias) && !is_elem(p.inputs[kBias].dtype)) return cat("the bias is ", p.inputs[kBias].dtype);
  for (const TensorDesc* d : {&x, &w, &y}) {
    if (d->count() == 0) return "an operand is empty";
    if (d->count() > kMax) return cat("an operand has ", d->count(), " elements");
  }
  return {};
}

template <class Attrs>
std::string read(const Problem& p, const Attrs& a, bool backward_data, ConvGraph& g) {
  if (std::string reason = check_operands(p, a.channels_last); !reason.empty()) return reason;
  const TensorDesc &x = p.inputs[0], &w = p.inputs[1], &y = p.outputs[0];
  const size_t rank = x.dims.size(), spatial = rank - 2;
  if (std::any_of(a.pads.begin(), a.pads.end(), [](int64_t n) { return n < 0; })) return "a padding is negative";
  const AxisOrder order{a.channels_last, rank}, weights_order{false, rank};
  cudnn::ConvolutionSpec c;
  c.backward_data = backward_data;
  c.before = two_or_more({a.pads.begin(), a.pads.begin() + int64_t(spatial)}, 0);
  c.after = two_or_more({a.pads.begin() + int64_t(spatial), a.pads.end()}, 0);
  c.strides = two_or_more(a.strides, 1);
  c.dilations = two_or_more(a.dilations, 1);
  c.x = g.x = g.spec.add(order.tensor(x.dtype, x.dims, row_major(x.dims, x.pitch)));
  std::vector<int64_t> w_strides = row_major(w.dims, w.dims.back());
  if (a.channels_last) {
    w_strides[1] = 1;
    int64_t step = w.dims[1];
    for (size_t i = rank; i-- > 2; step *= w.dims[i]) w_strides[i] = step;
    w_strides[0] = step;
  }
  g.packed_weights = a.channels_last && w.count() > w.dims[0] * w.dims[1];
  c.w = g.w = g.spec.add(weights_order.tensor(w.dtype, w.dims, w_strides));
  TensorSpec sum = order.tensor(ir::DType::kF32, y.dims, row_major(y.dims, y.dims.back()));
  sum.kind = TensorSpec::Kind::kVirtual;
  c.y = g.spec.add(std::move(sum));
  g.group = a.group;
  g.depthwise = a.group > 1 && w.dims[1] == 1;
  const TensorDesc& swept = backward_data ? x : y;
  g.flops = 2.0 * double(swept.count()) * double(w.count() / w.dims[0]);
  const int sums = c.y;
  g.spec.operations.push_back(std::move(c));
  return EpilogueWriter(p, order, sums, g).write(a.epilogue);
}

}  // namespace

bool ConvGraph::compiled_later() const {
  return std::any_of(spec.operations.begin(), spec.operations.end(), [](const GraphSpec::Operation& o) {
    const auto* op = std::get_if<cudnn::PointwiseSpec>(&o);
    return op && ((op->mode != cudnn::kAdd && op->mode != cudnn::kRelu) || !op->parameters.empty());
  });
}

std::string read_conv_graph(const Problem& p, ConvGraph& g) {
  if (p.node->op == "ConvTranspose") return read(p, p.attrs<ops::ConvTransposeAttrs>(), true, g);
  const auto& a = p.attrs<ops::ConvAttrs>();
  if (a.x_channels_first) return "channels of x come first and those of y last";
  return read(p, a, false, g);
}

}  // namespace tenon::cuda
