// Layers that combine elements: matrix product, reduction, softmax, normalization, einsum, LRN, cumulative sum.
#include "ops/trt/lower.h"

namespace tenon::ops::trt {
namespace {

struct MatrixMultiplyAttrs {
  int64_t operation0 = 0, operation1 = 0;  ///< none, transpose, vector
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(MatrixMultiplyAttrs, operation0),
                                  TENON_TRT_FIELD(MatrixMultiplyAttrs, operation1)};
    return f;
  }
};

struct ReduceAttrs {
  int64_t operation = 0, reduce_axes = 0;  ///< sum, prod, max, min, avg; axes: one bit each
  bool keep_dimensions = false;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(ReduceAttrs, operation), TENON_TRT_FIELD(ReduceAttrs, reduce_axes),
                                  TENON_TRT_FIELD(ReduceAttrs, keep_dimensions)};
    return f;
  }
};

struct SoftMaxAttrs {
  int64_t axes = 0;  ///< one bit
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(SoftMaxAttrs, axes)};
    return f;
  }
};

struct NormalizationAttrs {
  float epsilon = 1e-5f;
  int64_t axes = 0, nb_groups = 1;
  DType compute_precision = DType::kF32;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {
        TENON_TRT_FIELD(NormalizationAttrs, epsilon), TENON_TRT_FIELD(NormalizationAttrs, axes),
        TENON_TRT_FIELD(NormalizationAttrs, nb_groups), TENON_TRT_FIELD(NormalizationAttrs, compute_precision)};
    return f;
  }
};

struct EinsumAttrs {
  std::string equation;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(EinsumAttrs, equation)};
    return f;
  }
};

struct LrnAttrs {
  int64_t window_size = 5;
  float alpha = 0, beta = 0, k = 1;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(LrnAttrs, window_size), TENON_TRT_FIELD(LrnAttrs, alpha),
                                  TENON_TRT_FIELD(LrnAttrs, beta), TENON_TRT_FIELD(LrnAttrs, k)};
    return f;
  }
};

struct CumulativeAttrs {
  int64_t operation = 0;  ///< sum
  bool exclusive = false, reverse = false;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(CumulativeAttrs, operation),
                                  TENON_TRT_FIELD(CumulativeAttrs, exclusive),
                                  TENON_TRT_FIELD(CumulativeAttrs, reverse)};
    return f;
  }
};

Ints axes_of(int64_t bits, size_t rank) {
  Ints axes;
  for (size_t i = 0; i < 32; ++i) {
    if (!((bits >> i) & 1)) continue;
    require(i < rank, ErrorCode::kShapeMismatch, "axis ", i, " of a tensor of rank ", rank);
    axes.push_back(int64_t(i));
  }
  return axes;
}

ValueId swap_last(LowerContext& c, ValueId x) {
  const size_t rank = c.rank(x);
  require(rank >= 2, ErrorCode::kShapeMismatch, "a matrix operand has rank ", rank);
  Ints perm(rank);
  for (size_t i = 0; i < rank; ++i) perm[i] = int64_t(i);
  std::swap(perm[rank - 1], perm[rank - 2]);
  return c.onnx("Transpose", {x}, {{"perm", perm}});
}

void lower_matrix_multiply(LowerContext& c) {
  enum { kTranspose = 1, kVector = 2 };
  const auto& a = c.attrs<MatrixMultiplyAttrs>();
  ValueId x = c.input(0), y = c.input(1);
  if (c.has(2)) {  // with a bias, from a parser
    return c.output(
        0, c.onnx("Gemm", {x, y, c.input(2)},
                  {{"transA", int64_t{a.operation0 == kTranspose}}, {"transB", int64_t{a.operation1 == kTranspose}}}));
  }
  if (a.operation0 == kTranspose) x = swap_last(c, x);
  if (a.operation1 == kTranspose) y = swap_last(c, y);
  if (a.operation0 == kVector) x = c.onnx("Unsqueeze", {x, c.ints({-2})});
  if (a.operation1 == kVector) y = c.onnx("Unsqueeze", {y, c.ints({-1})});
  ValueId out = c.onnx("MatMul", {x, y});
  if (a.operation1 == kVector) out = c.onnx("Squeeze", {out, c.ints({-1})});
  if (a.operation0 == kVector) out = c.onnx("Squeeze", {out, c.ints({a.operation1 == kVector ? -1 : -2})});
  c.output(0, out);
}

