// Core nodes that make tensors of shapes, as fill layers and constants.
#include <cmath>
#include <numbers>

#include "base/checked.h"
#include "ops/data/trilu.h"
#include "ops/random/random.h"
#include "ops/shape/constant_of_shape.h"
#include "ops/signal/fourier.h"
#include "ops/signal/window.h"
#include "ops/trt/expand_context.h"

namespace tenon::ops::trt {
namespace {

constexpr int64_t kSmall = 4096;            ///< elements of what becomes a constant layer
constexpr int64_t kLargestBasis = 1 << 22;  ///< elements by samples and frequencies of a Fourier transform

ValueId constant_layer(ExpandContext& c, const Tensor& t) {
  return c.layer("trt.Constant", {}, {{"weights", t}, {"dimensions", t.dims()}});
}

/// A fill of one number, in a type that fill layers have, then in `type`.
ValueId filled(ExpandContext& c, ValueId shape, DType type, const Tensor& value) {
  const Tensor* known = c.graph().constant(shape);
  const auto rank = size_t(c.number(shape, 0));
  const bool whole = !ir::is_float(type);
  const DType made = whole ? (type == DType::kI64 ? type : DType::kI32) : DType::kF32;
  Settings settings{{"operation", int64_t{kLinspace}}, {"to_type", made}, {"in_int64", whole}};
  if (whole) {
    settings.emplace_back("alpha_int64", value.get_int(0));
    settings.emplace_back("beta_int64", int64_t{0});
  } else {
    settings.emplace_back("alpha", static_cast<float>(value.get(0)));
    settings.emplace_back("beta", 0.0F);
  }
  settings.emplace_back("dimensions", known ? known->to_ints() : Ints(rank, 1));
  return c.converted(c.layer("trt.Fill", known ? std::vector<ValueId>{} : std::vector<ValueId>{shape}, settings), type);
}

void expand_constant_of_shape(ExpandContext& c) {
  const Tensor& value = c.attrs<ConstantOfShapeAttrs>().value;
  const ValueId shape = c.input(0);
  const auto& contents = c.graph().value(shape).contents;
  std::optional<Ints> dims;
  if (const Tensor* known = c.graph().constant(shape)) {
    dims = known->to_ints();
  } else if (contents && ir::is_static(*contents)) {
    dims = ir::static_dims(*contents);
  }
  if (dims && checked_product(*dims) <= kSmall) {
    Tensor t(value.dtype(), *dims);
    for (int64_t i = 0; i < t.count(); ++i)
      ir::is_float(value.dtype()) ? t.set(i, value.get(0)) : t.set_int(i, value.get_int(0));
    return c.output(0, constant_layer(c, t));
  }
  c.output(0, filled(c, dims ? c.ints(*dims) : c.converted(shape, DType::kI64), value.dtype(), value));
}

/// A number as a vector of one element.
ValueId one(ExpandContext& c, ValueId v) {
  if (const Tensor* known = c.graph().constant(v)) return c.constant(known->reshaped({1}));
  return c.rank(v) == 1 ? v : c.reshape(v, {1});
}

/// start + i * delta for i < ceil((limit - start) / delta)
void expand_range(ExpandContext& c) {
  const DType own = c.dtype(c.input(0));
  const DType type = own == DType::kF16 || own == DType::kBF16 ? DType::kF32 : own;  // as fills have it
  if (type != DType::kF32 && type != DType::kI32 && type != DType::kI64) return;
  const auto known = [&](size_t i) { return c.constant_input(i) ? std::optional(*c.constant_input(i)) : std::nullopt; };
  const std::optional<Tensor> start = known(0), step = known(2);
  const auto number = [&](size_t i) { return c.converted(one(c, c.input(i)), type); };
  const ValueId first = number(0), limit = number(1), delta = number(2);
  ValueId count;
  if (ir::is_float(type)) {
    const ValueId steps = c.unary("Ceil", c.elementwise("Div", c.elementwise("Sub", limit, first), delta));
    count = c.converted(c.elementwise("Max", steps, c.number_like(steps, 0)), DType::kI64);
  } else {
    const bool from_zero = start && start->get_int(0) == 0, by_one = step && step->get_int(0) == 1;
    if (by_one) {
      count = from_zero ? limit : c.elementwise("Sub", limit, first);
    } else {
      const ValueId back = c.elementwise(kFloorDivision, c.elementwise("Sub", first, limit), delta);
      count = c.elementwise("Sub", c.number_like(back, 0), back);
    }
    count = c.converted(c.elementwise("Max", count, c.number_like(count, 0)), DType::kI64);
  }
  const ValueId origin = start && type == own ? c.constant(start->reshaped({})) : c.reshape(first, {});
  const ValueId y = c.layer("trt.Fill", {count, origin, delta},
                            {{"operation", int64_t{kLinspace}}, {"to_type", type}, {"dimensions", Ints{1}}});
  c.output(0, c.converted(y, own));
}

/// column - row - k over the last two axes of x, all others of size 1.
ValueId diagonals(ExpandContext& c, ValueId x, ValueId k) {
  const auto rank = int64_t(c.rank(x));
  const ValueId last = c.picked(c.dims_of(x), {rank - 2, rank - 1});
  const ValueId dims = rank > 2 ? c.concat({c.ints(Ints(size_t(rank - 2), 1)), last}, 0) : last;
  Ints steps(size_t(rank), 0);
  steps[size_t(rank - 2)] = -1;
  steps[size_t(rank - 1)] = 1;
  const ValueId zero = c.constant(Tensor::scalar_i64(0));
  const Tensor* known = c.graph().constant(k);
  const ValueId first = known ? c.constant(Tensor::scalar_i64(-known->get_int(0)))
                              : c.elementwise("Sub", zero, c.reshape(c.converted(k, DType::kI64), {}));
  return c.linspace(dims, first, steps);
}

void expand_eye(ExpandContext& c) {
  const auto& a = c.attrs<EyeLikeAttrs>();
  const ValueId x = c.input(0);
  const DType type = a.dtype == DType::kUndefined ? c.dtype(x) : a.dtype;
  const auto dims = c.numbers(x);
  if (dims && checked_product(*dims) <= kSmall) {
    Tensor t(type, *dims);
    for (int64_t i = 0; i < t.count(); ++i)
      if (i % (*dims)[1] - i / (*dims)[1] == a.k) t.set(i, 1);
    return c.output(0, constant_layer(c, t));
  }
  if (a.k <= -(int64_t{1} << 60) || a.k >= int64_t{1} << 60) return;
  const ValueId away = diagonals(c, x, c.constant(Tensor::scalar_i64(a.k)));
  c.output(0, c.converted(c.elementwise("Equal", away, c.number_like(away, 0)), type));
}

void expand_trilu(ExpandContext& c) {
  const ValueId x = c.input(0), k = c.has(1) ? c.input(1) : c.constant(Tensor::scalar_i64(0));
  if (c.graph().constant(k) && std::abs(c.graph().constant(k)->get_int(0)) >= int64_t{1} << 60) return;
  const ValueId away = diagonals(c, x, k);
  const bool upper = c.attrs<TriluAttrs>().upper;
  const ValueId inside = c.elementwise(upper ? "Greater" : "Less", away, c.number_like(away, upper ? -1 : 1));
  c.output(0, c.select(inside, x, c.number_like(x, 0)));
}

/// A window for signals.
void expand_window_of(ExpandContext& c, const WindowCosines& w) {
  const auto& a = c.attrs<WindowAttrs>();
  const ValueId count = c.converted(one(c, c.input(0)), DType::kI64);
  const auto number = [&](double v) { return c.number_of_rank(DType::kF32, 1, v); };
  const ValueId i = c.layer("trt.Fill", {count, c.scalar(DType::kF32, 0), number(1)},
                            {{"operation", int64_t{kLinspace}}, {"to_type", DType::kF32}, {"dimensions", Ints{1}}});
  ValueId n = c.converted(count, DType::kF32);
  if (!a.periodic) n = c.elementwise("Sub", n, number(1));
  const ValueId turns = c.elementwise("Div", i, c.elementwise("Max", n, number(1)));
  const ValueId one_turn = c.elementwise("Mul", turns, number(2 * std::numbers::pi));
  const ValueId alone = c.elementwise("Less", n, number(0.5));  // a single element is the middle
  const ValueId t = c.select(alone, number(std::numbers::pi), one_turn);
  const auto cosine = [&](ValueId v, double factor) { return c.elementwise("Mul", c.unary("Cos", v), number(factor)); };
  ValueId y = c.elementwise("Sub", number(w.a0), cosine(t, w.a1));
  if (w.a2 != 0) y = c.elementwise("Add", y, cosine(c.elementwise("Mul", t, number(2)), w.a2));
  c.output(0, c.converted(y, a.dtype));
}
void expand_hann(ExpandContext& c) { expand_window_of(c, kHann); }
void expand_hamming(ExpandContext& c) { expand_window_of(c, kHamming); }
void expand_blackman(ExpandContext& c) { expand_window_of(c, kBlackman); }

/// Frames of a real signal times the cosines and sines of each frequency.
void expand_stft(ExpandContext& c) {
  const ValueId x = c.input(0);
  const Tensor* step = c.constant_input(1);
  if (!step || c.number(x, 2) != 1 || (c.has(3) && !c.constant_input(3))) return;
  const int64_t length = c.has(3)   ? c.constant_input(3)->get_int(0)
                         : c.has(2) ? c.number(c.input(2), 0)
                                    : c.number(x, 1);
  const int64_t bins = c.attrs<StftAttrs>().onesided ? length / 2 + 1 : length, apart = step->get_int(0);
  if (length < 1 || apart < 1 || checked_mul(length, bins) > kLargestBasis) return;
  const ValueId room = c.elementwise("Sub", c.picked(c.dims_of(x), {1}), c.ints({length}));
  const ValueId frames = c.elementwise("Add", c.elementwise(kFloorDivision, room, c.ints({apart})), c.ints({1}));
  const ValueId places =
      c.linspace(c.concat({frames, c.ints({length})}, 0), c.constant(Tensor::scalar_i64(0)), {apart, 1});
  ValueId y = c.layer("trt.Gather", {c.reshape(x, {0, 0}), places}, {{"gather_axis", int64_t{1}}});
  if (c.has(2)) y = c.elementwise("Mul", y, c.reshape(c.input(2), {1, 1, length}));
  Tensor basis(c.dtype(x), {1, length, 2 * bins});
  for (int64_t i = 0; i < length; ++i)
    for (int64_t k = 0; k < bins; ++k) {
      const double angle = 2 * std::numbers::pi * double(i * k % length) / double(length);
      basis.set((i * bins + k) * 2, std::cos(angle));
      basis.set((i * bins + k) * 2 + 1, -std::sin(angle));
    }
  c.output(0, c.reshape(c.matmul(y, c.constant(std::move(basis)), false), {0, 0, bins, 2}));
}

/// Random numbers of the dims of a tensor.
void expand_random(ExpandContext& c) {
  const auto& a = c.attrs<RandomAttrs>();
  const bool normal = c.node().op == "RandomNormal";
  if (normal && c.level < 8) return;  // level 7 has uniform numbers alone
  Settings settings{{"operation", int64_t{normal ? kNormal : kUniform}},
                    {"alpha", a.low_or_mean},
                    {"beta", a.high_or_scale},
                    {"seed", a.seed},
                    {"seeded", true},
                    {"to_type", DType::kF32}};
  const auto dims = c.has(0) ? c.numbers(c.input(0)) : std::optional(a.shape);
  settings.emplace_back("dimensions", dims ? *dims : Ints(c.rank(c.input(0)), 1));
  std::vector<ValueId> inputs;
  if (!dims) inputs.push_back(c.dims_of(c.input(0)));
  c.output(0, c.converted(c.layer("trt.Fill", std::move(inputs), settings), a.dtype));
}

}  // namespace

std::vector<ExpandRule> expand_generate_rules() {
  return {{"ConstantOfShape", expand_constant_of_shape, true},
          {"Range", expand_range, true},
          {"EyeLike", expand_eye},
          {"Trilu", expand_trilu},
          {"RandomNormal", expand_random},
          {"RandomUniform", expand_random},
          {"HannWindow", expand_hann, true},
          {"HammingWindow", expand_hamming, true},
          {"BlackmanWindow", expand_blackman, true},
          {"STFT", expand_stft, true}};
}

}  // namespace tenon::ops::trt
