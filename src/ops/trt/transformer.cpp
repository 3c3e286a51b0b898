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

/// Inputs: query, key, value, mask, key and value lengths, query lengths. Lengths of packed sequences are offsets:
/// where each begins, and where the last one ends.
constexpr size_t kMask = 3, kKeyLengths = 4, kQueryLengths = 5;
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

/// Inputs: cache, update, first position of each batch entry, lengths of the update, which are offsets if it is packed.
constexpr size_t kUpdateLengths = 3;
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

ValueId counted(LowerContext& c, ValueId count) {
  const ValueId n = c.onnx("Reshape", {count, c.ints({})});
  return c.onnx("Range", {c.constant(Tensor::scalar_i64(0)), n, c.constant(Tensor::scalar_i64(1))});
}

/// How many tokens each sequence has, [batch, 1, 1, 1]: the lengths of an input, else all.
ValueId lengths_of(LowerContext& c, size_t lengths, size_t tensor) {
  if (!c.has(lengths)) return size_of(c, c.input(tensor), 2);
  return c.onnx("Reshape", {c.cast(c.input(lengths), DType::kI64), c.ints({-1, 1, 1, 1})});
}

/// Which keys a query sees: key <= query, counted from the first or from the last of both.
ValueId causal_mask(LowerContext& c, int64_t kind) {
  ValueId query = c.onnx("Unsqueeze", {counted(c, size_of(c, c.input(0), 2)), c.ints({1})});
  if (kind == kLowerRight)
    query = c.onnx("Add", {query, c.onnx("Sub", {lengths_of(c, kKeyLengths, 1), lengths_of(c, kQueryLengths, 0)})});
  return c.onnx("LessOrEqual", {counted(c, size_of(c, c.input(1), 2)), query});
}

/// One mask that says what two say: false wherever one is false, else the sum.
ValueId both_masks(LowerContext& c, ValueId seen, ValueId given) {
  if (given == ir::kNone) return seen;
  if (c.dtype(given) == DType::kBool) return c.onnx("And", {seen, given});
  return c.onnx("Where", {seen, given, c.scalar(c.dtype(given), -std::numeric_limits<double>::infinity())});
}

/// Scores without softmax: what is masked counts nothing.
ValueId linear_attention(LowerContext& c, ValueId q, ValueId k, ValueId v, ValueId mask) {
  const auto repeated = [&](ValueId x) {  // fewer heads of keys and values than of queries
    const int64_t heads = c.number(q, 1), own = c.number(x, 1);
    if (heads == own) return x;
    require(own > 0 && heads % own == 0, ErrorCode::kShapeMismatch, heads, " heads of queries, ", own, " of keys");
    Ints order;
    for (int64_t h = 0; h < heads; ++h) order.push_back(h / (heads / own));
    return c.onnx("Gather", {x, c.ints(order)}, {{"axis", int64_t{1}}});
  };
  const ValueId keys = c.onnx("Transpose", {repeated(k)}, {{"perm", Ints{0, 1, 3, 2}}});
  ValueId scores = c.onnx("MatMul", {q, keys});
  if (mask != ir::kNone && c.dtype(mask) == DType::kBool)
    scores = c.onnx("Where", {mask, scores, c.scalar(c.dtype(scores), 0)});
  else if (mask != ir::kNone)
    scores = c.onnx("Where", {c.onnx("IsInf", {mask}), c.scalar(c.dtype(scores), 0), c.onnx("Add", {scores, mask})});
  return c.onnx("MatMul", {scores, repeated(v)});
}

/// Of each token of a side of an attention, [tokens]: its sequence, its place there, and that sequence's length.
struct Tokens {
  ValueId sequence, place, length;
};

Tokens packed_tokens(LowerContext& c, ValueId tokens, size_t lengths) {
  const ValueId index = counted(c, size_of(c, tokens, 0)), offsets = c.cast(c.input(lengths), DType::kI64);
  const ValueId ends = c.onnx("Slice", {offsets, c.ints({1}), c.ints({INT64_MAX}), c.ints({0})});
  const ValueId ended = c.onnx("LessOrEqual", {c.onnx("Unsqueeze", {ends, c.ints({1})}), index});
  const ValueId sequence = c.onnx("ReduceSum", {c.cast(ended, DType::kI64), c.ints({0})}, {{"keepdims", int64_t{0}}});
  const ValueId first = c.onnx("Gather", {offsets, sequence}, {{"axis", int64_t{0}}});
  const ValueId next = c.onnx("Min", {c.onnx("Add", {sequence, c.ints({1})}), c.onnx("Shape", {ends})});
  const ValueId end = c.onnx("Gather", {offsets, next}, {{"axis", int64_t{0}}});
  return {sequence, c.onnx("Sub", {index, first}), c.onnx("Sub", {end, first})};
}

