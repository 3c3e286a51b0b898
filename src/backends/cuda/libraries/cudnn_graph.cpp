#include "backends/cuda/libraries/cudnn_graph.h"

#include <algorithm>
#include <optional>

#include "backends/cuda/made_once.h"
#include "base/error.h"

namespace tenon::cuda::cudnn {
namespace {

constexpr int64_t kMaxKnobs = 64, kMaxNotes = 32, kMaxResults = 64;

/// Owns a descriptor of the library.
class Object {
 public:
  explicit Object(DescriptorType type) { check(api()->create_descriptor(type, &d_), "cudnnBackendCreateDescriptor"); }
  ~Object() {
    if (d_) api()->destroy_descriptor(d_);
  }
  Object(Object&& o) noexcept : d_(std::exchange(o.d_, nullptr)) {}
  Object& operator=(Object&&) = delete;
  Descriptor get() const { return d_; }

  void set(Attribute a, ElementType type, int64_t count, const void* elements) {
    const Status status = api()->set(d_, a, type, count, elements);
    if (status != 0) check(status, cat("attribute ", int(a)).c_str());
  }
  void set_type(Attribute a, DataType v) { set(a, kTypeDataType, 1, &v); }
  void set_int(Attribute a, int64_t v) { set(a, kTypeInt64, 1, &v); }
  void set_ints(Attribute a, const std::vector<int64_t>& v) { set(a, kTypeInt64, int64_t(v.size()), v.data()); }
  void set_float(Attribute a, float v) { set(a, kTypeFloat, 1, &v); }
  void set_bool(Attribute a, bool v) { set(a, kTypeBoolean, 1, &v); }
  void set_object(Attribute a, const Object& v) { set(a, kTypeDescriptor, 1, &v.d_); }
  void set_objects(Attribute a, const std::vector<Object>& all) {
    const std::vector<Descriptor> raw = descriptors(all);
    set(a, kTypeDescriptor, int64_t(raw.size()), raw.data());
  }
  void finalize(const char* what) { check(api()->finalize(d_), what); }

  int64_t get_int(Attribute a) const {
    int64_t v = 0, count = 0;
    check(api()->get(d_, a, kTypeInt64, 1, &count, &v), "cudnnBackendGetAttribute");
    return v;
  }
  /// Fills `into` with what the attribute holds and returns how many there are; 0 where it cannot be read.
  int64_t get_objects(Attribute a, const std::vector<Object>& into) const {
    std::vector<Descriptor> raw = descriptors(into);
    int64_t count = 0;
    const Status status = api()->get(d_, a, kTypeDescriptor, int64_t(raw.size()), &count, raw.data());
    return status == 0 ? std::min(count, int64_t(raw.size())) : 0;
  }

 private:
  static std::vector<Descriptor> descriptors(const std::vector<Object>& all) {
    std::vector<Descriptor> raw;
    for (const Object& o : all) raw.push_back(o.d_);
    return raw;
  }
  Descriptor d_ = nullptr;
};

std::vector<Object> objects(DescriptorType type, int64_t count) {
  std::vector<Object> all;
  for (int64_t i = 0; i < count; ++i) all.emplace_back(type);
  return all;
}

void describe(std::string& s, const ConvolutionSpec& c) {
  s += cat(";c", c.backward_data, c.x, ',', c.w, ',', c.y, c.before, c.after, c.strides, c.dilations);
}
void describe(std::string& s, const MatMulSpec& m) { s += cat(";m", m.a, ',', m.b, ',', m.c); }
void describe(std::string& s, const ReductionSpec& r) { s += cat(";r", int(r.mode), ',', r.x, ',', r.y); }
void describe(std::string& s, const PointwiseSpec& p) {
  s += cat(";p", int(p.mode), ',', p.x, ',', p.b, ',', p.y);
  for (const auto& [attribute, value] : p.parameters) s += cat(',', int(attribute), '=', value);
}

int64_t id_of(int tensor) { return tensor + 1; }

/// A graph as the library's finalized descriptors.
class OperationGraph {
 public:
  OperationGraph(const GraphSpec& spec, Handle handle) : graph_(kOperationGraph) {
    for (size_t i = 0; i < spec.tensors.size(); ++i) add_tensor(spec.tensors[i], int(i));
    for (const GraphSpec::Operation& operation : spec.operations)
      std::visit([this](const auto& o) { add(o); }, operation);
    graph_.set(kGraphHandle, kTypeHandle, 1, &handle);
    graph_.set_objects(kGraphOperations, operations_);
    graph_.finalize("operation graph");
  }
  const Object& get() const { return graph_; }

 private:
  void add_tensor(const TensorSpec& t, int number) {
    Object o(kTensor);
    o.set_int(kTensorId, id_of(number));
    o.set_type(kTensorType, t.type);
    o.set_int(kTensorAlignment, kOperandAlignment);
    o.set_ints(kTensorDims, t.dims);
    o.set_ints(kTensorStrides, t.strides);
    if (t.kind == TensorSpec::Kind::kVirtual) o.set_bool(kTensorVirtual, true);
    if (t.kind == TensorSpec::Kind::kNumber) o.set_bool(kTensorByValue, true);
    o.finalize("tensor");
    tensors_.push_back(std::move(o));
  }
  const Object& tensor(int i) const { return tensors_.at(size_t(i)); }

