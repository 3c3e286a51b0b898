// INetworkDefinition over one ir::Graph. Layers are nodes of the TensorRT dialect or, from a parser, core nodes.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <type_traits>
#include <unordered_set>
#include <vector>

#include "ir/graph.h"
#include "nvinfer/graph_owner.h"
#include "nvinfer/layer.h"
#include "nvinfer/lifetime.h"
#include "nvinfer/tensor.h"
#include "ops/trt/boundary.h"
#include "ops/trt/fold.h"
#include "settings.h"

namespace tenon::nvinfer {

class Loop;
class Conditional;
class Attention;
class AttentionLayer;
struct RefitEntry;
class PluginObject;
class Builder;

class Network final : public NetworkDefinitionState, public GraphOwner {
 public:
  /// `client`: the major release whose defaults hold.
  Network(Builder& builder, const Reports& reports, NetworkDefinitionCreationFlags flags, int client);
  ~Network() override;

  ir::Graph& graph() { return graph_; }
  const ir::Graph& graph() const { return graph_; }
  const Reports& reports() const { return reports_; }
  /// A copy with core nodes only, forced types as casts: what a builder takes. Throws naming the layer.
  ir::Graph lowered() const;

  /// Weights that constants of `lowered`, a graph that lowered() gave, hold; with `marked_only` those marked
  /// refittable.
  std::vector<RefitEntry> refittable(const ir::Graph& lowered, bool marked_only) const;

  // What loops and conditionals need.
  template <class L>
  L* add_boundary(const char* op, LayerType type, std::initializer_list<const ITensor*> inputs, size_t outputs,
                  const ops::trt::BoundaryAttrs& attrs);
  /// A node that takes a recurrence's value in the next iteration; it is no layer.
  ir::NodeId add_next(ir::NodeId recurrence, ITensor& value);

  // What tensors and layers need.
  /// Whether 64-bit integers show as 32-bit ones: TensorRT has a name for them since 9, and a client of level 8
  /// knows it if it used it.
  bool narrows_integers() const { return client_ <= 8 && !names_i64_; }
  /// The client gave this type to a tensor or a layer.
  void name_type(ir::DType type) { names_i64_ |= type == ir::DType::kI64; }
  void count_refusal() { ++refusals_; }
  ITensor* tensor(ir::ValueId value) override;  ///< null for kNone
  /// The value with its type inferred as far as possible.
  const ir::Value& typed(ir::ValueId value);
  void touch(ir::NodeId node) { dirty_from_ = ordered_ ? std::min(dirty_from_, node) : 0; }
  /// A parser's node as the dialect's, where there is one. The names of its weights stay known.
  bool raise_node(ir::NodeId node);
  void set_input(ir::NodeId node, int32_t index, ITensor& tensor);
  void set_input_constant(ir::NodeId node, int32_t index, const ir::Tensor& weights);
  ir::Shape input_shape(const std::string& name, const ir::Dims& dims, bool broadcasts);
  void set_input_shape(ir::ValueId input, const ir::Dims& dims);
  /// With an implicit batch dimension: the input has no batch, every element of a batch reads the same.
  void set_broadcast(ir::ValueId input, bool broadcast);
  void name_dimension(ir::ValueId input, int32_t index, const std::string& name);
  std::string dimension_name(ir::ValueId input, int32_t index) const;
  /// ITensor::setType and ILayer::setOutputType; nullopt takes it back. Throws kInvalidArgument in a strongly typed
  /// network unless the value is an input or has the type anyway.
  void force_type(ir::ValueId value, std::optional<ir::DType> type);
  std::optional<ir::DType> forced_type(ir::ValueId value) const;
  /// Types to compute in that layers were given, by the layer's name.
  std::map<std::string, ir::DType> asked_types() const;
  /// Scales of 8-bit values from dynamic ranges, by the tensor's name.
  std::map<std::string, float> int8_scales() const;
  /// Formats by tensor name, where setAllowedFormats was called.
  std::map<std::string, uint32_t> allowed_formats() const;
  /// Dims as the user sees them: without the leading batch where that is implicit.
  Dims shown(ir::Dims dims) const {
    if (implicit_ && !dims.empty()) dims.erase(dims.begin());
    return to_api(dims);
  }
  bool implicit() const { return implicit_; }
  /// A copy of a text that stays where it is.
  const char* keep(const std::string& text) const { return texts_.insert(text).first->c_str(); }
  void adopt_new_nodes() override;
  ITensor* output_of(const std::string& node, size_t index) override;
  /// The user changed a layer: it stays what it shows as.
  void mark_edited(ir::NodeId node) { expansions_.keep(node); }
  /// Layers of nodes at the borders of loops and conditionals, and of attention.
  std::unique_ptr<Layer> boundary_layer(ir::NodeId node);
#if NV_TENSORRT_MAJOR >= 10
  std::unique_ptr<Layer> attention_layer(ir::NodeId node);
  Attention& attention_of(AttentionLayer& layer);
#endif
  ir::Graph& graph_to_extend() override { return graph_; }
  std::shared_ptr<const bool> alive() const override { return alive_; }
  std::shared_ptr<const ops::trt::PluginSource> make_plugin(const PluginRequest& request) override;

