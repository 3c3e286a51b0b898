#include "backends/cuda/kernels/pointwise_source.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "backends/cuda/fast_divide.h"
#include "backends/cuda/kernels/pointwise_prelude.h"
#include "base/error.h"

namespace tenon::cuda {
namespace {

using ir::DType;
using ops::PointwiseArg;
using ops::PointwiseFn;

constexpr char kPointwiseFunctions[] =
#include "pointwise_functions.text"
    ;
constexpr size_t kMaxWords = 500;  // a kernel's parameters are at most 4 KiB
constexpr size_t kFlags = 32;
constexpr int64_t kMaxIndex = int64_t(1) << 31;

std::string_view type_name(DType t) {
  switch (t) {
    case DType::kF32:
      return "float";
    case DType::kF64:
      return "double";
    case DType::kF16:
      return "f16";
    case DType::kBF16:
      return "bf16";
    case DType::kBool:
      return "bool8";
    case DType::kI8:
      return "signed char";
    case DType::kU8:
      return "unsigned char";
    case DType::kI16:
      return "short";
    case DType::kU16:
      return "unsigned short";
    case DType::kI32:
      return "int";
    case DType::kU32:
      return "unsigned";
    case DType::kI64:
      return "long long";
    default:
      return {};
  }
}
int64_t size_of(DType t) { return ir::bits(t) / 8; }
bool is_whole(DType t) { return ir::is_integer(t) || t == DType::kBool; }
bool is_wide(DType t) { return ir::is_integer(t) && ir::bits(t) > 16; }

bool exact_on_integers(PointwiseFn fn) {
  using enum PointwiseFn;
  for (PointwiseFn f : {kAdd,  kSub,       kMul,     kDiv,          kMin,   kMax, kRelu, kAbs, kNeg,  kSelect,
                        kLess, kLessEqual, kGreater, kGreaterEqual, kEqual, kNot, kAnd,  kOr,  kSign, kSquare})
    if (f == fn) return true;
  return false;
}
template <class Visit>
void for_each_arg(const ops::PointwiseProgram& program, const Visit& visit) {
  for (const auto& i : program.instrs) std::for_each(i.args.begin(), i.args.end(), visit);
  std::for_each(program.results.begin(), program.results.end(), visit);
}

/// Writes one kernel. Operands are numbered as their addresses are: read inputs, then outputs.
class Writer {
 public:
  Writer(const ops::PointwiseProgram& program, const PointwiseSpace& space, int sm, int multiprocessors)
      : program_(program), space_(space), sm_(sm), names_(space.inputs.size(), -1) {
    for (size_t i = 0; i < space.inputs.size(); ++i) {
      if (space.inputs[i].dtype == DType::kUndefined) continue;
      names_[i] = int(operands_.size());
      code_.read.push_back(i);
      operands_.push_back(&space.inputs[i]);
    }
    reads_ = operands_.size();
    for (const PointwiseOperand& o : space.outputs) operands_.push_back(&o);
    code_.words.assign(1 + operands_.size(), 0);
    choose_vector();
    choose_unroll(multiprocessors);
    for (const PointwiseOperand* o : operands_) code_.alignment.push_back(alignment(*o));
    wide_ = std::any_of(operands_.begin(), operands_.end(), [&](auto* o) { return extent(*o) >= kMaxIndex - 16; });
  }

  PointwiseCode write() {
    std::string body = head();
    body += loads();
    body += computations();
    body += "}\n";
    code_.source = cat(kPointwiseFunctions, kPointwisePrelude, definitions(), "struct Parameters { long long w[",
                       code_.words.size(), "]; };\n", body);
    return std::move(code_);
  }

 private:
  int64_t columns() const { return space_.dims.back(); }
  int64_t step(const PointwiseOperand& o) const { return o.strides.back(); }
  int64_t extent(const PointwiseOperand& o) const {
    int64_t n = 0;
    for (size_t a = 0; a < space_.dims.size(); ++a) n += (space_.dims[a] - 1) * o.strides[a];
    return n;
  }
  bool ragged() const { return columns() % vector_ != 0; }

