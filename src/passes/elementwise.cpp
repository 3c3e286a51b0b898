#include "passes/elementwise.h"

#include <algorithm>

#include "ops/fused/pointwise.h"
#include "passes/rewrite.h"

namespace tenon::passes {
namespace {

bool is_pointwise_type(ir::DType t) { return is_pointwise_float(t) || t == ir::DType::kBool; }

std::optional<ops::PointwiseProgram> program_of(const ir::Graph& g, const ir::Node& node) {
  if (node.op == "Cast") {
    const bool to_bool = g.value(node.outputs[0]).dtype == ir::DType::kBool;
    return to_bool ? std::nullopt : std::optional(ops::parse_pointwise("i0"));
  }
  return ops::pointwise_program_of(
      node, [&](size_t i) { return i < node.inputs.size() ? g.constant(node.inputs[i]) : nullptr; });
}

/// Turns operands that are numbers into constants of the program, and renumbers the rest.
void take_numbers(const ir::Graph& g, const ir::Node& node, Elementwise& e) {
  const ir::Shape& y = shape_of(g, node.outputs[0]);
  const bool shape_kept = std::any_of(node.inputs.begin(), node.inputs.end(),
                                      [&](ir::ValueId v) { return !scalar(g, v) && shape_of(g, v) == y; });
  std::vector<ops::PointwiseArg> args;
  std::vector<ir::ValueId> kept;
  using Kind = ops::PointwiseArg::Kind;
  for (ir::ValueId v : e.operands) {
    const auto number = scalar(g, v);
    if (number && shape_kept) {
      args.push_back({Kind::kConstant, 0, float(*number)});
    } else {
      args.push_back({Kind::kInput, int(kept.size()), 0});
      kept.push_back(v);
    }
  }
  auto replace = [&](ops::PointwiseArg& a) {
    if (a.kind == Kind::kInput) a = args[size_t(a.index)];
  };
  for (auto& instr : e.program.instrs) std::for_each(instr.args.begin(), instr.args.end(), replace);
  std::for_each(e.program.results.begin(), e.program.results.end(), replace);
  e.operands = std::move(kept);
  e.program.input_count = int(e.operands.size());
}

bool commutes(ops::PointwiseFn fn) {
  using enum ops::PointwiseFn;
  return fn == kAdd || fn == kMul || fn == kMin || fn == kMax;
}

/// Commutative arguments stand with what was computed, or i0, first and numbers last.
int weight(const ops::PointwiseArg& a) {
  if (a.kind == ops::PointwiseArg::Kind::kConstant) return 2;
  return a.kind == ops::PointwiseArg::Kind::kInput && a.index > 0 ? 1 : 0;
}

}  // namespace

bool is_pointwise_float(ir::DType t) { return t == ir::DType::kF32 || t == ir::DType::kBF16 || t == ir::DType::kF16; }

std::optional<Elementwise> elementwise(const ir::Graph& g, const ir::Node& node) {
  if (node.outputs.size() != 1 || node.outputs[0] == ir::kNone || node.inputs.empty()) return std::nullopt;
  if (!is_pointwise_type(g.value(node.outputs[0]).dtype) || !g.value(node.outputs[0]).ranked) return std::nullopt;
  for (ir::ValueId v : node.inputs)
    if (v == ir::kNone || !is_pointwise_type(g.value(v).dtype) || !g.value(v).ranked) return std::nullopt;
  auto program = program_of(g, node);
  if (!program || program->results.size() != 1 || size_t(program->input_count) > node.inputs.size())
    return std::nullopt;
  Elementwise e{std::move(*program), node.inputs};
  take_numbers(g, node, e);
  return e;
}

ops::PointwiseArg ProgramBuilder::operand(ir::ValueId v) {
  if (auto it = names_.find(v); it != names_.end()) return it->second;
  const ops::PointwiseArg arg{ops::PointwiseArg::Kind::kInput, int(operands_.size()), 0};
  operands_.push_back(v);
  program_.input_count = int(operands_.size());
  return names_[v] = arg;
}

void ProgramBuilder::add(const Elementwise& node, ir::ValueId result) {
  const int first = int(program_.instrs.size());
  auto mapped = [&](ops::PointwiseArg a) {
    if (a.kind == ops::PointwiseArg::Kind::kInput) return operand(node.operands[size_t(a.index)]);
    if (a.kind == ops::PointwiseArg::Kind::kTemp) a.index += first;
    return a;
  };
  for (ops::PointwiseInstr instr : node.program.instrs) {
    for (auto& a : instr.args) a = mapped(a);
    if (commutes(instr.fn) && weight(instr.args[0]) > weight(instr.args[1])) std::swap(instr.args[0], instr.args[1]);
    program_.instrs.push_back(std::move(instr));
  }
  const ops::PointwiseArg value = mapped(node.program.results[0]);
  names_[result] = value;
}

void ProgramBuilder::finish(ir::ValueId result) { program_.results = {names_.at(result)}; }

}  // namespace tenon::passes
