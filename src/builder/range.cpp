#include "builder/range.h"

#include <algorithm>
#include <cmath>

#include "backends/device.h"
#include "base/hash.h"
#include "base/thread_pool.h"
#include "ir/sample.h"
#include "ir/text.h"
#include "ops/math/reduce.h"
#include "runtime/engine.h"

namespace tenon::builder {
namespace {

constexpr double kLargest = 65504, kMargin = 8;
constexpr double kLimit = kLargest / kMargin;  // what a sample reaches, other inputs exceed
constexpr int64_t kSeed = 1;

bool is_f32(const ir::Value& v) { return v.dtype == ir::DType::kF32; }

/// A graph that computes the largest and the smallest element of some f32 values of another, each right after the
/// value, so that values live no longer than before.
struct Observed {
  ir::Graph graph;
  std::vector<std::string> values;  ///< names; outputs 2i and 2i + 1 are the extremes of the i-th

  Observed(const ir::Graph& g, const std::set<std::string>& names) : graph(g.symbols) {
    std::map<ir::ValueId, ir::ValueId> at;
    const auto move = [&](ir::ValueId v) {
      if (v == ir::kNone) return ir::kNone;
      if (!at.count(v)) at[v] = graph.add_constant(*g.constant(v), g.value(v).name);
      return at[v];
    };
    for (ir::ValueId v : g.inputs) at[v] = graph.add_input(g.value(v).name, g.value(v).dtype, g.value(v).shape);
    for (ir::NodeId n : g.topological_order()) {
      const ir::Node& node = g.node(n);
      std::vector<ir::ValueId> inputs;
      for (ir::ValueId v : node.inputs) inputs.push_back(move(v));
      const ir::NodeId copy = graph.add_node(node.op, inputs, node.attrs, node.outputs.size(), node.name);
      for (size_t i = 0; i < node.outputs.size(); ++i) {
        const ir::ValueId v = node.outputs[i];
        if (v == ir::kNone) continue;
        at[v] = graph.node(copy).outputs[i];
        graph.value(at[v]).dtype = g.value(v).dtype;
        graph.value(at[v]).shape = g.value(v).shape;
        graph.value(at[v]).ranked = g.value(v).ranked;
        if (is_f32(g.value(v)) && g.value(v).ranked && names.count(g.value(v).name)) {
          values.push_back(g.value(v).name);
          observe(at[v]);
        }
      }
    }
  }

