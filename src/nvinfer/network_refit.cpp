// Which weights of a network an engine with kREFIT can take anew.
#include <algorithm>

#include "nvinfer/network.h"
#include "nvinfer/refit.h"

namespace tenon::nvinfer {
namespace {

struct RoleField {
  const char* field;
  WeightsRole role;
  const char* word;
};
constexpr RoleField kRoleFields[] = {{"kernel_weights", WeightsRole::kKERNEL, "KERNEL"},
                                     {"bias_weights", WeightsRole::kBIAS, "BIAS"},
                                     {"shift", WeightsRole::kSHIFT, "SHIFT"},
                                     {"scale", WeightsRole::kSCALE, "SCALE"},
                                     {"weights", WeightsRole::kCONSTANT, "CONSTANT"}};

/// The weights that layer's node has under a field, or null.
const ir::Tensor* weights_of(const ir::Node& node, const char* field) {
  const ir::Field* found = node.attrs.find(field);
  if (!found || found->kind != ir::FieldKind::kTensor) return nullptr;
  const auto& tensor = found->of<ir::Tensor>(node.attrs.data());
  return tensor.defined() ? &tensor : nullptr;
}

bool reads(const ir::Graph& graph, ir::ValueId v, const std::string& layer) {
  const auto& users = graph.users(v);
  return std::any_of(users.begin(), users.end(), [&](ir::NodeId n) { return graph.node(n).origin == layer; });
}

/// The constant that a layer's weights became: the same bytes, read by the layer if there are several, else as many
/// elements in another type.
ir::ValueId constant_for(const ir::Graph& lowered, const ir::Tensor& weights, const std::string& layer) {
  ir::ValueId same = ir::kNone, converted = ir::kNone;
  for (ir::ValueId v = 0; v < lowered.value_count(); ++v) {
    const ir::Tensor* t = lowered.constant(v);
    if (!t || t->count() != weights.count() || (lowered.users(v).empty() && !lowered.is_output(v))) continue;
    const bool own = reads(lowered, v, layer);
    if (t->data().data() == weights.data().data()) {
      if (own) return v;
      if (same == ir::kNone) same = v;
    } else if (own && converted == ir::kNone && t->dtype() != weights.dtype()) {
      converted = v;
    }
  }
  return same != ir::kNone ? same : converted;
}

RefitEntry entry_for(const ir::Graph& lowered, ir::ValueId v) {
  RefitEntry e;
  e.value = lowered.value(v).name;
  e.type = lowered.constant(v)->dtype();
  e.dims = lowered.constant(v)->dims();
  return e;
}

/// A parser's constant: the kernel or bias of the node that reads it, else a constant layer of its own name.
RefitEntry entry_of_parsed(const ir::Graph& graph, const ir::Graph& lowered, ir::ValueId v) {
  RefitEntry e = entry_for(lowered, v);
  e.name = e.layer = graph.value(v).name;
  for (ir::NodeId n : graph.users(v)) {
    const ir::Node& node = graph.node(n);
    if (node.op != "Conv" && node.op != "ConvTranspose") continue;
    if (node.inputs.size() > 1 && node.inputs[1] == v) e.role = WeightsRole::kKERNEL, e.layer = node.name;
    if (node.inputs.size() > 2 && node.inputs[2] == v) e.role = WeightsRole::kBIAS, e.layer = node.name;
  }
  return e;
}

}  // namespace

std::vector<RefitEntry> Network::refittable(const ir::Graph& lowered, bool marked_only) const {
  std::vector<RefitEntry> entries;
  for (const Slot& slot : order_) {
    if (slot.node == ir::kNone) continue;
    const ir::Node& node = graph_.node(slot.node);
    if (node.op.rfind("trt.", 0) != 0) continue;
    for (const RoleField& f : kRoleFields) {
      const ir::Tensor* weights = weights_of(node, f.field);
      const bool parsed_numbers = slot.constant != ir::kNone && weights && !ir::is_float(weights->dtype());
      const ir::ValueId v = weights && !parsed_numbers ? constant_for(lowered, *weights, node.name) : ir::kNone;
      if (v == ir::kNone) continue;
      RefitEntry e = entry_for(lowered, v);
      e.layer = node.name;
      e.role = f.role;
      auto named = weights_names_.find(weights->data().data());
      e.name = named == weights_names_.end() ? cat(node.name, " ", f.word) : named->second;
      entries.push_back(std::move(e));
    }
  }
  for (ir::ValueId v = 0; v < graph_.value_count(); ++v) {
    const ir::Tensor* t = graph_.constant(v);
    const bool kept = v < lowered.value_count() && lowered.constant(v) && t && t->dims() == lowered.constant(v)->dims();
    if (kept && ir::is_float(t->dtype()) && !lowered.users(v).empty())
      entries.push_back(entry_of_parsed(graph_, lowered, v));
  }
  if (marked_only) std::erase_if(entries, [&](const RefitEntry& e) { return !refittable_.count(e.name); });
  return entries;
}

}  // namespace tenon::nvinfer
