#include "runtime/stepwise.h"

#include <chrono>

#include "backends/cpu/body_runner.h"
#include "backends/device.h"
#include "base/thread_pool.h"
#include "ops/op.h"

namespace tenon::runtime {
namespace {

constexpr int64_t kKnownElements = 4096;       // integer tensors up to this size can decide shapes
constexpr size_t kWorthLaunching = 64 * 1024;  // bytes of operands that the processor leaves to the device

bool decides_shapes(ir::DType type, const ir::Dims& dims) {
  const bool integer = ir::is_integer(type) || type == ir::DType::kBool;
  return integer && dims.size() <= 1 && (dims.empty() || dims[0] <= kKnownElements);
}

// A value of the run, put into the graph as a constant while its readers infer shapes from it.
void publish(ir::Graph& g, ir::ValueId v, const Held& held) {
  ir::Value& value = g.value(v);
  value.shape = ir::to_shape(held.dims);
  value.ranked = true;
  if (!held.host.defined()) return;
  value.contents.reset();
  if (!decides_shapes(held.dtype, held.dims)) return;
  const auto ints = held.host.to_ints();
  value.contents = std::vector<ir::Dim>(ints.begin(), ints.end());
}

class Runner {
 public:
  Runner(const ConcreteGraph& concrete, const Rest& rest, const StepwiseOptions& options)
      : g_(concrete.graph.clone()),  // others run the same program, and inference writes into bodies and symbols
        options_(options),
        device_(options.device),
        values_(g_.value_count()),
        readers_(g_.value_count(), 0),
        bodies_(options.pool, options.host.weights) {
    for (ir::ValueId v = 0; v < g_.value_count(); ++v)
      if (g_.value(v).constant) values_[v] = Held::on_host(*g_.value(v).constant);
    for (ir::NodeId n : rest.order)
      for (ir::ValueId v : g_.node(n).inputs)
        if (v != ir::kNone) ++readers_[v];
    for (ir::ValueId v : g_.outputs) ++readers_[v];
  }

  void give(ir::ValueId v, Held value) {
    publish(g_, v, value);
    values_[v] = std::move(value);
  }
  const Held& value(ir::ValueId v) const { return values_[v]; }

  std::string run(ir::NodeId n) {
    const ir::Node& node = g_.node(n);
    ops::infer_node(g_, n);
    if (!shapes_known(node) && read_shapes(node)) ops::infer_node(g_, n);
    const ops::OpDef& op = ops::find_op(node.op);
    std::string kernel;
    if (op.form == ops::OpForm::kView && ir::is_static(g_.value(node.outputs[0]).shape)) {
      give(node.outputs[0], reshaped(values_[node.inputs[0]], ir::static_dims(g_.value(node.outputs[0]).shape)));
      kernel = "view";
    } else {
      const bool tensors = !has_strings(node) && op.form != ops::OpForm::kControlFlow, known = shapes_known(node);
      if (tensors && (known || op.data_dependent) && wants_device(node)) kernel = run_on_device(n);
      if (kernel.empty()) kernel = tensors && known ? run_kernel(n) : run_reference(node);
    }
    for (ir::ValueId v : node.inputs)
      if (v != ir::kNone && --readers_[v] == 0) values_[v] = Held();
    return kernel;
  }

 private:
  bool shapes_known(const ir::Node& node) const {
    for (ir::ValueId v : node.outputs)
      if (v != ir::kNone && !ir::is_static(g_.value(v).shape)) return false;
    return true;
  }
  bool has_strings(const ir::Node& node) const {
    for (const auto* ids : {&node.inputs, &node.outputs})
      for (ir::ValueId v : *ids)
        if (v != ir::kNone && g_.value(v).dtype == ir::DType::kString) return true;
    return false;
  }
  static Held reshaped(const Held& value, ir::Dims dims) {
    Held view{value.dtype, dims, {}, value.device};
    if (value.host.defined()) view.host = value.host.reshaped(std::move(dims));
    return view;
  }

  /// Brings back operands on the device that may decide shapes. False if there are none.
  bool read_shapes(const ir::Node& node) {
    std::vector<ir::ValueId> read;
    for (ir::ValueId v : node.inputs)
      if (v != ir::kNone && values_[v].on_device_alone() && decides_shapes(values_[v].dtype, values_[v].dims))
        read.push_back(v);
    fetch(read);
    for (ir::ValueId v : read) publish(g_, v, values_[v]);
    return !read.empty();
  }
  /// Sees to it that values are in the host's memory.
  void fetch(const std::vector<ir::ValueId>& ids) {
    std::vector<Held*> values;
    for (ir::ValueId v : ids)
      if (v != ir::kNone && values_[v].on_device_alone()) values.push_back(&values_[v]);
    if (!values.empty()) device_->download(values);
  }

