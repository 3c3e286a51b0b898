#include "judge.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <thread>

#include "builder/builder.h"
#include "import/onnx/import.h"
#include "noise.h"
#include "onnx/load.h"
#include "ops/op.h"
#include "ops/trt/expand.h"
#include "ops/trt/lower.h"
#include "ops/trt/raise.h"
#include "runtime/engine.h"

namespace tenon::random_graphs {
namespace {

constexpr double kRounding = 0x1p-22;  // of an operand or a result in f32
constexpr int kSamples = 3;
constexpr double kMargin = 24, kNarrowMargin = 10;  // bound over what the samples moved
constexpr size_t kFence = 256;                      // bytes around an output

struct Names {
  Variant variant;
  const char* name;
};
constexpr Names kNames[] = {{Variant::kPlain, "plain"},
                            {Variant::kSaved, "saved"},
                            {Variant::kThreads, "threads"},
                            {Variant::kKernels, "kernels"},
                            {Variant::kUnoptimized, "unoptimized"},
                            {Variant::kSomePasses, "some-passes"},
                            {Variant::kLayers, "layers"},
                            {Variant::kUnfused, "unfused"},
                            {Variant::kRows, "rows"},
                            {Variant::kHalf, "half"},
                            {Variant::kBrain, "brain"},
                            {Variant::kMixed, "mixed"},
                            {Variant::kProfiles, "profiles"},
                            {Variant::kConcurrent, "concurrent"},
                            {Variant::kTimed, "timed"}};

/// Operators whose results jump: under coarse rounding their results are not determined.
bool decides(const onnx::Node& n) {
  static const std::set<std::string> kOps = {"Floor",
                                             "Ceil",
                                             "Round",
                                             "Sign",
                                             "Mod",
                                             "QuantizeLinear",
                                             "DynamicQuantizeLinear",
                                             "Less",
                                             "Greater",
                                             "LessOrEqual",
                                             "GreaterOrEqual",
                                             "Equal",
                                             "TopK",
                                             "ArgMax",
                                             "ArgMin",
                                             "Hardmax",
                                             "NonZero",
                                             "ThresholdedRelu",
                                             "Shrink",
                                             "Cast",
                                             "CastLike",
                                             "QLinearConv",
                                             "QLinearMatMul",
                                             "BitShift",
                                             "If",
                                             "LpNormalization",
                                             "GridSample",
                                             "MaxPool"};
  return kOps.contains(n.op_type);
}

/// In layers it is the logarithm of a softmax, which loses what is small.
bool takes_logarithm(const onnx::Node& n) { return n.op_type == "LogSoftmax"; }

struct Expected {
  std::vector<Tensor> exact;
  std::vector<double> bound;  // absolute, of each output; infinite: not determined
};

Expected expect(const ir::Graph& network, const std::vector<Tensor>& inputs, uint64_t seed, double narrow) {
  ir::Graph graph = network.clone();  // of these sizes: loops without a trip tell them by their types
  for (size_t i = 0; i < inputs.size(); ++i) graph.value(graph.inputs[i]).shape = ir::to_shape(inputs[i].dims());
  ops::infer(graph);
  Expected e;
  e.exact = evaluate_graph(graph, inputs);
  e.bound.assign(e.exact.size(), 0);
  std::vector<double> most(e.exact.size(), 0);
  for (int s = 0; s < kSamples; ++s) {
    Noise noise(seed + uint64_t(s), kRounding, narrow);
    std::vector<Tensor> moved;
    try {
      moved = evaluate_graph(graph, inputs, &noise);
    } catch (const Error&) {
      std::fill(e.bound.begin(), e.bound.end(), INFINITY);
      return e;
    }
    for (size_t i = 0; i < moved.size(); ++i) {
      if (moved[i].dims() != e.exact[i].dims()) {
        e.bound[i] = INFINITY;
        continue;
      }
      for (int64_t k = 0; k < moved[i].count(); ++k) {
        const double a = e.exact[i].get(k), d = std::fabs(a - moved[i].get(k));
        if (!(d <= 1e300)) e.bound[i] = INFINITY;
        if (std::isfinite(a)) most[i] = std::max(most[i], std::fabs(a));
        e.bound[i] = std::max(e.bound[i], d);
      }
      // An integer that noise changes is not determined.
      if (!ir::is_float(e.exact[i].dtype()) && e.bound[i] > 0) e.bound[i] = INFINITY;
    }
  }
  const double margin = narrow > 0 ? kNarrowMargin : kMargin;
  for (size_t i = 0; i < e.exact.size(); ++i)
    if (ir::is_float(e.exact[i].dtype())) {
      const double unit = std::max(narrow, kRounding * Noise::relative(graph.value(graph.outputs[i]).dtype));
      e.bound[i] = margin * e.bound[i] + 2 * unit * most[i] + (narrow > 0 ? 1e-6 : 1e-30);
    }
  return e;
}

std::string compare(const ir::Graph& graph, const std::vector<Tensor>& got, const Expected& e) {
  for (size_t i = 0; i < got.size(); ++i) {
    const std::string& name = graph.value(graph.outputs[i]).name;
    if (std::isinf(e.bound[i])) continue;
    const DType declared = graph.value(graph.outputs[i]).dtype;
    if (got[i].dtype() != declared) return cat("output ", name, " is ", got[i].dtype(), ", expected ", declared);
    if (got[i].dims() != e.exact[i].dims())
      return cat("output ", name, " has dims ", got[i].dims(), ", expected ", e.exact[i].dims());
    for (int64_t k = 0; k < got[i].count(); ++k) {
      const double a = got[i].get(k), b = e.exact[i].get(k);
      if (a == b || (std::isnan(a) && std::isnan(b)) || std::fabs(a - b) <= e.bound[i]) continue;
      return cat("output ", name, " ", got[i].dims(), " element ", k, " is ", a, ", expected ", b, ", bound ",
                 e.bound[i]);
    }
  }
  return {};
}

std::string same_bits(const ir::Graph& graph, const std::vector<Tensor>& a, const std::vector<Tensor>& b,
                      const std::string& what) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] == b[i]) continue;
    for (int64_t k = 0; k < std::min(a[i].count(), b[i].count()); ++k)
      if (const double x = a[i].get(k), y = b[i].get(k); x != y && !(std::isnan(x) && std::isnan(y)))
        return cat(what, ": output ", graph.value(graph.outputs[i]).name, " element ", k, " is ", y, ", before ", x);
  }
  return {};
}

