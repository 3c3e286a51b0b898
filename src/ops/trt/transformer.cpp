// Layers of language models, from TensorRT 10.8 on: attention, rotary embedding, cache update, experts, block scales.
#include <algorithm>
#include <limits>

#include "ops/trt/lower.h"

namespace tenon::ops::trt {
namespace {

/// AttentionIOForm, CausalMaskKind and MoEActType by their numbers.
enum Form : int64_t { kPadded = 0, kPacked = 1 };
enum Causal : int64_t { kNotCausal = 0, kUpperLeft = 1, kLowerRight = 2 };
enum Activation : int64_t { kNoActivation = 0, kSilu = 1 };

/// Inputs: query, key, value, mask, key and value lengths.
struct AttentionAttrs {
  int64_t normalization = 1, causal = 0, query_form = 0, key_value_form = 0;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(AttentionAttrs, normalization),
                                  TENON_TRT_FIELD(AttentionAttrs, causal), TENON_TRT_FIELD(AttentionAttrs, query_form),
                                  TENON_TRT_FIELD(AttentionAttrs, key_value_form)};
    return f;
  }
};

struct RotaryEmbeddingAttrs {
  bool interleaved = false;
  int64_t rotary_embedding_dim = 0;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(RotaryEmbeddingAttrs, interleaved),
                                  TENON_TRT_FIELD(RotaryEmbeddingAttrs, rotary_embedding_dim)};
    return f;
  }
};

/// Inputs: cache, update, first position of each batch entry, lengths of the update.
struct CacheUpdateAttrs {
  int64_t cache_mode = 0, update_form = 0;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(CacheUpdateAttrs, cache_mode),
                                  TENON_TRT_FIELD(CacheUpdateAttrs, update_form)};
    return f;
  }
};

/// Inputs: states [tokens, hidden], chosen experts and their scores [tokens, k], gate, up and down weights of all
/// experts, their biases.
struct ExpertsAttrs {
  int64_t activation_type = 0;
  float swiglu_param_limit = std::numeric_limits<float>::infinity(), swiglu_param_alpha = 1, swiglu_param_beta = 0;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {
        TENON_TRT_FIELD(ExpertsAttrs, activation_type), TENON_TRT_FIELD(ExpertsAttrs, swiglu_param_limit),
        TENON_TRT_FIELD(ExpertsAttrs, swiglu_param_alpha), TENON_TRT_FIELD(ExpertsAttrs, swiglu_param_beta)};
    return f;
  }
};

/// Inputs: data, a scale of the scales (optional).
struct DynamicQuantizeAttrs {
  int64_t axis = -1, block_size = 0;
  Ints block_shape;  ///< set: one entry an axis, and axis and block size do not count
  DType to_type = DType::kF4E2M1, scale_type = DType::kF8E4M3FN;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {
        TENON_TRT_FIELD(DynamicQuantizeAttrs, axis), TENON_TRT_FIELD(DynamicQuantizeAttrs, block_size),
        TENON_TRT_FIELD(DynamicQuantizeAttrs, block_shape), TENON_TRT_FIELD(DynamicQuantizeAttrs, to_type),
        TENON_TRT_FIELD(DynamicQuantizeAttrs, scale_type)};
    return f;
  }
};

ValueId size_of(LowerContext& c, ValueId v, int64_t axis) {
  return c.onnx("Shape", {v}, {{"start", axis}, {"end", axis + 1}});
}

/// Which keys a query sees, [queries, keys]: key <= query, counted from the first or from the last of both.
ValueId causal_mask(LowerContext& c, int64_t kind) {
  const auto positions = [&](ValueId v) {
    const ValueId count = c.onnx("Reshape", {size_of(c, v, 2), c.ints({})});
    return c.onnx("Range", {c.constant(Tensor::scalar_i64(0)), count, c.constant(Tensor::scalar_i64(1))});
  };
  ValueId query = positions(c.input(0));
  if (kind == kLowerRight) {
    const ValueId shift = c.onnx("Sub", {size_of(c, c.input(1), 2), size_of(c, c.input(0), 2)});
    query = c.onnx("Add", {query, shift});
  }
  return c.onnx("LessOrEqual", {positions(c.input(1)), c.onnx("Unsqueeze", {query, c.ints({1})})});
}

