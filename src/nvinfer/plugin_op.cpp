#include "nvinfer/plugin_op.h"

#include <cstring>
#include <deque>

namespace tenon::nvinfer {
namespace {

thread_local PluginInstances* current_instances = nullptr;

std::vector<PluginTensorDesc> descs_of(const std::vector<ops::CustomTensor>& tensors) {
  std::vector<PluginTensorDesc> out;
  for (const ops::CustomTensor& t : tensors)
    out.push_back({to_api(t.dims), to_api(t.dtype), PluginFormat::kLINEAR, 1.0F});
  return out;
}

/// Outputs that a plugin updates in place begin as their inputs, in the output's memory.
std::vector<const void*> with_aliases(const PluginSettings& settings, const PluginDescs& descs,
                                      const void* const* inputs, void* const* outputs) {
  std::vector<const void*> in(inputs, inputs + descs.in.size());
  for (size_t i = 0; i < settings.aliases.size() && i < descs.out.size(); ++i) {
    const auto from = static_cast<size_t>(settings.aliases[i]);
    if (settings.aliases[i] < 0 || from >= in.size()) continue;
    const ir::Dims dims = to_core(descs.out[i].dims);
    int64_t count = 1;
    for (int64_t d : dims) count *= d;
    std::memcpy(outputs[i], in[from], size_t(ir::storage_bytes(to_core(descs.out[i].type), count)));
    in[from] = outputs[i];
  }
  return in;
}

class PluginRun final : public ops::CustomRun {
 public:
  PluginRun(std::shared_ptr<const PluginOp> op, PluginDescs descs, size_t workspace)
      : op_(std::move(op)), descs_(std::move(descs)), workspace_(workspace) {}
  int64_t workspace_bytes() const override { return static_cast<int64_t>(workspace_); }
  void run(const void* const* inputs, void* const* outputs, void* workspace) const override {
    const auto in = with_aliases(op_->settings(), descs_, inputs, outputs);
    if (PluginInstances* instances = PluginInstances::current()) {
      instances->enqueue(*op_, descs_, in.data(), outputs, workspace);
      return;
    }
    const auto object = op_->for_context({});  // timed by a builder, or run by a tool
    object->shapes_changed(descs_);
    object->enqueue(descs_, in.data(), outputs, workspace);
  }

 private:
  std::shared_ptr<const PluginOp> op_;
  PluginDescs descs_;
  size_t workspace_;
};

bool same(const Dims& a, const Dims& b) {
  return a.nbDims == b.nbDims && std::equal(a.d, a.d + std::max(0, a.nbDims), b.d);
}

bool same(const std::vector<PluginTensorDesc>& a, const std::vector<PluginTensorDesc>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return x.type == y.type && same(x.dims, y.dims); });
}

}  // namespace

ops::CustomAttrs PluginOp::identity() const {
  ops::CustomAttrs a;
  a.kind = object_->kind();
  a.name = object_->name();
  a.version = object_->version();
  a.space = object_->space();
  a.live = shared_from_this();
  return a;
}

ops::trt::PluginOutputs PluginOp::describe(const std::vector<ops::trt::PluginOperand>& inputs, size_t shape_inputs,
                                           ir::SymbolTable& symbols) const {
  std::lock_guard lock(mutex_);
  return object_->describe(inputs, shape_inputs, symbols);
}

std::unique_ptr<ops::CustomRun> PluginOp::prepare(const std::vector<ops::CustomTensor>& inputs,
                                                  const std::vector<ops::CustomTensor>& outputs) const {
  PluginDescs descs{descs_of(inputs), descs_of(outputs)};
  std::lock_guard lock(mutex_);
  const size_t workspace = object_->workspace(descs).value_or(static_cast<size_t>(settings_.workspace));
  return std::make_unique<PluginRun>(shared_from_this(), std::move(descs), workspace);
}

std::unique_ptr<PluginObject> PluginOp::for_context(const PluginResources& resources) const {
  std::lock_guard lock(mutex_);
  auto object = object_->for_context(resources);
  if (settings_.has_tactics) object->set_tactic(static_cast<int32_t>(settings_.tactic));
  return object;
}

std::vector<std::shared_ptr<const PluginOp>> plugins_of(const ir::Graph& graph) {
  std::vector<std::shared_ptr<const PluginOp>> found;
  for_each_node(const_cast<ir::Graph&>(graph), "Custom", [&](ir::Graph& g, ir::NodeId n) {
    if (auto op = std::dynamic_pointer_cast<const PluginOp>(ops::custom_attrs(g.node(n).attrs).live))
      found.push_back(std::move(op));
  });
  return found;
}

void share_plugins(const ir::Graph& from, ir::Graph& to) {
  std::map<std::string, std::deque<std::shared_ptr<const ops::CustomOp>>> live;
  for_each_node(const_cast<ir::Graph&>(from), "Custom", [&](ir::Graph& g, ir::NodeId n) {
    live[g.node(n).name].push_back(ops::custom_attrs(g.node(n).attrs).live);
  });
  for_each_node(to, "Custom", [&](ir::Graph& g, ir::NodeId n) {
    auto it = live.find(g.node(n).name);
    if (it == live.end() || it->second.empty()) return;
    ops::edit_custom_attrs(g.node(n).attrs).live = it->second.front();
    it->second.pop_front();
  });
}

void initialize_plugins(const ir::Graph& graph) {
  for (const auto& op : plugins_of(graph)) op->object().initialize();
}

PluginInstances::PluginInstances(const ir::Graph& graph, const PluginResources& resources) {
  for (auto& op : plugins_of(graph)) {
    Instance& instance = objects_[op.get()];
    if (instance.object) continue;
    instance.object = op->for_context(resources);
    instance.op = std::move(op);
  }
}

void PluginInstances::enqueue(const PluginOp& op, const PluginDescs& descs, const void* const* inputs,
                              void* const* outputs, void* workspace) {
  auto it = objects_.find(&op);
  require(it != objects_.end(), ErrorCode::kInternal, "the context has no object of plugin '", op.object().name(), "'");
  Instance& instance = it->second;
  if (!instance.ran || !same(instance.last.in, descs.in) || !same(instance.last.out, descs.out)) {
    instance.object->shapes_changed(descs);
    instance.last = descs;
    instance.ran = true;
  }
  instance.object->enqueue(descs, inputs, outputs, workspace);
}

PluginInstances::Scope::Scope(PluginInstances& instances) : before_(current_instances) {
  current_instances = instances.empty() ? nullptr : &instances;
}
PluginInstances::Scope::~Scope() { current_instances = before_; }
PluginInstances* PluginInstances::current() { return current_instances; }

}  // namespace tenon::nvinfer
