#include "backends/cuda/kernels/gemm_problem.h"

#include <algorithm>
#include <limits>

#include "backends/cuda/elem.h"
#include "ops/nn/conv.h"
#include "ops/nn/matmul.h"

namespace tenon::cuda {
namespace {

constexpr size_t kBias = 2, kExtras = 3;

/// Elements between neighbours along each axis of `y`, 0 where `x` is broadcast. Rows of the last axis are pitched.
std::vector<int64_t> strides(const TensorDesc& x, const ir::Dims& y) {
  std::vector<int64_t> all(y.size(), 0);
  int64_t step = 1;
  for (size_t i = 0; i < x.dims.size(); ++i) {
    const size_t from = x.dims.size() - 1 - i;
    if (x.dims[from] != 1) all[y.size() - 1 - i] = step;
    step = i == 0 ? x.pitch : step * x.dims[from];
  }
  return all;
}

/// Whether the program adds at most one vector and one tensor and then applies at most one function.
class EpilogueReader {
 public:
  EpilogueReader(const Problem& p, Gemm& g) : p_(p), g_(g) {}
  std::string read(const std::string& text) {
    if (p_.has_input(kBias)) g_.bias = int(kBias);
    if (text.empty()) return {};
    const ops::PointwiseProgram program = ops::parse_pointwise(text);
    if (program.results.size() != 1 || !is_value(program.results[0], program.instrs.size()))
      return cat("the epilogue '", text, "' is no chain");
    for (size_t i = 0; i < program.instrs.size(); ++i)
      if (!step(program.instrs[i], i)) return cat("the library has no epilogue '", text, "'");
    return {};
  }