/// One mask that says what two say: false wherever one is false, else the sum.
ValueId both_masks(LowerContext& c, ValueId seen, ValueId given) {
  if (given == ir::kNone) return seen;
  if (c.dtype(given) == DType::kBool) return c.onnx("And", {seen, given});
  return c.onnx("Where", {seen, given, c.scalar(c.dtype(given), -std::numeric_limits<double>::infinity())});
}

/// Scores without softmax: what is masked counts nothing.
ValueId linear_attention(LowerContext& c, ValueId mask) {
  const auto repeated = [&](ValueId v) {  // fewer heads of keys and values than of queries
    const int64_t heads = c.number(c.input(0), 1), own = c.number(v, 1);
    if (heads == own) return v;
    require(own > 0 && heads % own == 0, ErrorCode::kShapeMismatch, heads, " heads of queries, ", own, " of keys");
    Ints order;
    for (int64_t h = 0; h < heads; ++h) order.push_back(h / (heads / own));
    return c.onnx("Gather", {v, c.ints(order)}, {{"axis", int64_t{1}}});
  };
  const ValueId keys = c.onnx("Transpose", {repeated(c.input(1))}, {{"perm", Ints{0, 1, 3, 2}}});
  ValueId scores = c.onnx("MatMul", {c.input(0), keys});
  if (mask != ir::kNone && c.dtype(mask) == DType::kBool)
    scores = c.onnx("Where", {mask, scores, c.scalar(c.dtype(scores), 0)});
  else if (mask != ir::kNone)
    scores = c.onnx("Add", {scores, mask});
  return c.onnx("MatMul", {scores, repeated(c.input(2))});
}

void lower_attention(LowerContext& c) {
  const auto& a = c.attrs<AttentionAttrs>();
  require(a.query_form == kPadded && a.key_value_form == kPadded, ErrorCode::kUnsupported,
          "sequences packed behind each other are not taken, kPADDED_BHND is");
  ValueId mask = c.has(3) ? c.input(3) : ir::kNone;
  if (a.causal == kLowerRight || (a.causal != kNotCausal && a.normalization == 0))
    mask = both_masks(c, causal_mask(c, a.causal), mask);
  if (a.normalization == 0) {
    require(!c.has(4), ErrorCode::kUnsupported, "lengths of keys need normalization by softmax");
    return c.output(0, linear_attention(c, mask));
  }
  std::vector<ValueId> inputs{c.input(0), c.input(1), c.input(2), mask, ir::kNone, ir::kNone};
  if (c.has(4)) inputs.push_back(c.cast(c.input(4), DType::kI64));
  while (inputs.back() == ir::kNone) inputs.pop_back();
  c.output(0, c.onnx("Attention", inputs, {{"scale", 1.0F}, {"is_causal", int64_t{a.causal == kUpperLeft}}}));
}

void lower_rotary(LowerContext& c) {
  const auto& a = c.attrs<RotaryEmbeddingAttrs>();
  std::vector<ValueId> inputs{c.input(0), c.input(1), c.input(2)};
  if (c.has(3)) inputs.push_back(c.cast(c.input(3), DType::kI64));
  c.output(0, c.onnx("RotaryEmbedding", inputs,
                     {{"interleaved", int64_t{a.interleaved}}, {"rotary_embedding_dim", a.rotary_embedding_dim}}));
}

/// cache[i, :, w[i] + s, :] = update[i, :, s, :]
void lower_cache_update(LowerContext& c) {
  require(c.attrs<CacheUpdateAttrs>().update_form == kPadded && !c.has(3), ErrorCode::kUnsupported,
          "updates of several lengths packed behind each other are not taken, kPADDED_BHND is");
  c.output(0,
           c.onnx("TensorScatter", {c.input(0), c.input(1), c.cast(c.input(2), DType::kI64)}, {{"axis", int64_t{-2}}}));
}

ValueId with_bias(LowerContext& c, ValueId product, size_t input) {
  return c.has(input) ? c.onnx("Add", {product, c.onnx("Unsqueeze", {c.input(input), c.ints({1})})}) : product;
}

