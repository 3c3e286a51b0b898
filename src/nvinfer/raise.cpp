#include "nvinfer/raise.h"

#include <algorithm>
#include <iterator>

#include "nvinfer/custom_layers.h"
#include "nvinfer/network.h"
#include "nvinfer/plugin_layers.h"
#include "nvinfer/transformer_layers.h"
#include "ops/trt/expand.h"

namespace tenon::nvinfer {
namespace {

struct Entry {
  std::string_view op;
  LayerType type;
  std::unique_ptr<Layer> (*make)(Network&, ir::NodeId, LayerType);
};

template <class L>
constexpr Entry entry(std::string_view op, LayerType type) {
  return {op, type, [](Network& network, ir::NodeId node, LayerType t) -> std::unique_ptr<Layer> {
            return std::make_unique<L>(network, node, t);
          }};
}

/// A layer at the border of a loop or conditional.
constexpr Entry boundary(std::string_view op, LayerType type) {
  return {op, type, [](Network& network, ir::NodeId node, LayerType) { return network.boundary_layer(node); }};
}

/// The layer types that a parser's nodes become.
constexpr Entry kTypes[] = {
    entry<ConvolutionLayerFields>("trt.Convolution", LayerType::kCONVOLUTION),
    entry<DeconvolutionLayerFields>("trt.Deconvolution", LayerType::kDECONVOLUTION),
    entry<PoolingLayerFields>("trt.Pooling", LayerType::kPOOLING),
    entry<ActivationLayerFields>("trt.Activation", LayerType::kACTIVATION),
    entry<ElementWiseLayerFields>("trt.ElementWise", LayerType::kELEMENTWISE),
    entry<UnaryLayerFields>("trt.Unary", LayerType::kUNARY),
    entry<MatrixMultiplyLayer>("trt.MatrixMultiply", LayerType::kMATRIX_MULTIPLY),
    entry<SoftMaxLayerFields>("trt.SoftMax", LayerType::kSOFTMAX),
    entry<ConcatenationLayerFields>("trt.Concatenation", LayerType::kCONCATENATION),
    entry<ShuffleLayer>("trt.Shuffle", LayerType::kSHUFFLE),
    entry<SliceLayerFields>("trt.Slice", LayerType::kSLICE),
    entry<PaddingLayerFields>("trt.Padding", LayerType::kPADDING),
    entry<ResizeLayer>("trt.Resize", LayerType::kRESIZE),
    entry<GatherLayerFields>("trt.Gather", LayerType::kGATHER),
    entry<TopKLayerFields>("trt.TopK", LayerType::kTOPK),
    entry<ReduceLayerFields>("trt.Reduce", LayerType::kREDUCE),
    entry<ShapeLayer>("trt.Shape", LayerType::kSHAPE),
    entry<IdentityLayerFields>("trt.Identity", LayerType::kIDENTITY),
    entry<SelectLayerFields>("trt.Select", LayerType::kSELECT),
    entry<ParametricReLULayerFields>("trt.ParametricReLU", LayerType::kPARAMETRIC_RELU),
    entry<LRNLayerFields>("trt.LRN", LayerType::kLRN),
    entry<ConstantLayerFields>("trt.Constant", LayerType::kCONSTANT),
    entry<FillLayer>("trt.Fill", LayerType::kFILL),
    boundary("trt.Recurrence", LayerType::kRECURRENCE),
    boundary("trt.Iterator", LayerType::kITERATOR),
    boundary("trt.TripLimit", LayerType::kTRIP_LIMIT),
    boundary("trt.LoopOutput", LayerType::kLOOP_OUTPUT),
#if NV_TENSORRT_MAJOR >= 8
    entry<CastLayerFields>("trt.Cast", LayerType::kCAST),
    entry<EinsumLayerFields>("trt.Einsum", LayerType::kEINSUM),
    entry<NonZeroLayerFields>("trt.NonZero", LayerType::kNON_ZERO),
    entry<OneHotLayerFields>("trt.OneHot", LayerType::kONE_HOT),
    entry<ScatterLayerFields>("trt.Scatter", LayerType::kSCATTER),
    entry<GridSampleLayerFields>("trt.GridSample", LayerType::kGRID_SAMPLE),
    entry<QuantizeLayerFields>("trt.Quantize", LayerType::kQUANTIZE),
    entry<DequantizeLayerFields>("trt.Dequantize", LayerType::kDEQUANTIZE),
    entry<NormalizationLayer>("trt.Normalization", LayerType::kNORMALIZATION),
    entry<NMSLayerFields>("trt.NMS", LayerType::kNMS),
    entry<ReverseSequenceLayerFields>("trt.ReverseSequence", LayerType::kREVERSE_SEQUENCE),
    boundary("trt.Condition", LayerType::kCONDITION),
    boundary("trt.IfInput", LayerType::kCONDITIONAL_INPUT),
    boundary("trt.IfOutput", LayerType::kCONDITIONAL_OUTPUT),
#endif
#if NV_TENSORRT_MAJOR >= 10
    entry<CumulativeLayerFields>("trt.Cumulative", LayerType::kCUMULATIVE),
#endif
#if NV_TENSORRT_MAJOR >= 11
    entry<RotaryEmbeddingLayer>("trt.RotaryEmbedding", LayerType::kROTARY_EMBEDDING),
    entry<KVCacheUpdateLayer>("trt.KVCacheUpdate", LayerType::kKVCACHE_UPDATE),
    {"trt.Attention", LayerType::kATTENTION_OUTPUT,
     [](Network& network, ir::NodeId node, LayerType) { return network.attention_layer(node); }},
#endif
};

/// A setting whose number a release may not have, and says by other layers or not at all.
struct Numbers {
  std::string_view op, field;
  bool (*is_known)(int64_t);
};

template <class E>
constexpr Numbers numbers(std::string_view op, std::string_view field) {
  return {op, field, [](int64_t number) { return is_known(static_cast<E>(number)); }};
}

constexpr Numbers kNumbers[] = {numbers<UnaryOperation>("trt.Unary", "operation"),
                                numbers<ActivationType>("trt.Activation", "activation_type"),
                                numbers<FillOperation>("trt.Fill", "operation")};

/// Operators whose leading inputs are tensors, and how many; constants among them are layers of their own. Constants
/// at other places are weights or parameters.
constexpr std::pair<std::string_view, size_t> kTensorInputs[] = {{"Add", 2},
                                                                 {"Sub", 2},
                                                                 {"Mul", 2},
                                                                 {"Div", 2},
                                                                 {"Pow", 2},
                                                                 {"Max", 2},
                                                                 {"Min", 2},
                                                                 {"Equal", 2},
                                                                 {"Greater", 2},
                                                                 {"Less", 2},
                                                                 {"And", 2},
                                                                 {"Or", 2},
                                                                 {"Xor", 2},
                                                                 {"MatMul", 3},
                                                                 {"Concat", SIZE_MAX},
                                                                 {"Gather", 2},
                                                                 {"Where", 3},
                                                                 {"PRelu", 2},
                                                                 {"Einsum", SIZE_MAX},
                                                                 {"GatherElements", 2},
                                                                 {"GatherND", 2},
                                                                 {"ScatterElements", 3},
                                                                 {"ScatterND", 3},
                                                                 {"QuantizeLinear", 2},
                                                                 {"DequantizeLinear", 2},
                                                                 {"LayerNormalization", 3},
                                                                 {"GroupNormalization", 3},
                                                                 {"InstanceNormalization", 3},
                                                                 {"GreaterOrEqual", 2},
                                                                 {"LessOrEqual", 2},
                                                                 {"NonMaxSuppression", 5},
                                                                 {"ReverseSequence", 2}};

/// Stands for an operator where a plugin is asked for. It names the operator and computes nothing.
class OperatorPlugin final : public IPluginV2 {
 public:
  explicit OperatorPlugin(std::string op) : op_(std::move(op)) {}
  const char* getPluginType() const override { return op_.c_str(); }
  const char* getPluginVersion() const override { return "core"; }
  int32_t getNbOutputs() const override { return 1; }
  Dims getOutputDimensions(int32_t, const Dims*, int32_t) override { return invalid_dims(); }
  bool supportsFormat(DataType, PluginFormat) const override { return false; }
  void configureWithFormat(const Dims*, int32_t, const Dims*, int32_t, DataType, PluginFormat, int32_t) override {}
  int32_t initialize() override { return 0; }
  void terminate() override {}
  size_t getWorkspaceSize(int32_t) const override { return 0; }
  int32_t enqueue(int32_t, const void* const*, void* const*, void*, cudaStream_t) override { return 1; }
#if NV_TENSORRT_MAJOR == 7
  int32_t enqueue(int32_t, const void* const*, void**, void*, cudaStream_t) override { return 1; }
#endif
  size_t getSerializationSize() const override { return 0; }
  void serialize(void*) const override {}
  void destroy() override {}
  IPluginV2* clone() const override { return nullptr; }
  void setPluginNamespace(const char*) override {}
  const char* getPluginNamespace() const override { return ""; }