  void add(const ConvolutionSpec& c) {
    Object conv(kConvolution);
    const int mode = kCrossCorrelation;
    conv.set_type(kConvolutionPrecision, kFloat);
    conv.set(kConvolutionMode, kTypeConvolutionMode, 1, &mode);
    conv.set_int(kSpatialAxes, int64_t(c.strides.size()));
    conv.set_ints(kPadsBefore, c.before);
    conv.set_ints(kPadsAfter, c.after);
    conv.set_ints(kStrides, c.strides);
    conv.set_ints(kDilations, c.dilations);
    conv.finalize("convolution");
    Object o(c.backward_data ? kConvolutionBackwardData : kConvolutionForward);
    o.set_object(c.backward_data ? kBackwardConvolution : kForwardConvolution, conv);
    o.set_object(c.backward_data ? kBackwardDy : kForwardX, tensor(c.x));
    o.set_object(c.backward_data ? kBackwardW : kForwardW, tensor(c.w));
    o.set_object(c.backward_data ? kBackwardDx : kForwardY, tensor(c.y));
    o.set_float(c.backward_data ? kBackwardAlpha : kForwardAlpha, 1);
    o.set_float(c.backward_data ? kBackwardBeta : kForwardBeta, 0);
    o.finalize("convolution operation");
    parts_.push_back(std::move(conv));
    operations_.push_back(std::move(o));
  }

  void add(const PointwiseSpec& p) {
    Object function(kPointwise);
    function.set(kPointwiseModeIs, kTypePointwiseMode, 1, &p.mode);
    function.set_type(kPointwisePrecision, kFloat);
    for (const auto& [attribute, value] : p.parameters) function.set(attribute, kTypeDouble, 1, &value);
    function.finalize("pointwise function");
    Object o(kPointwiseOperation);
    o.set_object(kOperationPointwise, function);
    o.set_object(kOperationX, tensor(p.x));
    if (p.b >= 0) o.set_object(kOperationB, tensor(p.b));
    o.set_object(kOperationY, tensor(p.y));
    o.finalize("pointwise operation");
    parts_.push_back(std::move(function));
    operations_.push_back(std::move(o));
  }

  void add(const MatMulSpec& m) {
    Object product(kMatMul);
    product.set_type(kMatMulPrecision, kFloat);
    product.finalize("product");
    Object o(kMatMulOperation);
    o.set_object(kMatMulIs, product);
    o.set_object(kMatMulA, tensor(m.a));
    o.set_object(kMatMulB, tensor(m.b));
    o.set_object(kMatMulC, tensor(m.c));
    o.finalize("product operation");
    parts_.push_back(std::move(product));
    operations_.push_back(std::move(o));
  }

  void add(const ReductionSpec& r) {
    Object reduction(kReduction);
    reduction.set(kReductionIs, kTypeReduction, 1, &r.mode);
    reduction.set_type(kReductionPrecision, kFloat);
    reduction.finalize("reduction");
    Object o(kReductionOperation);
    o.set_object(kReductionFunction, reduction);
    o.set_object(kReductionX, tensor(r.x));
    o.set_object(kReductionY, tensor(r.y));
    o.finalize("reduction operation");
    parts_.push_back(std::move(reduction));
    operations_.push_back(std::move(o));
  }

