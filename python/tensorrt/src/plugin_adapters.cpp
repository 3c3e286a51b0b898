#include "plugin_adapters.h"

#include <cstring>
#include <memory>

namespace tenon::py {
namespace {

using namespace nvinfer1;

nb::object plugins_module() { return nb::module_::import_("tensorrt._plugins"); }
bool is(nb::handle object, const char* name) { return nb::isinstance(object, plugins_module().attr(name)); }

/// What every adapter does: calls the methods of its Python object with the interpreter's lock.
class Adapted {
 public:
  explicit Adapted(nb::object self) : self_(std::move(self)) {}
  virtual ~Adapted() = default;
  const nb::object& self() const { return self_.get(); }

 protected:
  bool has(const char* name) const { return nb::hasattr(self(), name); }
  template <class... Args>
  nb::object call(const char* name, Args&&... args) const {
    return self().attr(name)(std::forward<Args>(args)...);
  }
  /// An attribute as text that stays where it is until the attribute is asked for again.
  const char* text(std::string& kept, const char* name, const char* otherwise = "") const {
    nb::gil_scoped_acquire lock;
    kept = has(name) ? nb::cast<std::string>(self().attr(name)) : otherwise;
    return kept.c_str();
  }
  mutable std::string name_, version_, space_;

 private:
  Held self_;
};

template <class T>
nb::list list_of(const T* values, int32_t count) {
  nb::list list;
  for (int32_t i = 0; i < count; ++i) list.append(nb::cast(values[i]));
  return list;
}

nb::list addresses(const void* const* values, int32_t count) {
  nb::list list;
  for (int32_t i = 0; i < count; ++i) list.append(reinterpret_cast<uintptr_t>(values[i]));
  return list;
}

/// A status that Python may leave out.
int32_t status(const nb::object& result) { return result.is_none() ? 0 : nb::cast<int32_t>(nb::int_(result)); }

nb::object builder_object(IExprBuilder& builder) { return nb::cast(&builder, nb::rv_policy::reference); }

class PluginV2 : public IPluginV2DynamicExt, public Adapted {
 public:
  explicit PluginV2(nb::object self) : Adapted(std::move(self)) {}

  const char* getPluginType() const override { return text(name_, "plugin_type"); }
  const char* getPluginVersion() const override { return text(version_, "plugin_version", "1"); }
  const char* getPluginNamespace() const override { return text(space_, "plugin_namespace"); }
  void setPluginNamespace(const char* space) override {
    nb::gil_scoped_acquire lock;
    nb::setattr(self(), "plugin_namespace", nb::str(space));
  }
  int32_t getNbOutputs() const override {
    nb::gil_scoped_acquire lock;
    outputs_ = nb::cast<int32_t>(self().attr("num_outputs"));
    return outputs_;
  }
  int32_t initialize() override {
    nb::gil_scoped_acquire lock;
    return status(call("initialize"));
  }
  void terminate() override {
    nb::gil_scoped_acquire lock;
    call("terminate");
  }
  void destroy() override {
    {
      nb::gil_scoped_acquire lock;
      call("destroy");
    }
    delete this;
  }
  IPluginV2DynamicExt* clone() const override {
    nb::gil_scoped_acquire lock;
    return new PluginV2(call("clone"));
  }
  size_t getSerializationSize() const override {
    nb::gil_scoped_acquire lock;
    const nb::object data = call("serialize");
    state_ = PyUnicode_Check(data.ptr()) != 0 ? nb::cast<std::string>(data) : bytes_text(data);
    return state_.size();
  }
  /// Writes what the size was asked of, so that a plugin whose answers differ in length writes no more than that.
  void serialize(void* buffer) const override { std::memcpy(buffer, state_.data(), state_.size()); }
  DataType getOutputDataType(int32_t index, const DataType* types, int32_t count) const override {
    nb::gil_scoped_acquire lock;
    return nb::cast<DataType>(call("get_output_datatype", index, list_of(types, count)));
  }
  DimsExprs getOutputDimensions(int32_t index, const DimsExprs* inputs, int32_t count, IExprBuilder& builder) override {
    nb::gil_scoped_acquire lock;
    return nb::cast<DimsExprs>(call("get_output_dimensions", index, list_of(inputs, count), builder_object(builder)));
  }
  bool supportsFormatCombination(int32_t pos, const PluginTensorDesc* both, int32_t inputs, int32_t outputs) override {
    nb::gil_scoped_acquire lock;
    return nb::cast<bool>(nb::bool_(call("supports_format_combination", pos, list_of(both, inputs + outputs), inputs)));
  }
  void configurePlugin(const DynamicPluginTensorDesc* in, int32_t inputs, const DynamicPluginTensorDesc* out,
                       int32_t outputs) override {
    nb::gil_scoped_acquire lock;
    call("configure_plugin", list_of(in, inputs), list_of(out, outputs));
  }
  size_t getWorkspaceSize(const PluginTensorDesc* in, int32_t inputs, const PluginTensorDesc* out,
                          int32_t outputs) const override {
    nb::gil_scoped_acquire lock;
    inputs_ = inputs;
    outputs_ = outputs;
    return static_cast<size_t>(status(call("get_workspace_size", list_of(in, inputs), list_of(out, outputs))));
  }
  int32_t enqueue(const PluginTensorDesc* in, const PluginTensorDesc* out, const void* const* inputs,
                  void* const* outputs, void* workspace, cudaStream_t stream) override {
    nb::gil_scoped_acquire lock;
    return status(call("enqueue", list_of(in, inputs_), list_of(out, outputs_), addresses(inputs, inputs_),
                       addresses(outputs, outputs_), reinterpret_cast<uintptr_t>(workspace),
                       reinterpret_cast<uintptr_t>(stream)));
  }

