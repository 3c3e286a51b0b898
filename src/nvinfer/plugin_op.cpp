#include "nvinfer/plugin_op.h"

#include <cstring>
#include <deque>

#include "backends/cuda_runtime.h"
#include "backends/device.h"
#include "nvinfer/tensor_format.h"

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

  std::optional<ops::CustomPacking> packing(size_t operand) const override {
    const PluginTensorDesc& d =
        operand < descs_.in.size() ? descs_.in[operand] : descs_.out.at(operand - descs_.in.size());
    return placement(d.format, to_core(d.dims));
  }
  int64_t device_workspace_bytes() const override { return static_cast<int64_t>(workspace_); }
  void enqueue(const void* const* inputs, void* const* outputs, void* workspace, void* stream) const override {
    launch(inputs, outputs, workspace, static_cast<cudaStream_t>(stream));
  }

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
    const auto from = with_aliases(op_->settings(), descs_, in.data(), out.data());
    if (op_->settings().device)
      run_through(*op_->settings().device, from, out);
    else
      launch(from.data(), out.data(), workspace, nullptr);
    for (size_t i = 0; i < out.size(); ++i) {
      const PluginTensorDesc& d = descs_.out[i];
      if (d.format != PluginFormat::kLINEAR) unpack(d.format, to_core(d.dims), to_core(d.type), out[i], outputs[i]);
    }
  }

 private:
  void launch(const void* const* in, void* const* out, void* workspace, cudaStream_t stream) const {
    if (PluginInstances* instances = PluginInstances::current())
      return instances->enqueue(*op_, descs_, in, out, workspace, stream);
    const auto object = op_->for_context({});  // timed by a builder, or run by a tool
    object->shapes_changed(descs_);
    object->enqueue(descs_, in, out, workspace, stream);
    const Device* device = op_->settings().device ? op_->settings().device : default_backend().device();
    if (stream && device) device->synchronize(stream);  // before the object goes
  }

  /// Host operands of a plugin that works on a device, in a part of the engine that runs on the host.
  void run_through(const Device& device, const std::vector<const void*>& in, const std::vector<void*>& out) const {
    device.activate();
    void* stream = device.own_stream();
    std::map<const void*, std::shared_ptr<void>> memory;  // by host address: operands may share theirs
    auto staged = [&](const PluginTensorDesc& d, const void* host) -> void* {
      if (!host) return nullptr;
      auto& there = memory[host];
      const auto bytes = static_cast<size_t>(packed_bytes(d.format, to_core(d.dims), to_core(d.type)));
      if (!there) {
        there = device_memory(device, bytes);
        device.copy(there.get(), host, bytes, stream);
      }
      return there.get();
    };
    std::vector<const void*> from;
    std::vector<void*> to;
    for (size_t i = 0; i < in.size(); ++i) from.push_back(staged(descs_.in[i], in[i]));
    for (size_t i = 0; i < out.size(); ++i) to.push_back(staged(descs_.out[i], out[i]));
    const auto workspace = device_memory(device, workspace_);
    launch(from.data(), to.data(), workspace.get(), static_cast<cudaStream_t>(stream));
    for (size_t i = 0; i < out.size(); ++i) {
      const PluginTensorDesc& d = descs_.out[i];
      device.copy(out[i], to[i], static_cast<size_t>(packed_bytes(d.format, to_core(d.dims), to_core(d.type))), stream);
    }
    device.synchronize(stream);
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

void check_runtime_for_plugins(const Backend& backend) {
  require(backend.device() || !cuda_runtime_in_process(), ErrorCode::kUnsupported,
          "plugins of this process work with the CUDA runtime and a GPU that it has loaded, the engine is for ",
          backend.fingerprint(),
          "; run it on the GPU, or load the CUDA runtime for machines without a GPU in place of NVIDIA's");
}

PluginInstances::PluginInstances(const ir::Graph& graph, PluginResources resources) {
  for (auto& op : plugins_of(graph)) {
    if (const Device* device = op->settings().device; device && op->object().takes_libraries()) {
      device->activate();
      resources.cudnn = handles_.cudnn();
      resources.cublas = handles_.cublas();
    }
    Instance& instance = objects_[op.get()];
    if (instance.object) continue;
    instance.object = op->for_context(resources);
    instance.op = std::move(op);
  }
}

void PluginInstances::enqueue(const PluginOp& op, const PluginDescs& descs, const void* const* inputs,
                              void* const* outputs, void* workspace, cudaStream_t stream) {
  auto it = objects_.find(&op);
  require(it != objects_.end(), ErrorCode::kInternal, "the context has no object of plugin '", op.object().name(), "'");
  Instance& instance = it->second;
  if (!instance.ran || !same(instance.last.in, descs.in) || !same(instance.last.out, descs.out)) {
    instance.object->shapes_changed(descs);
    instance.last = descs;
    instance.ran = true;
  }
  instance.object->enqueue(descs, inputs, outputs, workspace, stream);
}

PluginInstances::Scope::Scope(PluginInstances& instances) : before_(current_instances) {
  current_instances = instances.empty() ? nullptr : &instances;
}
PluginInstances::Scope::~Scope() { current_instances = before_; }
PluginInstances* PluginInstances::current() { return current_instances; }

}  // namespace tenon::nvinfer