Tensor copy_of(const Tensor& t) {
  Tensor copy(t.dtype(), t.dims());
  if (t.bytes() > 0) std::memcpy(copy.mutable_data(), t.data().data(), size_t(t.bytes()));
  return copy;
}

/// Memory with a fence around it.
class Fenced {
 public:
  Fenced(size_t bytes, uint8_t filling) : bytes_(bytes), memory_(bytes + 2 * kFence, 0xa5) {
    std::memset(data(), filling, bytes);
  }
  uint8_t* data() { return memory_.data() + kFence; }
  bool holds() const {
    for (size_t i = 0; i < kFence; ++i)
      if (memory_[i] != 0xa5 || memory_[kFence + bytes_ + i] != 0xa5) return false;
    return true;
  }

 private:
  size_t bytes_;
  std::vector<uint8_t> memory_;
};

class Judge {
 public:
  Judge(const Case& c, Variant variant, const Backend& backend, char* phase)
      : case_(c), variant_(variant), backend_(backend), phase_(phase), draw_(c.seed * 31 + uint64_t(variant)) {}

  Verdict run() {
    const double narrow = variant_ == Variant::kHalf || variant_ == Variant::kMixed ? 0x1p-10
                          : variant_ == Variant::kBrain                             ? 0x1p-7
                                                                                    : 0;
    const auto& nodes = case_.model.graph.nodes;
    if (narrow > 0 && std::any_of(nodes.begin(), nodes.end(), decides)) return {{}, true};
    if (variant_ == Variant::kLayers && std::any_of(nodes.begin(), nodes.end(), takes_logarithm)) return {{}, true};
    phase("import");
    const std::string bytes = bytes_of(case_.model);
    const ir::Graph graph =
        importer::import_onnx(onnx::load_bytes(std::as_bytes(std::span(bytes.data(), bytes.size()))));
    phase("reference");
    for (const auto& inputs : case_.inputs) expected_.push_back(expect(graph, inputs, case_.seed, narrow));
    phase("build");
    auto plan = build(graph);
    if (variant_ == Variant::kRows) return {check_rows(graph, std::move(plan)), false};
    phase("run");
    const std::vector<std::byte> saved = plan::serialize(plan);
    std::string what = check_all(graph, engine(std::move(plan), 1));
    if (!what.empty()) return {what, false};
    if (variant_ == Variant::kConcurrent) what = check_concurrent(graph, engine(plan::deserialize(nullptr, saved), 1));
    if (variant_ == Variant::kSaved || variant_ == Variant::kThreads) {
      phase(name(variant_));
      const auto again = engine(plan::deserialize(nullptr, saved), variant_ == Variant::kThreads ? 2 : 1);
      const auto context = again->create_context(0);
      for (size_t b = 0; b < case_.inputs.size() && what.empty(); ++b)
        what = same_bits(graph, results_[b], context->run(case_.inputs[b]), name(variant_));
    }
    return {what, false};
  }

