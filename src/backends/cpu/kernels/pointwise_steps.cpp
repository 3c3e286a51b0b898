#include "backends/cpu/kernels/pointwise_steps.h"

#include <algorithm>
#include <bit>

#include "base/error.h"

namespace tenon::cpu {
namespace {

using isa::PwOp;
using ops::PointwiseArg;
using Kind = PointwiseArg::Kind;

static_assert(int(PwOp::kSquare) == int(ops::PointwiseFn::kSquare) &&
                  int(PwOp::kSelect) == int(ops::PointwiseFn::kSelect),
              "the loops' functions follow those of programs");

struct Instr {
  PwOp op;
  std::vector<PointwiseArg> args;
  bool single = false, live = false;
};

bool same(const PointwiseArg& a, const PointwiseArg& b) {
  return a.kind == b.kind &&
         (a.kind == Kind::kConstant ? std::bit_cast<uint32_t>(a.value) == std::bit_cast<uint32_t>(b.value)
                                    : a.index == b.index);
}

double cost_ns(PwOp op) {
  switch (op) {
    case PwOp::kPow:
      return 8;
    case PwOp::kSin:
    case PwOp::kCos:
      return 0.6;
    case PwOp::kTanh:
    case PwOp::kGeluErf:
    case PwOp::kErf:
    case PwOp::kMish:
    case PwOp::kSoftplus:
    case PwOp::kElu:
    case PwOp::kLog:
      return 0.5;
    case PwOp::kSigmoid:
    case PwOp::kSilu:
    case PwOp::kGeluTanh:
    case PwOp::kExp:
      return 0.3;
    case PwOp::kDiv:
    case PwOp::kSqrt:
    case PwOp::kRsqrt:
    case PwOp::kReciprocal:
      return 0.15;
    default:
      return 0.05;
  }
}

/// Rewrites a program into loops' functions, merging pairs.
class Rewriter {
 public:
  Rewriter(const ops::PointwiseProgram& p, const std::vector<bool>& single)
      : single_(single), uses_(p.instrs.size(), 0) {
    auto count = [&](const PointwiseArg& a) {
      if (a.kind == Kind::kTemp) ++uses_[size_t(a.index)];
    };
    for (const auto& i : p.instrs) std::for_each(i.args.begin(), i.args.end(), count);
    std::for_each(p.results.begin(), p.results.end(), count);
    for (const auto& i : p.instrs) {
      std::vector<PointwiseArg> args;
      for (const auto& a : i.args) args.push_back(mapped(a));
      old_args_ = &i.args;
      map_.push_back(add(PwOp(i.fn), std::move(args)));
    }
    for (const auto& a : p.results) results.push_back(mapped(a));
    for (const auto& a : results)
      if (a.kind == Kind::kTemp) mark(a.index);
  }
  bool is_single(const PointwiseArg& a) const {
    if (a.kind == Kind::kConstant) return true;
    return a.kind == Kind::kInput ? bool(single_[size_t(a.index)]) : instrs[size_t(a.index)].single;
  }
  std::vector<Instr> instrs;
  std::vector<PointwiseArg> results;

 private:
  PointwiseArg mapped(const PointwiseArg& a) const { return a.kind == Kind::kTemp ? map_[size_t(a.index)] : a; }
  void mark(int i) {
    if (instrs[size_t(i)].live) return;
    instrs[size_t(i)].live = true;
    for (const auto& a : instrs[size_t(i)].args)
      if (a.kind == Kind::kTemp) mark(a.index);
  }
  PointwiseArg push(PwOp op, std::vector<PointwiseArg> args) {
    bool single = true;
    for (const auto& a : args) single = single && is_single(a);
    instrs.push_back({op, std::move(args), single, false});
    return {Kind::kTemp, int(instrs.size()) - 1, 0};
  }
  /// The instruction behind argument `k` if it is `op`, used by nothing else, and has a whole strip as its result.
  const Instr* only_use(const std::vector<PointwiseArg>& args, size_t k, PwOp op) const {
    if (args[k].kind != Kind::kTemp || uses_[size_t((*old_args_)[k].index)] != 1) return nullptr;
    const Instr& i = instrs[size_t(args[k].index)];
    return i.op == op && !i.single ? &i : nullptr;
  }
  PointwiseArg power(std::vector<PointwiseArg> args) {
    const float e = args[1].kind == Kind::kConstant ? args[1].value : 0.f;
    const PointwiseArg x = args[0];
    if (e == 1) return x;
    if (e == 2) return push(PwOp::kSquare, {x});
    if (e == 3) return push(PwOp::kMul, {push(PwOp::kSquare, {x}), x});
    if (e == -1) return push(PwOp::kReciprocal, {x});
    if (e == 0.5f) return push(PwOp::kSqrt, {x});
    if (e == -0.5f) return push(PwOp::kRsqrt, {x});
    return push(PwOp::kPow, std::move(args));
  }
  PointwiseArg add(PwOp op, std::vector<PointwiseArg> args) {
    if (op == PwOp::kPow) return power(std::move(args));
    if (op == PwOp::kAdd) {
      for (size_t k = 0; k < 2; ++k)
        if (const Instr* mul = only_use(args, k, PwOp::kMul)) {
          PointwiseArg a = mul->args[0], b = mul->args[1];
          if (is_single(a)) std::swap(a, b);
          return push(PwOp::kFma, {a, b, args[1 - k]});
        }
    }
    if (op == PwOp::kMul) {
      for (size_t k = 0; k < 2; ++k) {
        if (args[k].kind != Kind::kTemp) continue;
        const Instr& sigmoid = instrs[size_t(args[k].index)];
        if (sigmoid.op == PwOp::kSigmoid && same(sigmoid.args[0], args[1 - k])) return push(PwOp::kSilu, {args[1 - k]});
      }
    }
    if (op == PwOp::kRelu) {
      if (const Instr* sum = only_use(args, 0, PwOp::kAdd)) return push(PwOp::kAddRelu, sum->args);
      if (const Instr* fma = only_use(args, 0, PwOp::kFma)) return push(PwOp::kFmaRelu, fma->args);
    }
    return push(op, std::move(args));
  }