  // Inputs and outputs.
  ITensor* addInput(const char* name, DataType type, DimsArg dims) noexcept;
  void markOutput(ITensor& tensor) noexcept;
  void unmarkOutput(ITensor& tensor) noexcept;
  void removeTensor(ITensor& tensor) noexcept;
  bool markOutputForShapes(ITensor& tensor) noexcept;
  bool unmarkOutputForShapes(ITensor& tensor) noexcept;
  int32_t getNbLayers() const noexcept;
  ILayer* getLayer(int32_t index) const noexcept;
  int32_t getNbInputs() const noexcept { return static_cast<int32_t>(graph_.inputs.size()); }
  ITensor* getInput(int32_t index) const noexcept;
  int32_t getNbOutputs() const noexcept { return static_cast<int32_t>(graph_.outputs.size()); }
  ITensor* getOutput(int32_t index) const noexcept;
  bool hasImplicitBatchDimension() const noexcept { return implicit_; }
  bool hasExplicitPrecision() const noexcept { return false; }
  void setErrorRecorder(IErrorRecorder* recorder) noexcept { reports_.set_recorder(recorder); }
  IErrorRecorder* getErrorRecorder() const noexcept { return reports_.recorder(); }
  void setName(const char* name) noexcept;
  IBuilder& getBuilder() const noexcept;
  NetworkDefinitionCreationFlags getFlags() const noexcept { return flags_; }
  bool getFlag(NetworkDefinitionCreationFlag flag) const noexcept {
    return (flags_ & bit_of(reports_, "INetworkDefinition::getFlag", flag)) != 0;
  }
  bool usingStronglyTyped() const noexcept;
  bool setWeightsName(Weights weights, const char* name) noexcept;
  bool markDebug(ITensor& tensor) noexcept;
  bool unmarkDebug(ITensor& tensor) noexcept;
  bool isDebugTensor(const ITensor& tensor) const noexcept;
  bool markWeightsRefittable(const char* name) noexcept;
  bool unmarkWeightsRefittable(const char* name) noexcept;
  bool areWeightsMarkedRefittable(const char* name) const noexcept;
  bool markUnfusedTensorsAsDebugTensors() noexcept { return unfused_are_debug_ = true, true; }
  bool unmarkUnfusedTensorsAsDebugTensors() noexcept { return unfused_are_debug_ = false, true; }
  bool unfused_are_debug() const { return unfused_are_debug_; }
  std::vector<std::string> debug_names() const;  ///< of tensors marked by markDebug

