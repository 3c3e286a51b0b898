// Plugins while an engine is built: types that they take, configuration, state for the plan.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>

#include "backends/device.h"
#include "nvinfer/conversion.h"
#include "nvinfer/plugin_op.h"
#include "nvinfer/tensor_format.h"
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

/// What a plugin takes or gives at one place.
struct Place {
  ir::DType own, wanted;
  float scale = 0;  ///< of 8 bits; 0: none is known
};

ir::ValueId convert(ir::Graph& graph, ir::ValueId v, const Place& place, ir::DType to, const std::string& name) {
  const bool rounded = place.own == ir::DType::kI8 || place.wanted == ir::DType::kI8;
  const char* op = !rounded ? "Cast" : to == ir::DType::kI8 ? "QuantizeLinear" : "DequantizeLinear";
  return add_conversion(graph, v, op, to, cat(name, "_cast"), rounded ? place.scale : 0);
}

/// Puts conversions around a node whose plugin wants floats of other types.
void convert_around(ir::Graph& graph, ir::NodeId n, size_t inputs, const std::vector<Place>& places) {
  const std::string name = graph.node(n).name;
  for (size_t i = 0; i < inputs; ++i) {
    if (places[i].own != places[i].wanted)
      graph.set_input(n, i, convert(graph, graph.node(n).inputs[i], places[i], places[i].wanted, name));
  }
  const std::vector<ir::ValueId> outputs = graph.node(n).outputs;
  auto& types = ops::edit_custom_attrs(graph.node(n).attrs).types;
  for (size_t i = 0; i < outputs.size(); ++i) types[i] = static_cast<int64_t>(places[inputs + i].wanted);
  ops::infer_node(graph, n);
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Place& place = places[inputs + i];
    if (place.own == place.wanted) continue;
    const ir::ValueId back = convert(graph, outputs[i], place, place.own, name);
    graph.replace_uses(outputs[i], back);
    graph.set_input(graph.value(back).producer, 0, outputs[i]);
  }
}

#if NV_TENSORRT_MAJOR >= 10
/// Zeros, in the device's memory if there is one.
std::shared_ptr<void> zeros(const Device* device, size_t bytes) {
  bytes = std::max<size_t>(bytes, 1);
  if (!device) {
    std::shared_ptr<void> memory(std::calloc(bytes, 1), std::free);
    require(memory != nullptr, ErrorCode::kOutOfMemory, "no memory of ", bytes, " bytes to time a plugin with");
    return memory;
  }
  auto memory = device_memory(*device, bytes);
  device->fill(memory.get(), 0, bytes, device->own_stream());
  return memory;
}

double microseconds(const Device* device, const std::function<void(cudaStream_t)>& work) {
  if (device)
    return 1e3 * double(device->milliseconds(device->own_stream(),
                                             [&](void* stream) { work(static_cast<cudaStream_t>(stream)); }));
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  work(nullptr);
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}
#endif

/// Runs each tactic at the profile's optimum on zeros and gives the fastest; those that fail are left out.
int32_t fastest(PluginObject& object, const Device* device, const PluginRanges& ranges,
                const std::vector<int32_t>& tactics) {
#if NV_TENSORRT_MAJOR >= 10
  if (device) device->activate();
  PluginDescs descs;
  std::vector<std::shared_ptr<void>> memory;
  std::vector<const void*> in;
  std::vector<void*> out;
  for (size_t i = 0; i < ranges.in.size() + ranges.out.size(); ++i) {
    const bool input = i < ranges.in.size();
    PluginTensorDesc desc = desc_at(ranges, i);
    desc.dims = input ? ranges.in[i].opt : ranges.out[i - ranges.in.size()].opt;
    const ir::Dims dims = to_core(desc.dims);
    if (std::any_of(dims.begin(), dims.end(), [](int64_t d) { return d < 0; })) return tactics[0];
    memory.push_back(zeros(device, static_cast<size_t>(packed_bytes(desc.format, dims, to_core(desc.type)))));
    (input ? descs.in : descs.out).push_back(desc);
    input ? in.push_back(memory.back().get()) : out.push_back(memory.back().get());
  }
  const std::vector<int64_t> aliases = object.aliases();
  for (size_t i = 0; i < aliases.size() && i < out.size(); ++i)
    if (aliases[i] >= 0) in.at(static_cast<size_t>(aliases[i])) = out[i];
  const auto workspace = zeros(device, object.workspace(descs).value_or(0));
  int32_t best = tactics[0];
  double least = HUGE_VAL;
  std::string failed;
  for (int32_t tactic : tactics) {
    try {
      const auto candidate = object.for_context({});
      candidate->set_tactic(tactic);
      candidate->shapes_changed(descs);
      for (int run = 0; run < 4; ++run) {  // the first warms up
        const double us = microseconds(device, [&](cudaStream_t stream) {
          candidate->enqueue(descs, in.data(), out.data(), workspace.get(), stream);
        });
        if (run > 0 && us < least) least = us, best = tactic;
      }
    } catch (const std::exception& e) {
      failed = e.what();
    }
  }
  require(least != HUGE_VAL, ErrorCode::kInternal, "no tactic of plugin '", object.name(), "' runs: ", failed);
  return best;
#else
  (void)object, (void)device, (void)ranges;
  return tactics[0];
#endif
}