 private:
  static std::string bytes_text(const nb::object& data) {
    const nb::bytes bytes(data);
    return {static_cast<const char*>(bytes.data()), bytes.size()};
  }
  mutable std::string state_;
  // Enqueue is not told how many tensors there are; the builder asks for the workspace first.
  mutable int32_t inputs_ = 1, outputs_ = 1;
};

struct Core : IPluginV3OneCore, Adapted {
  using Adapted::Adapted;
  const char* getPluginName() const override { return text(name_, "plugin_name"); }
  const char* getPluginVersion() const override { return text(version_, "plugin_version", "1"); }
  const char* getPluginNamespace() const override { return text(space_, "plugin_namespace"); }
};

struct Build : IPluginV3OneBuildV2, Adapted {
  using Adapted::Adapted;
  int32_t configurePlugin(const DynamicPluginTensorDesc* in, int32_t inputs, const DynamicPluginTensorDesc* out,
                          int32_t outputs) override {
    nb::gil_scoped_acquire lock;
    return status(call("configure_plugin", list_of(in, inputs), list_of(out, outputs)));
  }
  int32_t getOutputDataTypes(DataType* types, int32_t outputs, const DataType* given, int32_t inputs) const override {
    nb::gil_scoped_acquire lock;
    const nb::object found = call("get_output_data_types", list_of(given, inputs));
    for (int32_t i = 0; i < outputs; ++i) types[i] = nb::cast<DataType>(found[i]);
    return 0;
  }
  int32_t getOutputShapes(const DimsExprs* in, int32_t inputs, const DimsExprs* shape, int32_t shapes, DimsExprs* out,
                          int32_t outputs, IExprBuilder& builder) override {
    nb::gil_scoped_acquire lock;
    const nb::object found =
        call("get_output_shapes", list_of(in, inputs), list_of(shape, shapes), builder_object(builder));
    for (int32_t i = 0; i < outputs; ++i) out[i] = nb::cast<DimsExprs>(found[i]);
    return 0;
  }
  bool supportsFormatCombination(int32_t pos, const DynamicPluginTensorDesc* both, int32_t inputs,
                                 int32_t outputs) override {
    nb::gil_scoped_acquire lock;
    return nb::cast<bool>(nb::bool_(call("supports_format_combination", pos, list_of(both, inputs + outputs), inputs)));
  }
  int32_t getNbOutputs() const override {
    nb::gil_scoped_acquire lock;
    return nb::cast<int32_t>(self().attr("num_outputs"));
  }
  size_t getWorkspaceSize(const DynamicPluginTensorDesc* in, int32_t inputs, const DynamicPluginTensorDesc* out,
                          int32_t outputs) const override {
    nb::gil_scoped_acquire lock;
    return static_cast<size_t>(status(call("get_workspace_size", list_of(in, inputs), list_of(out, outputs))));
  }
  int32_t getNbTactics() override {
    nb::gil_scoped_acquire lock;
    return static_cast<int32_t>(nb::len(call("get_valid_tactics")));
  }
  int32_t getValidTactics(int32_t* tactics, int32_t count) override {
    nb::gil_scoped_acquire lock;
    const nb::object found = call("get_valid_tactics");
    for (int32_t i = 0; i < count; ++i) tactics[i] = nb::cast<int32_t>(found[i]);
    return 0;
  }
  const char* getTimingCacheID() override { return text_or_null(space_, "timing_cache_id"); }
  const char* getMetadataString() override { return text_or_null(name_, "metadata_string"); }
  int32_t getFormatCombinationLimit() override {
    nb::gil_scoped_acquire lock;
    return nb::cast<int32_t>(self().attr("format_combination_limit"));
  }
  int32_t getAliasedInput(int32_t output) override {
    nb::gil_scoped_acquire lock;
    return has("get_aliased_input") ? nb::cast<int32_t>(call("get_aliased_input", output)) : -1;
  }