 private:
  std::string op_;
};

/// A batch normalization with constant parameters: one factor and one shift a channel. It stays what it is, under the
/// names of its weights, until a setter changes it.
class BatchNormLayer final : public ScaleLayer {
 public:
  BatchNormLayer(Network& network, ir::NodeId id, ir::Attrs scale)
      : ScaleLayer(network, id, LayerType::kSCALE), scale_(std::move(scale)) {}
  int32_t getNbInputs() const noexcept override { return 1; }
  nvinfer1::ITensor* getInput(int32_t index) const noexcept override {
    return index == 0 ? Layer::getInput(0) : nullptr;
  }
  void setInput(int32_t index, nvinfer1::ITensor& tensor) noexcept override {
    if (has_index("ILayer::setInput", index, 1)) Layer::setInput(0, tensor);
  }

 private:
  bool is_changed() const { return node().op == "trt.Scale"; }
  const ir::Attrs& shown() const override { return is_changed() ? node().attrs : scale_; }
  ir::Attrs& changed() override {
    if (!is_changed()) {
      node().op = "trt.Scale";
      node().attrs = scale_;
      network_.graph().set_inputs(node_, {node().inputs[0]});
    }
    return node().attrs;
  }

  ir::Attrs scale_;
};

class OperatorLayer final : public LayerObject<IPluginV2Layer, apiv::VPluginV2Layer> {
 public:
  OperatorLayer(Network& network, ir::NodeId id, const std::string& op)
      : LayerObject(network, id, LayerType::kPLUGIN_V2), plugin_(op) {
    if (node().metadata.empty()) node().metadata = op;
  }
  IPluginV2& getPlugin() noexcept { return plugin_; }