 private:
  void phase(const char* text) {
    if (phase_) std::snprintf(phase_, 16, "%s", text);
  }

  plan::Profile profile(const ir::Graph& graph) const {
    plan::Profile p;
    for (size_t i = 0; i < graph.inputs.size(); ++i) {
      plan::Range r;
      r.min = r.max = r.opt = case_.inputs[0][i].dims();
      for (const auto& inputs : case_.inputs)
        for (size_t d = 0; d < r.min.size(); ++d) {
          r.min[d] = std::min(r.min[d], inputs[i].dims()[d]);
          r.max[d] = std::max(r.max[d], inputs[i].dims()[d]);
        }
      p.inputs.push_back(r);
    }
    return p;
  }

  plan::Profile first_profile() const {
    plan::Profile p;
    for (const Tensor& t : case_.inputs[0]) p.inputs.push_back({t.dims(), t.dims(), t.dims()});
    return p;
  }

  static void show_layers(ir::Graph& graph, int level) {
    ops::trt::LayerSet there;
    there.level = level;
    int64_t regions = 0;
    for (ir::NodeId n = 0, end = ir::NodeId(graph.node_count()); n < end; ++n)
      if (!ops::trt::raise_node(graph, n)) ops::trt::expand_node(graph, n, there, regions);
    ops::trt::lower(graph);
  }

