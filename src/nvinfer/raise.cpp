#include "nvinfer/raise.h"

#include "nvinfer/custom_layers.h"
#include "nvinfer/network.h"
#include "nvinfer/plugin_layers.h"

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

/// Operators that are one layer type. Its settings that the operator lacks under that name read as errors.
constexpr Entry kTypes[] = {
    entry<ConvolutionLayerFields>("Conv", LayerType::kCONVOLUTION),
    entry<DeconvolutionLayerFields>("ConvTranspose", LayerType::kDECONVOLUTION),
    entry<PoolingLayerFields>("MaxPool", LayerType::kPOOLING),
    entry<PoolingLayerFields>("AveragePool", LayerType::kPOOLING),
    entry<ActivationLayerFields>("Relu", LayerType::kACTIVATION),
    entry<ActivationLayerFields>("Sigmoid", LayerType::kACTIVATION),
    entry<ActivationLayerFields>("Tanh", LayerType::kACTIVATION),
    entry<ActivationLayerFields>("LeakyRelu", LayerType::kACTIVATION),
    entry<ActivationLayerFields>("Elu", LayerType::kACTIVATION),
    entry<ActivationLayerFields>("Clip", LayerType::kACTIVATION),
    entry<ActivationLayerFields>("HardSigmoid", LayerType::kACTIVATION),
    entry<ActivationLayerFields>("Gelu", LayerType::kACTIVATION),
    entry<ElementWiseLayerFields>("Add", LayerType::kELEMENTWISE),
    entry<ElementWiseLayerFields>("Sub", LayerType::kELEMENTWISE),
    entry<ElementWiseLayerFields>("Mul", LayerType::kELEMENTWISE),
    entry<ElementWiseLayerFields>("Div", LayerType::kELEMENTWISE),
    entry<ElementWiseLayerFields>("Pow", LayerType::kELEMENTWISE),
    entry<ElementWiseLayerFields>("Max", LayerType::kELEMENTWISE),
    entry<ElementWiseLayerFields>("Min", LayerType::kELEMENTWISE),
    entry<ElementWiseLayerFields>("Equal", LayerType::kELEMENTWISE),
    entry<ElementWiseLayerFields>("Greater", LayerType::kELEMENTWISE),
    entry<ElementWiseLayerFields>("Less", LayerType::kELEMENTWISE),
    entry<ElementWiseLayerFields>("And", LayerType::kELEMENTWISE),
    entry<ElementWiseLayerFields>("Or", LayerType::kELEMENTWISE),
    entry<UnaryLayerFields>("Exp", LayerType::kUNARY),
    entry<UnaryLayerFields>("Log", LayerType::kUNARY),
    entry<UnaryLayerFields>("Sqrt", LayerType::kUNARY),
    entry<UnaryLayerFields>("Abs", LayerType::kUNARY),
    entry<UnaryLayerFields>("Neg", LayerType::kUNARY),
    entry<UnaryLayerFields>("Erf", LayerType::kUNARY),
    entry<MatrixMultiplyLayer>("MatMul", LayerType::kMATRIX_MULTIPLY),
    entry<MatrixMultiplyLayer>("Gemm", LayerType::kMATRIX_MULTIPLY),
    entry<SoftMaxLayerFields>("Softmax", LayerType::kSOFTMAX),
    entry<ConcatenationLayerFields>("Concat", LayerType::kCONCATENATION),
    entry<ShuffleLayer>("Reshape", LayerType::kSHUFFLE),
    entry<ShuffleLayer>("Transpose", LayerType::kSHUFFLE),
    entry<ShuffleLayer>("Squeeze", LayerType::kSHUFFLE),
    entry<ShuffleLayer>("Unsqueeze", LayerType::kSHUFFLE),
    entry<ShuffleLayer>("Flatten", LayerType::kSHUFFLE),
    entry<SliceLayerFields>("Slice", LayerType::kSLICE),
    entry<SliceLayerFields>("Split", LayerType::kSLICE),
    entry<PaddingLayerFields>("Pad", LayerType::kPADDING),
    entry<ResizeLayer>("Resize", LayerType::kRESIZE),
    entry<GatherLayerFields>("Gather", LayerType::kGATHER),
    entry<TopKLayerFields>("TopK", LayerType::kTOPK),
    entry<ReduceLayerFields>("Reduce", LayerType::kREDUCE),
    entry<ReduceLayerFields>("ReduceSum", LayerType::kREDUCE),
    entry<ReduceLayerFields>("ReduceMean", LayerType::kREDUCE),
    entry<ReduceLayerFields>("ReduceMax", LayerType::kREDUCE),
    entry<ShapeLayer>("Shape", LayerType::kSHAPE),
    entry<IdentityLayerFields>("Identity", LayerType::kIDENTITY),
    entry<SelectLayerFields>("Where", LayerType::kSELECT),
    entry<ParametricReLULayerFields>("PRelu", LayerType::kPARAMETRIC_RELU),
    entry<LRNLayerFields>("LRN", LayerType::kLRN),
    entry<ConstantLayerFields>("Constant", LayerType::kCONSTANT),
#if NV_TENSORRT_MAJOR >= 8
    entry<CastLayerFields>("Cast", LayerType::kCAST),
    entry<EinsumLayerFields>("Einsum", LayerType::kEINSUM),
    entry<NonZeroLayerFields>("NonZero", LayerType::kNON_ZERO),
    entry<OneHotLayerFields>("OneHot", LayerType::kONE_HOT),
    entry<GridSampleLayerFields>("GridSample", LayerType::kGRID_SAMPLE),
    entry<NMSLayerFields>("NonMaxSuppression", LayerType::kNMS),
    entry<QuantizeLayerFields>("QuantizeLinear", LayerType::kQUANTIZE),
    entry<DequantizeLayerFields>("DequantizeLinear", LayerType::kDEQUANTIZE),
    entry<NormalizationLayer>("LayerNormalization", LayerType::kNORMALIZATION),
#endif
};

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

class OperatorLayer final : public LayerObject<IPluginV2Layer, apiv::VPluginV2Layer> {
 public:
  OperatorLayer(Network& network, ir::NodeId id)
      : LayerObject(network, id, LayerType::kPLUGIN_V2), plugin_(network.graph().node(id).op) {
    ir::Node& n = node();
    if (n.metadata.empty()) n.metadata = n.op;
  }
  IPluginV2& getPlugin() noexcept { return plugin_; }

 private:
  OperatorPlugin plugin_;
};

}  // namespace

std::unique_ptr<Layer> raise(Network& network, ir::NodeId node) {
  const std::string& op = network.graph().node(node).op;
  if (op == "trt.Plugin") return plugin_layer(network, node);
  for (const Entry& known : kTypes) {
    if (known.op == op) return known.make(network, node, known.type);
  }
  return std::make_unique<OperatorLayer>(network, node);
}

}  // namespace tenon::nvinfer
