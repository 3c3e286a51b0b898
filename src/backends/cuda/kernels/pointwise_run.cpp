#include "backends/cuda/kernels/pointwise_run.h"

#include <algorithm>

#include "backends/cuda/cuda.h"
#include "backends/cuda/device/pointwise_interpreter.h"
#include "backends/cuda/nvrtc.h"

namespace tenon::cuda {
namespace {

using ir::DType;
using ops::PointwiseArg;

constexpr size_t kWords = 512;

PointwiseSpace space_of(const ops::PointwiseProgram& program, const std::vector<TensorDesc>& inputs,
                        const std::vector<TensorDesc>& outputs) {
  std::string reason;
  PointwiseSpace space = pointwise_space(program, inputs, outputs, reason);
  require(reason.empty(), ErrorCode::kInternal, reason);
  return space;
}
bool empty(const PointwiseSpace& space) { return std::count(space.dims.begin(), space.dims.end(), 0) > 0; }

class Nothing final : public PointwiseRun {
 public:
  void run(const void* const*, void* const*, cudaStream_t) const override {}
};

class Compiled final : public PointwiseRun {
 public:
  Compiled(const DeviceInfo& info, const ops::PointwiseProgram& program, const PointwiseSpace& space)
      : code_(pointwise_code(program, space, info.sm, info.multiprocessors)),
        kernel_(compiled_kernel(info.sm, code_.source, "pointwise")) {
    code_.source.clear();
    threads_ = code_.threads < int64_t(info.multiprocessors) * 512 ? 128 : 256;
  }
  void run(const void* const* inputs, void* const* outputs, cudaStream_t stream) const override {
    int64_t words[kWords];
    std::copy(code_.words.begin(), code_.words.end(), words);
    const size_t reads = code_.read.size();
    uint64_t flags = 0;
    for (size_t k = 0; k < code_.alignment.size(); ++k) {
      const auto at = reinterpret_cast<uintptr_t>(k < reads ? inputs[code_.read[k]] : outputs[k - reads]);
      words[1 + k] = int64_t(at);
      const auto unit = uintptr_t(code_.alignment[k]);
      if (unit > 0 && at % unit == 0) flags |= uint64_t(1) << (k % 64);
    }
    words[0] = int64_t(flags);
    const int64_t blocks = (code_.threads + threads_ - 1) / threads_;
    TENON_CUDA(kernel_->launch(unsigned(blocks), unsigned(threads_), stream, words));
  }

 private:
  PointwiseCode code_;
  std::shared_ptr<const CompiledKernel> kernel_;
  int64_t threads_;
};

bool interpreted_type(DType t, InterpretedType& to) {
  constexpr std::pair<DType, InterpretedType> kTypes[] = {
      {DType::kF32, InterpretedType::kF32},   {DType::kF16, InterpretedType::kF16},
      {DType::kBF16, InterpretedType::kBF16}, {DType::kBool, InterpretedType::kBool},
      {DType::kI8, InterpretedType::kI8},     {DType::kU8, InterpretedType::kU8},
      {DType::kI16, InterpretedType::kI16},   {DType::kU16, InterpretedType::kU16}};
  for (const auto& [type, name] : kTypes) {
    if (type != t) continue;
    to = name;
    return true;
  }
  return false;
}

/// Fills the interpreter's form; returns why it does not fit, or an empty string.
std::string encode(const ops::PointwiseProgram& program, const PointwiseSpace& space, InterpretedProgram& to) {
  using P = InterpretedProgram;
  if (space.inputs.size() > P::kInputs || space.outputs.size() > P::kOutputs || program.instrs.size() > P::kInstrs ||
      space.dims.size() > InterpretedOperand::kAxes)
    return cat("the interpreter takes at most ", int(P::kInputs), " operands, ", int(P::kOutputs), " results, ",
               int(P::kInstrs), " instructions and ", int(InterpretedOperand::kAxes), " axes");
  to.rank = int(space.dims.size());
  int64_t count = 1;
  for (size_t a = 0; a < space.dims.size(); ++a) {
    to.dims[a] = Divisor(uint32_t(std::max<int64_t>(1, space.dims[a])));
    count *= space.dims[a];
  }
  to.count = uint32_t(count);
  auto operand = [&](const PointwiseOperand& from, InterpretedOperand& o) {
    std::copy(from.strides.begin(), from.strides.end(), o.strides);
    return interpreted_type(from.dtype, o.type);
  };
  to.input_count = int(space.inputs.size());
  for (size_t i = 0; i < space.inputs.size(); ++i)
    if (space.inputs[i].dtype != DType::kUndefined && !operand(space.inputs[i], to.inputs[i]))
      return cat("operand ", i, " is ", space.inputs[i].dtype);
  to.output_count = int(space.outputs.size());
  for (size_t i = 0; i < space.outputs.size(); ++i) {
    if (!operand(space.outputs[i], to.outputs[i]) || to.outputs[i].type > InterpretedType::kBool)
      return cat("a result is ", space.outputs[i].dtype, ", results may be f32, bf16, f16 and bool");
  }
  int numbers = 0;
  auto value = [&](const PointwiseArg& a) {
    if (a.kind == PointwiseArg::Kind::kInput) return uint8_t(a.index);
    if (a.kind == PointwiseArg::Kind::kTemp) return uint8_t(P::kTemps + a.index);
    if (numbers < P::kTemps - P::kNumbers) to.numbers[numbers] = a.value;
    return uint8_t(P::kNumbers + numbers++);
  };
  for (const auto& i : program.instrs) {
    P::Instr& instr = to.instrs[to.instr_count++];
    instr.fn = uint8_t(i.fn);
    for (size_t k = 0; k < i.args.size(); ++k) instr.args[k] = value(i.args[k]);
  }
  for (size_t i = 0; i < program.results.size(); ++i) to.results[i] = value(program.results[i]);
  return numbers > P::kTemps - P::kNumbers ? cat(numbers, " numbers in the program") : std::string();
}

class Interpreted final : public PointwiseRun {
 public:
  Interpreted(const ops::PointwiseProgram& program, const PointwiseSpace& space) {
    const std::string reason = encode(program, space, program_);
    require(reason.empty(), ErrorCode::kInternal, reason);
    for (const PointwiseOperand& o : space.inputs) read_.push_back(o.dtype != DType::kUndefined);
  }
  void run(const void* const* inputs, void* const* outputs, cudaStream_t stream) const override {
    InterpretedProgram program = program_;
    for (size_t i = 0; i < read_.size(); ++i)
      program.inputs[i].address = read_[i] ? const_cast<void*>(inputs[i]) : nullptr;
    for (int i = 0; i < program.output_count; ++i) program.outputs[i].address = outputs[i];
    TENON_CUDA(interpret_pointwise(program, stream));
  }