  void choose_vector() {
    int64_t smallest = 16;
    for (const PointwiseOperand* o : operands_)
      if (step(*o) == 1) smallest = std::min(smallest, size_of(o->dtype));
    vector_ = smallest == 16 ? 1 : 16 / std::clamp<int64_t>(smallest, 2, 8);
    if (reads_ > 8) vector_ = std::min<int64_t>(vector_, reads_ > 32 ? 1 : reads_ > 16 ? 2 : 4);
    while (vector_ > 1 && vector_ * int64_t(program_.instrs.size()) > 256) vector_ /= 2;
    if (space_.dims.size() > 1)
      while (columns() % vector_ != 0) vector_ /= 2;
  }
  void choose_unroll(int multiprocessors) {
    int64_t vectors = (columns() + vector_ - 1) / vector_;
    for (size_t a = 0; a + 1 < space_.dims.size(); ++a) vectors *= space_.dims[a];
    code_.unroll = reads_ <= 4 && vectors >= int64_t(multiprocessors) * 2048 * 4 ? 2 : 1;
    code_.threads = (vectors + code_.unroll - 1) / code_.unroll;
    vectors_ = vectors;
  }
  /// Bytes that the address must be a multiple of for vector accesses; 0 if they are impossible.
  int64_t alignment(const PointwiseOperand& o) const {
    if (step(o) != 1) return 0;
    for (size_t a = 0; a + 1 < o.strides.size(); ++a)
      if (o.strides[a] % vector_ != 0) return 0;
    return std::min<int64_t>(16, vector_ * size_of(o.dtype));
  }
  std::string word(int64_t value) {
    code_.words.push_back(value);
    return cat("p.w[", code_.words.size() - 1, "]");
  }
  std::string index_type() const { return wide_ ? "long long" : "int"; }

