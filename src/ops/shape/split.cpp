#include "ops/shape/split.h"

#include "base/checked.h"
#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/bounds.h"
#include "ops/shape/move.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

/// Sizes of the parts, checked against the extent where both are known.
std::vector<Dim> part_sizes(ir::SymbolTable& dims, Dim extent, size_t parts, bool even,
                            const std::optional<std::vector<Dim>>& given) {
  const int64_t n = int64_t(parts);
  if (given) {
    require(given->size() == parts, ErrorCode::kShapeMismatch, given->size(), " sizes are given for ", parts,
            " outputs");
    Dim sum = 0;
    for (Dim d : *given) {
      require(!d.is_const() || d.constant() >= 0, ErrorCode::kShapeMismatch, "a part has the negative size ",
              dims.text(d));
      sum = dims.add(sum, d);
    }
    require(!sum.is_const() || !extent.is_const() || sum == extent, ErrorCode::kShapeMismatch, "the sizes sum to ",
            dims.text(sum), ", the axis has ", dims.text(extent));
    return *given;
  }
  if (even) {
    require(!extent.is_const() || extent.constant() % n == 0, ErrorCode::kShapeMismatch, "an axis of ",
            dims.text(extent), " cannot be split into ", parts, " equal parts");
    return std::vector<Dim>(parts, dims.floor_div(extent, n));
  }
  const Dim size = dims.floor_div(dims.add(extent, n - 1), n), last = dims.sub(extent, dims.mul(size, n - 1));
  require(!last.is_const() || last.constant() >= 0, ErrorCode::kShapeMismatch, "an axis of ", dims.text(extent),
          " cannot be split into ", parts, " parts of ", dims.text(size));
  std::vector<Dim> sizes(parts, size);
  sizes.back() = last;
  return sizes;
}

void infer_split(InferContext& c) {
  const SplitAttrs& a = c.attrs<SplitAttrs>();
  Shape y = c.shape(0);
  const size_t axis = c.axis(a.axis, y.size()), parts = c.output_count();
  c.expect(parts > 0, "there are no outputs");
  const DType type = c.dtype(0);
  const auto contents = c.contents(0);
  const auto given = c.contents(1);
  std::vector<Dim> sizes;
  if (c.has(1) && !given)
    for (size_t i = 0; i < parts; ++i) sizes.push_back(c.unknown());
  else
    sizes = part_sizes(c.dims(), y[axis], parts, a.even, given);
  int64_t at = 0;
  const bool known = contents && y.size() == 1 && ir::is_static(sizes);
  for (size_t i = 0; i < parts; ++i) {
    y[axis] = sizes[i];
    c.output(i, type, y);
    if (!known) continue;
    const auto first = contents->begin() + at;
    at += sizes[i].constant();
    c.output_contents(i, {first, contents->begin() + at});
  }
}

void eval_split(EvalContext& c) {
  const SplitAttrs& a = c.attrs<SplitAttrs>();
  const Tensor& x = c.input(0);
  Dims yd = x.dims();
  const size_t axis = normalized_axis(a.axis, yd.size()), parts = c.outputs.size();
  ir::SymbolTable table;
  std::optional<std::vector<Dim>> given;
  if (c.has(1)) {
    const std::vector<int64_t> ints = c.input(1).to_ints();
    given.emplace(ints.begin(), ints.end());
  }
  const Dims sizes = ir::static_dims(part_sizes(table, yd[axis], parts, a.even, given));
  const int64_t outer = count_between(yd, 0, axis), inner = count_between(yd, axis + 1, yd.size());
  const int64_t row = count_between(yd, axis, yd.size());
  int64_t at = 0;
  for (size_t i = 0; i < parts; ++i) {
    const int64_t part = sizes[i] * inner;
    if (c.wants(i)) {
      yd[axis] = sizes[i];
      const ElementMover move(x, c.output(i, yd));
      for (int64_t o = 0; o < outer; ++o) move(o * row + at, o * part, part);
    }
    at += part;
  }
}

void import_split(ImportContext& c) {
  SplitAttrs a{.axis = c.attr_int("axis", 0)};
  std::vector<ir::ValueId> inputs{c.required(0)};
  if (c.has(1))
    inputs.push_back(c.input(1));
  else if (c.has_attr("split"))
    inputs.push_back(c.constant(Tensor::vector_i64(c.attr_ints("split"))));
  else
    a.even = c.opset() < 18;
  const int64_t declared = c.attr_int("num_outputs", int64_t(c.output_count()));
  if (declared != int64_t(c.output_count()))
    c.fail("num_outputs is ", declared, ", the node has ", c.output_count(), " outputs");
  const auto parts = c.add_n("Split", std::move(inputs), a, c.output_count());
  for (size_t i = 0; i < parts.size(); ++i) c.output(i, parts[i]);
}

}  // namespace

OpSet split() {
  return {{{.name = "Split",
            .attrs = ir::schema_of<SplitAttrs>(),
            .max_inputs = 2,
            .infer = infer_split,
            .eval = eval_split}},
          {{"", "Split", 2, import_split}}};
}

}  // namespace tenon::ops
