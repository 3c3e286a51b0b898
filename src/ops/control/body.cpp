#include "ops/control/body.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"

namespace tenon::ops {

BodyInput type_of(const ir::Value& v) { return {v.dtype, v.ranked, v.shape}; }

void infer_body(InferContext& c, ir::Graph& body, std::span<const BodyInput> types, size_t first_capture,
                size_t capture_count) {
  require(types.size() + capture_count == body.inputs.size(), ErrorCode::kInvalidModel, "a body with ",
          body.inputs.size(), " inputs is given ", types.size(), " and ", capture_count, " captures");
  for (size_t i = 0; i < body.inputs.size(); ++i) {
    ir::Value& v = body.value(body.inputs[i]);
    v.contents.reset();
    const BodyInput t = i < types.size() ? types[i] : type_of(c.input(first_capture + i - types.size()));
    if (i >= types.size()) v.contents = c.input(first_capture + i - types.size()).contents;
    v.dtype = t.dtype;
    v.ranked = t.ranked;
    v.shape = t.shape;
  }
  infer(body);
}

bool LoopState::widen(const ir::Value& next, ir::SymbolTable& symbols) {
  require(type.dtype == DType::kUndefined || next.dtype == type.dtype, ErrorCode::kInvalidModel,
          "a carried value changes its element type from ", type.dtype, " to ", next.dtype);
  const bool new_dtype = type.dtype != next.dtype;
  type.dtype = next.dtype;
  if (!type.ranked) return new_dtype;
  if (!next.ranked || next.shape.size() != type.shape.size()) {
    type.ranked = false;
    type.shape.clear();
    return true;
  }
  bool changed = new_dtype;
  for (size_t d = 0; d < type.shape.size(); ++d) {
    if (open_[d] || next.shape[d] == type.shape[d]) continue;
    open_[d] = changed = true;
    type.shape[d] = symbols.fresh("u");
  }
  return changed;
}

namespace {

bool uses_symbol_from(const ir::SymbolTable& symbols, Dim d, size_t first) {
  if (d.is_const()) return false;
  const auto& e = symbols.expr(d.symbol_id());
  if (e.op == ir::DimOp::kSymbol) return size_t(d.symbol_id()) >= first;
  return uses_symbol_from(symbols, e.a, first) || uses_symbol_from(symbols, e.b, first);
}

}  // namespace

void output_type(InferContext& c, size_t i, BodyInput type, size_t first_symbol) {
  if (i >= c.output_count() || c.node().outputs[i] == ir::kNone) return;
  for (Dim& d : type.shape)
    if (uses_symbol_from(c.dims(), d, first_symbol)) d = c.unknown();
  if (type.ranked) {
    c.output(i, type.dtype, std::move(type.shape));
    return;
  }
  ir::Value& v = c.graph().value(c.node().outputs[i]);
  v.dtype = type.dtype;
  v.ranked = false;
  v.shape.clear();
  v.contents.reset();
}

std::vector<Tensor> run_body(const ir::Graph& body, const std::vector<Tensor>& inputs,
                             std::span<const DType> output_types) {
  const auto widened = [](DType given, DType own) {
    return given == DType::kF64 && own != DType::kF64 && ir::is_float(own);
  };
  bool in_double = false;
  for (size_t i = 0; i < inputs.size() && i < body.inputs.size(); ++i)
    in_double = in_double || widened(inputs[i].dtype(), body.value(body.inputs[i]).dtype);
  for (size_t i = 0; i < output_types.size() && i < body.outputs.size(); ++i)
    in_double = in_double || widened(output_types[i], body.value(body.outputs[i]).dtype);
  return eval_graph(body, inputs, in_double);
}

namespace {

/// Copies `count` elements from `from` at `from_at` to `to` at `to_at`.
void copy_elements(const Tensor& from, int64_t from_at, Tensor& to, int64_t to_at, int64_t count) {
  if (from.dtype() == DType::kString) {
    std::copy_n(from.strings().begin() + from_at, count, to.mutable_strings().begin() + to_at);
  } else if (const int bits = ir::bits(from.dtype()); bits >= 8) {
    const size_t width = size_t(bits / 8);
    if (count > 0)
      std::memcpy(to.mutable_data() + size_t(to_at) * width, from.data().data() + size_t(from_at) * width,
                  size_t(count) * width);
  } else if (ir::is_integer(from.dtype())) {
    for (int64_t i = 0; i < count; ++i) to.set_int(to_at + i, from.get_int(from_at + i));
  } else {
    for (int64_t i = 0; i < count; ++i) to.set(to_at + i, from.get(from_at + i));
  }
}

int64_t count_before(const Dims& dims, size_t axis) { return checked_product({dims.data(), axis}); }

}  // namespace

Tensor take(const Tensor& t, size_t axis, int64_t index) {
  Dims dims = t.dims();
  require(axis < dims.size() && index >= 0 && index < dims[axis], ErrorCode::kInternal, "no element ", index,
          " on axis ", axis, " of ", dims);
  const int64_t length = dims[axis], outer = count_before(dims, axis);
  dims.erase(dims.begin() + int64_t(axis));
  Tensor out(t.dtype(), dims);
  const int64_t inner = outer == 0 ? 0 : out.count() / outer;
  for (int64_t o = 0; o < outer; ++o) copy_elements(t, (o * length + index) * inner, out, o * inner, inner);
  return out;
}

Tensor stack(const std::vector<Tensor>& parts, size_t axis, DType dtype, const Dims& element) {
  Dims dims = parts.empty() ? element : parts[0].dims();
  require(axis <= dims.size(), ErrorCode::kShapeMismatch, "axis ", axis, " lies outside a tensor of rank ",
          dims.size() + 1);
  const int64_t outer = count_before(dims, axis), n = int64_t(parts.size());
  for (const Tensor& p : parts)
    require(p.dims() == dims, ErrorCode::kShapeMismatch, "iterations give ", dims, " and ", p.dims(),
            "; one shape is needed");
  dims.insert(dims.begin() + int64_t(axis), n);
  Tensor out(parts.empty() ? dtype : parts[0].dtype(), dims);
  for (int64_t i = 0; i < n; ++i) {
    const Tensor& p = parts[size_t(i)];
    const int64_t inner = outer == 0 ? 0 : p.count() / outer;
    for (int64_t o = 0; o < outer; ++o) copy_elements(p, o * inner, out, (o * n + i) * inner, inner);
  }
  return out;
}

Dims known_dims(const ir::Value& v) {
  Dims dims;
  for (Dim d : v.shape) dims.push_back(d.is_const() ? d.constant() : 0);
  return dims;
}

}  // namespace tenon::ops