  bool wants_device(const ir::Node& node) const {
    if (!device_) return false;
    if (node.op == "Custom") return true;
    size_t bytes = 0;
    for (ir::ValueId v : node.inputs) {
      if (v == ir::kNone) continue;
      if (values_[v].on_device_alone()) return true;
      bytes += values_[v].bytes();
    }
    for (ir::ValueId v : node.outputs)
      if (v != ir::kNone && ir::is_static(g_.value(v).shape))
        bytes += Held{g_.value(v).dtype, ir::static_dims(g_.value(v).shape), {}, nullptr}.bytes();
    return bytes >= kWorthLaunching;
  }
  /// The kernel's name, or nothing where the device has none, or where it refuses the operands that it sees.
  std::string run_on_device(ir::NodeId n) {
    const ir::Node& node = g_.node(n);
    const auto [problem, prepared] = device_->prepare(g_, n);
    if (!prepared->kernel) return {};
    const Kernel& kernel = *prepared->kernel;
    std::vector<std::shared_ptr<const void>> constants;
    std::vector<const void*> in;
    std::vector<void*> out;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ir::ValueId v = node.inputs[i];
      if (v == ir::kNone || (problem.constants[i] && !kernel.reads_constant(i))) {
        in.push_back(nullptr);
      } else if (problem.constants[i]) {
        constants.push_back(device_->constant(*problem.constants[i]));
        in.push_back(constants.back().get());
      } else {
        device_->upload(values_[v]);
        in.push_back(values_[v].device.get());
      }
    }
    std::vector<Held> made;
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const TensorDesc& d = problem.outputs[i];
      made.push_back({d.dtype, d.dims, {}, nullptr});
      if (node.outputs[i] != ir::kNone) made.back().device = device_->memory(made.back().bytes());
      out.push_back(made.back().device.get());
    }
    const auto workspace = device_->memory(size_t(kernel.workspace_bytes()));
    RunArgs args{in.data(), out.data(), workspace.get(), options_.pool, nullptr};
    args.stream = device_->stream();
    const bool finds = prepared->def->most != nullptr;
    if (finds) args.found = device_->size_to_find();
    kernel.run(args);
    if (finds && !set_found(node, device_->found_size(), made)) return {};
    for (size_t i = 0; i < made.size(); ++i)
      if (node.outputs[i] != ir::kNone) give(node.outputs[i], std::move(made[i]));
    return std::string(prepared->def->name);
  }
  /// Gives results the size that the device found. False if there is none.
  bool set_found(const ir::Node& node, int64_t size, std::vector<Held>& made) const {
    for (size_t i = 0; i < made.size(); ++i) {
      if (node.outputs[i] == ir::kNone) continue;
      const ir::Shape& shape = g_.value(node.outputs[i]).shape;
      for (size_t axis = 0; axis < shape.size(); ++axis)
        if (!shape[axis].is_const()) made[i].dims[axis] = size;
    }
    return size >= 0;
  }
  std::string run_kernel(ir::NodeId n) {
    const ir::Node& node = g_.node(n);
    fetch(node.inputs);
    Problem problem = make_problem(g_, n, options_.host);
    std::vector<const void*> in;
    std::vector<void*> out;
    std::vector<ir::Tensor> made;
    bool any = false;
    for (ir::ValueId v : node.inputs) in.push_back(v == ir::kNone ? nullptr : values_[v].host.data().data());
    for (ir::ValueId v : node.outputs) {
      made.push_back(v == ir::kNone ? ir::Tensor() : ir::Tensor(g_.value(v).dtype, ir::static_dims(g_.value(v).shape)));
      out.push_back(made.back().mutable_data());
      any |= made.back().count() > 0;
    }
    std::string name = "empty";
    if (any) {
      const auto* choices = options_.host.choices;
      const KernelDef& def = pick_kernel(*options_.host.backend, problem,
                                         choices ? (*choices)[n].kernel : std::string_view(), options_.host.without);
      auto kernel = def.prepare(problem);
      ir::Tensor workspace(ir::DType::kU8, {kernel->workspace_bytes()});
      kernel->run({in.data(), out.data(), workspace.mutable_data(), options_.pool, nullptr});
      name = def.name;
    }
    for (size_t i = 0; i < made.size(); ++i)
      if (node.outputs[i] != ir::kNone) give(node.outputs[i], Held::on_host(std::move(made[i])));
    return name;
  }
  std::string run_reference(const ir::Node& node) {
    fetch(node.inputs);
    std::vector<ir::Tensor> args;
    std::vector<ir::DType> types;
    for (ir::ValueId v : node.inputs) args.push_back(v == ir::kNone ? ir::Tensor() : values_[v].host);
    for (ir::ValueId v : node.outputs) types.push_back(v == ir::kNone ? ir::DType::kUndefined : g_.value(v).dtype);
    const ops::ScopedNodeRunner bodies(bodies_);
    auto results = ops::eval_node(node, std::move(args), std::move(types));
    for (size_t i = 0; i < results.size(); ++i)
      if (node.outputs[i] != ir::kNone) give(node.outputs[i], Held::on_host(std::move(results[i])));
    return "reference";
  }

  ir::Graph g_;
  const StepwiseOptions& options_;
  StepDevice* device_;
  std::vector<Held> values_;
  std::vector<size_t> readers_;
  cpu::BodyRunner bodies_;
};

}  // namespace

std::vector<Held> stepwise(const ConcreteGraph& concrete, const Rest& rest, std::map<ir::ValueId, Held> given,
                           const StepwiseOptions& options) {
  Runner runner(concrete, rest, options);
  const ir::Graph& g = concrete.graph;
  for (auto& [v, value] : given) runner.give(v, std::move(value));
  using Clock = std::chrono::steady_clock;
  for (ir::NodeId n : rest.order) {
    const auto begin = Clock::now();
    const std::string kernel = runner.run(n);
    if (!options.profiler) continue;
    if (options.device) options.device->synchronize();
    options.profiler(g.node(n).name, kernel, std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
  std::vector<Held> outputs;
  for (ir::ValueId v : g.outputs) outputs.push_back(runner.value(v));
  return outputs;
}

}  // namespace tenon::runtime
