#include "ops/random/random.h"

#include <bit>
#include <cmath>

#include "base/hash.h"
#include "ops/import.h"
#include "ops/op.h"

namespace tenon::ops {
namespace {

void infer_random(InferContext& c) {
  const auto& a = c.attrs<RandomAttrs>();
  c.expect(ir::is_float(a.dtype), "the output type is ", a.dtype, ", accepted are floating-point types");
  c.output(0, a.dtype, c.has(0) ? c.shape(0) : ir::to_shape(a.shape));
}

template <bool kNormal>
void eval_random(EvalContext& c) {
  const auto& a = c.attrs<RandomAttrs>();
  const double low = double(a.low_or_mean), high = double(a.high_or_scale);
  Tensor& y = c.output(0, c.has(0) ? c.input(0).dims() : a.shape);
  for (int64_t i = 0; i < y.count(); ++i)
    y.set(i, kNormal ? low + high * random_normal(a.seed, i) : low + (high - low) * random_unit(a.seed, i));
}

void infer_bernoulli(InferContext& c) { c.output(0, c.attrs<SampleAttrs>().dtype, c.shape(0)); }

void eval_bernoulli(EvalContext& c) {
  const auto& a = c.attrs<SampleAttrs>();
  Tensor& y = c.output(0, c.input(0).dims());
  for (int64_t i = 0; i < y.count(); ++i) y.set(i, random_unit(a.seed, i) < c.input(0).get(i) ? 1 : 0);
}

void infer_multinomial(InferContext& c) {
  const auto& a = c.attrs<SampleAttrs>();
  const Shape x = c.shape(0);
  c.expect(x.size() == 2, "the input ", c.text(x), " must be [batch, classes]");
  c.expect(a.sample_size >= 0, "sample_size is ", a.sample_size, ", accepted are numbers from 0");
  c.output(0, a.dtype, {x[0], a.sample_size});
}

void eval_multinomial(EvalContext& c) {
  const auto& a = c.attrs<SampleAttrs>();
  const Tensor& x = c.input(0);
  const int64_t batch = x.dims()[0], classes = x.dims()[1];
  require(classes > 0 || batch == 0 || a.sample_size == 0, ErrorCode::kShapeMismatch, "there are no classes");
  Tensor& y = c.output(0, {batch, a.sample_size});
  for (int64_t b = 0; b < batch; ++b) {
    double most = -INFINITY;
    for (int64_t k = 0; k < classes; ++k) most = std::fmax(most, x.get(b * classes + k));
    std::vector<double> sums;
    double sum = 0;
    for (int64_t k = 0; k < classes; ++k) sums.push_back(sum += std::exp(x.get(b * classes + k) - most));
    for (int64_t i = b * a.sample_size; i < (b + 1) * a.sample_size; ++i) {
      const double at = random_unit(a.seed, i) * sum;
      int64_t k = 0;
      while (k + 1 < classes && !(at < sums[size_t(k)])) ++k;
      y.set_int(i, k);
    }
  }
}

/// The seed given, or one made from the node's name, so that a model's results repeat.
int64_t import_seed(ImportContext& c) {
  if (c.has_attr("seed")) return int64_t(std::bit_cast<uint32_t>(c.attr_float("seed", 0)));
  Hasher h;
  h.add_text(c.node_op());
  h.add(c.graph().node_count());
  return int64_t(h.value());
}

RandomAttrs import_range(ImportContext& c) {
  RandomAttrs a;
  const bool normal = c.node_op().find("Normal") != std::string_view::npos;
  a.low_or_mean = c.attr_float(normal ? "mean" : "low", 0);
  a.high_or_scale = c.attr_float(normal ? "scale" : "high", 1);
  a.seed = import_seed(c);
  return a;
}

std::string_view core_name(ImportContext& c) {
  return c.node_op().find("Normal") != std::string_view::npos ? "RandomNormal" : "RandomUniform";
}

void import_random(ImportContext& c) {
  RandomAttrs a = import_range(c);
  a.dtype = c.attr_dtype("dtype", DType::kF32);
  if (!c.has_attr("shape")) c.fail("attribute shape is missing");
  a.shape = c.attr_ints("shape");
  c.output(0, c.add(core_name(c), {}, a));
}

void import_random_like(ImportContext& c) {
  RandomAttrs a = import_range(c);
  const DType own = c.dtype(c.required(0));
  a.dtype = c.attr_dtype("dtype", ir::is_float(own) ? own : DType::kF32);
  c.output(0, c.add(core_name(c), {c.required(0)}, a));
}

void import_bernoulli(ImportContext& c) {
  const ir::ValueId x = c.required(0);
  c.output(0, c.add("Bernoulli", {x}, SampleAttrs{import_seed(c), c.attr_dtype("dtype", c.dtype(x)), 1}));
}

void import_multinomial(ImportContext& c) {
  SampleAttrs a{import_seed(c), c.attr_dtype("dtype", DType::kI32), c.attr_int("sample_size", 1)};
  c.output(0, c.add("Multinomial", {c.required(0)}, a));
}

}  // namespace

OpSet random_numbers() {
  return {{{.name = "RandomNormal",
            .attrs = ir::schema_of<RandomAttrs>(),
            .min_inputs = 0,
            .infer = infer_random,
            .eval = eval_random<true>,
            .random = true},
           {.name = "RandomUniform",
            .attrs = ir::schema_of<RandomAttrs>(),
            .min_inputs = 0,
            .infer = infer_random,
            .eval = eval_random<false>,
            .random = true},
           {.name = "Bernoulli",
            .attrs = ir::schema_of<SampleAttrs>(),
            .infer = infer_bernoulli,
            .eval = eval_bernoulli,
            .random = true},
           {.name = "Multinomial",
            .attrs = ir::schema_of<SampleAttrs>(),
            .infer = infer_multinomial,
            .eval = eval_multinomial,
            .random = true}},
          {{"", "RandomNormal", 1, import_random},
           {"", "RandomUniform", 1, import_random},
           {"", "RandomNormalLike", 1, import_random_like},
           {"", "RandomUniformLike", 1, import_random_like},
           {"", "Bernoulli", 15, import_bernoulli},
           {"", "Multinomial", 7, import_multinomial}}};
}

}  // namespace tenon::ops
