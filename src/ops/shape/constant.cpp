// Constant: import only; its tensor becomes a constant value of the graph.
#include "base/checked.h"
#include "ops/import.h"
#include "ops/op.h"

namespace tenon::ops {
namespace {

Tensor constant_tensor(ImportContext& c) {
  if (auto value = c.attr_tensor("value")) return *value;
  if (c.has_attr("value_int")) return Tensor::scalar_i64(c.attr_int("value_int", 0));
  if (c.has_attr("value_float")) return Tensor::scalar_f32(c.attr_float("value_float", 0));
  if (c.has_attr("value_string")) return Tensor::of_strings({}, {c.attr_string("value_string", "")});
  if (c.has_attr("value_ints")) return Tensor::vector_i64(c.attr_ints("value_ints"));
  if (c.has_attr("value_floats")) {
    const std::vector<float> v = c.attr_floats("value_floats");
    return Tensor::of<float>(DType::kF32, {int64_t(v.size())}, v);
  }
  if (c.has_attr("value_strings")) {
    std::vector<std::string> v = c.attr_strings("value_strings");
    return Tensor::of_strings({int64_t(v.size())}, std::move(v));
  }
  if (auto sparse = c.attr_tensor("sparse_value")) return *sparse;
  c.fail(
      "none of value, value_int, value_float, value_string, value_ints, value_floats, value_strings, sparse_value "
      "is given");
}

void import_constant(ImportContext& c) { c.output(0, c.constant(constant_tensor(c))); }

}  // namespace

OpSet constant() { return {{}, {{"", "Constant", 1, import_constant}}}; }

}  // namespace tenon::ops
