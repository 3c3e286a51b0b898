#include "nvinfer/plugin_op.h"

#include <cstring>
#include <deque>

#include "nvinfer/plugin_format.h"

namespace tenon::nvinfer {
namespace {

thread_local PluginInstances* current_instances = nullptr;

/// Operands from number `first` on.
std::vector<PluginTensorDesc> descs_of(const std::vector<ops::CustomTensor>& tensors, const PluginSettings& settings,
                                       size_t first) {
  std::vector<PluginTensorDesc> out;
  for (const ops::CustomTensor& t : tensors) {
    const size_t i = first + out.size();
    const auto format =
        i < settings.formats.size() ? static_cast<TensorFormat>(settings.formats[i]) : PluginFormat::kLINEAR;
    out.push_back({to_api(t.dims), to_api(t.dtype), format, i < settings.scales.size() ? settings.scales[i] : 1.0F});
  }
  return out;
}

constexpr int64_t kAlign = 256;

/// The bytes that an operand has for the plugin, if that is not how the engine holds it.
int64_t scratch_bytes(const PluginTensorDesc& desc) {
  if (desc.format == PluginFormat::kLINEAR) return 0;
  return (packed_bytes(desc.format, to_core(desc.dims), to_core(desc.type)) + kAlign - 1) / kAlign * kAlign;
}

/// Outputs that a plugin updates in place begin as their inputs, in the output's memory.
std::vector<const void*> with_aliases(const PluginSettings& settings, const PluginDescs& descs,
                                      const void* const* inputs, void* const* outputs) {
  std::vector<const void*> in(inputs, inputs + descs.in.size());
  for (size_t i = 0; i < settings.aliases.size() && i < descs.out.size(); ++i) {
    const auto from = static_cast<size_t>(settings.aliases[i]);
    if (settings.aliases[i] < 0 || from >= in.size()) continue;
    const int64_t bytes = packed_bytes(descs.out[i].format, to_core(descs.out[i].dims), to_core(descs.out[i].type));
    if (outputs[i] != in[from]) std::memcpy(outputs[i], in[from], static_cast<size_t>(bytes));
    in[from] = outputs[i];
  }
  return in;
}

class PluginRun final : public ops::CustomRun {
 public:
  PluginRun(std::shared_ptr<const PluginOp> op, PluginDescs descs, size_t workspace)
      : op_(std::move(op)), descs_(std::move(descs)), workspace_((workspace + kAlign - 1) / kAlign * kAlign) {
    for (const auto* list : {&descs_.in, &descs_.out})
      for (const PluginTensorDesc& desc : *list) scratch_ += static_cast<size_t>(scratch_bytes(desc));
  }
  int64_t workspace_bytes() const override { return static_cast<int64_t>(workspace_ + scratch_); }

  /// Operands in the formats that the plugin wants lie behind its workspace.
  void run(const void* const* inputs, void* const* outputs, void* workspace) const override {
    std::vector<const void*> in(inputs, inputs + descs_.in.size());
    std::vector<void*> out(outputs, outputs + descs_.out.size());
    auto* scratch = static_cast<std::byte*>(workspace) + (scratch_ ? workspace_ : 0);
    for (size_t i = 0; i < in.size(); ++i) {
      const PluginTensorDesc& d = descs_.in[i];
      if (d.format == PluginFormat::kLINEAR) continue;
      pack(d.format, to_core(d.dims), to_core(d.type), in[i], scratch);
      in[i] = scratch;
      scratch += scratch_bytes(d);
    }
    for (size_t i = 0; i < out.size(); ++i) {
      if (descs_.out[i].format == PluginFormat::kLINEAR) continue;
      out[i] = scratch;
      scratch += scratch_bytes(descs_.out[i]);
    }
    enqueue(with_aliases(op_->settings(), descs_, in.data(), out.data()), out, workspace);
    for (size_t i = 0; i < out.size(); ++i) {
      const PluginTensorDesc& d = descs_.out[i];
      if (d.format != PluginFormat::kLINEAR) unpack(d.format, to_core(d.dims), to_core(d.type), out[i], outputs[i]);
    }
  }

 private:
  void enqueue(const std::vector<const void*>& in, const std::vector<void*>& out, void* workspace) const {
    if (PluginInstances* instances = PluginInstances::current())
      return instances->enqueue(*op_, descs_, in.data(), out.data(), workspace);
    const auto object = op_->for_context({});  // timed by a builder, or run by a tool
    object->shapes_changed(descs_);
    object->enqueue(descs_, in.data(), out.data(), workspace);
  }

  std::shared_ptr<const PluginOp> op_;
  PluginDescs descs_;
  size_t workspace_, scratch_ = 0;
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
  PluginDescs descs{descs_of(inputs, settings_, 0), descs_of(outputs, settings_, inputs.size())};
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
