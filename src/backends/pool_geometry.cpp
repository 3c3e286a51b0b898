#include "backends/pool_geometry.h"

namespace tenon {

PoolGeometry pool_geometry_of(const Problem& p) {
  const auto& a = p.attrs<ops::PoolAttrs>();
  const ir::Dims &x = p.inputs[0].dims, &y = p.outputs[0].dims;
  const size_t spatial = x.size() - 2, first = a.channels_last ? 1 : 2;
  PoolGeometry g;
  g.batch = x[0];
  g.channels = a.channels_last ? x.back() : x[1];
  for (size_t i = 0; i < spatial; ++i) {
    PoolAxis& axis = g.axes[PoolGeometry::kAxes - spatial + i];
    axis.in = x[first + i];
    axis.out = y[first + i];
    axis.kernel = axis.in;
    if (a.kernel.empty()) continue;
    axis.kernel = a.kernel[i];
    if (!a.strides.empty()) axis.stride = a.strides[i];
    if (!a.dilations.empty()) axis.dilation = a.dilations[i];
    if (!a.pads.empty()) axis.begin = a.pads[i], axis.end = a.pads[spatial + i];
  }
  return g;
}

}  // namespace tenon
