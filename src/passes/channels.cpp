#include "passes/channels.h"

#include <algorithm>

#include "ops/nn/conv.h"
#include "ops/nn/matmul.h"
#include "passes/elementwise.h"

namespace tenon::passes {
namespace {

bool float_constant(const ir::Graph& g, ir::ValueId v) { return g.constant(v) && is_pointwise_float(g.value(v).dtype); }

std::string epilogue_of(const ir::Node& node) {
  const ir::Field* f = node.attrs.find("epilogue");
  return f ? f->of<std::string>(node.attrs.data()) : std::string();
}

bool weighted_conv(const ir::Node& node, Weighted& w, size_t rank) {
  const ir::Field *last = node.attrs.find("channels_last"), *group = node.attrs.find("group");
  w.result_axis = last && last->of<bool>(node.attrs.data()) ? rank - 1 : 1;
  if (node.op == "Conv") return true;
  w.out_axis = 1, w.in_axis = 0;
  return group && group->of<int64_t>(node.attrs.data()) == 1;
}

}  // namespace

std::optional<Weighted> weighted(const ir::Graph& g, const ir::Node& node, bool any_epilogue) {
  const bool conv = node.op == "Conv" || node.op == "ConvTranspose", matmul = node.op == "MatMul";
  if (!conv && !matmul) return std::nullopt;
  Weighted w{.node = &node, .weights = node.inputs[1], .bias = node.inputs.size() > 2 ? node.inputs[2] : ir::kNone};
  const bool epilogue_fits = any_epilogue ? node.inputs.size() <= 3 : epilogue_of(node).empty();
  if (!float_constant(g, w.weights) || (w.bias != ir::kNone && !float_constant(g, w.bias)) || !epilogue_fits)
    return std::nullopt;
  const ir::Dims& dims = g.constant(w.weights)->dims();
  const size_t rank = rank_of(g, node.outputs[0]);
  if (conv && !weighted_conv(node, w, rank)) return std::nullopt;
  if (matmul) {
    if (dims.size() != 2) return std::nullopt;
    const bool swapped = node.attrs.as<ops::MatMulAttrs>().transpose_b;
    w.out_axis = swapped ? 0 : 1, w.in_axis = swapped ? 1 : 0;
    w.result_axis = rank - 1;
  }
  w.channels = dims[w.out_axis];
  return w;
}

std::optional<Weighted> weighted_producer(const ir::Graph& g, ir::ValueId v) {
  const ir::Node* node = v == ir::kNone ? nullptr : g.producer(v);
  if (!node || !read_once(g, v)) return std::nullopt;
  return weighted(g, *node);
}

bool is_product_of_pixels(const ir::Graph& g, const ir::Node& conv) {
  const auto& a = conv.attrs.as<ops::ConvAttrs>();
  const ir::Tensor* w = g.constant(conv.inputs[1]);
  const auto all = [](const auto& list, int64_t number) {
    return std::all_of(list.begin(), list.end(), [=](int64_t v) { return v == number; });
  };
  return w && w->count() == w->dims()[0] * w->dims()[1] && a.channels_last && !a.x_channels_first && a.group == 1 &&
         all(a.pads, 0) && all(a.strides, 1);
}

bool depends_on_axis_only(const ir::Graph& g, ir::ValueId v, const ir::Shape& to, size_t axis) {
  const ir::Value& value = g.value(v);
  if (!value.ranked || value.shape.size() > to.size()) return false;
  const size_t offset = to.size() - value.shape.size();
  for (size_t i = 0; i < value.shape.size(); ++i) {
    if (value.shape[i] == 1) continue;
    if (offset + i != axis || value.shape[i] != to[axis]) return false;
  }
  return true;
}

std::optional<ir::Tensor> channel_vector(const ir::Graph& g, ir::ValueId v, const ir::Shape& to, size_t axis) {
  const ir::Tensor* t = g.constant(v);
  if (!t || !is_pointwise_float(t->dtype()) || !to[axis].is_const() || !depends_on_axis_only(g, v, to, axis))
    return std::nullopt;
  const int64_t channels = to[axis].constant();
  if (t->count() == channels) return t->reshaped({channels});
  ir::Tensor repeated(t->dtype(), {channels});
  for (int64_t i = 0; i < channels; ++i) repeated.set(i, t->get(0));
  return repeated;
}

std::vector<int64_t> along(size_t rank, size_t axis, int64_t count) {
  std::vector<int64_t> dims(rank, 1);
  dims[axis] = count;
  return dims;
}

}  // namespace tenon::passes
