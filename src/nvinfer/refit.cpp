#include "nvinfer/refit.h"

#include <algorithm>
#include <bit>
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

void set_constant(ir::Graph& graph, const RefitEntry& e, ir::Tensor weights) {
  ir::Value& value = graph.value(constant_of(graph, e));
  value.shape.assign(weights.dims().begin(), weights.dims().end());
  value.constant = std::move(weights);
}

bool same_nodes(const ir::Graph& a, const ir::Graph& b) {
  if (a.node_count() != b.node_count() || a.value_count() != b.value_count()) return false;
  for (ir::NodeId n = 0; n < a.node_count(); ++n)
    if (a.node(n).op != b.node(n).op || a.node(n).inputs != b.node(n).inputs || a.node(n).name != b.node(n).name)
      return false;
  return true;
}

std::map<std::string, float> scales_of(const ir::Graph& source) {
  std::map<std::string, float> scales;
  for (const Record& r : read_records(text_of(source, kScalesKey)))
    scales[r.at(0)] = std::bit_cast<float>(static_cast<uint32_t>(number(r.at(1))));
  return scales;
}

std::string scales_text(const std::map<std::string, float>& scales) {
  std::vector<Record> records;
  for (const auto& [name, scale] : scales) records.push_back({name, cat(std::bit_cast<uint32_t>(scale))});
  return write_records(records);
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
  options.passes.scales = scales_of(source);
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
  std::vector<Record> types;
  for (const auto& [name, type] : options.passes.types) types.push_back({name, cat(static_cast<int>(type))});
  kept->metadata[kTypesKey] = write_records(types);
  kept->metadata[kScalesKey] = scales_text(options.passes.scales);
  plan.source = std::move(kept);
}

std::map<std::string, float> refit_scales(const plan::Plan& plan) { return scales_of(source_of(plan)); }

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
    set_constant(*source, e, ir::Tensor(e.type, {0}));
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

plan::Plan refitted(const plan::Plan& plan, const RefitChanges& changes, const Backend& backend, int threads) {
  auto source = std::make_shared<ir::Graph>(source_of(plan).clone());
  std::vector<RefitEntry> entries = refit_entries(plan);
  std::string missing;
  for (RefitEntry& e : entries) {
    auto it = changes.weights.find(e.value);
    if (it == changes.weights.end()) {
      if (e.stripped) missing += cat(missing.empty() ? "'" : ", '", e.name, "'");
      continue;
    }
    set_constant(*source, e, it->second.reshaped(e.dims));
    e.stripped = false;
  }
  require(missing.empty(), ErrorCode::kInvalidArgument, "weights are missing: ", missing);
  source->metadata[kWeightsKey] = entries_text(entries);
  std::map<std::string, float> scales = scales_of(*source);
  for (const auto& [name, scale] : changes.scales) scales[name] = scale;
  source->metadata[kScalesKey] = scales_text(scales);
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

}  // namespace tenon::nvinfer
