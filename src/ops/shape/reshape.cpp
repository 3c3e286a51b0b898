#include "ops/shape/reshape.h"

#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/bounds.h"

namespace tenon::ops {
namespace {

/// The dimensions that Reshape gives `from`, symbolic or constant. Throws where they cannot hold the same elements.
Shape resolve(ir::SymbolTable& table, const Shape& from, const std::vector<Dim>& wanted, bool allowzero) {
  Shape to, known;
  size_t rest = wanted.size();
  bool zero = false;
  for (size_t i = 0; i < wanted.size(); ++i) {
    Dim d = wanted[i];
    if (d == -1) {
      require(rest == wanted.size(), ErrorCode::kShapeMismatch, "the shape has more than one entry -1");
      rest = i;
      to.push_back(0);
      continue;
    }
    if (d == 0 && !allowzero) {
      require(i < from.size(), ErrorCode::kShapeMismatch, "entry ", i, " of the shape is 0, the input has only ",
              from.size(), " dimensions to copy");
      d = from[i];
    }
    zero = zero || (d == 0 && allowzero);
    require(!d.is_const() || d.constant() >= 0, ErrorCode::kShapeMismatch, "entry ", i, " of the shape is ",
            d.is_const() ? d.constant() : 0, ", accepted are -1, 0 and positive numbers");
    to.push_back(d);
    known.push_back(d);
  }
  if (rest < to.size()) {
    require(!zero, ErrorCode::kShapeMismatch, "with allowzero the shape has both 0 and -1");
    auto d = divide_products(table, from, known);
    require(d.has_value(), ErrorCode::kShapeMismatch, "the elements of ", table.text(product(table, from)),
            " do not divide among ", table.text(product(table, known)));
    to[rest] = *d;
  } else {
    const Dim a = product(table, from), b = product(table, to);
    require(!a.is_const() || !b.is_const() || a == b, ErrorCode::kShapeMismatch, "a tensor of ", table.text(a),
            " elements cannot be viewed as ", table.text(b));
  }
  return to;
}

void infer_reshape(InferContext& c) {
  const Shape x = c.shape(0);
  Shape y;
  if (auto wanted = c.contents(1)) {
    y = resolve(c.dims(), x, *wanted, c.attrs<ReshapeAttrs>().allowzero);
  } else {
    const Shape& s = c.shape(1);
    c.expect(s.size() == 1, "the shape input ", c.text(s), " must have rank 1");
    for (size_t i = rank_from(c, s[0]); i > 0; --i) y.push_back(c.unknown());
  }
  auto elements = c.elements(0);
  c.output(0, c.dtype(0), y);
  if (elements) c.output_elements(0, std::move(*elements));
}

void eval_reshape(EvalContext& c) {
  ir::SymbolTable table;
  const std::vector<int64_t> wanted = c.input(1).to_ints();
  const Shape y = resolve(table, ir::to_shape(c.input(0).dims()), {wanted.begin(), wanted.end()},
                          c.attrs<ReshapeAttrs>().allowzero);
  c.outputs[0] = c.input(0).reshaped(ir::static_dims(y));
}

void import_reshape(ImportContext& c) {
  ReshapeAttrs a{.allowzero = c.attr_int("allowzero", 0) != 0};
  c.output(0, c.add("Reshape", {c.required(0), c.required(1)}, a));
}

}  // namespace

OpSet reshape() {
  return {{{.name = "Reshape",
            .attrs = ir::schema_of<ReshapeAttrs>(),
            .min_inputs = 2,
            .max_inputs = 2,
            .infer = infer_reshape,
            .eval = eval_reshape,
            .form = OpForm::kView}},
          {{"", "Reshape", 5, import_reshape}}};
}

}  // namespace tenon::ops
