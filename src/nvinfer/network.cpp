#include "nvinfer/network.h"

#include <algorithm>

#include "nvinfer/builder.h"
#include "nvinfer/conversion.h"
#include "nvinfer/network_10_8.h"
#include "nvinfer/raise.h"
#include "nvinfer/regions.h"
#include "nvinfer/transformer_layers.h"
#include "ops/op.h"
#include "ops/trt/lower.h"

namespace tenon::nvinfer {
namespace {

bool is_implicit(NetworkDefinitionCreationFlags flags, int client) {
#if TRT_UNTIL(8)
  return client < 10 && !((flags >> static_cast<uint32_t>(NetworkDefinitionCreationFlag::kEXPLICIT_BATCH)) & 1U);
#else
  (void)flags, (void)client;
  return false;
#endif
}

/// How many inputs a layer can have: lists keep their length.
size_t most_inputs(const ir::Node& node) {
  const ops::OpDef* op = ops::find_op_or_null(node.op);
  const size_t most = op ? op->max_inputs : node.inputs.size();
  if (most < SIZE_MAX) return std::max(most, node.inputs.size());
  return node.op == "trt.RNNv2" ? std::max<size_t>(4, node.inputs.size()) : node.inputs.size();
}

/// Whether a value is computed from what a node gives.
bool depends_on(const ir::Graph& graph, ir::ValueId value, ir::NodeId node) {
  std::vector<ir::ValueId> open{value};
  std::set<ir::NodeId> seen;
  while (!open.empty()) {
    const ir::NodeId producer = open.back() == ir::kNone ? ir::kNone : graph.value(open.back()).producer;
    open.pop_back();
    if (producer == ir::kNone || !seen.insert(producer).second) continue;
    if (producer == node) return true;
    open.insert(open.end(), graph.node(producer).inputs.begin(), graph.node(producer).inputs.end());
  }
  return false;
}

}  // namespace

Network::Network(Builder& builder, const Reports& reports, NetworkDefinitionCreationFlags flags, int client)
    : builder_(builder),
      builder_alive_(builder.lifetime().watch()),
      reports_(reports),
      flags_(flags),
      client_(client),
      implicit_(is_implicit(flags, client)) {
  name_ = "Unnamed Network 0";
#if NV_TENSORRT_MAJOR == 10
  if (builder.client_version() / 100 == 1008) take_order_of_10_8(*this);
#endif
}

Network::~Network() { *alive_ = false; }

IBuilder& Network::getBuilder() const noexcept {
  guard(reports_, "INetworkDefinition::getBuilder",
        [&] { require(*builder_alive_, ErrorCode::kInvalidArgument, "the network's builder has been deleted"); });
  return builder_;
}

bool Network::usingStronglyTyped() const noexcept {
#if NV_TENSORRT_MAJOR >= 8
  return client_ >= 11 || getFlag(NetworkDefinitionCreationFlag::kSTRONGLY_TYPED);
#else
  return false;
#endif
}

ITensor* Network::tensor(ir::ValueId value) {
  if (value == ir::kNone) return nullptr;
  std::unique_ptr<Tensor>& found = tensors_[value];
  if (!found) found = std::make_unique<Tensor>(*this, value);
  return found.get();
}

ir::ValueId Network::id_of(const ITensor& tensor) const {
  const Tensor& known = own(tensor);
  require(&known.network() == this, ErrorCode::kInvalidArgument, "tensor '", tensor.getName(),
          "' belongs to another network");
  return known.id();
}

std::vector<ir::ValueId> Network::ids_of(ITensor* const* tensors, int32_t count) const {
  require(count >= 0 && (count == 0 || tensors), ErrorCode::kInvalidArgument, "there are ", count, " inputs");
  std::vector<ir::ValueId> ids;
  for (int32_t i = 0; i < count; ++i) ids.push_back(id_of(*need(tensors[i], "inputs[i]")));
  return ids;
}

void Network::infer_dirty() {
  if (dirty_from_ >= graph_.node_count()) return;
  const ir::NodeId from = dirty_from_;
  dirty_from_ = static_cast<ir::NodeId>(graph_.node_count());
  std::string failed;
  for (ir::NodeId n : graph_.topological_order()) {
    if (n < from) continue;
    for (ir::ValueId v : graph_.node(n).outputs) {
      if (v != ir::kNone) graph_.value(v).ranked = false;
    }
    try {
      apply_formula(n);
      ops::infer_node(graph_, n);
    } catch (const std::exception& e) {  // ours, or of a user's formula or plugin
      if (failed.empty()) failed = e.what();
    }
  }
  failure_ = failed;
}

const ir::Value& Network::typed(ir::ValueId value) {
  if (graph_.value(value).producer != ir::kNone) infer_dirty();
  const ir::Value& found = graph_.value(value);
  // Layers that are not finished yet matter to those alone who ask for what comes of them.
  if (!found.ranked && !failure_.empty()) {
    reports_.error(nvinfer1::ErrorCode::kINVALID_CONFIG, "INetworkDefinition", failure_);
    failure_.clear();
  }
  return found;
}

void Network::set_input(ir::NodeId node, int32_t index, ITensor& tensor) {
  const ir::ValueId value = id_of(tensor);
  const size_t most = most_inputs(graph_.node(node));
  require(index >= 0 && size_t(index) < most, ErrorCode::kInvalidArgument, "input ", index, " of layer '",
          graph_.node(node).name, "', 0 to ", static_cast<int64_t>(most) - 1, " are accepted");
  const ir::NodeId maker = graph_.value(value).producer;
  const bool looks_back = ordered_ && maker != ir::kNone && maker < node;  // no cycle can come of it
  mark_edited(node);
  require(looks_back || !depends_on(graph_, value, node), ErrorCode::kInvalidArgument, "layer '",
          graph_.node(node).name, "' would read '", tensor.getName(), "', which is computed from its own output");
  while (graph_.node(node).inputs.size() <= size_t(index)) graph_.add_node_input(node, ir::kNone);
  graph_.set_input(node, size_t(index), value);
  if (maker != ir::kNone && maker > node) ordered_ = false;
  touch(node);
}

void Network::set_input_constant(ir::NodeId node, int32_t index, const ir::Tensor& weights) {
  mark_edited(node);
  while (graph_.node(node).inputs.size() <= size_t(index)) graph_.add_node_input(node, ir::kNone);
  graph_.set_input(node, size_t(index), graph_.add_constant(weights));
  touch(node);
}

ir::Shape Network::input_shape(const std::string& name, const ir::Dims& dims, bool broadcasts) {
  ir::Shape shape;
  if (implicit_) shape.push_back(broadcasts ? ir::Dim(1) : graph_.symbols->named("batch"));
  for (size_t i = 0; i < dims.size(); ++i) {
    require(dims[i] >= (implicit_ ? 0 : -1), ErrorCode::kInvalidArgument, "dimension ", i, " of '", name, "' is ",
            dims[i]);
    shape.push_back(dims[i] >= 0 ? ir::Dim(dims[i]) : graph_.symbols->named(cat(name, "_", i)));
  }
  return shape;
}

void Network::set_input_shape(ir::ValueId input, const ir::Dims& dims) {
  ir::Value& value = graph_.value(input);
  const bool broadcasts = value.ranked && !value.shape.empty() && value.shape[0] == 1;
  value.shape = input_shape(value.name, dims, broadcasts);
  value.ranked = true;
  touch(0);
}

void Network::set_broadcast(ir::ValueId input, bool broadcast) {
  require(implicit_, ErrorCode::kInvalidArgument, "the network has no implicit batch dimension");
  require(graph_.is_input(input), ErrorCode::kInvalidArgument, "'", graph_.value(input).name,
          "' is no network input, its batch follows from its layer");
  graph_.value(input).shape.at(0) = broadcast ? ir::Dim(1) : graph_.symbols->named("batch");
  touch(0);
}

void Network::name_dimension(ir::ValueId input, int32_t index, const std::string& name) {
  require(graph_.is_input(input), ErrorCode::kInvalidArgument, "only dimensions of network inputs have names");
  ir::Value& value = graph_.value(input);
  require(index >= 0 && size_t(index) < value.shape.size(), ErrorCode::kInvalidArgument, "dimension ", index, " of '",
          value.name, "'");
  if (value.shape[size_t(index)].is_const()) {
    return reports_.log(ILogger::Severity::kWARNING, cat("ITensor::setDimensionName: dimension ", index, " of '",
                                                         value.name, "' is fixed, its name is not kept"));
  }
  value.shape[size_t(index)] = graph_.symbols->named(name);
  touch(0);
}

std::string Network::dimension_name(ir::ValueId input, int32_t index) const {
  const ir::Value& value = graph_.value(input);
  require(index >= 0 && size_t(index) < value.shape.size(), ErrorCode::kInvalidArgument, "dimension ", index, " of '",
          value.name, "'");
  const ir::Dim d = value.shape[size_t(index)];
  return d.is_const() ? std::string() : graph_.symbols->text(d);
}

ir::Graph Network::lowered() const {
  require(!graph_.outputs.empty(), ErrorCode::kInvalidModel, "the network has no outputs");
  const_cast<Network*>(this)->infer_dirty();
  ir::Graph copy = graph_.clone();
  copy.name = name_;
  const auto now = expansions_.fold(copy, [this](ir::ValueId v) { return is_seen(v); });
  ops::infer(copy);
  apply_forced_types(copy, now);
  cast_ends(copy, narrows_integers());
  ops::trt::lower(copy);
  return copy;
}

ITensor* Network::addInput(const char* name, DataType type, DimsArg dims) noexcept {
  return guard(reports_, "INetworkDefinition::addInput", [&] {
    const ir::DType core = to_core(type);
    require(graph_.find(need(name, "name")) == ir::kNone, ErrorCode::kInvalidArgument, "another tensor is called '",
            name, "'");
    ir::Shape shape = input_shape(name, to_core(dims), false);  // refused before the graph changes
    name_type(core);
    return tensor(graph_.add_input(name, core, std::move(shape)));
  });
}

void Network::markOutput(ITensor& tensor) noexcept {
  guard(reports_, "INetworkDefinition::markOutput", [&] {
    const ir::ValueId v = id_of(tensor);
    if (!graph_.is_output(v)) graph_.outputs.push_back(v);
  });
}

void Network::unmarkOutput(ITensor& tensor) noexcept {
  guard(reports_, "INetworkDefinition::unmarkOutput", [&] { std::erase(graph_.outputs, id_of(tensor)); });
}

void Network::removeTensor(ITensor& tensor) noexcept {
  guard(reports_, "INetworkDefinition::removeTensor", [&] {
    const ir::ValueId v = id_of(tensor);
    require(graph_.users(v).empty(), ErrorCode::kInvalidArgument, "'", tensor.getName(), "' is read by a layer");
    std::erase(graph_.inputs, v);
    std::erase(graph_.outputs, v);
    graph_.rename(v, graph_.unique_name(cat(graph_.value(v).name, "_removed")));  // its name is free again
  });
}

bool Network::markOutputForShapes(ITensor& tensor) noexcept {
  markOutput(tensor);
  return tensor.isNetworkOutput();
}

bool Network::unmarkOutputForShapes(ITensor& tensor) noexcept {
  const bool was = tensor.isNetworkOutput();
  unmarkOutput(tensor);
  return was;
}

ITensor* Network::getInput(int32_t index) const noexcept {
  if (index < 0 || index >= getNbInputs()) return nullptr;
  return guard(reports_, "INetworkDefinition::getInput",
               [&] { return const_cast<Network*>(this)->tensor(graph_.inputs[size_t(index)]); });
}

ITensor* Network::getOutput(int32_t index) const noexcept {
  if (index < 0 || index >= getNbOutputs()) return nullptr;
  return guard(reports_, "INetworkDefinition::getOutput",
               [&] { return const_cast<Network*>(this)->tensor(graph_.outputs[size_t(index)]); });
}

Layer& Network::layer_of(ir::NodeId node) {
  std::unique_ptr<Layer>& found = layers_[node];
  if (!found) found = raise(*this, node);
  return *found;
}

int32_t Network::getNbLayers() const noexcept {
  return guard(reports_, "INetworkDefinition::getNbLayers", [&] {
    const_cast<Network*>(this)->look();
    return static_cast<int32_t>(order_.size());
  });
}

ILayer* Network::getLayer(int32_t index) const noexcept {
  if (index < 0 || index >= getNbLayers()) return nullptr;
  return guard(reports_, "INetworkDefinition::getLayer", [&] {
    auto& self = const_cast<Network&>(*this);
    Slot& slot = self.order_.at(size_t(index));
    if (slot.node == ir::kNone) slot.node = self.constant_layer(slot.constant);
    return self.layer_of(slot.node).api();
  });
}

#if !TRT_UNTIL(7)
void Network::apply_formula(ir::NodeId) {}
#endif

bool Network::setWeightsName(Weights weights, const char* name) noexcept {
  return guard(reports_, "INetworkDefinition::setWeightsName", [&] {
    to_core(weights);  // refuses what are no weights
    return weights_names_[need(weights.values, "weights.values")] = need(name, "name"), true;
  });
}

void Network::setName(const char* name) noexcept {
  guard(reports_, "INetworkDefinition::setName", [&] { name_ = need(name, "name"); });
}

bool Network::markDebug(ITensor& tensor) noexcept {
  return guard(reports_, "INetworkDefinition::markDebug", [&] { return debug_tensors_.insert(id_of(tensor)).second; });
}
bool Network::unmarkDebug(ITensor& tensor) noexcept {
  return guard(reports_, "INetworkDefinition::unmarkDebug", [&] { return debug_tensors_.erase(id_of(tensor)) > 0; });
}
bool Network::isDebugTensor(const ITensor& tensor) const noexcept {
  return guard(reports_, "INetworkDefinition::isDebugTensor", [&] { return debug_tensors_.count(id_of(tensor)) > 0; });
}
bool Network::markWeightsRefittable(const char* name) noexcept {
  return guard(reports_, "INetworkDefinition::markWeightsRefittable",
               [&] { return refittable_.insert(need(name, "name")).second; });
}
bool Network::unmarkWeightsRefittable(const char* name) noexcept {
  return guard(reports_, "INetworkDefinition::unmarkWeightsRefittable",
               [&] { return refittable_.erase(need(name, "name")) > 0; });
}
bool Network::areWeightsMarkedRefittable(const char* name) const noexcept {
  return guard(reports_, "INetworkDefinition::areWeightsMarkedRefittable",
               [&] { return refittable_.count(need(name, "name")) > 0; });
}

}  // namespace tenon::nvinfer