 private:
  const char* text_or_null(std::string& kept, const char* name) const {
    nb::gil_scoped_acquire lock;
    return has(name) && !self().attr(name).is_none() ? text(kept, name) : nullptr;
  }
};

struct Runtime : IPluginV3OneRuntime, Adapted {
  using Adapted::Adapted;
  int32_t setTactic(int32_t tactic) override {
    nb::gil_scoped_acquire lock;
    return status(call("set_tactic", tactic));
  }
  int32_t onShapeChange(const PluginTensorDesc* in, int32_t inputs, const PluginTensorDesc* out,
                        int32_t outputs) override {
    nb::gil_scoped_acquire lock;
    inputs_ = inputs;
    outputs_ = outputs;
    return status(call("on_shape_change", list_of(in, inputs), list_of(out, outputs)));
  }
  int32_t enqueue(const PluginTensorDesc* in, const PluginTensorDesc* out, const void* const* inputs,
                  void* const* outputs, void* workspace, cudaStream_t stream) override {
    nb::gil_scoped_acquire lock;
    return status(call("enqueue", list_of(in, inputs_), list_of(out, outputs_), addresses(inputs, inputs_),
                       addresses(outputs, outputs_), reinterpret_cast<uintptr_t>(workspace),
                       reinterpret_cast<uintptr_t>(stream)));
  }
  IPluginV3* attachToContext(IPluginResourceContext* context) override;
  const PluginFieldCollection* getFieldsToSerialize() override {
    nb::gil_scoped_acquire lock;
    fields_.read(call("get_fields_to_serialize"));
    return fields_.get();
  }

 private:
  Fields fields_;
  int32_t inputs_ = 1, outputs_ = 1;
};

class PluginV3 : public IPluginV3, public Adapted {
 public:
  using Adapted::Adapted;
  IPluginCapability* getCapabilityInterface(PluginCapabilityType type) override {
    nb::gil_scoped_acquire lock;
    nb::object part = call("get_capability_interface", type);
    if (part.is_none()) return nullptr;
    switch (type) {
      case PluginCapabilityType::kCORE:
        return kept(core_, part);
      case PluginCapabilityType::kBUILD:
        return kept(build_, part);
      default:
        return kept(runtime_, part);
    }
  }
  IPluginV3* clone() override {
    nb::gil_scoped_acquire lock;
    return new PluginV3(call("clone"));
  }

