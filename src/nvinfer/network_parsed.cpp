// How a parser's nodes become layers.
#include <algorithm>

#include "nvinfer/network.h"
#include "nvinfer/raise.h"
#include "ops/op.h"
#include "ops/trt/expand.h"
#include "ops/trt/raise.h"

namespace tenon::nvinfer {

void Network::list(ir::NodeId node, std::set<ir::ValueId>& listed, std::vector<Slot>& slots) const {
  const ir::Node& made = graph_.node(node);
  if (!made.alive || made.op == "trt.Next") return;
  for (size_t i = 0; i < made.inputs.size(); ++i)
    if (graph_.constant(made.inputs[i]) && reads_tensor(made, i) && listed.insert(made.inputs[i]).second)
      slots.push_back({ir::kNone, made.inputs[i]});
  slots.push_back({node});
}

void Network::adopt_new_nodes() {
  ir::NodeId known = 0;
  std::set<ir::ValueId> listed;
  for (const Slot& slot : order_) {
    if (slot.node != ir::kNone) known = std::max(known, slot.node + 1);
    if (slot.constant != ir::kNone) listed.insert(slot.constant);
  }
  for (ir::NodeId n = known; n < graph_.node_count(); ++n) list(n, listed, order_);
  dirty_from_ = static_cast<ir::NodeId>(graph_.node_count());
  looked_ = false;
}

void Network::look() {
  if (looked_) return;
  looked_ = true;
  infer_dirty();
  std::set<ir::ValueId> listed;
  for (const Slot& slot : order_)
    if (slot.constant != ir::kNone) listed.insert(slot.constant);
  std::vector<Slot> slots;
  for (const Slot& slot : order_) show(slot, listed, slots);
  if (slots.size() != order_.size()) touch(0);  // what reads the layers takes its types from them
  order_ = std::move(slots);
}

void Network::show(const Slot& slot, std::set<ir::ValueId>& listed, std::vector<Slot>& slots) {
  if (slot.node == ir::kNone) return slots.push_back(slot);
  if (ops::trt::is_expanded(graph_.node(slot.node).op) && raise_node(slot.node)) return slots.push_back(slot);
  const std::vector<ir::ValueId> before = graph_.node(slot.node).outputs;
  const ops::trt::LayerSet there{std::min(client_, NV_TENSORRT_MAJOR), has_layer_type};
  std::optional<ops::trt::Expanded> made = ops::trt::expand_node(graph_, slot.node, there, regions_);
  if (!made) return slots.push_back(slot);
  for (size_t i = 0; i < before.size(); ++i)
    if (before[i] != ir::kNone) hand_over(before[i], made->results[i]);
  std::vector<Slot> inner;
  for (ir::NodeId n : made->nodes) list(n, listed, inner);
  expansions_.add(std::move(*made));
  for (const Slot& each : inner) show(each, listed, slots);
  ordered_ = false;
}

ITensor* Network::output_of(const std::string& node, size_t index) {
  ir::ValueId found = expansions_.output_of(node, index);
  for (ir::NodeId n = 0; found == ir::kNone && n < graph_.node_count(); ++n) {
    const ir::Node& known = graph_.node(n);
    if (known.alive && known.name == node && index < known.outputs.size()) found = known.outputs[index];
  }
  return tensor(found);
}

ir::NodeId Network::constant_layer(ir::ValueId value) {
  const ir::Tensor weights = *graph_.constant(value);
  const std::string name = graph_.value(value).name;
  weights_names_.try_emplace(weights.data().data(), name);
  ir::Attrs attrs(ops::find_op("trt.Constant").attrs);
  attrs.find("weights")->of<ir::Tensor>(attrs.edit_data()) = weights;
  attrs.find("dimensions")->of<ir::Dims>(attrs.edit_data()) = weights.dims();
  const ir::NodeId node = graph_.add_node("trt.Constant", {}, std::move(attrs), 1, name);
  const ir::ValueId made = graph_.node(node).outputs[0];
  graph_.replace_uses(value, made);
  graph_.rename(value, graph_.unique_name(name));
  graph_.rename(made, name);
  ops::infer_node(graph_, node);
  expansions_.adopt(node, value);
  hand_over(value, made);
  ordered_ = false;
  return node;
}

void Network::hand_over(ir::ValueId from, ir::ValueId to) {
  expansions_.replace(from, to);
  if (auto shown = tensors_.extract(from)) {
    shown.key() = to;
    shown.mapped()->rebind(to);
    tensors_.insert(std::move(shown));
  }
  if (auto forced = forced_types_.extract(from)) {
    forced.key() = to;
    forced_types_.insert(std::move(forced));
  }
  if (debug_tensors_.erase(from)) debug_tensors_.insert(to);
}

bool Network::raise_node(ir::NodeId node) {
  infer_dirty();
  for (ir::ValueId v : graph_.node(node).inputs) {
    if (const ir::Tensor* weights = graph_.constant(v))
      weights_names_.try_emplace(weights->data().data(), graph_.value(v).name);
  }
  return ops::trt::raise_node(graph_, node, has_layer_type);
}

}  // namespace tenon::nvinfer