  const std::vector<bool>& single_;
  std::vector<int> uses_;
  std::vector<PointwiseArg> map_;
  const std::vector<PointwiseArg>* old_args_ = nullptr;
};

/// Gives every live value a slot.
class Allocator {
 public:
  Allocator(const Rewriter& code, const isa::PointwiseLoops& loops, int inputs) : code_(code), loops_(loops) {
    out.inputs = inputs;
    last_use_.assign(code.instrs.size(), -1);
    for (size_t i = 0; i < code.instrs.size(); ++i) {
      if (!code.instrs[i].live) continue;
      for (const auto& a : code.instrs[i].args) {
        if (a.kind == Kind::kTemp) last_use_[size_t(a.index)] = int(i);
        if (a.kind == Kind::kConstant) constant(a.value);
      }
    }
    for (const auto& a : code.results) {
      if (a.kind == Kind::kTemp) last_use_[size_t(a.index)] = int(code.instrs.size());
      if (a.kind == Kind::kConstant) constant(a.value);
    }
    slot_.assign(code.instrs.size(), -1);
    for (size_t i = 0; i < code.instrs.size(); ++i)
      if (code.instrs[i].live) emit(int(i), code.instrs[i]);
    for (const auto& a : code.results) out.results.push_back(code.is_single(a) ? filled(slot(a)) : slot(a));
    out.registers = registers_;
  }
  PwSteps out;

 private:
  int constant(float v) {
    for (size_t i = 0; i < out.constants.size(); ++i)
      if (std::bit_cast<uint32_t>(out.constants[i]) == std::bit_cast<uint32_t>(v)) return out.inputs + int(i);
    out.constants.push_back(v);
    return out.inputs + int(out.constants.size()) - 1;
  }
  int slot(const PointwiseArg& a) {
    if (a.kind == Kind::kConstant) return constant(a.value);
    return a.kind == Kind::kInput ? a.index : slot_[size_t(a.index)];
  }
  int take() {
    if (free_.empty()) return out.first_register() + registers_++;
    const int r = free_.back();
    free_.pop_back();
    return r;
  }
  int filled(int from) {
    const int to = take();
    out.steps.push_back({loops_.loops[int(PwOp::kCopy)][1], to, {from, from, from}, false});
    out.nanoseconds += cost_ns(PwOp::kCopy);
    return to;
  }
  void emit(int index, const Instr& instr) {
    PwStep step{nullptr, 0, {0, 0, 0}, instr.single};
    int form = 0;
    for (size_t k = 0; k < instr.args.size(); ++k) {
      step.args[k] = slot(instr.args[k]);
      if (!instr.single && code_.is_single(instr.args[k])) form |= 1 << k;
    }
    std::vector<int> scratch;
    const auto& forms = loops_.loops[int(instr.op)];
    if (!forms[form]) {
      for (size_t k = 0; k < instr.args.size(); ++k)
        if (form >> k & 1) scratch.push_back(step.args[k] = filled(step.args[k]));
      form = 0;
    }
    step.loop = forms[form];
    require(step.loop != nullptr, ErrorCode::kInternal, "no loop for function ", int(instr.op));
    free_.insert(free_.end(), scratch.begin(), scratch.end());
    for (size_t k = 0; k < instr.args.size(); ++k) {
      const PointwiseArg& a = instr.args[k];
      if (a.kind == Kind::kTemp && last_use_[size_t(a.index)] == index &&
          std::find(free_.begin(), free_.end(), slot_[size_t(a.index)]) == free_.end())
        free_.push_back(slot_[size_t(a.index)]);
    }
    step.to = slot_[size_t(index)] = take();
    out.steps.push_back(step);
    if (!instr.single) out.nanoseconds += cost_ns(instr.op);
  }

  const Rewriter& code_;
  const isa::PointwiseLoops& loops_;
  std::vector<int> last_use_, slot_, free_;
  int registers_ = 0;
};

}  // namespace

PwSteps compile_pointwise(const ops::PointwiseProgram& program, const std::vector<bool>& single,
                          const isa::PointwiseLoops& loops) {
  const Rewriter code(program, single);
  return Allocator(code, loops, int(single.size())).out;
}

}  // namespace tenon::cpu