/// act(gate) * up: SiLU is g sigmoid(alpha g); with limits g <= limit and |u| <= limit, and u + beta.
ValueId gated(LowerContext& c, const ExpertsAttrs& a, ValueId gate, ValueId up) {
  const DType type = c.dtype(gate);
  if (a.swiglu_param_limit < std::numeric_limits<float>::infinity()) {
    const ValueId limit = c.scalar(type, a.swiglu_param_limit), low = c.scalar(type, -a.swiglu_param_limit);
    gate = c.onnx("Min", {gate, limit});
    up = c.onnx("Max", {c.onnx("Min", {up, limit}), low});
  }
  if (a.activation_type == kSilu) {
    const ValueId steep =
        a.swiglu_param_alpha == 1 ? gate : c.onnx("Mul", {gate, c.scalar(type, a.swiglu_param_alpha)});
    gate = c.onnx("Mul", {gate, c.onnx("Sigmoid", {steep})});
  }
  if (a.swiglu_param_beta != 0) up = c.onnx("Add", {up, c.scalar(type, a.swiglu_param_beta)});
  return c.onnx("Mul", {gate, up});
}

/// y[t] = sum over experts e of score(t, e) * down_e(act(gate_e(x[t])) * up_e(x[t])); every expert sees every token.
void lower_experts(LowerContext& c) {
  const auto& a = c.attrs<ExpertsAttrs>();
  for (size_t i = 3; i < 6; ++i)
    require(c.has(i), ErrorCode::kInvalidModel, "the experts' weights are not set, setGatedWeights does");
  const ValueId x_dims = c.onnx("Shape", {c.input(0)});
  const auto rows = [&](ValueId v) {
    const ValueId last = c.onnx("Shape", {v}, {{"start", int64_t{-1}}});
    return c.onnx("Reshape", {v, c.onnx("Concat", {c.ints({-1}), last}, {{"axis", int64_t{0}}})});
  };
  const ValueId x = c.onnx("Unsqueeze", {rows(c.input(0)), c.ints({0})});  // [1, tokens, hidden]
  const ValueId gate = with_bias(c, c.onnx("MatMul", {x, c.input(3)}), 6);
  const ValueId up = with_bias(c, c.onnx("MatMul", {x, c.input(4)}), 7);
  const ValueId y =
      with_bias(c, c.onnx("MatMul", {gated(c, a, gate, up), c.input(5)}), 8);  // [experts, tokens, hidden]
  const DType type = c.dtype(y);
  const ValueId experts = c.onnx("Reshape", {size_of(c, c.input(3), 0), c.ints({})});
  const ValueId range =
      c.onnx("Range", {c.constant(Tensor::scalar_i64(0)), experts, c.constant(Tensor::scalar_i64(1))});
  const ValueId chosen = c.onnx("Unsqueeze", {c.cast(rows(c.input(1)), DType::kI64), c.ints({-1})});  // [tokens, k, 1]
  const ValueId hits = c.cast(c.onnx("Equal", {chosen, range}), type);  // [tokens, k, experts]
  const ValueId scores = c.onnx("Unsqueeze", {c.cast(rows(c.input(2)), type), c.ints({-1})});
  const ValueId share = c.onnx("ReduceSum", {c.onnx("Mul", {hits, scores}), c.ints({1})}, {{"keepdims", int64_t{0}}});
  const ValueId weight = c.onnx("Unsqueeze", {c.onnx("Transpose", {share}, {{"perm", Ints{1, 0}}}), c.ints({-1})});
  const ValueId sum = c.onnx("ReduceSum", {c.onnx("Mul", {y, weight}), c.ints({0})}, {{"keepdims", int64_t{0}}});
  c.output(0, c.onnx("Reshape", {sum, x_dims}));
}

double largest(DType type) {
  switch (type) {
    case DType::kF4E2M1:
      return 6;
    case DType::kF8E4M3FN:
      return 448;
    case DType::kI8:
      return 127;
    default:
      fail(ErrorCode::kUnsupported, "blocks are quantized to FP4, FP8 or INT8, not to ", type);
  }
}

