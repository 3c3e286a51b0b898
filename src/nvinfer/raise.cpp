#include "nvinfer/raise.h"

#include "nvinfer/network.h"

namespace tenon::nvinfer {
namespace {

struct Entry {
  std::string_view op;
  LayerType type;
};

/// Operators that are one layer type. The rest shows as plugin layers.
constexpr Entry kTypes[] = {
    {"Conv", LayerType::kCONVOLUTION},
    {"ConvTranspose", LayerType::kDECONVOLUTION},
    {"MaxPool", LayerType::kPOOLING},
    {"AveragePool", LayerType::kPOOLING},
    {"Relu", LayerType::kACTIVATION},
    {"Sigmoid", LayerType::kACTIVATION},
    {"Tanh", LayerType::kACTIVATION},
    {"LeakyRelu", LayerType::kACTIVATION},
    {"Elu", LayerType::kACTIVATION},
    {"Clip", LayerType::kACTIVATION},
    {"HardSigmoid", LayerType::kACTIVATION},
    {"Gelu", LayerType::kACTIVATION},
    {"Add", LayerType::kELEMENTWISE},
    {"Sub", LayerType::kELEMENTWISE},
    {"Mul", LayerType::kELEMENTWISE},
    {"Div", LayerType::kELEMENTWISE},
    {"Pow", LayerType::kELEMENTWISE},
    {"Max", LayerType::kELEMENTWISE},
    {"Min", LayerType::kELEMENTWISE},
    {"Equal", LayerType::kELEMENTWISE},
    {"Greater", LayerType::kELEMENTWISE},
    {"Less", LayerType::kELEMENTWISE},
    {"And", LayerType::kELEMENTWISE},
    {"Or", LayerType::kELEMENTWISE},
    {"Exp", LayerType::kUNARY},
    {"Log", LayerType::kUNARY},
    {"Sqrt", LayerType::kUNARY},
    {"Abs", LayerType::kUNARY},
    {"Neg", LayerType::kUNARY},
    {"Erf", LayerType::kUNARY},
    {"MatMul", LayerType::kMATRIX_MULTIPLY},
    {"Gemm", LayerType::kMATRIX_MULTIPLY},
    {"Softmax", LayerType::kSOFTMAX},
    {"Concat", LayerType::kCONCATENATION},
    {"Reshape", LayerType::kSHUFFLE},
    {"Transpose", LayerType::kSHUFFLE},
    {"Squeeze", LayerType::kSHUFFLE},
    {"Unsqueeze", LayerType::kSHUFFLE},
    {"Flatten", LayerType::kSHUFFLE},
    {"Slice", LayerType::kSLICE},
    {"Split", LayerType::kSLICE},
    {"Pad", LayerType::kPADDING},
    {"Resize", LayerType::kRESIZE},
    {"Gather", LayerType::kGATHER},
    {"TopK", LayerType::kTOPK},
    {"Reduce", LayerType::kREDUCE},
    {"ReduceSum", LayerType::kREDUCE},
    {"ReduceMean", LayerType::kREDUCE},
    {"ReduceMax", LayerType::kREDUCE},
    {"Shape", LayerType::kSHAPE},
    {"Identity", LayerType::kIDENTITY},
    {"Where", LayerType::kSELECT},
    {"PRelu", LayerType::kPARAMETRIC_RELU},
    {"LRN", LayerType::kLRN},
    {"Constant", LayerType::kCONSTANT},
#if NV_TENSORRT_MAJOR >= 8
    {"Cast", LayerType::kCAST},
    {"Einsum", LayerType::kEINSUM},
    {"NonZero", LayerType::kNON_ZERO},
    {"OneHot", LayerType::kONE_HOT},
    {"GridSample", LayerType::kGRID_SAMPLE},
    {"NonMaxSuppression", LayerType::kNMS},
    {"QuantizeLinear", LayerType::kQUANTIZE},
    {"DequantizeLinear", LayerType::kDEQUANTIZE},
    {"LayerNormalization", LayerType::kNORMALIZATION},
#endif
};

/// A layer without settings of its own.
class CoreLayer final : public ILayer, public Layer {
 public:
  CoreLayer(Network& network, ir::NodeId node, LayerType type) : Layer(network, node, type) {
    this->mLayer = this;
    ir::Node& n = this->node();
    if (type == LayerType::kPLUGIN_V2 && n.metadata.empty()) n.metadata = n.op;
  }
  ILayer* api() noexcept override { return this; }
};

}  // namespace

std::unique_ptr<Layer> raise(Network& network, ir::NodeId node) {
  LayerType type = LayerType::kPLUGIN_V2;
  const std::string& op = network.graph().node(node).op;
  for (const Entry& entry : kTypes) {
    if (entry.op == op) type = entry.type;
  }
  return std::make_unique<CoreLayer>(network, node, type);
}

}  // namespace tenon::nvinfer
