#include "nvinfer/algorithms.h"

#include "base/hash.h"

#if TRT_UNTIL(10)
namespace tenon::nvinfer {
namespace {

using namespace nvinfer1;  // NOLINT: signatures as in the description

int64_t id_of(const std::string& text) {
  Hasher h;
  h.add_text(text);
  return static_cast<int64_t>(h.value() >> 1);  // ids are not negative
}

class IoInfo final : public IAlgorithmIOInfo, public apiv::VAlgorithmIOInfo {
 public:
  explicit IoInfo(const TensorDesc& tensor) : type_(to_api(tensor.dtype)), strides_(to_api(strides_of(tensor))) {
    this->mImpl = this;
  }
  IoInfo(const IoInfo& other)
      : IAlgorithmIOInfo(), apiv::VAlgorithmIOInfo(), type_(other.type_), strides_(other.strides_) {
    this->mImpl = this;
  }
  TensorFormat getTensorFormat() const noexcept { return TensorFormat::kLINEAR; }
  DataType getDataType() const noexcept { return type_; }
  Dims getStrides() const noexcept { return strides_; }
  int64_t getVectorizedDim() const noexcept { return -1; }
  int64_t getComponentsPerElement() const noexcept { return 1; }

 private:
  static ir::Dims strides_of(const TensorDesc& tensor) { return ir::strides_of(tensor.dims); }
  DataType type_;
  Dims strides_;
};

class Variant final : public IAlgorithmVariant, public apiv::VAlgorithmVariant {
 public:
  Variant(const std::string& op, const std::string& kernel) : implementation_(id_of(op)), tactic_(id_of(kernel)) {
    this->mImpl = this;
  }
  int64_t getImplementation() const noexcept { return implementation_; }
  int64_t getTactic() const noexcept { return tactic_; }

 private:
  int64_t implementation_, tactic_;
};

std::vector<TensorDesc> present(const std::vector<TensorDesc>& tensors) {
  std::vector<TensorDesc> out;
  for (const TensorDesc& t : tensors)
    if (t.dtype != ir::DType::kUndefined) out.push_back(t);
  return out;
}

class Context final : public IAlgorithmContext, public apiv::VAlgorithmContext {
 public:
  explicit Context(const select::NodeReport& node)
      : name_(node.name), inputs_(present(node.inputs)), outputs_(present(node.outputs)) {
    this->mImpl = this;
  }
  const char* getName() const noexcept { return name_.c_str(); }
  /// Kernels are chosen at a profile's optimum, so that is what every selector means.
  Dims getDimensions(int32_t index, OptProfileSelector) const noexcept {
    return guard(
        Reports(), "IAlgorithmContext::getDimensions", [&] { return to_api(tensor(index).dims); }, invalid_dims());
  }
  int32_t getNbInputs() const noexcept { return static_cast<int32_t>(inputs_.size()); }
  int32_t getNbOutputs() const noexcept { return static_cast<int32_t>(outputs_.size()); }

 private:
  const TensorDesc& tensor(int32_t index) const {
    const auto i = static_cast<size_t>(index);
    require(index >= 0 && i < inputs_.size() + outputs_.size(), ErrorCode::kInvalidArgument, "tensor ", index);
    return i < inputs_.size() ? inputs_[i] : outputs_[i - inputs_.size()];
  }
  std::string name_;
  std::vector<TensorDesc> inputs_, outputs_;
};

class Algorithm final : public IAlgorithm, public apiv::VAlgorithm {
 public:
  Algorithm(const select::NodeReport& node, const select::Candidate& candidate)
      : variant_(node.op, candidate.kernel), ms_(candidate.time_us / 1000), workspace_(candidate.workspace) {
    this->mImpl = this;
    for (const auto* tensors : {&node.inputs, &node.outputs})
      for (const TensorDesc& t : present(*tensors)) io_.emplace_back(t);
  }
  const IAlgorithmIOInfo& getAlgorithmIOInfo(int32_t index) const noexcept {
    const IAlgorithmIOInfo* found = getAlgorithmIOInfoByIndex(index);
    return found ? *found : io_.front();
  }
  const IAlgorithmIOInfo* getAlgorithmIOInfoByIndex(int32_t index) const noexcept {
    return index >= 0 && static_cast<size_t>(index) < io_.size() ? &io_[static_cast<size_t>(index)] : nullptr;
  }
  const IAlgorithmVariant& getAlgorithmVariant() const noexcept { return variant_; }
  float getTimingMSec() const noexcept { return ms_; }
  size_t getWorkspaceSize() const noexcept { return static_cast<size_t>(workspace_); }

 private:
  Variant variant_;
  float ms_;
  int64_t workspace_;
  std::vector<IoInfo> io_;
};

}  // namespace

std::vector<size_t> ask_selector(IAlgorithmSelector& selector, const select::NodeReport& node, bool reject_empty) {
  std::vector<size_t> offered;
  std::vector<std::unique_ptr<Algorithm>> algorithms;
  std::vector<const IAlgorithm*> choices;
  for (size_t i = 0; i < node.candidates.size(); ++i) {
    if (!node.candidates[i].refusal.empty()) continue;
    offered.push_back(i);
    choices.push_back(algorithms.emplace_back(std::make_unique<Algorithm>(node, node.candidates[i])).get());
  }
  std::vector<int32_t> selection(choices.size(), -1);
  const auto count = static_cast<int32_t>(choices.size());
  const int32_t selected = selector.selectAlgorithms(Context(node), choices.data(), count, selection.data());
  require(selected >= 0 && selected <= count, ErrorCode::kInvalidArgument, "selectAlgorithms selected ", selected,
          " of ", count, " algorithms of '", node.name, "'");
  require(selected > 0 || !reject_empty, ErrorCode::kUnsupported, "selectAlgorithms selected no algorithm of '",
          node.name, "' and kREJECT_EMPTY_ALGORITHMS is set");
  if (selected == 0) return offered;
  std::vector<size_t> kept;
  for (int32_t i = 0; i < selected; ++i) {
    const int32_t choice = selection[static_cast<size_t>(i)];
    require(choice >= 0 && choice < count, ErrorCode::kInvalidArgument, "selectAlgorithms selected algorithm ", choice,
            " of '", node.name, "', which has ", count);
    kept.push_back(offered[static_cast<size_t>(choice)]);
  }
  return kept;
}

void tell_selector(IAlgorithmSelector& selector, const std::vector<select::NodeReport>& nodes) {
  std::vector<std::unique_ptr<Context>> contexts;
  std::vector<std::unique_ptr<Algorithm>> algorithms;
  std::vector<const IAlgorithmContext*> where;
  std::vector<const IAlgorithm*> what;
  for (const select::NodeReport& node : nodes) {
    for (const select::Candidate& c : node.candidates) {
      if (!c.chosen) continue;
      where.push_back(contexts.emplace_back(std::make_unique<Context>(node)).get());
      what.push_back(algorithms.emplace_back(std::make_unique<Algorithm>(node, c)).get());
    }
  }
  selector.reportAlgorithms(where.data(), what.data(), static_cast<int32_t>(what.size()));
}

}  // namespace tenon::nvinfer
#endif
