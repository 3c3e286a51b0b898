#include "backends/cuda/kernels/product_epilogue.h"

#include <cstring>

namespace tenon::cuda {
namespace {

constexpr int kMaxOperands = 64;  // of a program, the sums among them: what operators with an epilogue have as inputs

using ops::PointwiseArg;
using ops::PointwiseFn;

bool is_sum(const PointwiseArg& a) { return a.kind == PointwiseArg::Kind::kInput && a.index == 0; }
bool is_extra(const PointwiseArg& a) { return a.kind == PointwiseArg::Kind::kInput && a.index == 1; }

/// The activation that an instruction is, its first argument being the value.
bool read_act(const ops::PointwiseInstr& instr, Epilogue& e) {
  struct Named {
    PointwiseFn fn;
    Act act;
  };
  constexpr Named kActs[] = {{PointwiseFn::kRelu, Act::kRelu},
                             {PointwiseFn::kClip, Act::kClip},
                             {PointwiseFn::kSilu, Act::kSilu},
                             {PointwiseFn::kSigmoid, Act::kSigmoid},
                             {PointwiseFn::kTanh, Act::kTanh},
                             {PointwiseFn::kHardSwish, Act::kHardSwish},
                             {PointwiseFn::kHardSigmoid, Act::kHardSigmoid},
                             {PointwiseFn::kGeluErf, Act::kGeluErf},
                             {PointwiseFn::kGeluTanh, Act::kGeluTanh},
                             {PointwiseFn::kLeakyRelu, Act::kLeakyRelu},
                             {PointwiseFn::kElu, Act::kElu},
                             {PointwiseFn::kMish, Act::kMish},
                             {PointwiseFn::kSoftplus, Act::kSoftplus}};
  for (const Named& n : kActs) {
    if (n.fn != instr.fn) continue;
    for (size_t i = 1; i < instr.args.size(); ++i) {
      if (instr.args[i].kind != PointwiseArg::Kind::kConstant) return false;
      (i == 1 ? e.a : e.b) = instr.args[i].value;
    }
    e.act = n.act;
    return true;
  }
  return false;
}

/// Whether an instruction joins `value` and the extra operand, in either order if it commutes.
bool joins(const ops::PointwiseInstr& instr, PointwiseFn fn, bool (*value)(const PointwiseArg&)) {
  if (instr.fn != fn) return false;
  return (value(instr.args[0]) && is_extra(instr.args[1])) || (is_extra(instr.args[0]) && value(instr.args[1]));
}
bool is_first_temp(const PointwiseArg& a) { return a.kind == PointwiseArg::Kind::kTemp && a.index == 0; }

/// Form of a program of i0 and i1, or false.
bool read_form(const ops::PointwiseProgram& p, Epilogue& e) {
  if (p.results.size() != 1 || p.instrs.size() > 2) return false;
  const PointwiseArg& result = p.results[0];
  if (p.instrs.empty()) return is_sum(result);
  if (result.kind != PointwiseArg::Kind::kTemp || size_t(result.index) + 1 != p.instrs.size()) return false;
  const auto& first = p.instrs[0];
  if (p.instrs.size() == 1) {
    if (joins(first, PointwiseFn::kAdd, is_sum)) return e.join = Join::kAdd, true;
    if (joins(first, PointwiseFn::kMul, is_sum)) return e.join = Join::kMul, true;
    return is_sum(first.args[0]) && read_act(first, e);
  }
  const auto& second = p.instrs[1];
  if (joins(first, PointwiseFn::kAdd, is_sum) && is_first_temp(second.args[0]) && read_act(second, e))
    return e.join = Join::kAddFirst, true;
  if (!is_sum(first.args[0]) || !read_act(first, e)) return false;
  if (joins(second, PointwiseFn::kAdd, is_first_temp)) return e.join = Join::kAdd, true;
  if (joins(second, PointwiseFn::kMul, is_first_temp)) return e.join = Join::kMul, true;
  return false;
}

std::vector<std::byte> bias_bytes(const ir::Tensor& t) {
  const size_t room = (size_t(t.count()) + 7) / 8 * 8;
  std::vector<std::byte> bytes(room * 4);
  for (int64_t i = 0; i < t.count(); ++i) {
    const float v = float(t.get(i));
    std::memcpy(bytes.data() + 4 * i, &v, 4);
  }
  return bytes;
}

}  // namespace

/// The extra operand must follow the rows of the result: full, one row for groups of rows, or one number a group.
bool ProductEpilogue::match_extra(const Problem& p, size_t input) {
  const TensorDesc &x = p.inputs[input], &y = p.outputs[0];
  if (!p.has_input(input) || x.dtype != y.dtype || x.dims.size() > y.dims.size()) return false;
  const size_t rank = y.dims.size(), offset = rank - x.dims.size();
  auto dim = [&](size_t axis) { return axis < offset ? int64_t(1) : x.dims[axis - offset]; };
  const int64_t last = dim(rank - 1);
  if (last != 1 && last != y.dims.back()) return false;
  form_.extra_step = last == 1 && y.dims.back() != 1 ? 0 : 1;
  // Leading axes that agree, then axes that repeat.
  int64_t repeated = 1, kept = 1;
  bool repeating = true;
  for (size_t a = rank - 1; a-- > 0;) {
    if (dim(a) == y.dims[a] && (y.dims[a] != 1 || !repeating)) {
      repeating = false;
      kept *= y.dims[a];
    } else if (dim(a) == 1 && (repeating || y.dims[a] == 1)) {
      repeated *= y.dims[a];
    } else {
      return false;
    }
  }
  form_.extra_rows = Divisor(uint32_t(repeated));
  form_.extra_pitch = kept > 1 || repeated == 1 ? x.pitch : 0;
  if (x.dims.empty()) form_.extra_pitch = 0;
  extra_input_ = input;
  return true;
}

bool ProductEpilogue::match(const Problem& p, const ops::PointwiseProgram& program, size_t first_extra, bool by_rows) {
  if (!read_form(program, form_)) return false;
  if (form_.join == Join::kNone) return true;
  return by_rows && match_extra(p, first_extra);
}

std::string ProductEpilogue::read(const Problem& p, const std::string& program, size_t bias, size_t first_extra,
                                  bool by_rows) {
  const TensorDesc& y = p.outputs[0];
  if (y.count() >= int64_t(1) << 31) return cat(y.count(), " elements, accepted are fewer than 2^31");
  if (p.has_input(bias)) {
    bias_input_ = bias;
    computed_bias_ = !p.constants[bias];
    if (computed_bias_ && p.inputs[bias].dtype != ir::DType::kF32)
      return cat("the bias is ", p.inputs[bias].dtype, " and not constant, accepted is f32");
  }
  if (program.empty()) return {};
  program_ = ops::parse_pointwise(program);
  first_extra_ = first_extra;
  const Epilogue plain;
  if (match(p, program_, first_extra, by_rows)) return {};
  form_ = plain;
  extra_input_.reset();
  matched_ = false;
  sums_ = y;
  sums_.dtype = ir::DType::kF32;
  sums_.pitch = y.dims.back();
  std::vector<TensorDesc> inputs{sums_};
  for (size_t i = first_extra; i < p.inputs.size(); ++i) inputs.push_back(p.inputs[i]);
  return refuse_pointwise(p, program_, inputs, p.outputs);
}

void ProductEpilogue::prepare(const Problem& p) {
  if (bias_input_ && p.constants[*bias_input_])
    bias_values_ = packed_constant(p, *bias_input_, "bias in f32", bias_bytes);
  if (extra_input_) {
    const TensorDesc& x = p.inputs[*extra_input_];
    const int64_t unit = 16 / (ir::bits(x.dtype) / 8);
    form_.extra_vector = form_.extra_step == 1 && form_.extra_pitch % unit == 0;
  }
  if (matched_) return;
  std::vector<TensorDesc> inputs{sums_};
  for (size_t i = first_extra_; i < p.inputs.size(); ++i) inputs.push_back(p.inputs[i]);
  rest_ = prepare_pointwise(p, program_, inputs, p.outputs);
}

Epilogue ProductEpilogue::bind(const RunArgs& args) const {
  Epilogue e = form_;
  if (bias_input_) e.bias = static_cast<const float*>(bias_values_ ? bias_values_.get() : args.inputs[*bias_input_]);
  if (extra_input_) {
    e.extra = args.inputs[*extra_input_];
    e.extra_vector &= reinterpret_cast<uintptr_t>(e.extra) % 16 == 0;
  }
  return e;
}

void ProductEpilogue::finish(const RunArgs& args, const void* sums) const {
  if (!rest_) return;
  const void* inputs[kMaxOperands] = {sums};
  for (int i = 1; i < program_.input_count; ++i) inputs[i] = args.inputs[first_extra_ + size_t(i) - 1];
  rest_->run(inputs, args.outputs, stream_of(args));
}

}  // namespace tenon::cuda