  std::vector<Object> tensors_, parts_, operations_;
  Object graph_;
};

/// Reads an engine configuration; nothing where the library does not tell its engine.
std::optional<EngineChoice> read_choice(const Object& config) {
  const std::vector<Object> engines = objects(kEngine, 1);
  if (config.get_objects(kConfigEngine, engines) != 1) return std::nullopt;
  EngineChoice choice;
  choice.engine = engines[0].get_int(kEngineIndex);
  int notes[kMaxNotes] = {};
  int64_t count = 0;
  if (api()->get(engines[0].get(), kEngineNotes, kTypeNumericalNote, kMaxNotes, &count, notes) != 0)
    return std::nullopt;
  for (int64_t i = 0; i < std::min(count, kMaxNotes); ++i)
    if (notes[i] >= 0 && notes[i] < 32) choice.notes |= 1u << notes[i];
  const std::vector<Object> knobs = objects(kKnobChoice, kMaxKnobs);
  const int64_t knob_count = config.get_objects(kConfigKnobs, knobs);
  for (int64_t i = 0; i < knob_count; ++i) {
    int type = 0;
    if (api()->get(knobs[size_t(i)].get(), kKnobType, kTypeKnob, 1, &count, &type) != 0) return std::nullopt;
    choice.knobs.emplace_back(type, knobs[size_t(i)].get_int(kKnobValue));
  }
  std::sort(choice.knobs.begin(), choice.knobs.end());
  return choice;
}

std::vector<EngineChoice> ask_heuristics(const GraphSpec& spec, int ordinal) {
  const HandleLease handle(ordinal);
  const OperationGraph graph(spec, handle.get());
  std::vector<EngineChoice> all;
  for (int mode : {kHeuristicB, kHeuristicA, kHeuristicFallback}) {
    Object heuristics(kHeuristics);
    heuristics.set_object(kHeuristicsGraph, graph.get());
    heuristics.set(kHeuristicsMode, kTypeHeuristicMode, 1, &mode);
    if (api()->finalize(heuristics.get()) != 0) continue;  // this mode knows nothing about the graph
    const std::vector<Object> configs = objects(kEngineConfig, kMaxResults);
    const int64_t count = heuristics.get_objects(kHeuristicsResults, configs);
    for (int64_t i = 0; i < count; ++i)
      if (const auto choice = read_choice(configs[size_t(i)]);
          choice && std::find(all.begin(), all.end(), *choice) == all.end())
        all.push_back(*choice);
  }
  return all;
}

class CompiledPlan final : public Plan {
 public:
  CompiledPlan(const GraphSpec& spec, const EngineChoice& choice, int ordinal, Handle handle)
      : ordinal_(ordinal), graph_(spec, handle), engine_(kEngine), config_(kEngineConfig), plan_(kExecutionPlan) {
    engine_.set_object(kEngineGraph, graph_.get());
    engine_.set_int(kEngineIndex, choice.engine);
    engine_.finalize("engine");
    for (const auto& [type, value] : choice.knobs) {
      Object knob(kKnobChoice);
      knob.set(kKnobType, kTypeKnob, 1, &type);
      knob.set_int(kKnobValue, value);
      knob.finalize("knob");
      knobs_.push_back(std::move(knob));
    }
    config_.set_object(kConfigEngine, engine_);
    if (!knobs_.empty()) config_.set_objects(kConfigKnobs, knobs_);
    config_.finalize("engine configuration");
    plan_.set(kPlanHandle, kTypeHandle, 1, &handle);
    plan_.set_object(kPlanConfig, config_);
    plan_.finalize("execution plan");
    workspace_ = plan_.get_int(kPlanWorkspace);
    for (size_t i = 0; i < spec.tensors.size(); ++i) {
      const TensorSpec& t = spec.tensors[i];
      if (t.kind == TensorSpec::Kind::kVirtual) continue;
      ids_.push_back(id_of(int(i)));
      tensors_.push_back(i);
      numbers_.push_back(t.number);
      is_number_.push_back(t.kind == TensorSpec::Kind::kNumber);
    }
  }
  int64_t workspace_bytes() const override { return workspace_; }

  void execute(const std::vector<const void*>& pointers, void* workspace, cudaStream_t stream) const override {
    std::vector<const void*> bound(ids_.size());
    for (size_t i = 0; i < ids_.size(); ++i)
      bound[i] = is_number_[i] ? static_cast<const void*>(&numbers_[i]) : pointers.at(tensors_[i]);
    Object pack(kVariantPack);
    pack.set_ints(kPackIds, ids_);
    pack.set(kPackPointers, kTypePointer, int64_t(bound.size()), bound.data());
    pack.set(kPackWorkspace, kTypePointer, 1, &workspace);
    pack.finalize("variant pack");
    const HandleLease handle(ordinal_);
    check(api()->set_stream(handle.get(), stream), "cudnnSetStream");
    check(api()->execute(handle.get(), plan_.get(), pack.get()), "cudnnBackendExecute");
  }

 private:
  int ordinal_;
  OperationGraph graph_;
  Object engine_;
  std::vector<Object> knobs_;
  Object config_, plan_;  // a plan may refer to what it was made from
  int64_t workspace_ = 0;
  std::vector<int64_t> ids_;
  std::vector<size_t> tensors_;
  std::vector<float> numbers_;
  std::vector<bool> is_number_;
};

}  // namespace

std::string GraphSpec::text() const {
  std::string s;
  for (const TensorSpec& t : tensors)
    s += cat(int(t.type), t.dims, t.strides, int(t.kind), t.kind == TensorSpec::Kind::kNumber ? t.number : 0.f, ';');
  for (const Operation& o : operations) std::visit([&s](const auto& v) { describe(s, v); }, o);
  return s;
}

std::vector<EngineChoice> engine_choices(const GraphSpec& graph, int ordinal) {
  static auto* const answers = new MadeOnce<std::vector<EngineChoice>>(4096);
  return answers->get(cat(ordinal, ' ', graph.text()), [&] { return ask_heuristics(graph, ordinal); });
}

std::shared_ptr<const Plan> build_plan(const GraphSpec& graph, const EngineChoice& choice, int ordinal) {
  static auto* const plans = new MadeOnce<std::shared_ptr<const Plan>>(512);
  std::string key = cat(ordinal, ' ', graph.text(), '/', choice.engine);
  for (const auto& [type, value] : choice.knobs) key += cat(',', type, '=', value);
  return plans->get(key, [&]() -> std::shared_ptr<const Plan> {
    const HandleLease handle(ordinal);
    return std::make_shared<CompiledPlan>(graph, choice, ordinal, handle.get());
  });
}

}  // namespace tenon::cuda::cudnn