 private:
  template <class T>
  T* kept(std::unique_ptr<T>& slot, nb::object part) {
    if (!slot) slot = std::make_unique<T>(std::move(part));
    return slot.get();
  }
  std::unique_ptr<Core> core_;
  std::unique_ptr<Build> build_;
  std::unique_ptr<Runtime> runtime_;
};

IPluginV3* Runtime::attachToContext(IPluginResourceContext* context) {
  nb::gil_scoped_acquire lock;
  return new PluginV3(call("attach_to_context", nb::cast(context, nb::rv_policy::reference)));
}

struct CreatorV1 : IPluginCreator, Adapted {
  using Adapted::Adapted;
  const char* getPluginName() const override { return text(name_, "name"); }
  const char* getPluginVersion() const override { return text(version_, "plugin_version", "1"); }
  const char* getPluginNamespace() const override { return text(space_, "plugin_namespace"); }
  void setPluginNamespace(const char* space) override {
    nb::gil_scoped_acquire lock;
    nb::setattr(self(), "plugin_namespace", nb::str(space));
  }
  const PluginFieldCollection* getFieldNames() override {
    nb::gil_scoped_acquire lock;
    fields.read(self().attr("field_names"));
    return fields.get();
  }
  IPluginV2* createPlugin(const char* name, const PluginFieldCollection* given) override {
    nb::gil_scoped_acquire lock;
    return new PluginV2(call("create_plugin", name, fields_object(given)));
  }
  IPluginV2* deserializePlugin(const char* name, const void* data, size_t size) override {
    nb::gil_scoped_acquire lock;
    return new PluginV2(call("deserialize_plugin", name, nb::bytes(data, size)));
  }
  Fields fields;
};

struct CreatorV3 : IPluginCreatorV3One, Adapted {
  using Adapted::Adapted;
  const char* getPluginName() const override { return text(name_, "name"); }
  const char* getPluginVersion() const override { return text(version_, "plugin_version", "1"); }
  const char* getPluginNamespace() const override { return text(space_, "plugin_namespace"); }
  const PluginFieldCollection* getFieldNames() override {
    nb::gil_scoped_acquire lock;
    fields.read(self().attr("field_names"));
    return fields.get();
  }
  IPluginV3* createPlugin(const char* name, const PluginFieldCollection* given, TensorRTPhase phase) override {
    nb::gil_scoped_acquire lock;
    nb::object plugin = call("create_plugin", name, fields_object(given), phase);
    return plugin.is_none() ? nullptr : new PluginV3(plugins_module().attr("_as_v3")(plugin));
  }
  Fields fields;
};

struct Resource : IPluginResource, Adapted {
  using Adapted::Adapted;
  int32_t release() override {
    nb::gil_scoped_acquire lock;
    return status(call("release"));
  }
  IPluginResource* clone() override {
    nb::gil_scoped_acquire lock;
    return new Resource(call("clone"));
  }
};

template <class T>
nb::object adapted_or(T* object) {
  if (object == nullptr) return nb::none();
  if (auto* adapter = dynamic_cast<Adapted*>(object)) return nb::getattr(adapter->self(), "adapts", adapter->self());
  return nb::cast(object, nb::rv_policy::reference);
}

}  // namespace

IPluginV2* plugin_v2_of(nb::handle object, bool& owned) {
  owned = is(object, "IPluginV2DynamicExt");
  return owned ? new PluginV2(nb::borrow(object)) : nb::cast<IPluginV2*>(object);
}

IPluginV3* plugin_v3_of(nb::handle object, bool& owned) {
  owned = is(object, "IPluginV3");
  return owned ? new PluginV3(plugins_module().attr("_as_v3")(object)) : nb::cast<IPluginV3*>(object);
}

IPluginCreatorInterface* creator_of(nb::handle object) {
  if (nb::isinstance<IPluginCreatorInterface>(object)) return nb::cast<IPluginCreatorInterface*>(object);
  if (is(object, "IPluginCreatorV3One")) return new CreatorV3(nb::borrow(object));
  if (is(object, "IPluginCreator")) return new CreatorV1(nb::borrow(object));
  if (is(object, "IPluginCreatorV3Quick")) return new CreatorV3(plugins_module().attr("_as_creator")(object));
  nb::raise_type_error("a creator derives from IPluginCreator, IPluginCreatorV3One or IPluginCreatorV3Quick");
}

IPluginResource* resource_of(nb::handle object) { return new Resource(nb::borrow(object)); }

nb::object resource_object(IPluginResource* resource) {
  auto* adapter = dynamic_cast<Adapted*>(resource);
  return adapter != nullptr ? adapter->self() : nb::none();
}

nb::object plugin_object(IPluginV2* plugin) { return adapted_or(plugin); }
nb::object plugin_object(IPluginV3* plugin) { return adapted_or(plugin); }

nb::object creator_object(IPluginCreatorInterface* creator) {
  if (auto* first = dynamic_cast<IPluginCreator*>(creator)) return adapted_or(first);
  if (auto* third = dynamic_cast<IPluginCreatorV3One*>(creator)) return adapted_or(third);
  return adapted_or(creator);
}

}  // namespace tenon::py