Tokens padded_tokens(LowerContext& c, ValueId tensor, size_t lengths) {
  const ValueId each = size_of(c, tensor, 2);
  const ValueId index = counted(c, c.onnx("Mul", {size_of(c, tensor, 0), each}));
  const ValueId sequence = c.onnx("Div", {index, each});
  const ValueId place = c.onnx("Sub", {index, c.onnx("Mul", {sequence, each})});
  if (!c.has(lengths)) return {sequence, place, each};
  return {sequence, place, c.onnx("Gather", {c.cast(c.input(lengths), DType::kI64), sequence}, {{"axis", int64_t{0}}})};
}

/// [1, heads, tokens, size] of a tensor in either form.
ValueId as_tokens(LowerContext& c, ValueId v, bool packed) {
  const ValueId heads = c.onnx("Transpose", {v}, {{"perm", packed ? Ints{1, 0, 2} : Ints{1, 0, 2, 3}}});
  const size_t rank = c.rank(v);
  return c.onnx("Reshape", {heads, c.ints({1, c.number(v, 1), -1, c.number(v, rank - 1)})});
}

ValueId attend(LowerContext& c, const AttentionAttrs& a, std::vector<ValueId> inputs, bool causal) {
  if (a.normalization == 0) return linear_attention(c, inputs[0], inputs[1], inputs[2], inputs[3]);
  while (inputs.back() == ir::kNone) inputs.pop_back();
  return c.onnx("Attention", inputs, {{"scale", 1.0F}, {"is_causal", int64_t{causal}}});
}

/// Sequences behind each other: one attention over all tokens, of which those of one sequence see each other.
void lower_packed_attention(LowerContext& c, const AttentionAttrs& a) {
  const bool query_packed = a.query_form == kPacked, keys_packed = a.key_value_form == kPacked;
  require(!c.has(kMask), ErrorCode::kInvalidModel, "packed sequences take no mask");
  require(!(query_packed && !c.has(kQueryLengths)) && !(keys_packed && !c.has(kKeyLengths)), ErrorCode::kInvalidModel,
          "packed sequences need their lengths, by setQueryLengths or setKeyValueLengths");
  const Tokens q =
      query_packed ? packed_tokens(c, c.input(0), kQueryLengths) : padded_tokens(c, c.input(0), kQueryLengths);
  const Tokens k = keys_packed ? packed_tokens(c, c.input(1), kKeyLengths) : padded_tokens(c, c.input(1), kKeyLengths);
  const auto column = [&](ValueId v) { return c.onnx("Unsqueeze", {v, c.ints({1})}); };
  ValueId seen = c.onnx("Equal", {column(q.sequence), k.sequence});
  seen = c.onnx("And", {seen, c.onnx("Less", {k.place, k.length})});
  ValueId query = q.place, key = k.place;
  if (a.causal == kLowerRight) query = c.onnx("Sub", {query, q.length}), key = c.onnx("Sub", {key, k.length});
  if (a.causal != kNotCausal) seen = c.onnx("And", {seen, c.onnx("LessOrEqual", {key, column(query)})});
  ValueId y = attend(c, a,
                     {as_tokens(c, c.input(0), query_packed), as_tokens(c, c.input(1), keys_packed),
                      as_tokens(c, c.input(2), keys_packed), seen},
                     false);
  const int64_t heads = c.number(c.input(0), 1), width = c.number(c.input(2), c.rank(c.input(2)) - 1);
  if (query_packed) {
    y = c.onnx("Reshape", {y, c.ints({heads, -1, width})});
    return c.output(0, c.onnx("Transpose", {y}, {{"perm", Ints{1, 0, 2}}}));
  }
  const ValueId dims =
      c.onnx("Concat", {c.ints({heads}), size_of(c, c.input(0), 0), size_of(c, c.input(0), 2), c.ints({width})},
             {{"axis", int64_t{0}}});
  c.output(0, c.onnx("Transpose", {c.onnx("Reshape", {y, dims})}, {{"perm", Ints{1, 0, 2, 3}}}));
}