 private:
  void observe(ir::ValueId v) {
    for (auto kind : {ops::ReduceKind::kMax, ops::ReduceKind::kMin}) {
      // Rows first: a single result takes a single block of a GPU.
      const size_t rank = graph.value(v).shape.size();
      graph.outputs.push_back(rank > 1 ? reduce(reduce(v, kind, rank - 1), kind, 0) : reduce(v, kind, 0));
    }
  }
  /// Combines the axes from `first` on.
  ir::ValueId reduce(ir::ValueId v, ops::ReduceKind kind, size_t first) {
    ops::ReduceAttrs attrs;
    attrs.kind = kind;
    attrs.keepdims = false;
    ir::Shape shape = graph.value(v).shape;
    for (size_t axis = first; axis < shape.size(); ++axis) attrs.axes.push_back(int64_t(axis));
    shape.resize(first);
    const ir::ValueId y = graph.node(graph.add_node("Reduce", {v}, attrs)).outputs[0];
    graph.value(y).dtype = ir::DType::kF32;
    graph.value(y).ranked = true;
    graph.value(y).shape = std::move(shape);
    return y;
  }
};

std::vector<ir::Tensor> sample_of(const ir::Graph& g, const std::vector<ir::Dims>& dims, const BuildOptions& options) {
  if (!options.sample.empty()) return options.sample;
  std::vector<ir::Tensor> sample;
  Xorshift random(kSeed);
  for (size_t i = 0; i < dims.size(); ++i)
    sample.push_back(ir::random_tensor(g.value(g.inputs[i]).dtype, dims[i], random));
  return sample;
}

/// The f32 value that an f16 value holds: itself, or what a Cast narrows.
const std::string& name_in_f32(const ir::Graph& narrow, ir::ValueId v) {
  const ir::Node* producer = narrow.producer(v);
  const bool cast = producer && producer->op == "Cast" && is_f32(narrow.value(producer->inputs[0]));
  return narrow.value(cast ? producer->inputs[0] : v).name;
}

bool is_half(const ir::Graph& g, ir::ValueId v) { return g.value(v).dtype == ir::DType::kF16; }

bool has_infinity(const ir::Tensor& constant) {
  constexpr uint16_t kSign = 0x8000, kInfinity = 0x7c00;
  const auto* bits = reinterpret_cast<const uint16_t*>(constant.data().data());
  return std::any_of(bits, bits + constant.count(), [](uint16_t b) { return (b & ~kSign) == kInfinity; });
}

/// Devices compute in f32 alike, so an entry is good for all. The one of index `names.size()` counts the others.
select::TimingKey range_key(uint64_t signature, size_t index) { return {signature, 0, cat("f16_range_", index)}; }

}  // namespace

std::set<std::string> half_values(const ir::Graph& narrow) {
  std::set<std::string> names;
  for (ir::ValueId v = 0; v < narrow.value_count(); ++v)
    if (is_half(narrow, v) && narrow.producer(v)) names.insert(name_in_f32(narrow, v));
  return names;
}

std::map<std::string, double> magnitudes(const ir::Graph& graph, const std::set<std::string>& names,
                                         const std::vector<ir::Dims>& dims, const BuildOptions& options,
                                         const Backend& backend, ThreadPool& pool) {
  const Backend& there = backend.device() && !backend.device()->present() ? cpu_backend() : backend;
  Observed observed(graph, names);
  const std::vector<ir::Tensor> sample = sample_of(graph, dims, options);
  plan::Profile profile;
  for (const ir::Tensor& t : sample) profile.inputs.push_back({t.dims(), t.dims(), t.dims()});
  check_profile(graph, profile, 0);
  plan::Plan plan;
  plan.graph = std::move(observed.graph);
  plan.profiles = {profile};
  plan.device = there.fingerprint();
  auto engine = runtime::Engine::create(std::move(plan), {&there, pool.size()});
  const auto extremes = engine->create_context()->run(sample);
  std::map<std::string, double> out;
  for (size_t i = 0; i < observed.values.size(); ++i) {
    const double largest = extremes[2 * i].get(0), smallest = extremes[2 * i + 1].get(0);
    if (largest < smallest) continue;  // an empty value
    const double most = std::max(std::abs(largest), std::abs(smallest));
    if (std::isfinite(most)) out[observed.values[i]] = most;
  }
  return out;
}

uint64_t range_signature(const ir::Graph& network, const passes::PassOptions& asked, const std::set<std::string>& names,
                         const std::vector<ir::Dims>& dims, const BuildOptions& options) {
  Hasher h;
  h.add_text(ir::print(network));
  for (const auto& [layer, type] : asked.types) h.add_text(layer), h.add(uint64_t(type));
  h.add(asked.types.size());
  for (const std::string& name : names) h.add_text(name);
  h.add(names.size());
  for (const ir::Dims& d : dims) h.add_bytes(std::as_bytes(std::span(d)));
  for (const ir::Tensor& t : options.sample) h.add(t.hash());
  h.add(uint64_t(kLimit));
  return h.value();
}

void keep_magnitudes(select::TimingCache& cache, uint64_t signature, const std::set<std::string>& names,
                     const std::map<std::string, double>& reached) {
  size_t index = 0, count = 0;
  for (const std::string& name : names) {
    if (const auto known = reached.find(name); known != reached.end() && known->second > kLimit) {
      cache.put(range_key(signature, index), float(known->second));
      ++count;
    }
    ++index;
  }
  cache.put(range_key(signature, names.size()), float(count));
}

std::optional<std::map<std::string, double>> kept_magnitudes(const select::TimingCache& cache, uint64_t signature,
                                                             const std::set<std::string>& names) {
  const auto count = cache.find(range_key(signature, names.size()));
  if (!count) return std::nullopt;
  std::map<std::string, double> reached;
  size_t index = 0;
  for (const std::string& name : names)
    if (const auto most = cache.find(range_key(signature, index++))) reached[name] = *most;
  return reached.size() == size_t(*count) ? std::optional(std::move(reached)) : std::nullopt;
}

std::vector<WideLayer> find_overflows(const ir::Graph& narrow, const std::map<std::string, double>& reached,
                                      const passes::PassOptions& asked) {
  std::map<std::string, double> layers;
  const auto keep = [&](const ir::Node& node, double magnitude) {
    const auto type = passes::asked_type(asked, node);
    if (node.name.empty() || node.op == "Cast" || (type && *type != ir::DType::kI8)) return;
    layers[node.name] = std::max(layers[node.name], magnitude);
  };
  for (ir::ValueId v = 0; v < narrow.value_count(); ++v) {
    if (!is_half(narrow, v)) continue;
    double magnitude = 0;
    if (const ir::Tensor* constant = narrow.constant(v))
      magnitude = has_infinity(*constant) ? INFINITY : 0;
    else if (const auto known = reached.find(name_in_f32(narrow, v)); known != reached.end())
      magnitude = known->second;
    if (magnitude <= kLimit) continue;
    if (const ir::Node* producer = narrow.producer(v)) keep(*producer, magnitude);
    for (ir::NodeId user : narrow.users(v)) keep(narrow.node(user), magnitude);
  }
  std::vector<WideLayer> out;
  for (const auto& [name, magnitude] : layers) out.push_back({name, magnitude});
  return out;
}

}  // namespace tenon::builder
