#include "builder/precision.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "base/thread_pool.h"
#include "builder/range.h"
#include "passes/min_cut.h"
#include "runtime/concretize.h"

namespace tenon::builder {
namespace {

/// Convolutions of more channels take so long that multiplying by factors in a kernel of its own costs little.
constexpr int64_t kScaledChannels = 4096;
/// Smaller values stay in a processor's second-level cache between two kernels.
constexpr int64_t kExpandedBytes = 512 * 1024;

// Name of a node that may take either type → time in microseconds, its casts included.
using Times = std::map<std::string, float>;

Times measure(const runtime::ConcreteGraph& concrete, const BuildOptions& options, const Backend& backend,
              ThreadPool& pool) {
  runtime::PrepareOptions prepare;
  prepare.backend = &backend;
  prepare.threads = pool.size();
  prepare.without = runtime::without_kernels(options.info);
  select::SelectOptions select;
  select.level = options.level;
  select.cache = options.timing_cache;
  const auto choices = select_kernels(concrete, prepare, pool, select, nullptr);
  Times times;
  for (ir::NodeId n : concrete.order) {
    const ir::Node& node = concrete.graph.node(n);
    const bool decided = asked_type(options.passes, node).value_or(ir::DType::kI8) != ir::DType::kI8;
    if (!node.name.empty() && !decided) times[node.name] += choices[n].time_us;
  }
  return times;
}

/// The node's name, and those of the nodes that it is in narrow types, where two do not become one.
std::set<std::string> names_of(const ir::Node& node) {
  std::set<std::string> names{node.name};
  if (node.op != "ExpandDepthwise") return names;
  for (std::string_view rest = node.origin; !rest.empty();) {
    const size_t end = std::min(rest.size(), rest.find(" + "));
    names.emplace(rest.substr(0, end));
    rest.remove_prefix(std::min(rest.size(), end + 3));
  }
  return names;
}

double time_of(const Times& times, const std::set<std::string>& names) {
  double sum = 0;
  for (const std::string& name : names)
    if (const auto known = times.find(name); known != times.end()) sum += known->second;
  return sum;
}

/// Nodes that had better keep f32: a minimum cut, in which a node costs its time in the type it gets and a value that
/// nodes of both types share costs a conversion. Nodes without a time take the type of their neighbours.
std::set<std::string> better_wide(const runtime::ConcreteGraph& concrete, const Times& wide, const Times& narrow,
                                  int threads) {
  using passes::MinCut;
  constexpr double kBytesPerUs = 25e3, kStartUs = 1;  // of a conversion
  constexpr double kNarrowGain = 0.97;                // what halved traffic saves outside of the timed node
  const ir::Graph& g = concrete.graph;
  const auto nanoseconds = [](double us) { return int64_t(us * 1e3); };
  MinCut cut;
  std::vector<int> vertex(g.node_count(), MinCut::kSink);
  std::map<std::string, int> timed;
  for (ir::NodeId n : concrete.order) {
    const std::string& name = g.node(n).name;
    const double in_wide = time_of(wide, {name}), in_narrow = time_of(narrow, names_of(g.node(n)));
    if (const auto known = timed.find(name); known != timed.end()) {
      vertex[n] = known->second;
      continue;
    }
    vertex[n] = cut.add_vertex();
    if (in_wide <= 0 || in_narrow <= 0) continue;
    timed[name] = vertex[n];
    cut.add_edge(MinCut::kSource, vertex[n], nanoseconds(in_wide));
    cut.add_edge(vertex[n], MinCut::kSink, nanoseconds(in_narrow * kNarrowGain));
  }
  for (ir::NodeId n : concrete.order)
    for (ir::ValueId v : g.node(n).inputs) {
      if (v == ir::kNone || g.value(v).dtype != ir::DType::kF32 || g.constant(v) || !ir::is_static(g.value(v).shape))
        continue;
      const ir::NodeId producer = g.value(v).producer;
      const int from = producer == ir::kNone ? MinCut::kSink : vertex[producer];
      double bytes = 6;
      for (int64_t d : ir::static_dims(g.value(v).shape)) bytes *= double(d);
      const int64_t cost = nanoseconds(kStartUs + bytes / (kBytesPerUs * threads));
      if (from != vertex[n]) cut.add_edge(from, vertex[n], cost, cost);
    }
  const std::vector<bool> is_narrow = cut.solve();
  std::set<std::string> names;
  for (ir::NodeId n : concrete.order) {
    const ir::Node& node = g.node(n);
    if (!timed.count(node.name) || is_narrow[size_t(timed[node.name])]) continue;
    names.merge(names_of(node));
  }
  return names;
}

/// Convolutions with one position an image, in a network that has others: factors of whole channels come from them, so
/// that one rounding there is an error of all positions, while their time hardly counts.
std::vector<std::string> gates(const ir::Graph& g) {
  const auto one_position = [&](ir::ValueId v) {
    const ir::Value& value = g.value(v);
    return value.ranked && value.shape.size() > 2 &&
           std::all_of(value.shape.begin() + 2, value.shape.end(), [](ir::Dim d) { return d == 1; });
  };
  std::vector<std::string> names;
  bool others = false;
  for (ir::NodeId n = 0; n < g.node_count(); ++n) {
    const ir::Node& node = g.node(n);
    if (!node.alive || node.op != "Conv") continue;
    if (!one_position(node.inputs[0]))
      others = true;
    else if (!node.name.empty())
      names.push_back(node.name);
  }
  return others ? names : std::vector<std::string>{};
}

bool has_type(const ir::Graph& g, ir::ValueId v, ir::DType type) { return v != ir::kNone && g.value(v).dtype == type; }

/// Whether the node computes in the type: narrow operands or results, or operands that were rounded to 8 bits.
bool computes_in(const ir::Graph& g, const ir::Node& node, ir::DType type) {
  const auto operand = [&](ir::ValueId v) {
    if (type != ir::DType::kI8) return has_type(g, v, type);
    const ir::Node* producer = v == ir::kNone ? nullptr : g.producer(v);
    return producer && producer->op == "DequantizeLinear" && has_type(g, producer->inputs[0], type);
  };
  const auto result = [&](ir::ValueId v) { return has_type(g, v, type); };
  return std::any_of(node.inputs.begin(), node.inputs.end(), operand) ||
         std::any_of(node.outputs.begin(), node.outputs.end(), result);
}

bool stands_for(const ir::Node& node, const std::string& name) {
  return node.name == name || cat(" + ", node.origin, " + ").find(cat(" + ", name, " + ")) != std::string::npos;
}

/// Types that were asked for and that no node of the optimised graph computes in. Nodes that are gone have none.
void check_types(const ir::Graph& graph, const BuildOptions& options) {
  for (const auto& [name, type] : options.passes.types) {
    bool found = false, met = false;
    for (ir::NodeId n = 0; n < graph.node_count() && !met; ++n) {
      const ir::Node& node = graph.node(n);
      const bool floats = std::any_of(node.outputs.begin(), node.outputs.end(), [&](ir::ValueId v) {
        return v != ir::kNone && ir::is_float(graph.value(v).dtype);
      });
      if (!node.alive || !floats || !stands_for(node, name)) continue;
      found = true;
      met = computes_in(graph, node, type);
    }
    if (!found || met) continue;
    const std::string message = cat("layer '", name, "' cannot compute in ", ir::name(type),
                                    ": the type is not allowed, another layer that it is fused with asks for a wider "
                                    "one, or no kernel takes it");
    require(!options.obey_types, ErrorCode::kUnsupported, message);
    if (options.log) options.log->warning(message);
  }
}

bool calls_user_code(const ir::Graph& graph) {
  for (ir::NodeId n = 0; n < graph.node_count(); ++n)
    if (graph.node(n).alive && graph.node(n).op == "Custom") return true;
  return false;
}

/// A network after the passes, and the types of layers that led there.
struct Narrowed {
  ir::Graph graph;
  std::vector<passes::PassReport> passes;
  std::map<std::string, ir::DType> types;
};

Narrowed run_on_copy(const ir::Graph& graph, const passes::PassOptions& options) {
  Narrowed n{graph.clone(), {}, options.types};
  n.passes = run_passes(n.graph, options);
  return n;
}

/// The largest magnitude of each value that `narrow` has in f16, from the timing cache where it has them; none where
/// they cannot be measured.
std::map<std::string, double> reached_by(const ir::Graph& graph, const ir::Graph& narrow, const BuildOptions& options,
                                         passes::PassOptions wide, const std::vector<ir::Dims>& dims,
                                         const Backend& backend, ThreadPool& pool) {
  const std::set<std::string> names = half_values(narrow);
  if (names.empty()) return {};
  const auto not_measured = [&](const std::string& why) {
    if (options.log) options.log->info("ranges were not measured, f16 may overflow: ", why);
    return std::map<std::string, double>{};
  };
  const bool by_user = calls_user_code(narrow);  // whose results no signature stands for
  if (by_user && options.sample.empty()) return not_measured("plugins run on real inputs only");
  select::TimingCache* const cache = by_user ? nullptr : options.timing_cache;
  const uint64_t signature = cache ? range_signature(graph, wide, names, dims, options) : 0;
  if (cache)
    if (auto kept = kept_magnitudes(*cache, signature, names)) return std::move(*kept);
  wide.allow_bf16 = wide.allow_fp16 = false;
  ir::Graph in_f32 = graph.clone();
  run_passes(in_f32, wide);
  try {
    auto reached = magnitudes(in_f32, names, dims, options, backend, pool);
    if (cache) keep_magnitudes(*cache, signature, names, reached);
    return reached;
  } catch (const Error& e) {
    require(options.sample.empty(), e.code(), "the sample for the range of f16: ", e.what());
    return not_measured(e.what());
  }
}

/// Adds to `layers` those that keep f32 because their range needs it: those that f16 would spoil, and then those that
/// would read what they write. Returns the network with the types of these.
Narrowed keep_range(const ir::Graph& graph, const BuildOptions& options, passes::PassOptions pass_options,
                    const std::vector<ir::Dims>& dims, const Backend& backend, ThreadPool& pool,
                    std::vector<WideLayer>& layers) {
  constexpr int kRounds = 8;
  Narrowed narrow = run_on_copy(graph, pass_options);
  const auto reached = reached_by(graph, narrow.graph, options, pass_options, dims, backend, pool);
  for (int round = 0; round < kRounds; ++round) {
    const auto found = find_overflows(narrow.graph, reached, pass_options);
    if (found.empty()) break;
    for (const WideLayer& l : found) pass_options.types[l.name] = ir::DType::kF32;
    layers.insert(layers.end(), found.begin(), found.end());
    narrow = run_on_copy(graph, pass_options);
  }
  if (options.log)
    for (const WideLayer& l : layers)
      options.log->warning("layer '", l.name, "' meets ", l.magnitude, ", too near to f16's largest number, 65504: it ",
                           "keeps f32");
  return narrow;
}

void name_nodes(ir::Graph& graph) {
  for (ir::NodeId n = 0; n < graph.node_count(); ++n)
    if (ir::Node& node = graph.node(n); node.name.empty()) node.name = cat(node.op, "_", n);
}

}  // namespace

void optimize(ir::Graph& graph, const BuildOptions& options, const std::vector<ir::Dims>& dims, const Backend& backend,
              ThreadPool& pool, BuildReport& report) {
  passes::PassOptions pass_options = options.passes;
  pass_options.allow_bf16 = options.allow_bf16;
  pass_options.allow_fp16 = options.allow_fp16;
  pass_options.squeeze_excite = backend.device() != nullptr;  // where each kernel that is launched counts
  if (options.allow_bf16 && options.allow_fp16 && backend.preferred_narrow() == ir::DType::kF16)
    pass_options.allow_bf16 = false;
  pass_options.images_in_place = backend.device() != nullptr;
  pass_options.sums_in_place = backend.device() != nullptr;
  pass_options.scaled_channels = backend.device() ? kScaledChannels : INT64_MAX;
  if (!backend.device()) {
    pass_options.scaled_types = {ir::DType::kF32, ir::DType::kBF16};
    pass_options.expanded_bytes = kExpandedBytes;
  }
  const bool narrow = options.allow_bf16 || options.allow_fp16;
  const bool by_time = options.level > 0 && !backend.device();  // on a device every kernel is faster in a narrow type
  std::optional<Narrowed> by_range;
  if (options.allow_fp16) {
    name_nodes(graph);
    by_range = keep_range(graph, options, pass_options, dims, backend, pool, report.wide);
    pass_options.types = by_range->types;
  }
  if (narrow && !backend.device())
    for (const std::string& name : gates(graph)) pass_options.types.emplace(name, ir::DType::kF32);
  if (by_time && narrow) {
    passes::PassOptions wide = pass_options;
    wide.allow_bf16 = wide.allow_fp16 = false;
    const Narrowed in_f32 = run_on_copy(graph, wide), in_narrow = run_on_copy(graph, pass_options);
    const auto concrete = runtime::concretize(in_f32.graph, dims);
    const Times f32 = measure(concrete, options, backend, pool),
                fast = measure(runtime::concretize(in_narrow.graph, dims), options, backend, pool);
    for (const std::string& name : better_wide(concrete, f32, fast, pool.size()))
      pass_options.types[name] = ir::DType::kF32;
  }
  if (!by_range || by_range->types != pass_options.types) by_range = run_on_copy(graph, pass_options);
  graph = std::move(by_range->graph);
  report.passes = std::move(by_range->passes);
  check_types(graph, options);
}

}  // namespace tenon::builder
