// What plugins are told and tell, and the plugins and creators of libraries.
#include <cstring>
#include <memory>

#include "parts.h"
#include "plugin_adapters.h"

namespace tenon::py {
namespace {

using namespace nvinfer1;

void bind_descriptions(nb::module_& m) {
  nb::class_<PluginTensorDesc> plain(m, "PluginTensorDesc",
                                     "A tensor as a plugin is told it: dimensions, type, format and INT8 scale.");
  plain.def(nb::init<>());
  plain.def_rw("dims", &PluginTensorDesc::dims, "The tensor's dimensions.")
      .def_rw("type", &PluginTensorDesc::type, "The DataType.");
  plain.def_rw("format", &PluginTensorDesc::format, "The TensorFormat.")
      .def_rw("scale", &PluginTensorDesc::scale, "The INT8 scale.");
  nb::class_<DynamicPluginTensorDesc> dynamic(
      m, "DynamicPluginTensorDesc",
      "A tensor as a plugin is told it before a build: type and format, and the range of its dimensions.");
  dynamic.def(nb::init<>());
  dynamic.def_rw("desc", &DynamicPluginTensorDesc::desc, "The tensor, with the dimensions of the network.")
      .def_rw("min", &DynamicPluginTensorDesc::min, "The smallest dimensions.");
  dynamic.def_rw("max", &DynamicPluginTensorDesc::max, "The largest dimensions.")
      .def_rw("opt", &DynamicPluginTensorDesc::opt, "The best dimensions.");
}

int32_t place(const DimsExprs& dims, int64_t index) {
  const int64_t i = index < 0 ? index + dims.nbDims : index;
  if (i < 0 || i >= dims.nbDims) throw nb::index_error("index out of range of DimsExprs");
  return static_cast<int32_t>(i);
}

DimsExprs exprs(nb::sequence values) {
  DimsExprs dims{};
  const size_t count = nb::len(values);
  if (count > Dims::MAX_DIMS) throw nb::value_error("at most 8 dimensions are accepted");
  dims.nbDims = static_cast<int32_t>(count);
  for (size_t i = 0; i < count; ++i) dims.d[i] = nb::cast<const IDimensionExpr*>(values[i]);
  return dims;
}

void bind_exprs(nb::module_& m) {
  nb::class_<DimsExprs> c(m, "DimsExprs", "Dimensions as expressions, for plugins that compute their outputs' shapes.");
  c.def("__init__", [](DimsExprs* self, int32_t count) { new (self) DimsExprs{count, {}}; });
  c.def("__init__", [](DimsExprs* self, const DimsExprs& other) { new (self) DimsExprs(other); });
  c.def("__init__", [](DimsExprs* self, nb::sequence values) { new (self) DimsExprs(exprs(values)); });
  c.def("__len__", [](const DimsExprs& d) { return static_cast<size_t>(d.nbDims); });
  c.def(
      "__getitem__", [](const DimsExprs& d, int64_t i) { return d.d[place(d, i)]; }, nb::rv_policy::reference);
  c.def("__setitem__", [](DimsExprs& d, int64_t i, const IDimensionExpr* e) { d.d[place(d, i)] = e; });
}

void bind_timing_cache_entries(nb::module_& m) {
  nb::class_<TimingCacheKey> key(m, "TimingCacheKey", "The name of a problem in a timing cache.");
  key.def("__str__", [](const TimingCacheKey& k) {
    std::string text = "0x";
    for (uint8_t byte : k.data) text += "0123456789abcdef"[byte >> 4], text += "0123456789abcdef"[byte & 15];
    return text;
  });
  key.def_static(
      "parse",
      [](const std::string& text) {
        TimingCacheKey k{};
        const size_t start = text.rfind("0x", 0) == 0 ? 2 : 0;
        if (text.size() - start != 2 * sizeof k.data)
          throw nb::value_error("a timing cache key has 32 hexadecimal digits");
        for (size_t i = 0; i < sizeof k.data; ++i) {
          k.data[i] = static_cast<uint8_t>(std::stoul(text.substr(start + 2 * i, 2), nullptr, 16));
        }
        return k;
      },
      nb::arg("text"), "The key of 32 hexadecimal digits, as str() of a key gives them. ValueError for other text.");
  nb::class_<TimingCacheValue> value(m, "TimingCacheValue",
                                     "An entry of a timing cache: the kernel's hash and its time in milliseconds.");
  value.def(
      "__init__",
      [](TimingCacheValue* self, uint64_t hash, float ms) {
        new (self) TimingCacheValue{};
        self->tacticHash = hash;
        self->timingMSec = ms;
      },
      nb::arg("tactic_hash"), nb::arg("timing_ms"));
  value.def_rw("tacticHash", &TimingCacheValue::tacticHash, "The hash of the kernel.")
      .def_rw("timingMSec", &TimingCacheValue::timingMSec, "Milliseconds.");
}

void add_runs(nb::class_<IPluginV2>& c) {
  c.def(
      "initialize", [](IPluginV2& self) { return self.initialize(); },
      "Before the first run. 0, or another number for failure.");
  c.def(
      "terminate", [](IPluginV2& self) { self.terminate(); }, "After the last run.");
  c.def(
      "get_workspace_size", [](IPluginV2& self, int32_t batch) { return self.getWorkspaceSize(batch); },
      nb::arg("max_batch_size"), "Bytes of scratch memory for a batch.");
  c.def(
      "execute_async",
      [](IPluginV2& self, int32_t batch, const std::vector<Address>& inputs, const std::vector<Address>& outputs,
         Address workspace, Address stream) {
        std::vector<const void*> in;
        std::vector<void*> out;
        for (const Address& a : inputs) in.push_back(a.as<const void*>());
        for (const Address& a : outputs) out.push_back(a.as<void*>());
        void* const* targets = out.data();
        return self.enqueue(batch, in.data(), targets, workspace.as<void*>(), stream.as<cudaStream_t>());
      },
      nb::arg("batch_size"), nb::arg("inputs"), nb::arg("outputs"), nb::arg("workspace"), nb::arg("stream_handle"),
      "Computes a batch on a stream; inputs, outputs and workspace are addresses. 0, or another number for failure.");
  c.def(
      "serialize",
      [](IPluginV2& self) {
        std::string data(self.getSerializationSize(), '\0');
        self.serialize(data.data());
        return nb::bytes(data.data(), data.size());
      },
      "The bytes that the creator makes the plugin of again.");
  c.def(
      "clone", [](IPluginV2& self) { return plugin_object(self.clone()); }, "A plugin with the same parameters.");
  c.def(
      "destroy", [](IPluginV2& self) { self.destroy(); }, "Frees the plugin.");
}

void bind_plugin_v2(nb::module_& m) {
  nb::class_<IPluginV2> c(m, "IPluginV2", "A plugin of a library, of the first interface.");
  c.def_prop_ro(
      "plugin_type", [](IPluginV2& self) { return self.getPluginType(); }, "The plugin's name.");
  c.def_prop_ro(
      "plugin_version", [](IPluginV2& self) { return self.getPluginVersion(); }, "The plugin's version.");
  c.def_prop_rw(
      "plugin_namespace", [](IPluginV2& self) { return self.getPluginNamespace(); },
      [](IPluginV2& self, const char* space) { self.setPluginNamespace(space); },
      "The namespace of the plugin's creator.");
  c.def_prop_ro(
      "num_outputs", [](IPluginV2& self) { return self.getNbOutputs(); }, "The number of outputs.");
  c.def_prop_ro(
      "serialization_size", [](IPluginV2& self) { return self.getSerializationSize(); },
      "Bytes that serialize() makes.");
  c.def_prop_ro(
      "tensorrt_version", [](IPluginV2& self) { return self.getTensorRTVersion(); },
      "The release that the plugin was compiled for.");
  c.def(
      "get_output_shape",
      [](IPluginV2& self, int32_t index, const std::vector<Dims>& inputs) {
        return self.getOutputDimensions(index, inputs.data(), static_cast<int32_t>(inputs.size()));
      },
      nb::arg("index"), nb::arg("input_shapes"), "Dimensions of an output for those of the inputs, without the batch.");
  c.def(
      "supports_format",
      [](IPluginV2& self, DataType type, TensorFormat format) { return self.supportsFormat(type, format); },
      nb::arg("dtype"), nb::arg("format"), "Whether the plugin takes a type and format.");
  c.def(
      "configure_with_format",
      [](IPluginV2& self, const std::vector<Dims>& in, const std::vector<Dims>& out, DataType type, TensorFormat format,
         int32_t batch) {
        self.configureWithFormat(in.data(), static_cast<int32_t>(in.size()), out.data(),
                                 static_cast<int32_t>(out.size()), type, format, batch);
      },
      nb::arg("input_shapes"), nb::arg("output_shapes"), nb::arg("dtype"), nb::arg("format"), nb::arg("max_batch_size"),
      "Tells the plugin shapes, type, format and the largest batch.");
  add_runs(c);
}

void bind_plugin_v2_ext(nb::module_& m) {
  nb::class_<IPluginV2Ext, IPluginV2> c(m, "IPluginV2Ext",
                                        "A plugin of a library, with types of its outputs and contexts.");
  c.def(
      "get_output_data_type",
      [](IPluginV2Ext& self, int32_t index, const std::vector<DataType>& types) {
        return self.getOutputDataType(index, types.data(), static_cast<int32_t>(types.size()));
      },
      nb::arg("index"), nb::arg("input_types"), "The DataType of an output for those of the inputs.");
  c.def(
      "configure_plugin",
      [](IPluginV2Ext& self, const std::vector<Dims>& in, const std::vector<Dims>& out,
         const std::vector<DataType>& in_types, const std::vector<DataType>& out_types, TensorFormat format,
         int32_t batch) {
        const auto none = std::make_unique<bool[]>(in.size() + out.size() + 1);
        self.configurePlugin(in.data(), static_cast<int32_t>(in.size()), out.data(), static_cast<int32_t>(out.size()),
                             in_types.data(), out_types.data(), none.get(), none.get(), format, batch);
      },
      nb::arg("input_shapes"), nb::arg("output_shapes"), nb::arg("input_types"), nb::arg("output_types"),
      nb::arg("format"), nb::arg("max_batch_size"), "Tells the plugin shapes, types, format and the largest batch.");
  c.def(
      "attach_to_context",
      [](IPluginV2Ext& self, Address dnn, Address blas, Address allocator) {
        self.attachToContext(dnn.as<cudnnContext*>(), blas.as<cublasContext*>(), allocator.as<IGpuAllocator*>());
      },
      nb::arg("cudnn"), nb::arg("cublas"), nb::arg("allocator"),
      "Tells the plugin handles of cuDNN and cuBLAS and an allocator, as addresses.");
  c.def(
      "detach_from_context", [](IPluginV2Ext& self) { self.detachFromContext(); }, "Before those handles go.");
  c.def(
      "clone", [](IPluginV2Ext& self) { return plugin_object(static_cast<IPluginV2*>(self.clone())); },
      "A plugin with the same parameters.");
}

template <class Creator>
void add_names(nb::class_<Creator, IPluginCreatorInterface>& c) {
  c.def_prop_ro(
      "name", [](Creator& self) { return self.getPluginName(); }, "The plugin's name.");
  c.def_prop_ro(
      "plugin_version", [](Creator& self) { return self.getPluginVersion(); }, "The plugin's version.");
  c.def_prop_ro(
      "plugin_namespace", [](Creator& self) { return self.getPluginNamespace(); }, "The plugin's namespace.");
  c.def_prop_ro(
      "field_names", [](Creator& self) { return fields_object(self.getFieldNames()); },
      "The PluginFields that create_plugin() reads.");
}

/// Creators of libraries; the classes that Python derives from are in _plugins.py.
void bind_creators(nb::module_& m) {
  nb::class_<IPluginCreatorInterface, IVersionedInterface> base(m, "_CreatorInterface");
  nb::class_<IPluginCreator, IPluginCreatorInterface> first(m, "_CreatorV1");
  add_names(first);
  first.def(
      "create_plugin",
      [](IPluginCreator& self, const char* name, nb::object given) {
        Fields fields;
        fields.read(given);
        return plugin_object(self.createPlugin(name, fields.get()));
      },
      nb::arg("name"), nb::arg("field_collection"), "A plugin of a PluginFieldCollection, or None.");
  first.def(
      "deserialize_plugin",
      [](IPluginCreator& self, const char* name, nb::bytes data) {
        return plugin_object(self.deserializePlugin(name, data.data(), data.size()));
      },
      nb::arg("name"), nb::arg("serialized_plugin"), "The plugin of the bytes that its serialize() made, or None.");
  nb::class_<IPluginV3> plugin(m, "_PluginV3");
  plugin.def(
      "clone", [](IPluginV3& self) { return plugin_object(self.clone()); }, "A plugin with the same parameters.");
  nb::class_<IPluginCreatorV3One, IPluginCreatorInterface> third(m, "_CreatorV3");
  add_names(third);
  third.def(
      "create_plugin",
      [](IPluginCreatorV3One& self, const char* name, nb::object given, TensorRTPhase phase) {
        Fields fields;
        fields.read(given);
        return plugin_object(self.createPlugin(name, fields.get(), phase));
      },
      nb::arg("name"), nb::arg("field_collection"), nb::arg("phase"), "A plugin of a PluginFieldCollection, or None.");
}

/// Launch parameters of kernels compiled ahead of time, as expressions of the shapes.
void bind_launch_parameters(nb::module_& m) {
  nb::class_<ISymExpr> expression(m, "ISymExpr",
                                  "A number as an expression, for kernels that are compiled ahead of time.");
  expression.def_prop_ro(
      "type", [](ISymExpr& self) { return self.getType(); }, "Its kind, a PluginArgType.");
  expression.def_prop_ro(
      "dtype", [](ISymExpr& self) { return self.getDataType(); }, "Its type, a PluginArgDataType.");
  expression.def_prop_ro(
      "expr", [](ISymExpr& self) { return Address{reinterpret_cast<uintptr_t>(self.getExpr())}; },
      "The IDimensionExpr.");
  nb::class_<ISymExprs> list(m, "ISymExprs", "The numbers that a kernel is launched with.");
  list.def("__len__", [](ISymExprs& self) { return static_cast<size_t>(self.getNbSymExprs()); });
  list.def(
      "__getitem__", [](ISymExprs& self, int32_t i) { return self.getSymExpr(i); }, nb::rv_policy::reference);
  list.def("__setitem__", [](ISymExprs& self, int32_t i, ISymExpr* e) { return self.setSymExpr(i, e); });
  list.def_prop_rw(
      "nbSymExprs", [](ISymExprs& self) { return self.getNbSymExprs(); },
      [](ISymExprs& self, int32_t count) { self.setNbSymExprs(count); }, "The number of expressions.");
  nb::class_<IKernelLaunchParams> c(
      m, "KernelLaunchParams",
      "Grid, block and shared memory of a kernel that is compiled ahead of time, as expressions.");
  const auto property = [&c](const char* name, auto get, auto set, const char* doc) {
    c.def_prop_rw(
        name, [get](IKernelLaunchParams& self) { return (self.*get)(); },
        [set](IKernelLaunchParams& self, ISymExpr* value) { (self.*set)(value); }, nb::rv_policy::reference, doc);
  };
  property("grid_x", &IKernelLaunchParams::getGridX, &IKernelLaunchParams::setGridX, "Blocks along x.");
  property("grid_y", &IKernelLaunchParams::getGridY, &IKernelLaunchParams::setGridY, "Blocks along y.");
  property("grid_z", &IKernelLaunchParams::getGridZ, &IKernelLaunchParams::setGridZ, "Blocks along z.");
  property("block_x", &IKernelLaunchParams::getBlockX, &IKernelLaunchParams::setBlockX, "Threads of a block along x.");
  property("block_y", &IKernelLaunchParams::getBlockY, &IKernelLaunchParams::setBlockY, "Threads of a block along y.");
  property("block_z", &IKernelLaunchParams::getBlockZ, &IKernelLaunchParams::setBlockZ, "Threads of a block along z.");
  property("shared_mem", &IKernelLaunchParams::getSharedMem, &IKernelLaunchParams::setSharedMem,
           "Bytes of shared memory of a block.");
}

}  // namespace

void bind_plugins(nb::module_& m) {
  bind_descriptions(m);
  bind_exprs(m);
  bind_timing_cache_entries(m);
  bind_plugin_v2(m);
  bind_plugin_v2_ext(m);
  bind_creators(m);
  bind_launch_parameters(m);
  nb::class_<IPluginResourceContext> context(m, "IPluginResourceContext",
                                             "What a plugin may ask for when a context attaches it: memory, errors.");
  context.def_prop_ro(
      "gpu_allocator", [](IPluginResourceContext& c) { return c.getGpuAllocator(); },
      "The IGpuAllocator that device memory comes from.");
  context.def_prop_ro(
      "error_recorder", [](IPluginResourceContext& c) { return c.getErrorRecorder(); },
      "The IErrorRecorder that is told errors, or None.");
  m.def("_bytes_at", [](Address address, size_t size) { return nb::bytes(address.as<const void*>(), size); });
}

}  // namespace tenon::py