 private:
  InterpretedProgram program_;
  std::vector<bool> read_;
};

}  // namespace

std::string refuse_compiled(const Problem& p, const ops::PointwiseProgram& program,
                            const std::vector<TensorDesc>& inputs, const std::vector<TensorDesc>& outputs) {
  std::string reason;
  const PointwiseSpace space = pointwise_space(program, inputs, outputs, reason);
  if (reason.empty()) reason = pointwise_refusal(program, space);
  if (reason.empty() && p.backend->device()->present()) reason = nvrtc_refusal(info_of(p).sm);
  return reason;
}

std::unique_ptr<PointwiseRun> compile_pointwise(const Problem& p, const ops::PointwiseProgram& program,
                                                const std::vector<TensorDesc>& inputs,
                                                const std::vector<TensorDesc>& outputs) {
  const PointwiseSpace space = space_of(program, inputs, outputs);
  if (empty(space)) return std::make_unique<Nothing>();
  return std::make_unique<Compiled>(info_of(p), program, space);
}

std::string refuse_interpreted(const Problem&, const ops::PointwiseProgram& program,
                               const std::vector<TensorDesc>& inputs, const std::vector<TensorDesc>& outputs) {
  std::string reason;
  const PointwiseSpace space = pointwise_space(program, inputs, outputs, reason);
  if (reason.empty()) reason = pointwise_refusal(program, space);
  if (reason.empty() && pointwise_arithmetic(space) != PointwiseArithmetic::kF32)
    reason = "the interpreter computes in f32 alone";
  InterpretedProgram encoded;
  if (reason.empty()) reason = encode(program, space, encoded);
  return reason;
}

std::unique_ptr<PointwiseRun> interpret_pointwise(const Problem&, const ops::PointwiseProgram& program,
                                                  const std::vector<TensorDesc>& inputs,
                                                  const std::vector<TensorDesc>& outputs) {
  return std::make_unique<Interpreted>(program, space_of(program, inputs, outputs));
}

std::string refuse_pointwise(const Problem& p, const ops::PointwiseProgram& program,
                             const std::vector<TensorDesc>& inputs, const std::vector<TensorDesc>& outputs) {
  if (refuse_compiled(p, program, inputs, outputs).empty()) return {};
  return refuse_interpreted(p, program, inputs, outputs);
}

std::unique_ptr<PointwiseRun> prepare_pointwise(const Problem& p, const ops::PointwiseProgram& program,
                                                const std::vector<TensorDesc>& inputs,
                                                const std::vector<TensorDesc>& outputs) {
  if (refuse_compiled(p, program, inputs, outputs).empty()) return compile_pointwise(p, program, inputs, outputs);
  return interpret_pointwise(p, program, inputs, outputs);
}

}  // namespace tenon::cuda