 private:
  using Kind = ops::PointwiseArg::Kind;
  static bool is_value(const ops::PointwiseArg& a, size_t done) {
    return done == 0 ? a.kind == Kind::kInput && a.index == 0 : a.kind == Kind::kTemp && size_t(a.index) + 1 == done;
  }
  bool step(const ops::PointwiseInstr& instr, size_t i) {
    using Fn = ops::PointwiseFn;
    if (g_.act != Gemm::Act::kNone) return false;
    if (instr.fn == Fn::kAdd) {
      const bool first = is_value(instr.args[0], i);
      if (!first && !is_value(instr.args[1], i)) return false;
      const ops::PointwiseArg& other = instr.args[first ? 1 : 0];
      return other.kind == Kind::kInput && other.index > 0 && add(kExtras + size_t(other.index) - 1);
    }
    if (!is_value(instr.args[0], i)) return false;
    if (instr.fn == Fn::kRelu) g_.act = Gemm::Act::kRelu;
    if (instr.fn == Fn::kGeluErf) g_.act = Gemm::Act::kGeluErf;
    if (instr.fn == Fn::kGeluTanh) g_.act = Gemm::Act::kGeluTanh;
    return g_.act != Gemm::Act::kNone;
  }
  bool add(size_t operand) {
    if (!p_.has_input(operand)) return false;
    const TensorDesc &x = p_.inputs[operand], &y = p_.outputs[0];
    if (g_.residual < 0 && x.dims.size() == y.dims.size() && x.dtype == y.dtype &&
        std::equal(x.dims.end() - 2, x.dims.end(), y.dims.end() - 2)) {
      g_.residual = int(operand);
      return true;
    }
    const bool vector = x.count() == y.dims.back() && x.dims.back() == y.dims.back() && x.dense();
    if (g_.bias >= 0 || !vector) return false;
    g_.bias = int(operand);
    return true;
  }
  const Problem& p_;
  Gemm& g_;
};

std::string check_types(const Problem& p) {
  const ir::DType a = p.inputs[0].dtype, b = p.inputs[1].dtype, y = p.outputs[0].dtype;
  if (!is_elem(a) || a != b) return cat("types ", a, " and ", b, ", accepted are f32, f16 and bf16, both alike");
  if (y != a && y != ir::DType::kF32) return cat("result type ", y, " of ", a, " operands");
  if (p.inputs[0].count() == 0 || p.inputs[1].count() == 0 || p.outputs[0].count() == 0) return "an operand is empty";
  return {};
}

std::string check_sizes(const Gemm& g) {
  constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
  for (int64_t n : {g.m, g.n, g.k, g.lda, g.ldb, g.ldy})
    if (n > kMax) return cat("a matrix has ", n, " rows or columns");
  return {};
}

/// Axes that all operands run through alike become one; the last becomes rows of a where b is the same for all.
void merge_batch(Gemm& g) {
  for (size_t i = g.batch.size(); i-- > 1;) {
    Gemm::Axis &outer = g.batch[i - 1], &inner = g.batch[i];
    const auto joins = [&](int64_t Gemm::Axis::*s) { return outer.*s == inner.*s * inner.count; };
    using A = Gemm::Axis;
    if (!joins(&A::a) || !joins(&A::b) || !joins(&A::y) || !joins(&A::residual)) continue;
    inner.count *= outer.count;
    g.batch.erase(g.batch.begin() + int64_t(i) - 1);
  }
  if (g.batch.empty() || g.transpose_a) return;
  const Gemm::Axis& last = g.batch.back();
  if (last.b != 0 || last.a != g.m * g.lda || last.y != g.m * g.ldy) return;
  if (g.residual >= 0 && last.residual != g.m * g.ldr) return;
  g.m *= last.count;
  g.batch.pop_back();
}

}  // namespace

double Gemm::flops() const {
  double products = 2;
  for (const Axis& a : batch) products *= double(a.count);
  return products * double(m) * double(n) * double(k);
}

std::string read_gemm(const Problem& p, Gemm& g) {
  if (std::string reason = check_types(p); !reason.empty()) return reason;
  const auto& t = p.attrs<ops::MatMulAttrs>();
  const TensorDesc &a = p.inputs[0], &b = p.inputs[1], &y = p.outputs[0];
  const size_t rank = y.dims.size();
  g.transpose_a = t.transpose_a;
  g.transpose_b = t.transpose_b;
  g.alpha = t.alpha;
  g.m = y.dims[rank - 2];
  g.n = y.dims.back();
  g.k = t.transpose_a ? a.dims[a.dims.size() - 2] : a.dims.back();
  g.lda = a.pitch;
  g.ldb = b.pitch;
  g.ldy = y.pitch;
  if (std::string reason = EpilogueReader(p, g).read(t.epilogue); !reason.empty()) return reason;
  const auto sa = strides(a, y.dims), sb = strides(b, y.dims), sy = strides(y, y.dims);
  auto sr = std::vector<int64_t>(rank, 0);
  if (g.residual >= 0) {
    sr = strides(p.inputs[size_t(g.residual)], y.dims);
    g.ldr = p.inputs[size_t(g.residual)].pitch;
  }
  for (size_t i = 0; i + 2 < rank; ++i)
    if (y.dims[i] != 1) g.batch.push_back({y.dims[i], sa[i], sb[i], sy[i], sr[i]});
  merge_batch(g);
  return check_sizes(g);
}

std::string read_gemm_of_conv(const Problem& p, Gemm& g) {
  if (std::string reason = check_types(p); !reason.empty()) return reason;
  const auto& c = p.attrs<ops::ConvAttrs>();
  const TensorDesc &x = p.inputs[0], &w = p.inputs[1], &y = p.outputs[0];
  const auto is = [](int64_t wanted) { return [=](int64_t v) { return v == wanted; }; };
  if (!c.x_channels_last()) return "channels come first, accepted is channels last";
  if (c.group != 1) return cat(c.group, " groups");
  if (!std::all_of(w.dims.begin() + 2, w.dims.end(), is(1)) ||
      !std::all_of(c.strides.begin(), c.strides.end(), is(1)) || !std::all_of(c.pads.begin(), c.pads.end(), is(0)))
    return "the window is larger than one element, strided or padded";
  if (!w.dense()) return "the weights have a pitch";
  g.m = y.count() / y.dims.back();
  g.n = y.dims.back();
  g.k = x.dims.back();
  g.transpose_b = true;
  g.lda = x.pitch;
  g.ldb = g.k;
  g.ldy = y.pitch;
  if (std::string reason = EpilogueReader(p, g).read(c.epilogue); !reason.empty()) return reason;
  if (g.residual >= 0) {
    const TensorDesc& r = p.inputs[size_t(g.residual)];
    if (r.dims != y.dims) return "the added operand is broadcast";
    g.ldr = r.pitch;
  }
  return check_sizes(g);
}

}  // namespace tenon::cuda
