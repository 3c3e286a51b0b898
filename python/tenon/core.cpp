// The native part of the Python package: engines over plain addresses. tenon/__init__.py gives it its public face.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <mutex>

#include "builder/builder.h"
#include "import/onnx/import.h"
#include "onnx/load.h"
#include "runtime/engine.h"

namespace nb = nanobind;
using namespace tenon;

namespace {

using Shapes = std::map<std::string, std::tuple<ir::Dims, ir::Dims, ir::Dims>>;  // input → min, opt, max

struct CompileOptions {
  std::string precision = "fp32", device = "cpu", timing_cache;
  Shapes shapes;
  int threads = 0, level = 3;
};

plan::Plan build(const ir::Graph& network, const CompileOptions& o, std::string& report) {
  builder::BuildOptions options;
  options.level = o.level;
  options.threads = o.threads;
  options.backend = &find_backend(o.device);
  options.allow_bf16 = o.precision == "bf16";
  options.allow_fp16 = o.precision == "fp16";
  options.allow_tf32 = o.precision == "tf32";
  options.info["precision"] = o.precision;
  std::map<std::string, plan::Range> ranges;
  for (const auto& [name, range] : o.shapes)
    ranges[name] = {std::get<0>(range), std::get<1>(range), std::get<2>(range)};
  options.profiles = {builder::default_profile(network, ranges)};
  select::TimingCache cache;
  if (!o.timing_cache.empty()) cache.load(o.timing_cache);
  options.timing_cache = &cache;
  builder::BuildReport built;
  plan::Plan plan = builder::build(network, options, &built);
  if (!o.timing_cache.empty()) cache.save(o.timing_cache);
  report = builder::print(built, true);
  return plan;
}

/// An engine with one context; calls from several threads take turns.
class PyEngine {
 public:
  PyEngine(plan::Plan plan, const std::string& device, int threads, std::string report) : report_(std::move(report)) {
    runtime::EngineOptions options;
    options.threads = threads;
    options.backend = &find_backend(device);
    engine_ = runtime::Engine::create(std::move(plan), options);
    context_ = engine_->create_context();
  }