void lower_reduce(LowerContext& c) {
  static constexpr const char* kOps[] = {"ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin", "ReduceMean"};
  const auto& a = c.attrs<ReduceAttrs>();
  require(a.operation >= 0 && a.operation < 5, ErrorCode::kInvalidModel, "reduce operation ", a.operation,
          " does not exist");
  const ValueId axes = c.ints(axes_of(a.reduce_axes, c.rank(c.input(0))));
  c.output(0, c.onnx(kOps[a.operation], {c.input(0), axes}, {{"keepdims", int64_t{a.keep_dimensions}}}));
}

void lower_softmax(LowerContext& c) {
  const Ints axes = axes_of(c.attrs<SoftMaxAttrs>().axes, c.rank(c.input(0)));
  require(axes.size() == 1, ErrorCode::kInvalidModel, "softmax over ", axes.size(), " axes, one is accepted");
  c.output(0, c.onnx("Softmax", {c.input(0)}, {{"axis", axes[0]}}));
}

/// Softmax over the last axis, of which only the first `bounds` elements count; the rest is 0.
void lower_ragged_softmax(LowerContext& c) {
  const ValueId x = c.input(0), bounds = c.cast(c.input(1), DType::kI64);
  const size_t rank = c.rank(x);
  const ValueId length =
      c.onnx("Gather", {c.onnx("Shape", {x}), c.scalar(DType::kI64, double(rank - 1))}, {{"axis", int64_t{0}}});
  const ValueId index = c.onnx("Range", {c.scalar(DType::kI64, 0), length, c.scalar(DType::kI64, 1)});
  const ValueId inside = c.onnx("Less", {index, bounds});
  const DType type = c.dtype(x);
  const ValueId masked = c.onnx("Where", {inside, x, c.scalar(type, -65504)});
  const ValueId y = c.onnx("Softmax", {masked}, {{"axis", int64_t{-1}}});
  c.output(0, c.onnx("Where", {inside, y, c.scalar(type, 0)}));
}

/// (x - mean) / sqrt(variance + epsilon) over `axes`.
ValueId standardize(LowerContext& c, ValueId x, const Ints& axes, float epsilon) {
  const ValueId over = c.ints(axes);
  const Values keep{{"keepdims", int64_t{1}}};
  const ValueId centred = c.onnx("Sub", {x, c.onnx("ReduceMean", {x, over}, keep)});
  const ValueId variance = c.onnx("ReduceMean", {c.onnx("Mul", {centred, centred}), over}, keep);
  return c.onnx("Div", {centred, c.onnx("Sqrt", {c.onnx("Add", {variance, c.scalar(c.dtype(x), epsilon)})})});
}

/// True if `axes` are the last ones of x, from axes[0] on, and `v` varies over these alone.
bool spans_only(LowerContext& c, ValueId v, const Ints& axes, size_t rank) {
  if (axes.empty() || size_t(axes[0]) + axes.size() != rank || c.rank(v) > rank) return false;
  for (size_t i = 0; i + axes.size() < c.rank(v); ++i)
    if (!(c.shape(v)[i] == 1)) return false;
  return true;
}

/// True if `v` varies over the channels of x alone: dims [1, C, 1, …].
bool spans_channels(LowerContext& c, ValueId v) {
  const Shape &dims = c.shape(v), &x = c.shape(c.input(0));
  if (dims.size() != x.size() || x.size() < 3) return false;
  for (size_t i = 0; i < dims.size(); ++i)
    if (!(i == 1 ? dims[i] == x[i] && x[i].is_const() : dims[i] == 1)) return false;
  return true;
}

/// Statistics of channels, or of groups of them, over all that follows: ONNX has operators for these.
bool normalizes_channels(LowerContext& c, const NormalizationAttrs& a, const Ints& axes) {
  if (!spans_channels(c, c.input(1)) || !spans_channels(c, c.input(2))) return false;
  if (axes.empty() || axes[0] != 2 || axes.size() + 2 != c.rank(c.input(0))) return false;
  const ValueId scale = c.onnx("Reshape", {c.input(1), c.ints({-1})}),
                bias = c.onnx("Reshape", {c.input(2), c.ints({-1})});
  Values values{{"epsilon", a.epsilon}};
  if (a.nb_groups != 1) values["num_groups"] = a.nb_groups;
  c.output(
      0, c.onnx(a.nb_groups == 1 ? "InstanceNormalization" : "GroupNormalization", {c.input(0), scale, bias}, values));
  return true;
}

