// Where: y = condition ? a : b with numpy broadcasting of all three.
#include "ops/import.h"
#include "ops/op.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void where_contents(InferContext& c) {
  const auto p = c.contents(0), a = c.contents(1), b = c.contents(2);
  if (!p || !a || !b) return;
  const size_t n = std::max({p->size(), a->size(), b->size()});
  std::vector<Dim> out;
  auto at = [](const std::vector<Dim>& v, size_t i) { return v[v.size() == 1 ? 0 : i]; };
  for (const auto* v : {&*p, &*a, &*b})
    if (v->size() != n && v->size() != 1) return;
  for (size_t i = 0; i < n; ++i) {
    const Dim take = at(*p, i), x = at(*a, i), y = at(*b, i);
    if (!take.is_const() && x != y) return;
    out.push_back(take.is_const() && take.constant() == 0 ? y : x);
  }
  c.output_contents(0, std::move(out));
}

void infer_where(InferContext& c) {
  c.expect(c.dtype(0) == DType::kBool, "the condition has the type ", ir::name(c.dtype(0)), ", accepted is bool");
  c.expect(c.dtype(1) == c.dtype(2), "the choices have the types ", ir::name(c.dtype(1)), " and ", ir::name(c.dtype(2)),
           ", accepted are equal types");
  c.output(0, c.dtype(1), c.broadcast(c.broadcast(c.shape(0), c.shape(1)), c.shape(2)));
  where_contents(c);
}

void eval_where(EvalContext& c) {
  const Tensor &p = c.input(0), &a = c.input(1), &b = c.input(2);
  Tensor& y = c.output(0, broadcast_dims(broadcast_dims(p.dims(), a.dims()), b.dims()));
  const BroadcastIndex ip(p.dims(), y.dims()), ia(a.dims(), y.dims()), ib(b.dims(), y.dims());
  for (int64_t i = 0; i < y.count(); ++i) {
    const bool first = p.get_int(ip(i)) != 0;
    const Tensor& from = first ? a : b;
    const int64_t at = first ? ia(i) : ib(i);
    if (y.dtype() == DType::kString)
      y.mutable_strings()[size_t(i)] = from.strings()[size_t(at)];
    else if (ir::is_float(y.dtype()))
      y.set(i, from.get(at));
    else
      y.set_int(i, from.get_int(at));
  }
}

void import_where(ImportContext& c) { c.output(0, c.add("Where", {c.required(0), c.required(1), c.required(2)})); }

}  // namespace

OpSet where() {
  return {{{.name = "Where", .min_inputs = 3, .max_inputs = 3, .infer = infer_where, .eval = eval_where}},
          {{"", "Where", 9, import_where}}};
}

}  // namespace tenon::ops
