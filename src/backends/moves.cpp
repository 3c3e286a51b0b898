#include "backends/moves.h"

#include <algorithm>

#include "ops/shape/axis_attrs.h"
#include "ops/shape/split.h"
#include "ops/shape/transpose.h"

namespace tenon {
namespace {

using ir::Dims;

template <class... Parts>
Moves none(const Parts&... parts) {
  Moves m;
  m.reason = cat(parts...);
  return m;
}

int64_t front(int64_t axis, size_t rank) { return axis < 0 ? axis + int64_t(rank) : axis; }
std::vector<int64_t> ints_of(const Problem& p, size_t i) {
  return i < p.constants.size() && p.constants[i] ? p.constants[i]->to_ints() : std::vector<int64_t>();
}
bool known(const Problem& p, size_t i) { return !p.has_input(i) || p.constants[i]; }

Moves transpose_moves(const Problem& p) {
  const Dims from = element_strides(p.inputs[0]), perm = p.attrs<ops::TransposeAttrs>().perm;
  Dims strides;
  for (size_t i = 0; i < from.size(); ++i)
    strides.push_back(from[perm.empty() ? from.size() - 1 - i : size_t(front(perm[i], from.size()))]);
  Moves m;
  m.all.push_back({p.outputs[0].dims, strides, element_strides(p.outputs[0])});
  return m;
}

Moves concat_moves(const Problem& p) {
  const size_t axis = size_t(front(p.attrs<ops::AxisAttrs>().axis, p.outputs[0].dims.size()));
  const Dims to = element_strides(p.outputs[0]);
  Moves m;
  int64_t at = 0;
  for (size_t i = 0; i < p.inputs.size(); ++i) {
    m.all.push_back({p.inputs[i].dims, element_strides(p.inputs[i]), to, int(i), 0, 0, at * to[axis]});
    at += p.inputs[i].dims[axis];
  }
  return m;
}

Moves split_moves(const Problem& p) {
  const Dims from = element_strides(p.inputs[0]);
  const size_t axis = size_t(front(p.attrs<ops::SplitAttrs>().axis, from.size()));
  std::vector<int64_t> sizes = ints_of(p, 1);
  const int64_t parts = int64_t(p.outputs.size());
  if (sizes.empty() && p.has_input(1)) return none("the sizes are not known");
  if (sizes.empty()) sizes.assign(p.outputs.size(), (p.inputs[0].dims[axis] + parts - 1) / parts);
  Moves m;
  int64_t at = 0;
  for (size_t i = 0; i < p.outputs.size(); at += sizes[i++]) {
    const TensorDesc& y = p.outputs[i];
    if (y.dtype == ir::DType::kUndefined || y.count() == 0) continue;
    m.all.push_back({y.dims, from, element_strides(y), 0, int(i), at * from[axis], 0});
  }
  return m;
}

Moves slice_moves(const Problem& p) {
  for (size_t i = 1; i < p.inputs.size(); ++i)
    if (!known(p, i)) return none("input ", i, " is not known before running");
  const std::vector<int64_t> starts = ints_of(p, 1), axes = ints_of(p, 3), steps = ints_of(p, 4);
  Dims from = element_strides(p.inputs[0]);
  int64_t offset = 0;
  for (size_t i = 0; i < starts.size(); ++i) {
    const size_t axis = size_t(axes.empty() ? int64_t(i) : front(axes[i], from.size()));
    const int64_t step = steps.empty() ? 1 : steps[i], extent = p.inputs[0].dims[axis];
    const int64_t start = starts[i] < 0 ? std::max(starts[i], -extent - 1) + extent : starts[i];
    offset += std::clamp<int64_t>(start, 0, step < 0 ? extent - 1 : extent) * from[axis];
    from[axis] *= p.outputs[0].dims[axis] == 1 ? 1 : step;
  }
  Moves m;
  m.all.push_back({p.outputs[0].dims, from, element_strides(p.outputs[0]), 0, 0, offset, 0});
  return m;
}

Moves expand_moves(const Problem& p) {
  Moves m;
  m.all.push_back(
      {p.outputs[0].dims, broadcast_strides(p.inputs[0], p.outputs[0].dims), element_strides(p.outputs[0])});
  return m;
}

Moves tile_moves(const Problem& p) {
  const Dims from = element_strides(p.inputs[0]), to = element_strides(p.outputs[0]), &x = p.inputs[0].dims;
  Dims dims, f, t;
  for (size_t i = 0; i < x.size(); ++i) {
    dims.insert(dims.end(), {p.outputs[0].dims[i] / x[i], x[i]});
    f.insert(f.end(), {0, from[i]});
    t.insert(t.end(), {x[i] * to[i], to[i]});
  }
  Moves m;
  m.all.push_back({dims, f, t});
  return m;
}

/// The six axes of a block rearrangement on `small`, the tensor of more channels, and on `large`, of larger planes.
Moves depth_moves(const Problem& p, bool to_space, int64_t b, bool column_major) {
  const TensorDesc &small = to_space ? p.inputs[0] : p.outputs[0], &large = to_space ? p.outputs[0] : p.inputs[0];
  const Dims s = element_strides(small), l = element_strides(large);
  const int64_t n = large.dims[0], c = large.dims[1], h = small.dims[2], w = small.dims[3];
  // n, c, h, block row, w, block column, in the order of `large`; DCR has the block in front of the channels.
  const Dims dims{n, c, h, b, w, b}, at_large{l[0], l[1], l[2] * b, l[2], l[3] * b, l[3]};
  const Dims at_small = column_major ? Dims{s[0], s[1] * b * b, s[2], s[1] * b, s[3], s[1]}
                                     : Dims{s[0], s[1], s[2], s[1] * b * c, s[3], s[1] * c};
  Moves m;
  m.all.push_back({dims, to_space ? at_small : at_large, to_space ? at_large : at_small});
  return m;
}

}  // namespace

Moves moves_of(const Problem& p) {
  const std::string& op = p.node->op;
  if (op == "Transpose") return transpose_moves(p);
  if (op == "Concat") return concat_moves(p);
  if (op == "Split") return split_moves(p);
  if (op == "Slice") return slice_moves(p);
  if (op == "Expand") return expand_moves(p);
  if (op == "Tile") return tile_moves(p);
  const ir::Attrs& a = p.node->attrs;
  const bool column_major = a.find("column_row_depth")->of<bool>(a.data());
  return depth_moves(p, op == "DepthToSpace", a.find("blocksize")->of<int64_t>(a.data()), column_major);
}

int64_t element_bytes(ir::DType type) {
  const int bits = ir::bits(type), n = bits / 8;
  return bits % 8 == 0 && (n == 1 || n == 2 || n == 4 || n == 8 || n == 16) ? n : 0;
}

Padding padding_of(const Problem& p) {
  Padding pad;
  if (p.node->op == "CenterCropPad") {
    const ir::Dims &x = p.inputs[0].dims, &y = p.outputs[0].dims;
    for (size_t axis = 0; axis < x.size(); ++axis) {
      pad.begin.push_back((y[axis] - x[axis]) / 2);
      pad.end.push_back(y[axis] - x[axis] - pad.begin.back());
    }
    return pad;
  }
  pad.mode = p.attrs<ops::PadAttrs>().mode;
  if (!known(p, 1) || !known(p, 3)) {
    pad.reason = "the pads are not known before running";
    return pad;
  }
  const size_t rank = p.inputs[0].dims.size();
  const std::vector<int64_t> pads = ints_of(p, 1), axes = ints_of(p, 3);
  pad.begin.assign(rank, 0);
  pad.end.assign(rank, 0);
  const size_t n = pads.size() / 2;
  for (size_t i = 0; i < n; ++i) {
    const size_t axis = size_t(p.has_input(3) ? front(axes[i], rank) : int64_t(i));
    pad.begin[axis] = pads[i];
    pad.end[axis] = pads[n + i];
  }
  return pad;
}

int64_t pad_source(ops::PadMode mode, int64_t at, int64_t extent) {
  if (mode == ops::PadMode::kEdge) return at < 0 ? 0 : extent - 1;
  if (mode == ops::PadMode::kWrap) return (at % extent + extent) % extent;
  if (extent == 1) return 0;
  const int64_t period = 2 * (extent - 1), m = (at % period + period) % period;
  return m < extent ? m : period - m;
}

}  // namespace tenon