  plan::Plan build(const ir::Graph& network) {
    builder::BuildOptions options;
    options.level = variant_ == Variant::kTimed ? 1 : 0;
    options.threads = 1;
    options.backend = &backend_;
    options.profiles = {profile(network)};
    if (variant_ == Variant::kProfiles) options.profiles.insert(options.profiles.begin(), first_profile());
    options.allow_fp16 = variant_ == Variant::kHalf || variant_ == Variant::kMixed;
    if (variant_ == Variant::kMixed)
      for (ir::NodeId n = 0; n < network.node_count(); ++n)
        if (!draw_.one_in(3)) options.passes.types[network.node(n).name] = draw_.one_in(2) ? DType::kF16 : DType::kF32;
    options.allow_bf16 = variant_ == Variant::kBrain;
    options.output_unfused = variant_ == Variant::kUnfused;
    if (variant_ == Variant::kKernels)
      options.filter = [this](const select::NodeReport& node) {
        std::vector<size_t> fit;
        for (size_t i = 0; i < node.candidates.size(); ++i)
          if (node.candidates[i].refusal.empty()) fit.push_back(i);
        return fit.empty() ? fit : std::vector<size_t>{draw_.pick(fit)};
      };
    for (const passes::Pass& pass : passes::pipeline())
      if (variant_ == Variant::kUnoptimized || (variant_ == Variant::kSomePasses && draw_.one_in(2)))
        options.passes.disabled.push_back(std::string(pass.name));
    if (variant_ != Variant::kLayers) return builder::build(network, options);
    ir::Graph graph = network.clone();
    show_layers(graph, draw_.pick(std::vector<int>{7, 8, 10, 11}));
    return builder::build(graph, options);
  }

  std::shared_ptr<runtime::Engine> engine(plan::Plan plan, int threads) const {
    runtime::EngineOptions options;
    options.threads = threads;
    options.backend = &backend_;
    return runtime::Engine::create(std::move(plan), options);
  }

  /// Runs in memory of our own, all of it poisoned before; empty where sizes depend on data.
  std::vector<Tensor> run_fenced(runtime::Context& context, const std::vector<Tensor>& inputs, uint8_t poison,
                                 std::string& what) {
    const auto& e = context.engine();
    for (size_t i = 0; i < inputs.size(); ++i) {
      context.set_input_dims(i, inputs[i].dims());
      context.set_address(i, const_cast<std::byte*>(inputs[i].data().data()));
    }
    const runtime::Program& program = context.prepare();
    if (program.stepwise || backend_.device()) return context.run(inputs);
    std::vector<Fenced> memory;
    for (size_t i = 0; i < e.output_count(); ++i) {
      const auto& io = e.io()[e.input_count() + i];
      memory.emplace_back(size_t(Tensor(io.dtype, program.output_dims[i]).bytes()), poison);
    }
    for (size_t i = 0; i < memory.size(); ++i) context.set_address(e.input_count() + i, memory[i].data());
    const int64_t arena = program.memory.arena_bytes;
    std::shared_ptr<void> scratch;
    if (arena > 0) {
      scratch.reset(std::aligned_alloc(4096, size_t(arena + 4095) / 4096 * 4096), std::free);
      std::memset(scratch.get(), poison, size_t(arena));
      context.use_memory(scratch.get(), arena);
    }
    context.run();
    std::vector<Tensor> outputs;
    for (size_t i = 0; i < memory.size(); ++i) {
      if (!memory[i].holds()) what = cat("writes beyond output ", e.io()[e.input_count() + i].name);
      Tensor t(e.io()[e.input_count() + i].dtype, program.output_dims[i]);
      if (t.bytes() > 0) std::memcpy(t.mutable_data(), memory[i].data(), size_t(t.bytes()));
      outputs.push_back(std::move(t));
    }
    context.set_memory_allocator({});
    return outputs;
  }

  std::vector<Tensor> first_outputs(std::vector<Tensor> all) const {
    all.resize(expected_[0].exact.size());
    return all;
  }

  std::string check_all(const ir::Graph& graph, const std::shared_ptr<runtime::Engine>& e) {
    const auto context = e->create_context(variant_ == Variant::kProfiles ? 1 : 0);
    std::string what;
    if (variant_ == Variant::kProfiles)
      what = compare(graph, first_outputs(e->create_context(0)->run(case_.inputs[0])), expected_[0]);
    for (size_t b = 0; b < case_.inputs.size() && what.empty(); ++b) {
      std::vector<Tensor> inputs, copies;
      for (const Tensor& t : case_.inputs[b]) {
        inputs.push_back(t);
        copies.push_back(copy_of(t));
      }
      const auto first = first_outputs(run_fenced(*context, inputs, 0xff, what));
      if (what.empty()) what = compare(graph, first, expected_[b]);
      if (what.empty()) {
        const auto second = first_outputs(run_fenced(*context, inputs, 0x7f, what));
        if (what.empty()) what = same_bits(graph, first, second, "a second run");
      }
      for (size_t i = 0; i < inputs.size() && what.empty(); ++i)
        if (!(inputs[i] == copies[i])) what = cat("input ", i, " is written to");
      if (!what.empty()) return b == 0 ? what : cat("sizes ", b, ": ", what);
      results_.push_back(first);
    }
    return what;
  }

