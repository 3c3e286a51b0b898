// Resizing by dims or scales.
#include <utility>

#include "ops/trt/lower.h"
#include "ops/trt/names.h"

namespace tenon::ops::trt {
namespace {

struct ResizeAttrs {
  Ints output_dimensions;
  std::vector<float> scales;
  int64_t resize_mode = 0, coordinate_transformation = 1, selector_for_single_pixel = 0, nearest_rounding = 2;
  float cubic_coeff = -0.75f;
  bool exclude_outside = false;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {TENON_TRT_FIELD(ResizeAttrs, output_dimensions),
                                  TENON_TRT_FIELD(ResizeAttrs, scales),
                                  TENON_TRT_FIELD(ResizeAttrs, resize_mode),
                                  TENON_TRT_FIELD(ResizeAttrs, coordinate_transformation),
                                  TENON_TRT_FIELD(ResizeAttrs, selector_for_single_pixel),
                                  TENON_TRT_FIELD(ResizeAttrs, nearest_rounding),
                                  TENON_TRT_FIELD(ResizeAttrs, cubic_coeff),
                                  TENON_TRT_FIELD(ResizeAttrs, exclude_outside)};
    return f;
  }
};

void lower_resize(LowerContext& c) {
  const auto& a = c.attrs<ResizeAttrs>();
  for (const auto& [value, limit] :
       {std::pair{a.resize_mode, 3}, {a.coordinate_transformation, 3}, {a.nearest_rounding, 4}}) {
    require(value >= 0 && value < limit, ErrorCode::kInvalidModel, "a resize setting has the value ", value);
  }
  Values values{{"mode", std::string(kResizeModes[a.resize_mode])},
                {"coordinate_transformation_mode", std::string(kResizeCoordinates[a.coordinate_transformation])},
                {"nearest_mode", std::string(kResizeRounding[a.nearest_rounding])},
                {"cubic_coeff_a", a.cubic_coeff},
                {"exclude_outside", int64_t{a.exclude_outside}}};
  std::vector<ValueId> inputs{c.input(0), ir::kNone, ir::kNone};
  const size_t rank = c.rank(c.input(0)), given = a.scales.empty() ? a.output_dimensions.size() : a.scales.size();
  if (!c.has(1) && given < rank) {  // an implicit batch dimension is not resized
    Ints axes(given);
    for (size_t i = 0; i < given; ++i) axes[i] = int64_t(rank - given + i);
    values["axes"] = axes;
  }
  if (c.has(1))
    inputs.push_back(c.cast(c.input(1), DType::kI64));
  else if (!a.scales.empty())
    inputs[2] = c.constant(Tensor::of<float>(DType::kF32, {int64_t(a.scales.size())}, a.scales));
  else
    inputs.push_back(c.ints(a.output_dimensions));
  c.output(0, c.onnx("Resize", std::move(inputs), std::move(values)));
}

}  // namespace

std::vector<Layer> resize_layers() { return {{"trt.Resize", ir::schema_of<ResizeAttrs>(), 1, 2, lower_resize}}; }

}  // namespace tenon::ops::trt
