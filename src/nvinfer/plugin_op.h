// Plugins as the core's custom operators, and their life in networks, engines and contexts.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "nvinfer/graph_owner.h"
#include "nvinfer/plugin_libraries.h"
#include "nvinfer/plugin_object.h"
#include "passes/passes.h"
#include "plan/plan.h"

namespace tenon::nvinfer {

/// What is decided while an engine is built.
struct PluginSettings {
  int64_t workspace = 0;  ///< bytes, for plugins that can tell only then
  int64_t tactic = 0;
  bool has_tactics = false;
  std::vector<int64_t> aliases;
  std::vector<int64_t> formats;    ///< TensorFormat of each operand; empty: all row-major
  std::vector<float> scales;       ///< of each operand of 8 bits; empty: all 1
  const Device* device = nullptr;  ///< where it runs; null: the host
};

/// One plugin object of a network or an engine. Calls on it are made one at a time.
class PluginOp final : public ops::CustomOp,
                       public ops::trt::PluginSource,
                       public std::enable_shared_from_this<PluginOp> {
 public:
  explicit PluginOp(std::unique_ptr<PluginObject> object, PluginSettings settings = {})
      : object_(std::move(object)), settings_(std::move(settings)) {}

  ops::CustomAttrs identity() const override;
  size_t output_count() const override { return static_cast<size_t>(object_->outputs()); }
  ops::trt::PluginOutputs describe(const std::vector<ops::trt::PluginOperand>& inputs, size_t shape_inputs,
                                   ir::SymbolTable& symbols) const override;
  std::unique_ptr<ops::CustomRun> prepare(const std::vector<ops::CustomTensor>& inputs,
                                          const std::vector<ops::CustomTensor>& outputs) const override;
  /// For the layer's getPlugin, and for building.
  PluginObject& object() const { return *object_; }
  const PluginSettings& settings() const { return settings_; }
  std::unique_ptr<PluginObject> for_context(const PluginResources& resources) const;

 private:
  std::unique_ptr<PluginObject> object_;
  PluginSettings settings_;
  mutable std::mutex mutex_;
};

/// Every plugin node's PluginOp, in bodies too.
std::vector<std::shared_ptr<const PluginOp>> plugins_of(const ir::Graph& graph);

/// The plugin objects of one execution context.
class PluginInstances {
 public:
  PluginInstances(const ir::Graph& graph, PluginResources resources);
  bool empty() const { return objects_.empty(); }
  void enqueue(const PluginOp& op, const PluginDescs& descs, const void* const* inputs, void* const* outputs,
               void* workspace, cudaStream_t stream);

  /// While it lives, plugins on this thread run as `instances`' objects.
  class Scope {
   public:
    explicit Scope(PluginInstances& instances);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    PluginInstances* before_;
  };
  static PluginInstances* current();

 private:
  struct Instance {
    std::shared_ptr<const PluginOp> op;
    std::unique_ptr<PluginObject> object;
    PluginDescs last;
    bool ran = false;
  };
  LibraryHandles handles_;  // after the objects that use them
  std::map<const PluginOp*, Instance> objects_;
};

/// Repeats inputs that the whole batch shares for a plugin that cannot take them once.
void repeat_shared_inputs(ir::Graph& graph, ir::NodeId node, const PluginObject& object, size_t inputs);

/// Gives every plugin node of a network that is about to be built an object of its own, configured for the profiles,
/// with its state in the node's attributes. Float tensors are converted where the plugin wants another type and
/// `may_convert`: to the type that `options` asks of the layer, else to 8 bits where it has scales by the tensors'
/// names and the plugin takes them. Errors name the layer. Throws kUnsupported if plugins of this process cannot run on
/// `backend`.
void settle_plugins(ir::Graph& graph, const Backend& backend, const std::vector<plan::Profile>& profiles,
                    int32_t max_batch, bool may_convert, const passes::PassOptions& options);

#if TRT_UNTIL(8)
using PluginFactory = IPluginFactory;
#else
class PluginFactory;
#endif
/// Lets registered creators, or level 7's `factory`, make the plugins of a plan that was read. Throws kUnsupported
/// naming layer and plugin where no creator is found, or where plugins of this process cannot run on `backend`.
void load_plugins(ir::Graph& graph, const Backend& backend, const BatchRule& batch, PluginFactory* factory = nullptr);
/// Plugins run on the device whose runtime the process uses: throws kUnsupported if `backend` is another.
void check_runtime_for_plugins(const Backend& backend);
/// Lets the plugin nodes of `to` run the objects of those in `from` that have their names, in order where several do.
void share_plugins(const ir::Graph& from, ir::Graph& to);
/// The engine is about to be made.
void initialize_plugins(const ir::Graph& graph);

/// The plugin that a registered creator makes of a parser's operator; null if there is no creator.
std::shared_ptr<const ops::trt::PluginSource> create_plugin(const PluginRequest& request, const BatchRule& batch);

/// Calls `visit` with each node of an operator in the graph and its bodies.
template <class Visit>
void for_each_node(ir::Graph& graph, std::string_view op, const Visit& visit) {
  for (ir::NodeId n = 0; n < graph.node_count(); ++n) {
    ir::Node& node = graph.node(n);
    if (!node.alive) continue;
    if (node.op == op) visit(graph, n);
    for (const ir::Field& f : node.attrs.schema().fields)
      if (f.kind == ir::FieldKind::kGraph)
        if (const auto& body = f.of<std::shared_ptr<ir::Graph>>(node.attrs.data())) for_each_node(*body, op, visit);
  }
}

}  // namespace tenon::nvinfer
