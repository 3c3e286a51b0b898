// Plugins while an engine is built: types that they take, configuration, state for the plan.
#include <algorithm>

#include "base/checked.h"
#include "nvinfer/plugin_op.h"
#include "runtime/concretize.h"

namespace tenon::nvinfer {
namespace {

/// Shapes of every value at one end of a profile.
using Concrete = std::vector<ir::Shape>;

Concrete shapes_at(const ir::Graph& graph, const std::vector<plan::Profile>& profiles, ir::Dims plan::Range::*end) {
  Concrete shapes;
  std::vector<ir::Dims> dims;
  for (size_t i = 0; i < graph.inputs.size(); ++i) dims.push_back(profiles.at(0).inputs.at(i).*end);
  const auto concrete = runtime::concretize(graph, dims);
  for (ir::ValueId v = 0; v < graph.value_count(); ++v) shapes.push_back(concrete.graph.value(v).shape);
  return shapes;
}

/// The ends of a graph's shapes over its profiles; bodies of control flow know none.
struct Ends {
  Concrete min, opt, max;
};

Dims dims_at(const Concrete& shapes, ir::ValueId v, const Dims& unknown) {
  if (v >= shapes.size()) return unknown;
  return to_api(dims_of(shapes[v]));
}

DynamicPluginTensorDesc range_of(const ir::Graph& graph, ir::ValueId v, DataType type, const Ends& ends) {
  DynamicPluginTensorDesc r{};
  r.desc = {to_api(dims_of(graph.value(v).shape)), type, PluginFormat::kLINEAR, 1.0F};
  r.min = dims_at(ends.min, v, r.desc.dims);
  r.max = dims_at(ends.max, v, r.desc.dims);
#if NV_TENSORRT_MAJOR >= 10
  r.opt = dims_at(ends.opt, v, r.desc.dims);
#endif
  return r;
}

/// Puts casts around a node whose plugin wants floats of another type.
void convert(ir::Graph& graph, ir::NodeId n, size_t inputs, ir::DType wanted) {
  const auto cast = [&](ir::ValueId v, ir::DType to) {
    ir::Attrs attrs(ops::find_op("Cast").attrs);
    attrs.find("to")->of<ir::DType>(attrs.edit_data()) = to;
    const ir::NodeId c = graph.add_node("Cast", {v}, attrs, 1, cat(graph.node(n).name, "_cast"));
    ops::infer_node(graph, c);
    return graph.node(c).outputs[0];
  };
  for (size_t i = 0; i < inputs; ++i) {
    const ir::ValueId v = graph.node(n).inputs[i];
    if (ir::is_float(graph.value(v).dtype) && graph.value(v).dtype != wanted) graph.set_input(n, i, cast(v, wanted));
  }
  const std::vector<ir::ValueId> outputs = graph.node(n).outputs;
  auto& types = ops::edit_custom_attrs(graph.node(n).attrs).types;
  std::vector<ir::DType> before;
  for (size_t i = 0; i < outputs.size(); ++i) {
    before.push_back(ir::DType(types[i]));
    if (ir::is_float(before[i])) types[i] = int64_t(wanted);
  }
  ops::infer_node(graph, n);
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!ir::is_float(before[i]) || before[i] == wanted) continue;
    const ir::ValueId widened = cast(outputs[i], before[i]);
    graph.replace_uses(outputs[i], widened);
    graph.set_input(graph.value(widened).producer, 0, outputs[i]);
  }
}

class Settler {
 public:
  Settler(ir::Graph& graph, ir::NodeId node, const Ends& ends) : graph_(graph), node_(node), ends_(ends) {}