class Settler {
 public:
  Settler(ir::Graph& graph, ir::NodeId node, const Device* device, const Ends& ends, const passes::PassOptions& options)
      : graph_(graph), node_(node), device_(device), ends_(ends), scales_(options.scales) {
    const auto asked = options.types.find(graph.node(node).name);
    if (asked != options.types.end()) asked_ = asked->second;
  }

  void run(int32_t max_batch, bool may_convert) {
    const auto a = ops::custom_attrs(graph_.node(node_).attrs);
    const auto source = std::dynamic_pointer_cast<const PluginOp>(a.live);
    require(source != nullptr, ErrorCode::kInternal, "the layer has no plugin");
    auto object = source->object().clone();
    object->limit_batch(max_batch);
    inputs_ = graph_.node(node_).inputs.size() - size_t(a.shape_inputs);
    repeat_shared_inputs(graph_, node_, *object, inputs_);
    const PluginRanges ranges = choose_formats(*object, may_convert);
    object->configure(ranges);
    PluginSettings settings;
    settings.device = device_;
    settle_formats(ranges, settings);
    settings.workspace = most_workspace(*object, ranges);
    const std::vector<int32_t> tactics = object->tactics();
    settings.has_tactics = !tactics.empty();
    if (settings.has_tactics) settings.tactic = fastest(*object, device_, ranges, tactics);
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
    attrs.formats = settings.formats;
    attrs.scales = settings.scales;
    attrs.live = std::make_shared<PluginOp>(std::move(object), std::move(settings));
  }

  static constexpr int64_t kNoTactic = -1;

 private:
  /// The operands as the network has them, row-major.
  PluginRanges ranges_as_given() const {
    const ir::Node& node = graph_.node(node_);
    const auto& a = ops::custom_attrs(node.attrs);
    PluginRanges r;
    for (size_t i = 0; i < inputs_; ++i) {
      require(node.inputs[i] != ir::kNone, ErrorCode::kInvalidModel, "input ", i, " is not set");
      r.in.push_back(range_of(graph_, node.inputs[i], to_api(graph_.value(node.inputs[i]).dtype), ends_));
    }
    for (size_t i = 0; i < node.outputs.size(); ++i)
      r.out.push_back(range_of(graph_, node.outputs[i], to_api(ir::DType(a.types[i])), ends_));
    return r;
  }

  float scale_of(ir::ValueId v) const {
    const auto known = v == ir::kNone ? scales_.end() : scales_.find(graph_.value(v).name);
    return known == scales_.end() ? 0 : known->second;
  }

  /// Types that an operand can be given in: the one that the layer is asked for, 8 bits where the range is known, the
  /// network's.
  std::vector<ir::DType> types_for(const Place& place, bool may_convert) const {
    if (!may_convert || !ir::is_float(place.own)) return {place.own};
    std::vector<ir::DType> types;
    if (ir::is_float(asked_)) types.push_back(asked_);
    if (place.scale > 0) types.push_back(ir::DType::kI8);
    for (ir::DType type : {place.own, ir::DType::kF32, ir::DType::kF16, ir::DType::kBF16}) {
      if (std::find(types.begin(), types.end(), type) != types.end()) continue;
      if (NV_TENSORRT_MAJOR > 7 || type != ir::DType::kBF16) types.push_back(type);
    }
    return types;
  }

  /// The first types and formats that the plugin takes, operand by operand; converts where they are not the network's.
  PluginRanges choose_formats(PluginObject& object, bool may_convert) {
    PluginRanges ranges = ranges_as_given();
    std::vector<Place> places;
    const ir::Node& node = graph_.node(node_);
    const bool may_round = asked_ == ir::DType::kUndefined || asked_ == ir::DType::kI8;
    for (size_t i = 0; i < ranges.in.size() + ranges.out.size(); ++i) {
      const ir::DType own = to_core(desc_at(ranges, i).type);
      const float scale = scale_of(i < inputs_ ? node.inputs[i] : node.outputs[i - inputs_]);
      places.push_back({own, own, may_round ? scale : 0});
    }
    if (!choose_from(object, ranges, places, 0, may_convert)) {
      std::string types;
      for (size_t i = 0; i < inputs_; ++i) types += cat(types.empty() ? "" : ", ", places[i].own);
      fail(ErrorCode::kUnsupported, "plugin '", object.name(), "' version '", object.version(), "' takes its inputs (",
           types, ") in no type and format that they can have here",
           may_convert ? "" : "; a strongly typed network converts none",
           scales_.empty() ? "" : "; 8 bits need a dynamic range");
    }
    for (size_t i = 0; i < places.size(); ++i) places[i].wanted = to_core(desc_at(ranges, i).type);
    convert_around(graph_, node_, inputs_, places);
    return ranges;
  }

