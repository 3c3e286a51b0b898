// IEngineInspector: an engine's layers as one line each or as JSON.
#include <deque>
#include <optional>

#include "nvinfer/context.h"
#include "ops/custom/custom.h"
#include "runtime/program.h"

#if NV_TENSORRT_MAJOR >= 8
namespace tenon::nvinfer {
namespace {

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    constexpr const char* kHex = "0123456789abcdef";
    if (c == '"' || c == '\\')
      out += '\\', out += c;
    else if (static_cast<unsigned char>(c) < 0x20)
      out += "\\u00", out += kHex[(c >> 4) & 15], out += kHex[c & 15];
    else
      out += c;
  }
  return out + '"';
}

std::string dims_text(const ir::Dims& dims) {
  std::string out = "[";
  for (size_t i = 0; i < dims.size(); ++i) out += cat(i ? ", " : "", dims[i]);
  return out + "]";
}

/// The type that a node computes in: 8 bits if an operand was rounded to them, else its narrowest floating-point one.
std::string precision_of(const ir::Graph& graph, const ir::Node& node) {
  ir::DType type = node.outputs.empty() ? ir::DType::kUndefined : graph.value(node.outputs[0]).dtype;
  for (ir::ValueId v : node.inputs) {
    if (v == ir::kNone) continue;
    const ir::Node* producer = graph.producer(v);
    const bool dequantized = producer && producer->op == "DequantizeLinear";
    const ir::DType operand = dequantized ? graph.value(producer->inputs[0]).dtype : graph.value(v).dtype;
    if ((dequantized || ir::is_float(operand)) && ir::bits(operand) < ir::bits(type)) type = operand;
  }
  return format_name(type);
}

class Inspector final : public EngineInspectorState {
 public:
  explicit Inspector(const CudaEngine& engine) : known_(engine, "the inspector's engine"), reports_(engine.reports()) {}
  IEngineInspector* getPImpl() noexcept { return this; }
  void setErrorRecorder(IErrorRecorder* recorder) noexcept { reports_.set_recorder(recorder); }
  IErrorRecorder* getErrorRecorder() const noexcept { return reports_.recorder(); }
  bool setExecutionContext(const IExecutionContext* context) noexcept {
    return guard(reports_, "IEngineInspector::setExecutionContext", [&] {
      context_.reset();
      if (context)
        context_.emplace(static_cast<const ExecutionContext&>(need_alive(*context, "context")),
                         "the inspector's execution context");
      execution_context_ = context;
      return true;
    });
  }
  const char* getLayerInformation(int32_t index, LayerInformationFormat format) const noexcept {
    return guard(reports_, "IEngineInspector::getLayerInformation", [&] {
      require(index >= 0 && index < engine().getNbLayers(), ErrorCode::kInvalidArgument, "layer ", index,
              " does not exist, the engine has ", engine().getNbLayers());
      need_known(format, "format");
      return keep(layer(static_cast<ir::NodeId>(index), format) + "\n");
    });
  }
  const char* getEngineInformation(LayerInformationFormat format) const noexcept {
    return guard(reports_, "IEngineInspector::getEngineInformation",
                 [&] { return keep(engine_text(need_known(format, "format"))); });
  }

 private:
  const char* keep(std::string text) const { return texts_.emplace_back(std::move(text)).c_str(); }
  int profile() const { return context_ ? context_->get().core().profile() : 0; }

  std::string tensor(ir::ValueId v) const {
    const ir::Value& value = engine().core().plan().graph.value(v);
    ir::Dims dims = dims_of(value.shape);
    std::string format = cat("Row-major linear ", format_name(value.dtype));
    if (const auto io = engine().core().find_io(value.name);
        io && engine().formats().at(*io).format != TensorFormat::kLINEAR) {
      dims = engine().formats().of_tensor(*io, dims);
      format = engine().describe_format(*io);
    }
    return cat("{\"Name\": ", quoted(value.name), ", \"Location\": \"Device\", \"Dimensions\": ", dims_text(dims),
               ", \"Format/Datatype\": ", quoted(format), "}");
  }

  std::string tensors(const std::vector<ir::ValueId>& values) const {
    std::string out = "[";
    for (ir::ValueId v : values) {
      if (v == ir::kNone || engine().core().plan().graph.constant(v)) continue;
      out += cat(out.size() > 1 ? ", " : "", tensor(v));
    }
    return out + "]";
  }

  /// The layer's type, and for a plugin which one it is, as JSON fields.
  static std::string type_text(const ir::Node& node) {
    if (node.op != "Custom") return cat("\"LayerType\": ", quoted(node.op));
    const auto& a = ops::custom_attrs(node.attrs);
    return cat("\"LayerType\": ", quoted(a.kind.substr(1, 8)), ", \"PluginType\": ", quoted(a.name),
               ", \"PluginVersion\": ", quoted(a.version), ", \"PluginNamespace\": ", quoted(a.space));
  }

  std::string layer(ir::NodeId n, LayerInformationFormat format) const {
    const bool hidden = engine().getProfilingVerbosity() == ProfilingVerbosity::kNONE;
    if (hidden) return format == LayerInformationFormat::kONELINE ? std::string() : quoted("");
    const plan::Plan& plan = engine().core().plan();
    const ir::Node& node = plan.graph.node(n);
    const std::string name = node.origin.empty() ? runtime::layer_name(plan.graph, node) : node.origin;
    const auto& choices = plan.choices[size_t(profile())];
    std::string kernel = n < choices.size() ? choices[n].kernel : std::string();
    if (format == LayerInformationFormat::kONELINE)
      return cat(name, " [", node.op == "Custom" ? ops::custom_attrs(node.attrs).name : node.op, "] ", kernel);
    if (engine().getProfilingVerbosity() != ProfilingVerbosity::kDETAILED) return quoted(name);
    return cat("{\"Name\": ", quoted(name), ", ", type_text(node), ", \"Inputs\": ", tensors(node.inputs),
               ", \"Outputs\": ", tensors(node.outputs), ", \"Precision\": ", quoted(precision_of(plan.graph, node)),
               ", \"TacticName\": ", quoted(kernel), ", \"StreamId\": 0, \"Metadata\": ", quoted(node.metadata), "}");
  }

  std::string engine_text(LayerInformationFormat format) const {
    const bool json = format == LayerInformationFormat::kJSON;
    std::string out = json ? "{\"Layers\": [" : "Layers:\n";
    for (int32_t i = 0; i < engine().getNbLayers(); ++i) {
      out += cat(json && i ? ",\n" : "", layer(static_cast<ir::NodeId>(i), format), json ? "" : "\n");
    }
    out += json ? "],\n\"Bindings\": [" : "\nBindings:\n";
    bool first = true;
    for (size_t i = 0; i < engine().io_count(); ++i) {
      const std::string& name = engine().core().io()[i].name;
      out += json ? cat(first ? "" : ", ", quoted(name)) : cat(name, "\n");
      first = false;
    }
    return out + (json ? "]}\n" : "");
  }

  const CudaEngine& engine() const { return known_.get(); }

  Ref<const CudaEngine> known_;
  std::optional<Ref<const ExecutionContext>> context_;
  Reports reports_;
  mutable std::deque<std::string> texts_;
};

}  // namespace

IEngineInspector* CudaEngine::createEngineInspector() const noexcept {
  return guard(reports_, "ICudaEngine::createEngineInspector",
               [&]() -> IEngineInspector* { return new Inspector(*this); });
}

}  // namespace tenon::nvinfer
#endif