/// ONNX's operator counts from the first key, and with lengths from each sequence's last; all else is said by a mask.
void lower_attention(LowerContext& c) {
  const auto& a = c.attrs<AttentionAttrs>();
  if (a.query_form == kPacked || a.key_value_form == kPacked) return lower_packed_attention(c, a);
  ValueId mask = c.has(kMask) ? c.input(kMask) : ir::kNone;
  const bool linear = a.normalization == 0, lengths = c.has(kKeyLengths);
  const bool by_operator =
      !linear && (lengths ? a.causal == kLowerRight && !c.has(kQueryLengths) : a.causal == kUpperLeft);
  if (a.causal != kNotCausal && !by_operator) mask = both_masks(c, causal_mask(c, a.causal), mask);
  if (lengths && linear) {
    const ValueId keys = counted(c, size_of(c, c.input(1), 2));
    mask = both_masks(c, c.onnx("Less", {keys, lengths_of(c, kKeyLengths, 1)}), mask);
  }
  std::vector<ValueId> inputs{c.input(0), c.input(1), c.input(2), mask, ir::kNone, ir::kNone};
  if (lengths && !linear) inputs.push_back(c.cast(c.input(kKeyLengths), DType::kI64));
  c.output(0, attend(c, a, std::move(inputs), by_operator));
}

void lower_rotary(LowerContext& c) {
  const auto& a = c.attrs<RotaryEmbeddingAttrs>();
  std::vector<ValueId> inputs{c.input(0), c.input(1), c.input(2)};
  if (c.has(3)) inputs.push_back(c.cast(c.input(3), DType::kI64));
  c.output(0, c.onnx("RotaryEmbedding", inputs,
                     {{"interleaved", int64_t{a.interleaved}}, {"rotary_embedding_dim", a.rotary_embedding_dim}}));
}

/// Updates of several lengths. Packed: each token has its place in the cache. Padded: each place of the cache takes
/// the token that belongs there, if there is one.
ValueId update_by_lengths(LowerContext& c, bool packed) {
  const Ints rows_first{0, 2, 1, 3};
  const ValueId at = c.cast(c.input(2), DType::kI64);
  if (packed) {
    const Tokens t = packed_tokens(c, c.input(1), kUpdateLengths);
    const ValueId place = c.onnx("Add", {t.place, c.onnx("Gather", {at, t.sequence}, {{"axis", int64_t{0}}})});
    const auto column = [&](ValueId v) { return c.onnx("Unsqueeze", {v, c.ints({1})}); };
    const ValueId indices = c.onnx("Concat", {column(t.sequence), column(place)}, {{"axis", int64_t{1}}});
    const ValueId cache = c.onnx("Transpose", {c.input(0)}, {{"perm", rows_first}});
    return c.onnx("Transpose", {c.onnx("ScatterND", {cache, indices, c.input(1)})}, {{"perm", rows_first}});
  }
  const auto by_batch = [&](ValueId v) { return c.onnx("Reshape", {v, c.ints({-1, 1})}); };
  const ValueId token = c.onnx("Sub", {counted(c, size_of(c, c.input(0), 2)), by_batch(at)});  // [batch, places]
  const ValueId zero = c.constant(Tensor::scalar_i64(0)),
                last = c.onnx("Sub", {size_of(c, c.input(1), 2), c.ints({1})});
  const ValueId lengths = by_batch(c.cast(c.input(kUpdateLengths), DType::kI64));
  const ValueId inside = c.onnx("And", {c.onnx("LessOrEqual", {zero, token}), c.onnx("Less", {token, lengths})});
  const ValueId taken = c.onnx("Unsqueeze", {c.onnx("Min", {c.onnx("Max", {token, zero}), last}), c.ints({-1})});
  const ValueId rows = c.onnx("Transpose", {c.input(1)}, {{"perm", rows_first}});
  const ValueId placed = c.onnx("GatherND", {rows, taken}, {{"batch_dims", int64_t{1}}});
  const ValueId update = c.onnx("Transpose", {placed}, {{"perm", rows_first}});
  return c.onnx("Where", {c.onnx("Unsqueeze", {inside, c.ints({1, 3})}), update, c.input(0)});
}

/// cache[i, :, w[i] + s, :] = update[i, :, s, :]
void lower_cache_update(LowerContext& c) {
  const bool packed = c.attrs<CacheUpdateAttrs>().update_form == kPacked;
  require(!packed || c.has(kUpdateLengths), ErrorCode::kInvalidModel,
          "packed updates need their lengths, by setUpdateLengths");
  if (c.has(kUpdateLengths)) return c.output(0, update_by_lengths(c, packed));
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
  return {{"trt.Attention", ir::schema_of<AttentionAttrs>(), 3, 6, lower_attention},
          {"trt.RotaryEmbedding", ir::schema_of<RotaryEmbeddingAttrs>(), 3, 4, lower_rotary},
          {"trt.KVCacheUpdate", ir::schema_of<CacheUpdateAttrs>(), 3, 4, lower_cache_update},
          {"trt.MoE", ir::schema_of<ExpertsAttrs>(), 3, 10, lower_experts},
          {"trt.DynamicQuantize", ir::schema_of<DynamicQuantizeAttrs>(), 1, 2, lower_dynamic_quantize}};
}

}  // namespace tenon::ops::trt