/// One entry an axis: how many elements share a scale.
Ints blocks_of(LowerContext& c, const DynamicQuantizeAttrs& a) {
  const auto rank = int64_t(c.rank(c.input(0)));
  Ints blocks = a.block_shape;
  if (blocks.empty()) {
    const int64_t axis = a.axis < 0 ? a.axis + rank : a.axis;
    require(axis >= 0 && axis < rank && a.block_size > 0, ErrorCode::kInvalidModel, "blocks of ", a.block_size,
            " along axis ", a.axis, " of a tensor of rank ", rank);
    blocks.assign(size_t(rank), 1);
    blocks[size_t(axis)] = a.block_size;
  }
  require(int64_t(blocks.size()) == rank, ErrorCode::kShapeMismatch, "blocks of rank ", blocks.size(),
          " of a tensor of rank ", rank);
  for (int64_t i = 0; i < rank; ++i)  // -1: the whole axis
    if (blocks[size_t(i)] <= 0) blocks[size_t(i)] = c.number(c.input(0), size_t(i));
  return blocks;
}

/// scale = max|block| / largest number, rounded to its type; y = round(x / scale).
void lower_dynamic_quantize(LowerContext& c) {
  const auto& a = c.attrs<DynamicQuantizeAttrs>();
  const Ints blocks = blocks_of(c, a);
  std::vector<ValueId> split;
  Ints inner;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const ValueId count = c.onnx("Div", {size_of(c, c.input(0), int64_t(i)), c.ints({blocks[i]})});
    split.push_back(count);
    split.push_back(c.ints({blocks[i]}));
    inner.push_back(int64_t(2 * i + 1));
  }
  const ValueId x = c.cast(c.input(0), DType::kF32), dims = c.onnx("Shape", {c.input(0)});
  const ValueId parts = c.onnx("Reshape", {x, c.onnx("Concat", split, {{"axis", int64_t{0}}})});
  const ValueId most = c.onnx("ReduceMax", {c.onnx("Abs", {parts}), c.ints(inner)});
  ValueId scale = c.onnx("Div", {most, c.scalar(DType::kF32, largest(a.to_type))});
  if (c.has(1)) scale = c.onnx("Div", {scale, c.cast(c.input(1), DType::kF32)});
  if (a.scale_type == DType::kF8E8M0) {  // powers of two, upwards so that nothing overflows
    const ValueId log2 = c.onnx("Div", {c.onnx("Log", {scale}), c.scalar(DType::kF32, 0.69314718055994530942)});
    const ValueId up = c.onnx("Ceil", {c.onnx("Max", {log2, c.scalar(DType::kF32, -127)})});
    scale = c.onnx("Pow", {c.scalar(DType::kF32, 2), up});
  }
  const ValueId narrow = c.cast(scale, a.scale_type);
  ValueId step = c.cast(narrow, DType::kF32);
  if (c.has(1)) step = c.onnx("Mul", {step, c.cast(c.input(1), DType::kF32)});
  const ValueId zero = c.onnx("Equal", {step, c.scalar(DType::kF32, 0)});
  const ValueId divisor = c.onnx("Where", {zero, c.scalar(DType::kF32, 1), step});
  ValueId y = c.onnx("Reshape", {c.onnx("Div", {parts, divisor}), dims});
  if (a.to_type == DType::kI8) y = c.onnx("Round", {y});
  c.output(0, c.onnx("Cast", {y}, {{"to", a.to_type}}));
  std::vector<ValueId> outer;
  for (size_t i = 0; i < blocks.size(); ++i) outer.push_back(split[2 * i]);
  c.output(1, c.onnx("Reshape", {narrow, c.onnx("Concat", outer, {{"axis", int64_t{0}}})}));
}

}  // namespace

std::vector<Layer> transformer_layers() {
  return {{"trt.Attention", ir::schema_of<AttentionAttrs>(), 3, 5, lower_attention},
          {"trt.RotaryEmbedding", ir::schema_of<RotaryEmbeddingAttrs>(), 3, 4, lower_rotary},
          {"trt.KVCacheUpdate", ir::schema_of<CacheUpdateAttrs>(), 3, 4, lower_cache_update},
          {"trt.MoE", ir::schema_of<ExpertsAttrs>(), 3, 10, lower_experts},
          {"trt.DynamicQuantize", ir::schema_of<DynamicQuantizeAttrs>(), 1, 2, lower_dynamic_quantize}};
}

}  // namespace tenon::ops::trt