void lower_normalization(LowerContext& c) {
  const auto& a = c.attrs<NormalizationAttrs>();
  const ValueId x = c.input(0);
  const size_t rank = c.rank(x);
  Ints axes = axes_of(a.axes, rank);
  if (normalizes_channels(c, a, axes)) return;
  if (a.nb_groups == 1 && spans_only(c, c.input(1), axes, rank) && spans_only(c, c.input(2), axes, rank)) {
    return c.output(
        0, c.onnx("LayerNormalization", {x, c.input(1), c.input(2)}, {{"axis", axes[0]}, {"epsilon", a.epsilon}}));
  }
  ValueId y;
  if (a.nb_groups == 1) {
    y = standardize(c, x, axes, a.epsilon);
  } else {  // channels are split into groups, each of which is normalized with its spatial elements
    const ValueId shape = c.onnx("Shape", {x});
    ValueId grouped = standardize(c, c.onnx("Reshape", {x, c.ints({0, a.nb_groups, -1})}), {2}, a.epsilon);
    const Shape& scale = c.shape(c.input(1));
    if (scale.size() > 1 && scale[1] == a.nb_groups && !(c.shape(x)[1] == scale[1])) {  // one scale and bias a group
      const ValueId target = c.ints({1, a.nb_groups, -1});
      grouped = c.onnx("Mul", {grouped, c.onnx("Reshape", {c.input(1), target})});
      grouped = c.onnx("Add", {grouped, c.onnx("Reshape", {c.input(2), target})});
      c.output(0, c.onnx("Reshape", {grouped, shape}));
      return;
    }
    y = c.onnx("Reshape", {grouped, shape});
  }
  c.output(0, c.onnx("Add", {c.onnx("Mul", {y, c.input(1)}), c.input(2)}));
}

void lower_einsum(LowerContext& c) {
  std::vector<ValueId> inputs;
  for (size_t i = 0; i < c.input_count(); ++i) inputs.push_back(c.input(i));
  c.output(0, c.onnx("Einsum", std::move(inputs), {{"equation", c.attrs<EinsumAttrs>().equation}}));
}

void lower_lrn(LowerContext& c) {
  const auto& a = c.attrs<LrnAttrs>();
  c.output(0,
           c.onnx("LRN", {c.input(0)}, {{"size", a.window_size}, {"alpha", a.alpha}, {"beta", a.beta}, {"bias", a.k}}));
}

void lower_cumulative(LowerContext& c) {
  const auto& a = c.attrs<CumulativeAttrs>();
  c.output(0, c.onnx("CumSum", {c.input(0), c.input(1)},
                     {{"exclusive", int64_t{a.exclusive}}, {"reverse", int64_t{a.reverse}}}));
}

}  // namespace

std::vector<Layer> reduction_layers() {
  return {{"trt.MatrixMultiply", ir::schema_of<MatrixMultiplyAttrs>(), 2, 3, lower_matrix_multiply},
          {"trt.Reduce", ir::schema_of<ReduceAttrs>(), 1, 1, lower_reduce},
          {"trt.SoftMax", ir::schema_of<SoftMaxAttrs>(), 1, 1, lower_softmax},
          {"trt.RaggedSoftMax", ir::schema_of<ir::NoAttrs>(), 2, 2, lower_ragged_softmax},
          {"trt.Normalization", ir::schema_of<NormalizationAttrs>(), 3, 3, lower_normalization},
          {"trt.Einsum", ir::schema_of<EinsumAttrs>(), 1, SIZE_MAX, lower_einsum},
          {"trt.LRN", ir::schema_of<LrnAttrs>(), 1, 1, lower_lrn},
          {"trt.Cumulative", ir::schema_of<CumulativeAttrs>(), 2, 2, lower_cumulative}};
}

}  // namespace tenon::ops::trt