  // Layers.
  IConvolutionLayer* addConvolutionNd(ITensor& input, DimInt maps, DimsArg kernel, Weights weights,
                                      Weights bias) noexcept;
  IDeconvolutionLayer* addDeconvolutionNd(ITensor& input, DimInt maps, DimsArg kernel, Weights weights,
                                          Weights bias) noexcept;
  IPoolingLayer* addPoolingNd(ITensor& input, PoolingType type, DimsArg window) noexcept;
  IActivationLayer* addActivation(ITensor& input, ActivationType type) noexcept;
  ILRNLayer* addLRN(ITensor& input, DimInt window, float alpha, float beta, float k) noexcept;
  IScaleLayer* addScale(ITensor& input, ScaleMode mode, Weights shift, Weights scale, Weights power) noexcept;
  IScaleLayer* addScaleNd(ITensor& input, ScaleMode mode, Weights shift, Weights scale, Weights power,
                          int32_t axis) noexcept;
  ISoftMaxLayer* addSoftMax(ITensor& input) noexcept;
  IConcatenationLayer* addConcatenation(ITensor* const* inputs, int32_t count) noexcept;
  IElementWiseLayer* addElementWise(ITensor& a, ITensor& b, ElementWiseOperation op) noexcept;
  IUnaryLayer* addUnary(ITensor& input, UnaryOperation op) noexcept;
  IShuffleLayer* addShuffle(ITensor& input) noexcept;
  IReduceLayer* addReduce(ITensor& input, ReduceOperation op, uint32_t axes, bool keep) noexcept;
  ITopKLayer* addTopK(ITensor& input, TopKOperation op, int32_t k, uint32_t axes) noexcept;
  IGatherLayer* addGather(ITensor& data, ITensor& indices, int32_t axis) noexcept;
  IRaggedSoftMaxLayer* addRaggedSoftMax(ITensor& input, ITensor& bounds) noexcept;
  IMatrixMultiplyLayer* addMatrixMultiply(ITensor& a, MatrixOperation op_a, ITensor& b, MatrixOperation op_b) noexcept;
  IConstantLayer* addConstant(DimsArg dims, Weights weights) noexcept;
  IIdentityLayer* addIdentity(ITensor& input) noexcept;
  ISliceLayer* addSlice(ITensor& input, DimsArg start, DimsArg size, DimsArg stride) noexcept;
  IShapeLayer* addShape(ITensor& input) noexcept;
  IParametricReLULayer* addParametricReLU(ITensor& input, ITensor& slope) noexcept;
  IResizeLayer* addResize(ITensor& input) noexcept;
  ISelectLayer* addSelect(ITensor& condition, ITensor& then_input, ITensor& else_input) noexcept;
  IFillLayer* addFill(DimsArg dims, FillOperation op) noexcept;
  IPaddingLayer* addPaddingNd(ITensor& input, DimsArg pre, DimsArg post) noexcept;
  ILoop* addLoop() noexcept;
  IPluginV2Layer* addPluginV2(ITensor* const* inputs, int32_t count, IPluginV2& plugin) noexcept;
#if NV_TENSORRT_MAJOR >= 8
  IFillLayer* addFillV2(DimsArg dims, FillOperation op, DataType type) noexcept;
  IDequantizeLayer* addDequantize(ITensor& input, ITensor& scale) noexcept;
  IQuantizeLayer* addQuantize(ITensor& input, ITensor& scale) noexcept;
  IQuantizeLayer* addQuantizeV2(ITensor& input, ITensor& scale, DataType type) noexcept;
  IDequantizeLayer* addDequantizeV2(ITensor& input, ITensor& scale, DataType type) noexcept;
  IGatherLayer* addGatherV2(ITensor& data, ITensor& indices, GatherMode mode) noexcept;
  IIfConditional* addIfConditional() noexcept;
  IScatterLayer* addScatter(ITensor& data, ITensor& indices, ITensor& updates, ScatterMode mode) noexcept;
  IEinsumLayer* addEinsum(ITensor* const* inputs, int32_t count, const char* equation) noexcept;
  IAssertionLayer* addAssertion(ITensor& condition, const char* message) noexcept;
  IOneHotLayer* addOneHot(ITensor& indices, ITensor& values, ITensor& depth, int32_t axis) noexcept;
  INonZeroLayer* addNonZero(ITensor& input) noexcept;
  IGridSampleLayer* addGridSample(ITensor& input, ITensor& grid) noexcept;
  INMSLayer* addNMS(ITensor& boxes, ITensor& scores, ITensor& most) noexcept;
  IReverseSequenceLayer* addReverseSequence(ITensor& input, ITensor& lengths) noexcept;
  INormalizationLayer* addNormalization(ITensor& input, ITensor& scale, ITensor& bias, uint32_t axes) noexcept;
  ICastLayer* addCast(ITensor& input, DataType type) noexcept;
#endif
#if NV_TENSORRT_MAJOR >= 10
  IPluginV3Layer* addPluginV3(ITensor* const* inputs, int32_t count, ITensor* const* shapes, int32_t shape_count,
                              IPluginV3& plugin) noexcept;
  ISqueezeLayer* addSqueeze(ITensor& input, ITensor& axes) noexcept;
  IUnsqueezeLayer* addUnsqueeze(ITensor& input, ITensor& axes) noexcept;
  IDynamicQuantizeLayer* addDynamicQuantize(ITensor& input, int32_t axis, int32_t block, DataType type,
                                            DataType scale_type) noexcept;
  ICumulativeLayer* addCumulative(ITensor& input, ITensor& axis, CumulativeOperation op, bool exclusive,
                                  bool reverse) noexcept;
#endif
#if TRT_UNTIL(8)
  IConvolutionLayer* addConvolution(ITensor& input, int32_t maps, DimsHW kernel, Weights weights,
                                    Weights bias) noexcept;
  IDeconvolutionLayer* addDeconvolution(ITensor& input, int32_t maps, DimsHW kernel, Weights weights,
                                        Weights bias) noexcept;
  IPoolingLayer* addPooling(ITensor& input, PoolingType type, DimsHW window) noexcept;
  IPaddingLayer* addPadding(ITensor& input, DimsHW pre, DimsHW post) noexcept;
  IFullyConnectedLayer* addFullyConnected(ITensor& input, int32_t outputs, Weights weights, Weights bias) noexcept;
  IRNNv2Layer* addRNNv2(ITensor& input, int32_t layers, int32_t hidden, int32_t longest, RNNOperation op) noexcept;
#endif

#if NV_TENSORRT_MAJOR >= 10
  ITopKLayer* addTopKV2(ITensor& input, TopKOperation op, int32_t k, uint32_t axes, DataType type) noexcept;
  INonZeroLayer* addNonZeroV2(ITensor& input, DataType type) noexcept;
  INMSLayer* addNMSV2(ITensor& boxes, ITensor& scores, ITensor& most, DataType type) noexcept;
  INormalizationLayer* addNormalizationV2(ITensor& input, ITensor& scale, ITensor& bias, uint32_t axes) noexcept;
  IAttention* addAttention(ITensor& q, ITensor& k, ITensor& v, AttentionNormalizationOp op, bool causal) noexcept;
  IRotaryEmbeddingLayer* addRotaryEmbedding(ITensor& input, ITensor& cos, ITensor& sin, bool interleaved,
                                            int32_t dim) noexcept;
  IDynamicQuantizeLayer* addDynamicQuantizeV2(ITensor& input, const Dims& block, DataType type,
                                              DataType scale_type) noexcept;
  IKVCacheUpdateLayer* addKVCacheUpdate(ITensor& cache, ITensor& update, ITensor& indices, KVCacheMode mode) noexcept;
  IMoELayer* addMoE(ITensor& states, ITensor& experts, ITensor& scores) noexcept;
  IDistCollectiveLayer* addDistCollective(ITensor& input, CollectiveOperation op, ReduceOperation reduce, int64_t root,
                                          int64_t* groups, int64_t group_size) noexcept;
#endif
#if NV_TENSORRT_MAJOR >= 11
  IAttention* addAttentionV2(ITensor& q, ITensor& k, ITensor& v, AttentionNormalizationOp op,
                             CausalMaskKind kind) noexcept;
  ISqueezeLayer* addSqueezeV2(ITensor& input, ITensor* axes) noexcept;
#endif
#if TRT_UNTIL(7)
  IMatrixMultiplyLayer* addMatrixMultiply(ITensor& a, bool transpose_a, ITensor& b, bool transpose_b) noexcept;
  IPluginLayer* addPlugin(ITensor* const* inputs, int32_t count, IPlugin& plugin) noexcept;
  IPluginLayer* addPluginExt(ITensor* const* inputs, int32_t count, IPluginExt& plugin) noexcept;
  IRNNLayer* addRNN(ITensor& input, int32_t layers, size_t hidden, int32_t longest, RNNOperation op, RNNInputMode mode,
                    RNNDirection direction, Weights weights, Weights bias) noexcept;
  IOutputDimensionsFormula& getConvolutionOutputDimensionsFormula() const noexcept { return formula(kConvolutions); }
  IOutputDimensionsFormula& getDeconvolutionOutputDimensionsFormula() const noexcept {
    return formula(kDeconvolutions);
  }
  IOutputDimensionsFormula& getPoolingOutputDimensionsFormula() const noexcept { return formula(kPoolings); }
  void setConvolutionOutputDimensionsFormula(IOutputDimensionsFormula* f) noexcept { set_formula(kConvolutions, f); }
  void setDeconvolutionOutputDimensionsFormula(IOutputDimensionsFormula* f) noexcept {
    set_formula(kDeconvolutions, f);
  }
  void setPoolingOutputDimensionsFormula(IOutputDimensionsFormula* f) noexcept { set_formula(kPoolings, f); }
#endif