  bool choose_from(PluginObject& object, PluginRanges& ranges, const std::vector<Place>& places, size_t position,
                   bool may_convert) {
    if (position == places.size()) return true;
    PluginTensorDesc& desc = position < inputs_ ? ranges.in[position].desc : ranges.out[position - inputs_].desc;
    const PluginTensorDesc given = desc;
    for (ir::DType type : types_for(places[position], may_convert)) {
      for (TensorFormat format : device_formats()) {
        if (!fits(format, static_cast<size_t>(desc.dims.nbDims), type)) continue;
        require(++tries_ < kMostTries, ErrorCode::kUnsupported, "plugin '", object.name(), "' was asked about ",
                kMostTries, " combinations of types and formats and has taken none");
        desc.format = format;
        desc.type = to_api(type);
        desc.scale = type == ir::DType::kI8 && places[position].scale > 0 ? places[position].scale : 1.0F;
        if (object.supports(ranges, position) && choose_from(object, ranges, places, position + 1, may_convert))
          return true;
      }
    }
    desc = given;
    return false;
  }

  static void settle_formats(const PluginRanges& ranges, PluginSettings& settings) {
    bool packed = false, scaled = false;
    for (size_t i = 0; i < ranges.in.size() + ranges.out.size(); ++i) {
      const PluginTensorDesc& desc = desc_at(ranges, i);
      settings.formats.push_back(static_cast<int64_t>(desc.format));
      settings.scales.push_back(desc.scale);
      packed = packed || desc.format != PluginFormat::kLINEAR;
      scaled = scaled || desc.scale != 1.0F;
    }
    if (!packed) settings.formats.clear();
    if (!scaled) settings.scales.clear();
  }

  int64_t most_workspace(PluginObject& object, const PluginRanges& ranges) const {
    PluginDescs most;
    for (const auto& r : ranges.in) most.in.push_back(r.desc), most.in.back().dims = r.max;
    for (const auto& r : ranges.out) most.out.push_back(r.desc), most.out.back().dims = r.max;
    const size_t bytes = object.workspace(most).value_or(0);
    require(bytes <= kMostWorkspace, ErrorCode::kOutOfMemory, "plugin '", object.name(), "' wants a workspace of ",
            bytes, " bytes");
    return static_cast<int64_t>(bytes);
  }

  static constexpr int kMostTries = 100'000;
  static constexpr size_t kMostWorkspace = size_t{1} << 46;  ///< more is a plugin's slip

  ir::Graph& graph_;
  ir::NodeId node_;
  const Device* device_;
  const Ends& ends_;
  const std::map<std::string, float>& scales_;
  ir::DType asked_ = ir::DType::kUndefined;  ///< by ILayer::setPrecision
  size_t inputs_ = 0;
  int tries_ = 0;
};

}  // namespace

void settle_plugins(ir::Graph& graph, const Backend& backend, const std::vector<plan::Profile>& profiles,
                    int32_t max_batch, bool may_convert, const passes::PassOptions& options) {
  std::vector<std::pair<ir::Graph*, ir::NodeId>> found;
  for_each_node(graph, "Custom", [&](ir::Graph& g, ir::NodeId n) { found.emplace_back(&g, n); });
  if (found.empty()) return;
  const Ends ends{shapes_at(graph, profiles, &plan::Range::min), shapes_at(graph, profiles, &plan::Range::opt),
                  shapes_at(graph, profiles, &plan::Range::max)};
  const Ends none;
  for (const auto& [g, n] : found) {
    const std::string place = cat("layer '", g->node(n).name, "' (", g->node(n).op, ")");
    try {
      check_runtime_for_plugins(backend);
      Settler(*g, n, backend.device(), g == &graph ? ends : none, options).run(max_batch, may_convert);
    } catch (const Error& e) {
      throw e.at(place);
    } catch (const std::exception& e) {
      throw Error(ErrorCode::kInternal, e.what(), place);
    }
  }
}

}  // namespace tenon::nvinfer
