#include "nvinfer/refit.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "base/checked.h"
#include "nvinfer/plugin_op.h"

namespace tenon::nvinfer {
namespace {

// Keys of the source graph's metadata. Lists are fields ended by kField in records ended by kRecord.
constexpr const char* kWeightsKey = "refit:weights";
constexpr const char* kTypesKey = "refit:types";
constexpr const char* kScalesKey = "refit:scales";
constexpr const char* kNarrowKey = "refit:narrow";
constexpr char kField = '\x1f', kRecord = '\x1e';

using Record = std::vector<std::string>;

std::string write_records(const std::vector<Record>& records) {
  std::string text;
  for (const Record& record : records) {
    for (const std::string& field : record) text += field + kField;
    text += kRecord;
  }
  return text;
}

std::vector<Record> read_records(const std::string& text) {
  std::vector<Record> records(1);
  std::string field;
  for (char c : text) {
    if (c == kField) {
      records.back().push_back(std::move(field));
      field.clear();
    } else if (c == kRecord) {
      records.emplace_back();
    } else {
      field += c;
    }
  }
  records.pop_back();
  return records;
}

int64_t number(const std::string& text) {
  int64_t value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  require(read.ec == std::errc() && read.ptr == text.data() + text.size(), ErrorCode::kCorruptFile,
          "the plan's list of weights has '", text, "' for a number");
  return value;
}

std::string entries_text(const std::vector<RefitEntry>& entries) {
  std::vector<Record> records;
  for (const RefitEntry& e : entries) {
    Record r{e.layer, cat(static_cast<int>(e.role)), e.name,
             e.value, cat(static_cast<int>(e.type)), e.stripped ? "1" : "0"};
    for (int64_t d : e.dims) r.push_back(cat(d));
    records.push_back(std::move(r));
  }
  return write_records(records);
}

std::string text_of(const ir::Graph& graph, const char* key) {
  auto it = graph.metadata.find(key);
  return it == graph.metadata.end() ? std::string() : it->second;
}

const ir::Graph& source_of(const plan::Plan& plan) {
  require(plan.source != nullptr, ErrorCode::kInvalidArgument, "the engine was not built with kREFIT");
  return *plan.source;
}

ir::ValueId constant_of(const ir::Graph& graph, const RefitEntry& e) {
  const ir::ValueId v = graph.find(e.value);
  require(v != ir::kNone && graph.constant(v), ErrorCode::kCorruptFile, "the plan has no weights '", e.value, "'");
  return v;
}

bool same_nodes(const ir::Graph& a, const ir::Graph& b) {
  if (a.node_count() != b.node_count() || a.value_count() != b.value_count()) return false;
  for (ir::NodeId n = 0; n < a.node_count(); ++n)
    if (a.node(n).op != b.node(n).op || a.node(n).inputs != b.node(n).inputs || a.node(n).name != b.node(n).name)
      return false;
  return true;
}

builder::BuildOptions options_for(const plan::Plan& plan, const ir::Graph& source) {
  builder::BuildOptions options;
  options.level = 0;
  options.profiles = plan.profiles;
  options.info = plan.info;
  const std::string narrow = text_of(source, kNarrowKey);
  options.allow_fp16 = narrow.find("fp16") != std::string::npos;
  options.allow_bf16 = narrow.find("bf16") != std::string::npos;
  options.allow_tf32 = narrow.find("tf32") != std::string::npos;
  for (const Record& r : read_records(text_of(source, kTypesKey)))
    options.passes.types[r.at(0)] = static_cast<ir::DType>(number(r.at(1)));
  for (const Record& r : read_records(text_of(source, kScalesKey))) {
    const auto bits = static_cast<uint32_t>(number(r.at(1)));
    std::memcpy(&options.passes.scales[r.at(0)], &bits, sizeof(bits));
  }
  return options;
}

}  // namespace

int64_t RefitEntry::count() const { return checked_product(dims); }

void make_refittable(plan::Plan& plan, const ir::Graph& source, std::vector<RefitEntry> entries,
                     const builder::BuildOptions& options) {
  auto kept = std::make_shared<ir::Graph>(source.clone());
  kept->compact();
  std::erase_if(entries, [&](const RefitEntry& e) { return kept->find(e.value) == ir::kNone; });
  kept->metadata[kWeightsKey] = entries_text(entries);
  kept->metadata[kNarrowKey] =
      cat(options.allow_fp16 ? "fp16 " : "", options.allow_bf16 ? "bf16 " : "", options.allow_tf32 ? "tf32" : "");
  std::vector<Record> types, scales;
  for (const auto& [name, type] : options.passes.types) types.push_back({name, cat(static_cast<int>(type))});
  for (const auto& [name, scale] : options.passes.scales) {
    uint32_t bits = 0;
    std::memcpy(&bits, &scale, sizeof(bits));
    scales.push_back({name, cat(bits)});
  }
  kept->metadata[kTypesKey] = write_records(types);
  kept->metadata[kScalesKey] = write_records(scales);
  plan.source = std::move(kept);
}

std::vector<RefitEntry> refit_entries(const plan::Plan& plan) {
  std::vector<RefitEntry> entries;
  for (const Record& r : read_records(text_of(source_of(plan), kWeightsKey))) {
    require(r.size() >= 6, ErrorCode::kCorruptFile, "the plan's list of weights is damaged");
    RefitEntry e;
    e.layer = r[0];
    e.role = static_cast<WeightsRole>(number(r[1]));
    e.name = r[2];
    e.value = r[3];
    e.type = static_cast<ir::DType>(number(r[4]));
    e.stripped = r[5] == "1";
    for (size_t i = 6; i < r.size(); ++i) e.dims.push_back(number(r[i]));
    entries.push_back(std::move(e));
  }
  return entries;
}

plan::Plan stripped(const plan::Plan& plan) {
  auto source = std::make_shared<ir::Graph>(source_of(plan).clone());
  std::vector<RefitEntry> entries = refit_entries(plan);
  for (RefitEntry& e : entries) {
    // Indices and shapes are the network's, not its training's; they can be refitted and need not be.
    if (e.type == ir::DType::kI64 || e.type == ir::DType::kI32 || e.type == ir::DType::kBool) continue;
    ir::Value& value = source->value(constant_of(*source, e));
    value.constant = ir::Tensor(value.dtype, {0});
    e.stripped = true;
  }
  source->metadata[kWeightsKey] = entries_text(entries);
  plan::Plan out;
  out.graph = source->clone();
  out.source = std::move(source);
  out.profiles = plan.profiles;
  out.choices.assign(plan.profiles.size(), std::vector<plan::Choice>(out.graph.node_count()));
  out.device = plan.device;
  out.info = plan.info;
  return out;
}

bool is_stripped(const plan::Plan& plan) {
  if (!plan.source) return false;
  const std::vector<RefitEntry> entries = refit_entries(plan);
  return std::any_of(entries.begin(), entries.end(), [](const RefitEntry& e) { return e.stripped; });
}

plan::Plan refitted(const plan::Plan& plan, const std::map<std::string, ir::Tensor>& weights, const Backend& backend,
                    int threads) {
  auto source = std::make_shared<ir::Graph>(source_of(plan).clone());
  std::vector<RefitEntry> entries = refit_entries(plan);
  std::string missing;
  for (RefitEntry& e : entries) {
    auto it = weights.find(e.value);
    if (it == weights.end()) {
      if (e.stripped) missing += cat(missing.empty() ? "'" : ", '", e.name, "'");
      continue;
    }
    source->value(constant_of(*source, e)).constant = it->second.reshaped(e.dims);
    e.stripped = false;
  }
  require(missing.empty(), ErrorCode::kInvalidArgument, "weights are missing: ", missing);
  source->metadata[kWeightsKey] = entries_text(entries);
  builder::BuildOptions options = options_for(plan, *source);
  options.backend = &backend;
  options.threads = threads;
  ir::Graph network = source->clone();
  std::erase_if(network.metadata, [](const auto& entry) { return entry.first.rfind("refit:", 0) == 0; });
  plan::Plan out = builder::build(network, options);
  if (same_nodes(out.graph, plan.graph)) out.choices = plan.choices;
  out.source = std::move(source);
  return out;
}

Refitter::Refitter(CudaEngine& engine, ILogger* logger) : engine_(engine), reports_(logger) {
  for (RefitEntry& e : refit_entries(engine.core().plan())) slots_.push_back({std::move(e), std::nullopt});
#if NV_TENSORRT_MAJOR >= 8
  weights_validation_ = true;
#endif
}

Refitter::Slot& Refitter::named(const char* name) {
  need(name, "name");
  for (Slot& slot : slots_)
    if (slot.entry.name == name) return slot;
  fail(ErrorCode::kInvalidArgument, "the engine has no refittable weights called '", name, "'");
}

void Refitter::give(Slot& slot, const Weights& weights) const {
  const RefitEntry& e = slot.entry;
  require(weights.count == e.count(), ErrorCode::kInvalidArgument, "weights '", e.name, "' have ", e.count(),
          " elements, ", weights.count, " are given");
  need(weights.values, "weights.values");
  require(to_core(weights.type) == e.type, ErrorCode::kInvalidArgument, "weights '", e.name, "' are ", e.type, ", ",
          to_core(weights.type), " are given");
  slot.given = weights;
}

bool Refitter::setWeights(const char* layer, WeightsRole role, Weights weights) noexcept {
  return guard(reports_, "IRefitter::setWeights", [&] {
    need(layer, "layerName");
    for (Slot& slot : slots_)
      if (slot.entry.layer == layer && slot.entry.role == role) return give(slot, weights), true;
    fail(ErrorCode::kInvalidArgument, "layer '", layer, "' has no refittable weights of role ", static_cast<int>(role));
  });
}

bool Refitter::setNamedWeights(const char* name, Weights weights) noexcept {
  return guard(reports_, "IRefitter::setNamedWeights", [&] { return give(named(name), weights), true; });
}

bool Refitter::setNamedWeightsWithLocation(const char* name, Weights weights, TensorLocation) noexcept {
  return setNamedWeights(name, weights);  // one memory holds both
}

bool Refitter::unsetNamedWeights(const char* name) noexcept {
  return guard(reports_, "IRefitter::unsetNamedWeights", [&] {
    Slot& slot = named(name);
    const bool was = slot.given.has_value();
    slot.given.reset();
    return was;
  });
}

Weights Refitter::getNamedWeights(const char* name) const noexcept {
  return guard(
      reports_, "IRefitter::getNamedWeights",
      [&] {
        return named(name).given.value_or(Weights{DataType::kFLOAT, nullptr, 0});
      },
      Weights{DataType::kFLOAT, nullptr, 0});
}

Weights Refitter::getWeightsPrototype(const char* name) const noexcept {
  return guard(
      reports_, "IRefitter::getWeightsPrototype",
      [&] {
        const RefitEntry& e = named(name).entry;
        return Weights{to_api(e.type), nullptr, e.count()};
      },
      Weights{DataType::kFLOAT, nullptr, 0});
}

TensorLocation Refitter::getWeightsLocation(const char* name) const noexcept {
  return guard(
      reports_, "IRefitter::getWeightsLocation", [&] { return named(name), TensorLocation::kHOST; },
      TensorLocation::kHOST);
}

template <class Wanted, class Write>
int32_t Refitter::list(Wanted wanted, int32_t size, Write write) const {
  int32_t count = 0;
  for (const Slot& slot : slots_) {
    if (!wanted(slot)) continue;
    if (count < size) write(count, slot.entry);
    ++count;
  }
  return count;
}

namespace {
constexpr auto kAll = [](const auto&) { return true; };
constexpr auto kMissing = [](const auto& slot) { return slot.missing(); };
auto roles_to(const char** layers, WeightsRole* roles) {
  return [layers, roles](int32_t i, const RefitEntry& e) {
    if (layers) layers[i] = e.layer.c_str();
    if (roles) roles[i] = e.role;
  };
}
auto names_to(const char** names) {
  return [names](int32_t i, const RefitEntry& e) {
    if (names) names[i] = e.name.c_str();
  };
}
}  // namespace

int32_t Refitter::getAll(int32_t size, const char** layers, WeightsRole* roles) noexcept {
  return list(kAll, size, roles_to(layers, roles));
}
int32_t Refitter::getMissing(int32_t size, const char** layers, WeightsRole* roles) noexcept {
  return list(kMissing, size, roles_to(layers, roles));
}
int32_t Refitter::getAllWeights(int32_t size, const char** names) noexcept { return list(kAll, size, names_to(names)); }
int32_t Refitter::getMissingWeights(int32_t size, const char** names) noexcept {
  return list(kMissing, size, names_to(names));
}

int Refitter::threads() const {
#if NV_TENSORRT_MAJOR >= 8
  return max_threads_;
#else
  return 0;
#endif
}

bool Refitter::refitCudaEngine() noexcept {
  return guard(reports_, "IRefitter::refitCudaEngine", [&] {
    std::map<std::string, ir::Tensor> weights;
    for (const Slot& slot : slots_) {
      if (!slot.given) continue;
      const ir::Tensor theirs = to_core(*slot.given);
      ir::Tensor own(theirs.dtype(), theirs.dims());
      std::memcpy(own.mutable_data(), theirs.data().data(), theirs.data().size());
      weights[slot.entry.value] = std::move(own);
    }
    engine_.refit(refitted(engine_.core().plan(), weights, engine_.core().backend(), threads()));
    for (Slot& slot : slots_) {
      if (slot.given) slot.entry.stripped = false;
      slot.given.reset();
    }
    return true;
  });
}

namespace {
[[noreturn]] void fail_no_range(const char* tensor) {
  fail(ErrorCode::kInvalidArgument, "tensor '", need(tensor, "tensorName"), "' has no refittable range");
}
}  // namespace

bool Refitter::setDynamicRange(const char* tensor, float, float) noexcept {
  return guard(reports_, "IRefitter::setDynamicRange", [&]() -> bool { fail_no_range(tensor); });
}
float Refitter::getDynamicRangeMin(const char* tensor) const noexcept {
  return guard(reports_, "IRefitter::getDynamicRangeMin", [&]() -> float { fail_no_range(tensor); });
}
float Refitter::getDynamicRangeMax(const char* tensor) const noexcept {
  return guard(reports_, "IRefitter::getDynamicRangeMax", [&]() -> float { fail_no_range(tensor); });
}

}  // namespace tenon::nvinfer