  std::string definitions() const {
    const PointwiseArithmetic kind = pointwise_arithmetic(space_);
    bool narrow = kind == PointwiseArithmetic::kF32, real = false;
    for (const PointwiseOperand& o : space_.outputs) {
      real |= ir::is_float(o.dtype);
      narrow &= !ir::is_float(o.dtype) || size_of(o.dtype) == 2;
    }
    return cat("using F = tenon::cuda::PointwiseFunctions<", narrow && real, ">;\nusing Scalar = ",
               kind == PointwiseArithmetic::kF64   ? "double"
               : kind == PointwiseArithmetic::kI64 ? "long long"
                                                   : "float",
               ";\nusing Index = ", index_type(), ";\n");
  }
  std::string head() {
    std::string s =
        "extern \"C\" __global__ void __launch_bounds__(256) pointwise(const __grid_constant__ Parameters p) {\n";
    if (sm_ >= 90)
      s += "  asm volatile(\"griddepcontrol.wait;\" ::: \"memory\");\n"
           "  asm volatile(\"griddepcontrol.launch_dependents;\" ::: \"memory\");\n";
    s += cat("  constexpr int V = ", vector_, ", U = ", code_.unroll, ";\n");
    s += "  const unsigned first = blockIdx.x * (blockDim.x * U) + threadIdx.x, total = unsigned(" + word(vectors_) +
         ");\n  const unsigned flags = unsigned(p.w[0]);\n";
    for (size_t k = 0; k < operands_.size(); ++k) {
      const bool input = k < reads_;
      s += cat("  ", input ? "const " : "", type_name(operands_[k]->dtype), "* const p", k, " = reinterpret_cast<",
               input ? "const " : "", type_name(operands_[k]->dtype), "*>(p.w[", 1 + k, "]);\n");
      if (input)
        s += cat("  Loaded<", type_name(operands_[k]->dtype), ", ", step(*operands_[k]) == 0 ? "1" : "V", "> x", k,
                 "[U];\n");
      else
        s += cat("  Index at", k, "[U];\n");
    }
    if (ragged()) s += "  int left[U];\n";
    return s;
  }
  /// From the number of a vector, the index of each axis: i0, i1, …, the last being the first column.
  std::string indices() {
    const size_t rank = space_.dims.size();
    if (rank == 1) return "    const Index i0 = Index(v) * V;\n";
    std::string s = "    unsigned rest = v, whole;\n";
    for (size_t a = rank; a-- > 1;) {
      const Divisor d(uint32_t(a + 1 == rank ? columns() / vector_ : space_.dims[a]));
      s += cat("    whole = divide(rest, unsigned(", word(d.magic), "), unsigned(", word(d.shift),
               "));\n    const Index i", a, " = Index(rest - whole * unsigned(", word(d.value), "))",
               a + 1 == rank ? " * V" : "", ";\n    rest = whole;\n");
    }
    return s + "    const Index i0 = Index(rest);\n";
  }
  std::string offset(const PointwiseOperand& o) {
    std::string s;
    for (size_t a = 0; a < o.strides.size(); ++a) {
      if (o.strides[a] == 0) continue;
      const std::string i = cat(s.empty() ? "" : " + ", "i", a);
      s += o.strides[a] == 1 ? i : cat(i, " * Index(", word(o.strides[a]), ")");
    }
    return s.empty() ? "0" : s;
  }
  /// The arguments of load() and store() after the address.
  std::string access(size_t k) {
    const PointwiseOperand& o = *operands_[k];
    std::string vector = "false";
    if (vector_ == 1)
      vector = "true";
    else if (k < kFlags && code_.alignment[k] != 0)
      vector = cat("(flags >> ", k, " & 1) != 0", ragged() ? " && left[u] >= V" : "");
    return cat(vector, ", ", ragged() ? "left[u]" : "V", ", Index(", step(o) > 1 ? word(step(o)) : cat(step(o)), ")");
  }
  std::string loads() {
    std::string s =
        "#pragma unroll\n  for (int u = 0; u < U; ++u) {\n    const unsigned v = first + unsigned(u) * blockDim.x;\n"
        "    if (v >= total) continue;\n";
    s += indices();
    if (ragged()) s += cat("    left[u] = int(Index(", word(columns()), ") - i", space_.dims.size() - 1, ");\n");
    for (size_t k = 0; k < operands_.size(); ++k) {
      const std::string at = offset(*operands_[k]);
      if (k >= reads_)
        s += cat("    at", k, "[u] = ", at, ";\n");
      else if (step(*operands_[k]) == 0)
        s += cat("    load(x", k, "[u], p", k, " + (", at, "), true, 1, Index(0));\n");
      else
        s += cat("    load(x", k, "[u], p", k, " + (", at, "), ", access(k), ");\n");
    }
    return s + "  }\n";
  }
  std::string number(float v) const {
    switch (pointwise_arithmetic(space_)) {
      case PointwiseArithmetic::kF64:
        return cat("double(__int_as_float(", std::bit_cast<int32_t>(v), "))");
      case PointwiseArithmetic::kI64:
        return cat(int64_t(v), "ll");
      default:
        return cat("__int_as_float(", std::bit_cast<int32_t>(v), ")");
    }
  }
  std::string value(const PointwiseArg& a) const {
    if (a.kind == PointwiseArg::Kind::kTemp) return cat("t", a.index);
    if (a.kind == PointwiseArg::Kind::kInput) return cat("a", names_[size_t(a.index)]);
    return number(a.value);
  }
  std::string call(const ops::PointwiseInstr& instr) const {
    const std::string x = value(instr.args[0]);
    if (instr.fn == PointwiseFn::kPow && instr.args[1].kind == PointwiseArg::Kind::kConstant) {
      const float e = instr.args[1].value;
      if (e == 1) return x;
      if (e == 2) return cat(x, " * ", x);
      if (e == 3) return cat(x, " * ", x, " * ", x);
      if (e == 0.5f) return cat("F::f_sqrt(", x, ")");
      if (e == -0.5f) return cat("F::f_rsqrt(", x, ")");
      if (e == -1) return cat("F::f_reciprocal(", x, ")");
    }
    std::string args = x;
    for (size_t i = 1; i < instr.args.size(); ++i) args += ", " + value(instr.args[i]);
    return cat("F::f_", ops::pointwise_functions()[size_t(instr.fn)].name, "(", args, ")");
  }
  std::string computations() {
    std::string s =
        "#pragma unroll\n  for (int u = 0; u < U; ++u) {\n"
        "    if (first + unsigned(u) * blockDim.x >= total) continue;\n";
    for (size_t k = reads_; k < operands_.size(); ++k)
      s += cat("    Pack<", type_name(operands_[k]->dtype), ", V> y", k, ";\n");
    s += "#pragma unroll\n    for (int e = 0; e < V; ++e) {\n";
    for (size_t k = 0; k < reads_; ++k)
      s += cat("      const Scalar a", k, " = widen<Scalar>(x", k, "[u].at(", step(*operands_[k]) == 0 ? "0" : "e",
               "));\n");
    for (size_t i = 0; i < program_.instrs.size(); ++i)
      s += cat("      const Scalar t", i, " = ", call(program_.instrs[i]), ";\n");
    for (size_t i = 0; i < program_.results.size(); ++i)
      s += cat("      y", reads_ + i, ".v[e] = Narrow<", type_name(space_.outputs[i].dtype), ">::of(",
               value(program_.results[i]), ");\n");
    s += "    }\n";
    for (size_t k = reads_; k < operands_.size(); ++k)
      s += cat("    store(p", k, " + at", k, "[u], y", k, ", ", access(k), ");\n");
    return s + "  }\n";
  }

