#include "backends/col2im_geometry.h"

#include "ops/data/col2im.h"

namespace tenon {

ColumnAxes column_axes(const Problem& p) {
  const auto& a = p.attrs<ops::Col2ImAttrs>();
  const ir::Dims& y = p.outputs[0].dims;
  const std::vector<int64_t> block = p.constants[2]->to_ints();
  const size_t n = block.size();
  ColumnAxes axes;
  for (size_t i = 0; i < n; ++i) {
    ColumnAxis& axis = axes[axes.size() - n + i];
    axis.image = y[2 + i];
    axis.block = block[i];
    if (!a.strides.empty()) axis.stride = a.strides[i];
    if (!a.dilations.empty()) axis.dilation = a.dilations[i];
    int64_t padded = axis.image;
    if (!a.pads.empty()) axis.begin = a.pads[i], padded += a.pads[i] + a.pads[n + i];
    const int64_t room = padded - (axis.block - 1) * axis.dilation - 1;
    axis.positions = axis.stride < 1 || room < 0 ? 0 : room / axis.stride + 1;
  }
  return axes;
}

std::string refuse_columns(const Problem& p) {
  const ir::DType t = p.inputs[0].dtype;
  if (t != ir::DType::kF32 && t != ir::DType::kBF16 && t != ir::DType::kF16)
    return cat("elements are ", t, ", accepted are f32, bf16 and f16");
  if (!p.constants[2]) return "the block's sizes are not constant";
  const size_t n = size_t(p.constants[2]->count());
  if (n < 1 || n > ColumnAxes().size() || p.outputs[0].dims.size() != n + 2)
    return cat(n, " spatial axes, accepted are 1 to 3");
  int64_t columns = p.outputs[0].dims[1], positions = 1;
  for (const ColumnAxis& axis : column_axes(p)) {
    if (axis.block < 1 || axis.stride < 1 || axis.dilation < 1 || axis.positions < 1)
      return "the blocks do not fit the image";
    columns *= axis.block;
    positions *= axis.positions;
  }
  if (p.inputs[0].dims[1] != columns || p.inputs[0].dims[2] != positions)
    return cat("columns ", p.inputs[0].dims, ", expected are ", columns, " x ", positions);
  return {};
}

}  // namespace tenon
