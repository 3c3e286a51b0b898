// LayerNormalization and RMSNormalization, and the fused forms that exporters write.
#include <cmath>

#include "ops/import.h"
#include "ops/nn/norm.h"
#include "ops/op.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void infer_layer_norm(InferContext& c) {
  const Shape& x = c.shape(0);
  c.expect(ir::is_float(c.dtype(0)), "x has the type ", ir::name(c.dtype(0)), ", accepted are floating-point types");
  const size_t axis = c.axis(c.attrs<LayerNormAttrs>().axis, x.size());
  for (size_t i = 1; i < c.input_count(); ++i) {
    if (!c.has(i)) continue;
    const Shape& p = c.shape(i);
    bool fits = p.size() <= x.size();
    for (size_t k = 0; fits && k < p.size(); ++k) {
      const Dim have = p[k], want = x[x.size() - p.size() + k];
      fits = have == 1 || have == want || !have.is_const() || !want.is_const();
    }
    c.expect(fits, i == 1 ? "scale " : "bias ", c.text(p), " does not broadcast to x ", c.text(x));
  }
  c.output(0, c.dtype(0), x);
  Shape outer = x;
  for (size_t i = axis; i < outer.size(); ++i) outer[i] = 1;
  const DType stash = c.dtype(0) == DType::kF64 ? DType::kF64 : DType::kF32;
  for (size_t i = 1; i < c.output_count(); ++i) c.output(i, stash, outer);
}

/// x as rows of the axes from `axis` on.
struct Rows {
  int64_t count = 1, length = 1;
  Dims outer;
  Rows(const Dims& dims, int64_t axis_attr) : outer(dims) {
    const size_t axis = normalized_axis(axis_attr, dims.size());
    for (size_t i = 0; i < dims.size(); ++i) (i < axis ? count : length) *= dims[i];
    for (size_t i = axis; i < dims.size(); ++i) outer[i] = 1;
  }
};

template <bool Centered>
void eval_norm(EvalContext& c) {
  const LayerNormAttrs& a = c.attrs<LayerNormAttrs>();
  const Tensor& x = c.input(0);
  const Rows rows(x.dims(), a.axis);
  Tensor& y = c.output(0, x.dims());
  const std::vector<double> scale = c.input(1).to_doubles();
  const std::vector<double> bias = c.has(2) ? c.input(2).to_doubles() : std::vector<double>{0};
  const BroadcastIndex scale_at(c.input(1).dims(), x.dims()), bias_at(c.has(2) ? c.input(2).dims() : Dims{}, x.dims());
  Tensor means, inverses;
  if (c.wants(1)) means = Tensor(c.output_type(1), rows.outer);
  if (c.wants(2)) inverses = Tensor(c.output_type(2), rows.outer);
  for (int64_t r = 0; r < rows.count; ++r) {
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < rows.length; ++i) sum += x.get(r * rows.length + i);
    const double mean = Centered ? sum / double(rows.length) : 0;
    for (int64_t i = 0; i < rows.length; ++i) {
      const double d = x.get(r * rows.length + i) - mean;
      squares += d * d;
    }
    const double inverse = 1 / std::sqrt(squares / double(rows.length) + double(a.epsilon));
    for (int64_t i = 0; i < rows.length; ++i) {
      const int64_t at = r * rows.length + i;
      y.set(at, (x.get(at) - mean) * inverse * scale[size_t(scale_at(at))] + bias[size_t(bias_at(at))]);
    }
    if (means.defined()) means.set(r, mean);
    if (inverses.defined()) inverses.set(r, inverse);
  }
  if (c.wants(1)) c.outputs[1] = means;
  if (c.wants(2)) c.outputs[2] = inverses;
}

LayerNormAttrs attrs_of(ImportContext& c, float epsilon) {
  return {c.attr_int("axis", -1), c.attr_float("epsilon", epsilon)};
}

void add_layer_norm(ImportContext& c, std::vector<ir::ValueId> inputs, const LayerNormAttrs& a) {
  const size_t outputs = std::min<size_t>(c.output_count(), 3);
  const auto y = c.add_n("LayerNormalization", std::move(inputs), a, outputs);
  for (size_t i = 0; i < outputs; ++i) c.output(i, y[i]);
}

void import_layer_norm(ImportContext& c) {
  std::vector<ir::ValueId> inputs{c.required(0), c.required(1)};
  if (c.has(2)) inputs.push_back(c.input(2));
  add_layer_norm(c, std::move(inputs), attrs_of(c, 1e-5f));
}

void import_rms_norm(ImportContext& c) {
  c.output(0, c.add("RMSNormalization", {c.required(0), c.required(1)}, attrs_of(c, 1e-5f)));
}

/// input + skip + bias, which is also the optional output 3.
ir::ValueId skip_sum(ImportContext& c, size_t bias) {
  ir::ValueId x = c.add("Add", {c.required(0), c.required(1)});
  if (c.has(bias)) x = c.add("Add", {x, c.input(bias)});
  if (c.output_count() > 3) c.output(3, x);
  return x;
}

void import_skip_layer_norm(ImportContext& c) {
  std::vector<ir::ValueId> inputs{skip_sum(c, 4), c.required(2)};
  if (c.has(3)) inputs.push_back(c.input(3));
  add_layer_norm(c, std::move(inputs), {-1, c.attr_float("epsilon", 1e-12f)});
}

void import_skip_rms_norm(ImportContext& c) {
  const ir::ValueId x = skip_sum(c, 3);
  c.output(0, c.add("RMSNormalization", {x, c.required(2)}, LayerNormAttrs{-1, c.attr_float("epsilon", 1e-12f)}));
}

}  // namespace

OpSet layer_norm() {
  const auto* schema = ir::schema_of<LayerNormAttrs>();
  return {{{.name = "LayerNormalization",
            .attrs = schema,
            .min_inputs = 2,
            .max_inputs = 3,
            .infer = infer_layer_norm,
            .eval = eval_norm<true>},
           {.name = "RMSNormalization",
            .attrs = schema,
            .min_inputs = 2,
            .max_inputs = 2,
            .infer = infer_layer_norm,
            .eval = eval_norm<false>}},
          {{"", "LayerNormalization", 1, import_layer_norm},
           {"", "RMSNormalization", 23, import_rms_norm},
           {"", "SimplifiedLayerNormalization", 1, import_rms_norm},
           {"com.microsoft", "LayerNormalization", 1, import_layer_norm},
           {"com.microsoft", "SimplifiedLayerNormalization", 1, import_rms_norm},
           {"com.microsoft", "SkipLayerNormalization", 1, import_skip_layer_norm},
           {"com.microsoft", "SkipSimplifiedLayerNormalization", 1, import_skip_rms_norm}}};
}

}  // namespace tenon::ops