  void run(int32_t max_batch, bool may_convert) {
    const auto a = ops::custom_attrs(graph_.node(node_).attrs);
    const auto source = std::dynamic_pointer_cast<const PluginOp>(a.live);
    require(source != nullptr, ErrorCode::kInternal, "the layer has no plugin");
    auto object = source->object().clone();
    object->limit_batch(max_batch);
    inputs_ = graph_.node(node_).inputs.size() - size_t(a.shape_inputs);
    choose_types(*object, may_convert);
    const PluginRanges ranges = ranges_for(ir::DType::kUndefined);
    object->configure(ranges);
    PluginSettings settings;
    settings.workspace = most_workspace(*object, ranges);
    const std::vector<int32_t> tactics = object->tactics();
    settings.has_tactics = !tactics.empty();
    if (settings.has_tactics) settings.tactic = tactics[0];
    settings.aliases = object->aliases();
    const std::vector<std::byte> state = object->state();
    ir::Node& node = graph_.node(node_);
    if (node.metadata.empty()) node.metadata = object->metadata();
    auto& attrs = ops::edit_custom_attrs(node.attrs);
    attrs.state = ir::Tensor(ir::DType::kU8, {static_cast<int64_t>(state.size())});
    std::copy(state.begin(), state.end(), attrs.state.mutable_data());
    attrs.workspace = settings.workspace;
    attrs.tactic = settings.has_tactics ? settings.tactic : kNoTactic;
    attrs.aliases = settings.aliases;
    attrs.live = std::make_shared<PluginOp>(std::move(object), std::move(settings));
  }

  static constexpr int64_t kNoTactic = -1;

 private:
  /// `as` stands for every floating-point type; kUndefined: types as they are.
  PluginRanges ranges_for(ir::DType as) const {
    const auto type = [&](ir::DType own) {
      return to_api(as != ir::DType::kUndefined && ir::is_float(own) ? as : own);
    };
    const ir::Node& node = graph_.node(node_);
    const auto& a = ops::custom_attrs(node.attrs);
    PluginRanges r;
    for (size_t i = 0; i < inputs_; ++i) {
      require(node.inputs[i] != ir::kNone, ErrorCode::kInvalidModel, "input ", i, " is not set");
      r.in.push_back(range_of(graph_, node.inputs[i], type(graph_.value(node.inputs[i]).dtype), ends_));
    }
    for (size_t i = 0; i < node.outputs.size(); ++i)
      r.out.push_back(range_of(graph_, node.outputs[i], type(ir::DType(a.types[i])), ends_));
    return r;
  }

  void choose_types(PluginObject& object, bool may_convert) {
    if (object.supports(ranges_for(ir::DType::kUndefined))) return;
    for (ir::DType as : {ir::DType::kF32, ir::DType::kF16, ir::DType::kBF16}) {
      if (!may_convert || (NV_TENSORRT_MAJOR == 7 && as == ir::DType::kBF16)) break;
      if (!object.supports(ranges_for(as))) continue;
      convert(graph_, node_, inputs_, as);
      return;
    }
    std::string types;
    for (const auto& d : ranges_for(ir::DType::kUndefined).in)
      types += cat(types.empty() ? "" : ", ", to_core(d.desc.type));
    fail(ErrorCode::kUnsupported, "plugin '", object.name(), "' version '", object.version(),
         "' does not take its inputs (", types, ") in row-major order (kLINEAR), the only format here");
  }

  int64_t most_workspace(PluginObject& object, const PluginRanges& ranges) const {
    PluginDescs most;
    for (const auto& r : ranges.in) most.in.push_back(r.desc), most.in.back().dims = r.max;
    for (const auto& r : ranges.out) most.out.push_back(r.desc), most.out.back().dims = r.max;
    return static_cast<int64_t>(object.workspace(most).value_or(0));
  }

  ir::Graph& graph_;
  ir::NodeId node_;
  const Ends& ends_;
  size_t inputs_ = 0;
};

}  // namespace

void settle_plugins(ir::Graph& graph, const std::vector<plan::Profile>& profiles, int32_t max_batch, bool may_convert) {
  std::vector<std::pair<ir::Graph*, ir::NodeId>> found;
  for_each_node(graph, "Custom", [&](ir::Graph& g, ir::NodeId n) { found.emplace_back(&g, n); });
  if (found.empty()) return;
  const Ends ends{shapes_at(graph, profiles, &plan::Range::min), shapes_at(graph, profiles, &plan::Range::opt),
                  shapes_at(graph, profiles, &plan::Range::max)};
  const Ends none;
  for (const auto& [g, n] : found) {
    const std::string place = cat("layer '", g->node(n).name, "' (", g->node(n).op, ")");
    try {
      Settler(*g, n, g == &graph ? ends : none).run(max_batch, may_convert);
    } catch (const Error& e) {
      throw e.at(place);
    } catch (const std::exception& e) {
      throw Error(ErrorCode::kInternal, e.what(), place);
    }
  }
}

}  // namespace tenon::nvinfer
