#include "nvinfer/engine.h"

#include <algorithm>
#include <charconv>

#include "backends/device_weights.h"
#include "nvinfer/context.h"
#include "nvinfer/conversion.h"
#include "nvinfer/host_memory.h"
#include "nvinfer/memory.h"
#include "nvinfer/plugin_op.h"
#include "nvinfer/refit.h"

namespace tenon::nvinfer {

BatchRule batch_rule(const plan::Plan& plan) {
  BatchRule rule;
  const auto it = plan.info.find(kImplicitBatch);
  rule.implicit = it != plan.info.end();
  if (rule.implicit) std::from_chars(it->second.data(), it->second.data() + it->second.size(), rule.most);
  return rule;
}

CudaEngine::CudaEngine(std::shared_ptr<runtime::Engine> engine, const Reports& reports, IGpuAllocator* allocator)
    : core_(std::move(engine)), reports_(reports), allocator_(allocator), io_count_(core_->io().size()) {
  max_batch_ = static_cast<int32_t>(info_number(kImplicitBatch, 0));
  if (info_number(kWeightStreaming, 0)) budget_ = streamable_ = core_->streamable_bytes();
  const auto formats = core_->plan().info.find(kIoFormats);
  if (formats != core_->plan().info.end()) formats_ = IoFormats(formats->second);
  find_debug_tensors();
  for (size_t i = 0; i < core_->io().size(); ++i)
    if (!is_debug_[i]) require_named(core_->io()[i].name, core_->io()[i].dtype);
  initialize_plugins(core_->plan().graph);
}

CudaEngine::~CudaEngine() {
  *alive_ = false;
  if (alive_.use_count() > 1)
    reports_.error(nvinfer1::ErrorCode::kINVALID_ARGUMENT, "ICudaEngine::~ICudaEngine",
                   cat("the engine is deleted before ", alive_.use_count() - 1, " of its execution contexts"));
}

int64_t CudaEngine::info_number(const char* key, int64_t fallback) const {
  const auto& info = core_->plan().info;
  auto it = info.find(key);
  if (it != info.end()) std::from_chars(it->second.data(), it->second.data() + it->second.size(), fallback);
  return fallback;
}

void CudaEngine::find_debug_tensors() {
  is_debug_.assign(core_->io().size(), false);
  const auto it = core_->plan().info.find(kDebugTensors);
  if (it == core_->plan().info.end()) return;
  const int64_t outputs = info_number(kOutputs, -1);
  if (outputs >= 0 && outputs <= static_cast<int64_t>(core_->output_count()))
    io_count_ = core_->input_count() + static_cast<size_t>(outputs);
  for (size_t at = 0; at < it->second.size();) {
    const size_t end = std::min(it->second.find('\n', at), it->second.size());
    if (auto io = core_->find_io(it->second.substr(at, end - at))) is_debug_[*io] = true;
    at = end + 1;
  }
}

size_t CudaEngine::find(const char* name) const {
  need(name, "tensorName");
  if (auto io = core_->find_io(name); io && *io < io_count_) return *io;
  std::string known;
  for (size_t i = 0; i < io_count_; ++i) known += cat(known.empty() ? "" : ", ", "'", core_->io()[i].name, "'");
  fail(ErrorCode::kInvalidArgument, "the engine has no input or output '", name, "', it has ", known);
}

size_t CudaEngine::binding(int32_t index) const {
  require(index >= 0 && index < getNbBindings(), ErrorCode::kInvalidArgument, "binding ", index,
          " does not exist, the engine has ", getNbBindings());
  return static_cast<size_t>(index) % io_count_;
}

Dims CudaEngine::shown(ir::Dims dims) const {
  if (max_batch_ > 0 && !dims.empty()) dims.erase(dims.begin());
  return to_api(dims);
}

bool CudaEngine::is_shape_input(size_t io) const {
  const auto& shape = core_->shape_inputs();
  if (std::find(shape.begin(), shape.end(), io) != shape.end()) return true;
  const auto& profiles = core_->plan().profiles;  // values for an input make it one
  return std::any_of(profiles.begin(), profiles.end(),
                     [&](const plan::Profile& p) { return p.values.count(core_->io()[io].name) > 0; });
}

const char* CudaEngine::keep(std::string text) const {
  std::lock_guard lock(mutex_);
  return texts_.try_emplace(text, text).first->second.c_str();
}

int32_t CudaEngine::getNbLayers() const noexcept { return static_cast<int32_t>(core_->plan().graph.node_count()); }

int32_t CudaEngine::getNbAuxStreams() const noexcept {
  return guard(reports_, "ICudaEngine::getNbAuxStreams", [&] {
    int most = 0;
    for (int32_t p = 0; core_->backend().device() && p < getNbOptimizationProfiles(); ++p)
      most = std::max(most, core_->auxiliary_streams(p));
    return most;
  });
}

int32_t CudaEngine::getNbOptimizationProfiles() const noexcept {
  return static_cast<int32_t>(core_->plan().profiles.size());
}

IHostMemory* CudaEngine::serialize() const noexcept {
  return guard(reports_, "ICudaEngine::serialize",
               [&]() -> IHostMemory* { return new HostMemory(plan::serialize(core_->plan())); });
}

IExecutionContext* CudaEngine::create_context(bool with_memory) const noexcept {
  return guard(reports_, "ICudaEngine::createExecutionContext", [&]() -> IExecutionContext* {
    require(!is_stripped(core_->plan()), ErrorCode::kInvalidArgument,
            "the plan was stripped of its weights, refit the engine first");
    return new ExecutionContext(*this, with_memory);
  });
}

bool CudaEngine::setWeightStreamingBudgetV2(int64_t bytes) noexcept {
  return guard(reports_, "ICudaEngine::setWeightStreamingBudgetV2", [&] {
    require(info_number(kWeightStreaming, 0), ErrorCode::kInvalidArgument, "the engine was not built with ",
            "BuilderFlag::kWEIGHT_STREAMING");
    require(alive_.use_count() == 1, ErrorCode::kInvalidArgument, "the engine has ", alive_.use_count() - 1,
            " execution contexts; the budget is set before they are made");
    require(bytes >= 0, ErrorCode::kInvalidArgument, "the budget is ", bytes, " bytes, 0 to ", streamable_,
            " are accepted");
    budget_ = std::min(bytes, streamable_);
    core_->set_weight_budget(budget_);
    if (budget_ < streamable_ && !core_->backend().device()) {
      reports_.log(ILogger::Severity::kWARNING,
                   cat("ICudaEngine::setWeightStreamingBudgetV2: the processor reads all ", streamable_,
                       " bytes of weights in the host's memory, a budget of ", budget_, " saves none"));
    }
    return true;
  });
}

// The older form: -1 is automatic, 0 is no streaming.
bool CudaEngine::setWeightStreamingBudget(int64_t bytes) noexcept {
  if (bytes == -1) return setWeightStreamingBudgetV2(getWeightStreamingAutomaticBudget());
  return setWeightStreamingBudgetV2(bytes == 0 ? streamable_ : bytes);
}
int64_t CudaEngine::getWeightStreamingBudget() const noexcept { return budget_ == streamable_ ? 0 : budget_; }

int64_t CudaEngine::weight_bytes() const {
  int64_t bytes = 0;
  const ir::Graph& graph = core_->plan().graph;
  for (ir::ValueId v = 0; v < graph.value_count(); ++v) {
    if (const ir::Tensor* constant = graph.constant(v)) bytes += constant->bytes();
  }
  return bytes;
}

/// What is free on the device, less room for what is not known before weights are placed: activations, scratch. On the
/// processor, all.
int64_t CudaEngine::getWeightStreamingAutomaticBudget() const noexcept {
  return guard(
      reports_, "ICudaEngine::getWeightStreamingAutomaticBudget",
      [&]() -> int64_t {
        const Device* device = core_->backend().device();
        const auto free = device ? free_memory(*device) : std::nullopt;
        if (!free) return streamable_;
        constexpr int64_t kKept = 256 << 20;  // kernels' code, libraries' workspaces
        const int64_t room = static_cast<int64_t>(*free - *free / 8) - kKept;
        return std::clamp<int64_t>(room, getMinimumWeightStreamingBudget(), streamable_);
      },
      int64_t{0});
}

IRefitter* CudaEngine::createRefitter(ILogger& logger) noexcept {
  return guard(Reports(&logger), "createInferRefitter", [&]() -> IRefitter* { return new Refitter(*this, &logger); });
}

ProfilingVerbosity CudaEngine::getProfilingVerbosity() const noexcept {
  return static_cast<ProfilingVerbosity>(info_number(kVerbosity, 0));
}

const char* CudaEngine::getIOTensorName(int32_t index) const noexcept {
  return guard(reports_, "ICudaEngine::getIOTensorName", [&]() -> const char* {
    require(index >= 0 && index < getNbIOTensors(), ErrorCode::kInvalidArgument, "tensor ", index,
            " does not exist, the engine has ", getNbIOTensors());
    return core_->io()[size_t(index)].name.c_str();
  });
}

Dims CudaEngine::getTensorShape(const char* name) const noexcept {
  return guard(
      reports_, "ICudaEngine::getTensorShape",
      [&] {
        const size_t io = find(name);
        return shown(io, core_->io()[io].dims);
      },
      invalid_dims());
}

DataType CudaEngine::getTensorDataType(const char* name) const noexcept {
  return guard(reports_, "ICudaEngine::getTensorDataType", [&] { return to_api(core_->io()[find(name)].dtype); });
}

TensorLocation CudaEngine::getTensorLocation(const char* name) const noexcept {
  return guard(reports_, "ICudaEngine::getTensorLocation",
               [&] { return is_shape_input(find(name)) ? TensorLocation::kHOST : TensorLocation::kDEVICE; });
}

bool CudaEngine::isShapeInferenceIO(const char* name) const noexcept {
  return guard(reports_, "ICudaEngine::isShapeInferenceIO", [&] { return is_shape_input(find(name)); });
}

int32_t CudaEngine::getTensorBytesPerComponent(const char* name) const noexcept {
  return guard(
      reports_, "ICudaEngine::getTensorBytesPerComponent", [&] { return bytes_per_component(find(name)); }, -1);
}

int32_t CudaEngine::getTensorComponentsPerElement(const char* name) const noexcept {
  return guard(
      reports_, "ICudaEngine::getTensorComponentsPerElement", [&] { return formats_.vector(find(name)); }, -1);
}

int32_t CudaEngine::getTensorVectorizedDim(const char* name) const noexcept {
  return guard(
      reports_, "ICudaEngine::getTensorVectorizedDim", [&] { return vectorized_dim(find(name)); }, -1);
}

TensorFormat CudaEngine::getTensorFormat(const char* name) const noexcept {
  return guard(reports_, "ICudaEngine::getTensorFormat", [&] { return formats_.at(find(name)).format; });
}

int32_t CudaEngine::bytes_per_component(size_t io) const {
  return formats_.vector(io) > 0 ? static_cast<int32_t>(ir::bits(core_->io()[io].dtype) / 8) : -1;
}

int32_t CudaEngine::vectorized_dim(size_t io) const {
  const int32_t axis = formats_.vectorized_axis(io, formats_.of_tensor(io, core_->io()[io].dims).size());
  return axis > 0 && max_batch_ > 0 ? axis - 1 : axis;
}

std::string format_name(ir::DType type) {
  using ir::DType;
  static constexpr std::pair<DType, const char*> kNames[] = {
      {DType::kF32, "FP32"},  {DType::kF16, "FP16"},     {DType::kBF16, "BF16"}, {DType::kI8, "Int8"},
      {DType::kI32, "Int32"}, {DType::kI64, "Int64"},    {DType::kBool, "Bool"}, {DType::kU8, "UInt8"},
      {DType::kI4, "Int4"},   {DType::kF8E4M3FN, "FP8"}, {DType::kF4E2M1, "FP4"}};
  for (const auto& [known, name] : kNames)
    if (known == type) return name;
  return std::string(ir::name(type));
}

std::string CudaEngine::describe_format(size_t io) const {
  const std::string type = format_name(core_->io()[io].dtype);
  const TensorFormat format = formats_.at(io).format;
  const auto packing = packing_of(format);
  if (!packing) return cat("Row-major linear ", type, " format (kLINEAR)");
  const std::string name = format_name(format);
  if (!packing->channels_last)
    return cat("Row-major ", type, " format, channels in vectors of ", packing->vector, " (", name, ")");
  return cat("Channels-last ", type, " format",
             packing->vector > 1 ? cat(", channels filled up to a multiple of ", packing->vector) : "", " (", name,
             ")");
}

const char* CudaEngine::getTensorFormatDesc(const char* name) const noexcept {
  return guard(reports_, "ICudaEngine::getTensorFormatDesc", [&] { return keep(describe_format(find(name))); });
}

bool CudaEngine::has_profile(const char* where, int32_t profile) const noexcept {
  return guard(reports_, where, [&] {
    require(profile >= 0 && profile < getNbOptimizationProfiles(), ErrorCode::kInvalidArgument, "profile ", profile,
            " does not exist, the engine has ", getNbOptimizationProfiles());
    return true;
  });
}

const plan::Range& CudaEngine::range(size_t io, int32_t profile) const {
  require(profile >= 0 && profile < getNbOptimizationProfiles(), ErrorCode::kInvalidArgument, "profile ", profile,
          " does not exist, the engine has ", getNbOptimizationProfiles());
  require(io < core_->input_count(), ErrorCode::kInvalidArgument, "'", core_->io()[io].name, "' is no input");
  return core_->plan().profiles[size_t(profile)].inputs[io];
}

namespace {
const ir::Dims& select_of(const plan::Range& range, OptProfileSelector select) {
  need_known(select, "select");
  return select == OptProfileSelector::kMIN ? range.min : select == OptProfileSelector::kOPT ? range.opt : range.max;
}
}  // namespace

Dims CudaEngine::getProfileShape(const char* name, int32_t profile, OptProfileSelector select) const noexcept {
  return guard(
      reports_, "ICudaEngine::getProfileShape",
      [&] {
        const size_t io = find(name);
        return shown(io, select_of(range(io, profile), select));
      },
      invalid_dims());
}

const ir::Dims* CudaEngine::values(const char* name, int32_t profile, OptProfileSelector select) const {
  range(find(name), profile);
  const auto& known = core_->plan().profiles[size_t(profile)].values;
  auto it = known.find(name);
  return it == known.end() ? nullptr : &select_of(it->second, select);
}

const int64_t* CudaEngine::getProfileTensorValuesV2(const char* name, int32_t profile,
                                                    OptProfileSelector select) const noexcept {
  return guard(reports_, "ICudaEngine::getProfileTensorValuesV2", [&]() -> const int64_t* {
    const ir::Dims* found = values(name, profile, select);
    return found ? found->data() : nullptr;
  });
}

const int32_t* CudaEngine::getProfileTensorValues(const char* name, int32_t profile,
                                                  OptProfileSelector select) const noexcept {
  return guard(reports_, "ICudaEngine::getProfileTensorValues", [&]() -> const int32_t* {
    const ir::Dims* found = values(name, profile, select);
    if (!found) return nullptr;
    std::lock_guard lock(mutex_);
    auto& narrow = narrow_values_[cat(name, "/", profile, "/", static_cast<int>(select))];
    if (narrow.empty()) narrow = narrowed(*found, name);  // it stays where it is for who has it already
    return narrow.data();
  });
}

int64_t CudaEngine::getDeviceMemorySizeForProfileV2(int32_t profile) const noexcept {
  return guard(reports_, "ICudaEngine::getDeviceMemorySizeForProfileV2", [&]() -> int64_t {
    if (core_->input_count()) range(0, profile);
    std::vector<ir::Dims> dims;
    for (const plan::Range& r : core_->plan().profiles.at(size_t(profile)).inputs) dims.push_back(r.max);
    return with_room_to_align(core_->program(profile, dims)->memory.arena_bytes);
  });
}

int64_t CudaEngine::getDeviceMemorySizeV2() const noexcept {
  int64_t most = 0;
  for (int32_t p = 0; p < getNbOptimizationProfiles(); ++p) most = std::max(most, getDeviceMemorySizeForProfileV2(p));
  return most;
}

bool CudaEngine::isDebugTensor(const char* name) const noexcept {
  return guard(reports_, "ICudaEngine::isDebugTensor", [&] {
    auto io = core_->find_io(need(name, "name"));
    return io && is_debug_[*io];
  });
}

#if NV_TENSORRT_MAJOR >= 8
TensorIOMode CudaEngine::getTensorIOMode(const char* name) const noexcept {
  return guard(
      reports_, "ICudaEngine::getTensorIOMode",
      [&] {
        const auto io = core_->find_io(need(name, "tensorName"));
        if (!io || *io >= io_count_) return TensorIOMode::kNONE;
        return core_->io()[*io].is_input ? TensorIOMode::kINPUT : TensorIOMode::kOUTPUT;
      },
      TensorIOMode::kNONE);
}

HardwareCompatibilityLevel CudaEngine::getHardwareCompatibilityLevel() const noexcept {
  return static_cast<HardwareCompatibilityLevel>(info_number(kHardware, 0));
}
#endif

#if NV_TENSORRT_MAJOR >= 10
int64_t CudaEngine::getEngineStat(EngineStat stat) const noexcept {
  return guard(
      reports_, "ICudaEngine::getEngineStat",
      [&]() -> int64_t {
        return need_known(stat, "stat") == EngineStat::kTOTAL_WEIGHTS_SIZE ? weight_bytes() : 0;  // nothing is stripped
      },
      -1);
}

const char* CudaEngine::getAliasedInputTensor(const char* name) const noexcept {
  return guard(reports_, "ICudaEngine::getAliasedInputTensor", [&]() -> const char* {
    find(name);
    const ir::Graph& graph = core_->plan().graph;
    const ir::ValueId v = graph.find(name);
    const ir::Node* node = graph.producer(v);
    if (!node) return nullptr;
    size_t aliased = 0;  // a cache's update may be bound to the cache's own memory
    if (node->op == "Custom") {
      const auto& aliases = ops::custom_attrs(node->attrs).aliases;
      const size_t output = graph.value(v).output_index;
      if (output >= aliases.size() || aliases[output] < 0) return nullptr;
      aliased = static_cast<size_t>(aliases[output]);
    } else if (node->op != "TensorScatter") {
      return nullptr;
    }
    const ir::ValueId input = node->inputs.at(aliased);
    return graph.is_input(input) ? graph.value(input).name.c_str() : nullptr;
  });
}
#endif

}  // namespace tenon::nvinfer
