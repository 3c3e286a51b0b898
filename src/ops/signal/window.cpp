// Windows of cosines.
#include "ops/signal/window.h"

#include <cmath>
#include <numbers>

#include "ops/import.h"
#include "ops/op.h"

namespace tenon::ops {
namespace {

void infer_window(InferContext& c) {
  const auto size = c.contents(0);
  c.output(0, c.attrs<WindowAttrs>().dtype, {size && size->size() == 1 ? (*size)[0] : c.unknown()});
}

template <const WindowCosines& W>
void eval_window(EvalContext& c) {
  require(c.input(0).count() == 1, ErrorCode::kShapeMismatch, "the size has ", c.input(0).count(),
          " elements, accepted is 1");
  Tensor& y = c.output(0, {c.input(0).get_int(0)});
  const int64_t n = y.count() - (c.attrs<WindowAttrs>().periodic ? 0 : 1);
  for (int64_t i = 0; i < y.count(); ++i) {
    const double t = n > 0 ? 2 * std::numbers::pi * double(i) / double(n) : M_PI;
    y.set(i, W.a0 - W.a1 * std::cos(t) + W.a2 * std::cos(2 * t));
  }
}

void import_window(ImportContext& c) {
  WindowAttrs a{c.attr_dtype("output_datatype", DType::kF32), c.attr_int("periodic", 1) != 0};
  c.output(0, c.add(c.node_op(), {c.required(0)}, a));
}

template <const WindowCosines& W>
OpDef window_op(std::string_view name) {
  return {.name = name, .attrs = ir::schema_of<WindowAttrs>(), .infer = infer_window, .eval = eval_window<W>};
}

}  // namespace

OpSet window() {
  return {
      {window_op<kHann>("HannWindow"), window_op<kHamming>("HammingWindow"), window_op<kBlackman>("BlackmanWindow")},
      {{"", "HannWindow", 17, import_window},
       {"", "HammingWindow", 17, import_window},
       {"", "BlackmanWindow", 17, import_window}}};
}

}  // namespace tenon::ops