 private:
  OperatorPlugin plugin_;
};

}  // namespace

bool reads_tensor(const ir::Node& node, size_t input) {
  if (node.op.rfind("trt.", 0) == 0) return true;
  for (const auto& [op, count] : kTensorInputs)
    if (op == node.op) return input < count;
  return false;
}

bool has_layer_type(const ir::Node& node) {
  if (std::none_of(std::begin(kTypes), std::end(kTypes), [&](const Entry& e) { return e.op == node.op; })) return false;
  return std::all_of(std::begin(kNumbers), std::end(kNumbers), [&](const Numbers& n) {
    return n.op != node.op || n.is_known(node.attrs.find(n.field)->of<int64_t>(node.attrs.data()));
  });
}

std::unique_ptr<Layer> raise(Network& network, ir::NodeId node) {
  const std::string op = network.graph().node(node).op;
  if (op == "trt.Plugin") return plugin_layer(network, node);
  if (auto scale = ops::trt::scale_of(network.graph(), network.graph().node(node)))
    return std::make_unique<BatchNormLayer>(network, node, std::move(*scale));
  network.raise_node(node);
  for (const Entry& known : kTypes) {
    if (known.op == network.graph().node(node).op) return known.make(network, node, known.type);
  }
  return std::make_unique<OperatorLayer>(network, node, op);
}

}  // namespace tenon::nvinfer