  /// Inputs as (address, dims, type name, strings); outputs as tensors.
  std::vector<ir::Tensor> run(const std::vector<ir::Tensor>& inputs) {
    nb::gil_scoped_release release;
    std::lock_guard lock(mutex_);
    return context_->run(inputs);
  }
  /// Dims of the outputs for inputs of these dims. Throws kUnsupported where they depend on data.
  std::vector<ir::Dims> prepare(const std::vector<ir::Dims>& dims) {
    nb::gil_scoped_release release;
    std::lock_guard lock(mutex_);
    return set_dims(dims);
  }
  /// Runs on memory of the device that the engine is on, in the order of `stream` (a cudaStream_t; ignored by the CPU).
  void enqueue(const std::vector<ir::Dims>& dims, const std::vector<uintptr_t>& addresses, uintptr_t stream) {
    nb::gil_scoped_release release;
    std::lock_guard lock(mutex_);
    set_dims(dims);
    require(addresses.size() == engine_->io().size(), ErrorCode::kInvalidArgument, "the engine has ",
            engine_->io().size(), " inputs and outputs, ", addresses.size(), " addresses were given");
    for (size_t i = 0; i < addresses.size(); ++i) context_->set_address(i, reinterpret_cast<void*>(addresses[i]));
    context_->enqueue(reinterpret_cast<void*>(stream));
  }
  std::string device() const { return std::string(engine_->backend().name()); }
  nb::list io(bool inputs) const {
    nb::list out;
    for (const auto& io : engine_->io()) {
      if (io.is_input != inputs) continue;
      nb::list dims;
      for (size_t i = 0; i < io.dims.size(); ++i)
        io.dims[i] >= 0 ? dims.append(io.dims[i]) : dims.append(io.dim_names[i]);
      out.append(nb::make_tuple(io.name, std::string(ir::name(io.dtype)), nb::tuple(dims)));
    }
    return out;
  }
  nb::list layers() const {
    const plan::Plan& plan = engine_->plan();
    nb::list out;
    for (ir::NodeId n = 0; n < plan.graph.node_count(); ++n) {
      const ir::Node& node = plan.graph.node(n);
      nb::dict layer;
      layer["name"] = node.name;
      layer["op"] = node.op;
      layer["origin"] = node.origin;
      layer["kernel"] = plan.choices.empty() ? "" : plan.choices[0][n].kernel;
      layer["us"] = plan.choices.empty() ? 0 : plan.choices[0][n].time_us;
      for (ir::ValueId v : node.outputs)
        if (v != ir::kNone) {
          layer["type"] = std::string(ir::name(plan.graph.value(v).dtype));
          break;
        }
      out.append(layer);
    }
    return out;
  }
  nb::bytes serialize() const {
    const auto bytes = plan::serialize(engine_->plan());
    return nb::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void save(const std::string& path) const {
    nb::gil_scoped_release release;
    plan::save(engine_->plan(), path);
  }
  int threads() const { return engine_->threads(); }
  const std::string& report() const { return report_; }
  int64_t memory_bytes() const { return context_->memory_bytes(); }

 private:
  std::vector<ir::Dims> set_dims(const std::vector<ir::Dims>& dims) {
    require(dims.size() == engine_->input_count(), ErrorCode::kInvalidArgument, "the engine has ",
            engine_->input_count(), " inputs, dims of ", dims.size(), " were given");
    for (size_t i = 0; i < dims.size(); ++i) context_->set_input_dims(i, dims[i]);
    const runtime::Program& program = context_->prepare();
    require(!program.stepwise, ErrorCode::kUnsupported, "the sizes of outputs depend on data");
    return program.output_dims;
  }
  std::shared_ptr<runtime::Engine> engine_;
  std::unique_ptr<runtime::Context> context_;
  std::mutex mutex_;
  std::string report_;
};

std::span<const std::byte> span_of(const nb::bytes& b) {
  return {reinterpret_cast<const std::byte*>(b.c_str()), b.size()};
}

std::shared_ptr<PyEngine> compile(const std::string& path, std::optional<nb::bytes> bytes,
                                  const std::string& base_directory, const CompileOptions& options) {
  auto span = bytes ? span_of(*bytes) : std::span<const std::byte>();
  const bool from_file = !bytes;
  nb::gil_scoped_release release;
  const ir::Graph network =
      importer::import_onnx(from_file ? onnx::load(path) : onnx::load_bytes(span, base_directory));
  std::string report;
  plan::Plan plan = build(network, options, report);
  return std::make_shared<PyEngine>(std::move(plan), options.device, options.threads, std::move(report));
}

std::shared_ptr<PyEngine> load(const std::string& path, const std::string& device, int threads) {
  nb::gil_scoped_release release;
  return std::make_shared<PyEngine>(plan::load(path), device, threads, "");
}

std::shared_ptr<PyEngine> load_bytes(const nb::bytes& bytes, const std::string& device, int threads) {
  const auto span = span_of(bytes);
  auto copy = std::make_shared<std::vector<std::byte>>(span.begin(), span.end());
  return std::make_shared<PyEngine>(plan::deserialize(copy, *copy), device, threads, "");
}

/// A tensor over a caller's memory, which must outlive the call it is made for.
ir::Tensor borrow(uintptr_t address, ir::Dims dims, const std::string& dtype) {
  const auto type = ir::parse_dtype(dtype);
  require(type.has_value(), ErrorCode::kInvalidArgument, "there is no data type '", dtype, "'");
  int64_t count = 1;
  for (int64_t d : dims) count *= d;
  const size_t bytes = size_t(ir::storage_bytes(*type, count));
  return {*type, std::move(dims), nullptr, std::span(reinterpret_cast<const std::byte*>(address), bytes)};
}

/// The bytes as an array that shares them.
nb::object as_bytes_array(const ir::Tensor& t) {
  auto* keep = new ir::Tensor(t);
  nb::capsule owner(keep, [](void* p) noexcept { delete static_cast<ir::Tensor*>(p); });
  const size_t shape[1] = {size_t(t.bytes())};
  return nb::cast(nb::ndarray<nb::numpy, uint8_t>(keep->mutable_data(), 1, shape, owner));
}

}  // namespace

NB_MODULE(_core, m) {
  nb::set_leak_warnings(false);
  static nb::exception<Error> error(m, "TenonError");
  nb::register_exception_translator([](const std::exception_ptr& p, void*) {
    try {
      std::rethrow_exception(p);
    } catch (const Error& e) {
      nb::object value = nb::steal<nb::object>(PyObject_CallFunction(error.ptr(), "s", e.what()));
      if (!value.is_valid()) return;
      value.attr("code") = std::string(name(e.code()));
      PyErr_SetObject(error.ptr(), value.ptr());
    }
  });
  nb::class_<ir::Tensor>(m, "Tensor")
      .def_prop_ro("dims", [](const ir::Tensor& t) { return t.dims(); })
      .def_prop_ro("dtype", [](const ir::Tensor& t) { return std::string(ir::name(t.dtype())); })
      .def("bytes", &as_bytes_array)
      .def("strings", [](const ir::Tensor& t) { return t.strings(); });
  m.def("borrow", &borrow);
  m.def("of_strings", [](ir::Dims dims, std::vector<std::string> values) {
    return ir::Tensor::of_strings(std::move(dims), std::move(values));
  });
  nb::class_<CompileOptions>(m, "CompileOptions")
      .def(nb::init<>())
      .def_rw("precision", &CompileOptions::precision)
      .def_rw("device", &CompileOptions::device)
      .def_rw("timing_cache", &CompileOptions::timing_cache)
      .def_rw("shapes", &CompileOptions::shapes)
      .def_rw("threads", &CompileOptions::threads)
      .def_rw("level", &CompileOptions::level);
  nb::class_<PyEngine>(m, "Engine")
      .def("run", &PyEngine::run)
      .def("prepare", &PyEngine::prepare)
      .def("enqueue", &PyEngine::enqueue)
      .def_prop_ro("device", &PyEngine::device)
      .def("io", &PyEngine::io)
      .def("layers", &PyEngine::layers)
      .def("serialize", &PyEngine::serialize)
      .def("save", &PyEngine::save)
      .def_prop_ro("threads", &PyEngine::threads)
      .def_prop_ro("report", &PyEngine::report)
      .def_prop_ro("memory_bytes", &PyEngine::memory_bytes);
  m.def("compile", &compile, nb::arg("path"), nb::arg("bytes").none(), nb::arg("base_directory"), nb::arg("options"));
  m.def("load", &load);
  m.def("load_bytes", &load_bytes);
}