  /// Runs all sizes in three threads, each with a context of its own.
  std::string check_concurrent(const ir::Graph& graph, const std::shared_ptr<runtime::Engine>& e) const {
    std::vector<std::string> found(3);
    std::vector<std::thread> threads;
    for (size_t t = 0; t < found.size(); ++t)
      threads.emplace_back([&, t] {
        try {
          const auto context = e->create_context(0);
          for (size_t i = 0; i < 4 * case_.inputs.size() && found[t].empty(); ++i) {
            const size_t b = (i + t) % case_.inputs.size();
            found[t] = same_bits(graph, results_[b], context->run(case_.inputs[b]), "beside other threads");
          }
        } catch (const std::exception& error) {
          found[t] = error.what();
        }
      });
    for (std::thread& t : threads) t.join();
    for (const std::string& what : found)
      if (!what.empty()) return what;
    return {};
  }

  /// Inputs whose rows are all row `row` of the first binding, `count` of them.
  std::vector<Tensor> repeated(const ir::Graph& graph, int64_t count) const {
    std::vector<Tensor> inputs;
    for (size_t i = 0; i < graph.inputs.size(); ++i) {
      const Tensor& x = case_.inputs[0][i];
      const ir::Shape& shape = graph.value(graph.inputs[i]).shape;
      if (shape.empty() || shape[0].is_const()) {
        inputs.push_back(x);
        continue;
      }
      Dims dims = x.dims();
      const int64_t rows = dims[0], bytes = x.bytes() / rows;
      dims[0] = count;
      Tensor t(x.dtype(), dims);
      for (int64_t r = 0; r < count; ++r) std::memcpy(t.mutable_data() + r * bytes, x.data().data(), size_t(bytes));
      inputs.push_back(std::move(t));
    }
    return inputs;
  }

  static bool rows_equal(const Tensor& all, const Tensor& one) {
    const bool rows = !one.dims().empty() && one.dims()[0] == 1;
    if (one.count() == 0 || all.count() % one.count() != 0 || (!rows && all.dims() != one.dims())) return all == one;
    for (int64_t i = 0; i < all.count(); ++i)
      if (all.get(i) != one.get(i % one.count())) return false;
    return true;
  }

  static std::string first_difference(const Tensor& all, const Tensor& one) {
    for (int64_t i = 0; i < all.count() && one.count() > 0; ++i)
      if (const double x = all.get(i), y = one.get(i % one.count()); x != y)
        return cat("element ", i, " is ", x, ", alone ", y, ", apart ", x - y);
    return cat("dims ", all.dims(), " and ", one.dims());
  }

  /// Whether the first row of every result is that of the first row alone.
  bool independent(const ir::Graph& graph, const std::vector<Tensor>& many) {
    std::vector<Tensor> changed;
    for (size_t i = 0; i < many.size(); ++i) {
      Tensor t = copy_of(many[i]);
      const ir::Shape& shape = graph.value(graph.inputs[i]).shape;
      const int64_t row = !shape.empty() && !shape[0].is_const() && t.count() > 0 ? t.count() / t.dims()[0] : t.count();
      for (int64_t k = row; k < t.count(); ++k)
        ir::is_float(t.dtype()) ? t.set(k, draw_.normal()) : t.set_int(k, 1 - std::min<int64_t>(1, t.get_int(k)));
      changed.push_back(std::move(t));
    }
    const auto a = evaluate_graph(graph, many), b = evaluate_graph(graph, changed);
    for (size_t i = 0; i < a.size(); ++i) {
      const ir::Shape& shape = graph.value(graph.outputs[i]).shape;
      const bool open = !shape.empty() && !shape[0].is_const();
      const int64_t row = open && a[i].count() > 0 ? a[i].count() / a[i].dims()[0] : a[i].count();
      for (int64_t k = 0; k < row; ++k)
        if (a[i].get(k) != b[i].get(k)) return false;
    }
    return true;
  }