 private:
#if TRT_UNTIL(7)
  enum Windows { kConvolutions, kDeconvolutions, kPoolings };
  IOutputDimensionsFormula& formula(Windows kind) const noexcept;
  void set_formula(Windows kind, IOutputDimensionsFormula* formula) noexcept;
  IOutputDimensionsFormula* formulas_[3] = {};  ///< null: dims follow from the padding
#endif
  /// Asks the user's formula for a layer's output dims, if it has one; up to level 7.
  void apply_formula(ir::NodeId node);
  /// Adds a node of dialect operator `op` and its layer. Inputs must belong to this network.
  template <class L>
  L* add(const char* op, LayerType type, std::initializer_list<const ITensor*> inputs, size_t outputs = 1);
  template <class L>
  L* add(const char* op, LayerType type, const std::vector<ir::ValueId>& inputs, size_t outputs = 1);
  template <class L>
  L* add_plugin(std::unique_ptr<PluginObject> object, LayerType type, std::vector<ir::ValueId> inputs,
                size_t shape_inputs = 0);
  /// Runs `body`, which adds a layer; if it throws or a setting is refused, gives null and takes the layer back.
  template <class Body>
  std::invoke_result_t<Body> adding(const char* where, Body body) noexcept;
  void take_back_layer();
  ir::NodeId new_node(const char* op, LayerType type, const std::vector<ir::ValueId>& inputs, size_t outputs);
  ir::ValueId id_of(const ITensor& tensor) const;
  std::vector<ir::ValueId> ids_of(ITensor* const* tensors, int32_t count) const;
  void infer_dirty();
  /// `now`: values of the copy that stand for others.
  void apply_forced_types(ir::Graph& copy, const std::map<ir::ValueId, ir::ValueId>& now) const;
  /// Whether the user asked for a value of its own.
  bool is_seen(ir::ValueId value) const { return forced_types_.count(value) || debug_tensors_.count(value); }
  float scale_of(ir::ValueId value) const;
  Layer& layer_of(ir::NodeId node);
  /// Makes a layer of a parser's constant.
  ir::NodeId constant_layer(ir::ValueId value);
  /// Makes layers of the parser's nodes that are several each. At the first look at the layers.
  void look();
  Loop& loop_of(int64_t region);
#if NV_TENSORRT_MAJOR >= 8
  Conditional& conditional_of(int64_t region);
#endif
  /// What users hold and said of a value goes over to the value that stands for it now.
  void hand_over(ir::ValueId from, ir::ValueId to);

  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  IBuilder& builder_;
  std::shared_ptr<const std::atomic<bool>> builder_alive_;
  Registered registered_{static_cast<INetworkDefinition*>(this)};
  Reports reports_;
  NetworkDefinitionCreationFlags flags_;
  int client_;
  bool names_i64_ = false;
  bool implicit_;  ///< tensors have a leading batch dimension that the user does not see
  ir::Graph graph_;
  /// A layer, or a parser's constant that becomes one when somebody looks; its node is kNone until then.
  struct Slot {
    ir::NodeId node;
    ir::ValueId constant = ir::kNone;
  };
  /// Slots of a node and of the constants that it reads as tensors.
  void list(ir::NodeId node, std::set<ir::ValueId>& listed, std::vector<Slot>& slots) const;
  /// The slots of a slot's node, of its layers if it is several.
  void show(const Slot& slot, std::set<ir::ValueId>& listed, std::vector<Slot>& slots);
  std::vector<Slot> order_;
  bool looked_ = true;  ///< no node waits to become several layers
  ops::trt::Expansions expansions_;
  bool ordered_ = true;  ///< each node comes before those that read it
  std::map<ir::NodeId, std::unique_ptr<Layer>> layers_;
  std::map<ir::ValueId, std::unique_ptr<Tensor>> tensors_;
  int64_t regions_ = 0;  ///< loops and conditionals, by the numbers in their nodes
  std::vector<std::unique_ptr<Loop>> loops_;
#if NV_TENSORRT_MAJOR >= 8
  std::vector<std::unique_ptr<Conditional>> conditionals_;
#endif
#if NV_TENSORRT_MAJOR >= 10
  std::vector<std::unique_ptr<Attention>> attentions_;
#endif
  std::map<ir::ValueId, ir::DType> forced_types_;
  std::set<ir::ValueId> debug_tensors_;
  bool unfused_are_debug_ = false;
  std::set<std::string> refittable_;
  std::map<const void*, std::string> weights_names_;
  mutable std::unordered_set<std::string> texts_;
  ir::NodeId dirty_from_ = 0;  ///< nodes from here on have no types yet
  int refusals_ = 0;           ///< settings of layers that could not be made
  std::string failure_;        ///< of the last inference, reported once
};

inline Network& own(INetworkDefinition& network) { return static_cast<Network&>(network); }
inline const Network& own(const INetworkDefinition& network) { return static_cast<const Network&>(network); }

}  // namespace tenon::nvinfer