  const ops::PointwiseProgram& program_;
  const PointwiseSpace& space_;
  int sm_;
  std::vector<int> names_;  ///< operand of each input, -1 if unread
  std::vector<const PointwiseOperand*> operands_;
  size_t reads_ = 0;
  int64_t vector_ = 1, vectors_ = 0;
  bool wide_ = false;
  PointwiseCode code_;
};

}  // namespace

PointwiseArithmetic pointwise_arithmetic(const PointwiseSpace& space) {
  bool whole = true, wide = false, f64 = false;
  auto note = [&](const PointwiseOperand& o) {
    if (o.dtype == DType::kUndefined) return;
    whole &= is_whole(o.dtype);
    wide |= is_wide(o.dtype);
    f64 |= o.dtype == DType::kF64;
  };
  for (const PointwiseOperand& o : space.inputs) note(o);
  const bool whole_inputs = whole;
  for (const PointwiseOperand& o : space.outputs) {
    wide |= whole_inputs && ir::is_integer(o.dtype);
    note(o);
  }
  if (whole && wide) return PointwiseArithmetic::kI64;
  return f64 ? PointwiseArithmetic::kF64 : PointwiseArithmetic::kF32;
}

std::string pointwise_refusal(const ops::PointwiseProgram& program, const PointwiseSpace& space) {
  int64_t count = 1;
  for (int64_t d : space.dims) count *= d;
  if (count >= kMaxIndex) return cat(count, " elements, accepted are fewer than 2^31");
  const PointwiseArithmetic kind = pointwise_arithmetic(space);
  size_t words = 8 + 3 * space.dims.size();
  std::string reason;
  auto check = [&](const PointwiseOperand& o, std::string_view what) {
    if (o.dtype == DType::kUndefined) return;
    words += 2 + space.dims.size();
    if (type_name(o.dtype).empty()) reason = cat(what, " is ", o.dtype);
  };
  for (const PointwiseOperand& o : space.inputs) {
    check(o, "an operand");
    if (kind == PointwiseArithmetic::kF32 && is_wide(o.dtype) && !program.instrs.empty())
      reason = cat("an operand is ", o.dtype, " beside floating-point operands; f32 arithmetic does not hold it");
  }
  for (const PointwiseOperand& o : space.outputs) check(o, "a result");
  if (!reason.empty()) return reason;
  if (words > kMaxWords) return cat("operands and axes take ", words, " numbers, accepted are ", kMaxWords);
  if (kind != PointwiseArithmetic::kI64) return {};
  for (const ops::PointwiseInstr& i : program.instrs)
    if (!exact_on_integers(i.fn))
      return cat("function ", ops::pointwise_functions()[size_t(i.fn)].name, " on integers");
  for_each_arg(program, [&](const PointwiseArg& a) {
    if (a.kind == PointwiseArg::Kind::kConstant && !(std::fabs(a.value) < 0x1p62f && a.value == std::floor(a.value)))
      reason = cat("the number ", a.value, " among integers");
  });
  return reason;
}

PointwiseCode pointwise_code(const ops::PointwiseProgram& program, const PointwiseSpace& space, int sm,
                             int multiprocessors) {
  return Writer(program, space, sm, multiprocessors).write();
}

}  // namespace tenon::cuda