  std::string check_rows(const ir::Graph& graph, plan::Plan plan) {
    int64_t count = 0;
    for (size_t i = 0; i < graph.inputs.size(); ++i)
      if (const ir::Shape& s = graph.value(graph.inputs[i]).shape; !s.empty() && !s[0].is_const())
        for (const auto& inputs : case_.inputs) count = std::max(count, inputs[i].dims()[0]);
    const auto many = repeated(graph, count), one = repeated(graph, 1);
    // A kernel cannot tell a row of one number from a scalar, which it multiplies and adds without fusing.
    if (std::any_of(one.begin(), one.end(), [](const Tensor& t) { return t.count() == 1; })) return {};
    if (count < 2 || !independent(graph, many)) return {};
    const auto many_exact = evaluate_graph(graph, many), one_exact = evaluate_graph(graph, one);
    phase("rows");
    const auto e = engine(std::move(plan), 1);
    const auto context = e->create_context(0);
    const auto a = first_outputs(context->run(many)), b = first_outputs(context->run(one));
    for (size_t i = 0; i < a.size(); ++i)
      if (rows_equal(many_exact[i], one_exact[i]) && !rows_equal(a[i], b[i]))
        return cat("output ", graph.value(graph.outputs[i]).name, " differs between a row alone and ", count,
                   " of it: ", first_difference(a[i], b[i]));
    return {};
  }

  const Case& case_;
  Variant variant_;
  const Backend& backend_;
  char* phase_;
  Draw draw_;
  std::vector<Expected> expected_;
  std::vector<std::vector<Tensor>> results_;
};

}  // namespace

const char* name(Variant v) {
  for (const Names& n : kNames)
    if (n.variant == v) return n.name;
  return "";
}

std::optional<Variant> find_variant(const std::string& name) {
  for (const Names& n : kNames)
    if (n.name == name) return n.variant;
  return std::nullopt;
}

std::vector<Variant> variants_of(const Case& c) {
  Draw draw(c.seed * 17 + 5);
  std::vector<Variant> list = {Variant::kPlain};
  const std::vector<Variant> others = {
      Variant::kSaved,      Variant::kThreads,    Variant::kKernels,  Variant::kKernels,   Variant::kUnoptimized,
      Variant::kSomePasses, Variant::kSomePasses, Variant::kLayers,   Variant::kUnfused,   Variant::kHalf,
      Variant::kBrain,      Variant::kMixed,      Variant::kProfiles, Variant::kConcurrent};
  for (int n = 0; n < 3; ++n)
    if (const Variant v = draw.pick(others); std::find(list.begin(), list.end(), v) == list.end()) list.push_back(v);
  if (c.rows) list.push_back(Variant::kRows);
  if (draw.one_in(40)) list.push_back(Variant::kTimed);
  return list;
}

Verdict judge(const Case& c, Variant variant, const Backend& backend, char* phase) {
  try {
    return Judge(c, variant, backend, phase).run();
  } catch (const Error& e) {
    const bool limit = e.code() == ErrorCode::kUnsupported;  // it says so, and what is accepted
    return {limit ? std::string() : e.what(), limit};
  } catch (const std::exception& e) {
    return {e.what(), false};
  }
}

}  // namespace tenon::random_graphs
