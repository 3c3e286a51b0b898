// Cast and CastLike.
#include "ops/math/cast.h"

#include <locale.h>

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/half.h"
#include "ops/dim_range.h"
#include "ops/import.h"
#include "ops/math/dim_arithmetic.h"
#include "ops/op.h"

namespace tenon::ops {
namespace {

void cast_contents(InferContext& c, DType to) {
  auto in = c.elements(0);
  if (!in) return;
  for (Dim& d : *in) {
    if (to == DType::kBool) {
      const DimRange r = range_of(c.dims(), d);
      const bool positive = r.low && *r.low > 0;
      if (!d.is_const() && !positive) return;
      d = positive || d.constant() != 0;
    } else if (!keeps_value(to, d)) {
      return;
    }
  }
  c.output_elements(0, std::move(*in));
}

void infer_cast(InferContext& c) {
  const DType to = c.attrs<CastAttrs>().to;
  c.expect(to != DType::kUndefined, "the type to cast to is undefined");
  c.output(0, to, c.shape(0));
  if (ir::is_integer(to) || ir::is_float(to) || to == DType::kBool) cast_contents(c, to);
}

double parse_number(const std::string& s) {
  static const locale_t plain = newlocale(LC_ALL_MASK, "C", nullptr);  // whatever the process has set
  char* end = nullptr;
  const double v = strtod_l(s.c_str(), &end, plain);
  require(!s.empty() && end == s.c_str() + s.size(), ErrorCode::kInvalidArgument, "the string '", s,
          "' is not a number");
  return v;
}

/// Sets element `i` to the number in `s`. Whole numbers keep all digits.
void set_number(Tensor& y, int64_t i, const std::string& s) {
  const char *begin = s.data() + (s.starts_with('+') ? 1 : 0), *const end = s.data() + s.size();
  if (ir::is_integer(y.dtype())) {
    int64_t whole = 0;
    uint64_t large = 0;
    if (const auto [last, error] = std::from_chars(begin, end, whole); error == std::errc() && last == end)
      return y.set_int(i, whole);
    if (const auto [last, error] = std::from_chars(begin, end, large);
        y.dtype() == DType::kU64 && error == std::errc() && last == end)
      return y.set_int(i, int64_t(large));
  }
  y.set(i, parse_number(s));
}

std::string print_number(const Tensor& x, int64_t i) {
  if (!ir::is_float(x.dtype())) return x.dtype() == DType::kU64 ? cat(uint64_t(x.get_int(i))) : cat(x.get_int(i));
  const double v = x.get(i);
  if (std::isnan(v)) return "NaN";
  if (std::isinf(v)) return v < 0 ? "-INF" : "INF";
  return x.dtype() == DType::kF64 ? cat(v) : cat(float(v));
}

/// The code of an 8-bit float without saturation, or nullopt for other types.
std::optional<uint8_t> encode_unsaturated(DType type, double v) {
  switch (type) {
    case DType::kF8E4M3FN:
      return kF8E4M3FN.encode(float(v), false);
    case DType::kF8E5M2:
      return kF8E5M2.encode(float(v), false);
    case DType::kF8E4M3FNUZ:
      return kF8E4M3FNUZ.encode(float(v), false);
    case DType::kF8E5M2FNUZ:
      return kF8E5M2FNUZ.encode(float(v), false);
    default:
      return std::nullopt;
  }
}

void eval_cast(EvalContext& c) {
  const Tensor& x = c.input(0);
  const DType to = c.output_type(0);
  if (x.dtype() == DType::kString && to != DType::kString) {
    Tensor& y = c.output(0, x.dims());
    for (int64_t i = 0; i < x.count(); ++i) set_number(y, i, x.strings()[size_t(i)]);
  } else if (to == DType::kString && x.dtype() != DType::kString) {
    Tensor& y = c.output(0, x.dims());
    for (int64_t i = 0; i < x.count(); ++i) y.mutable_strings()[size_t(i)] = print_number(x, i);
  } else if (!c.attrs<CastAttrs>().saturate && encode_unsaturated(to, 0)) {
    Tensor& y = c.output(0, x.dims());
    for (int64_t i = 0; i < x.count(); ++i) y.mutable_as<uint8_t>()[i] = *encode_unsaturated(to, x.get(i));
  } else {
    c.outputs.at(0) = x.cast(to);
  }
}

void add_cast(ImportContext& c, DType to) {
  CastAttrs a;
  a.to = to;
  a.saturate = c.attr_int("saturate", 1) != 0;
  c.output(0, c.add("Cast", {c.required(0)}, a));
}

void import_cast(ImportContext& c) {
  const DType to = c.attr_dtype("to", DType::kUndefined);
  if (to == DType::kUndefined) c.fail("the attribute 'to' names no known type");
  add_cast(c, to);
}
void import_cast_like(ImportContext& c) { add_cast(c, c.dtype(c.required(1))); }

}  // namespace

OpSet cast() {
  return {{{.name = "Cast",
            .attrs = ir::schema_of<CastAttrs>(),
            .infer = infer_cast,
            .eval = eval_cast,
            .form = OpForm::kUnary}},
          {{"", "Cast", 6, import_cast}, {"", "CastLike", 15, import_cast_like}}};
}

}  // namespace tenon::ops
