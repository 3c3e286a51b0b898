// Engines: bindings by index and name, profiles, contexts.
#include "more.h"

namespace tenon::py {
namespace {

using namespace nvinfer1;

constexpr OptProfileSelector kSelectors[] = {OptProfileSelector::kMIN, OptProfileSelector::kOPT,
                                             OptProfileSelector::kMAX};

/// The index of a binding that a program names by index or by name.
int32_t binding_of(ICudaEngine& engine, nb::handle binding) {
  if (PyUnicode_Check(binding.ptr())) return engine.getBindingIndex(nb::cast<const char*>(binding));
  return nb::cast<int32_t>(binding);
}

int32_t count_of(ICudaEngine& engine) { return std::max(engine.getNbBindings(), engine.getNbIOTensors()); }

nb::object item(ICudaEngine& engine, nb::handle key) {
  if (PyUnicode_Check(key.ptr())) return nb::int_(engine.getBindingIndex(nb::cast<const char*>(key)));
  const auto index = nb::cast<int32_t>(key);
  const int32_t i = index < 0 ? index + count_of(engine) : index;
  if (i < 0 || i >= count_of(engine)) throw nb::index_error("binding index out of range");
  const char* name = release() < 10 ? engine.getBindingName(i) : engine.getIOTensorName(i);
  return name != nullptr ? nb::object(nb::str(name)) : nb::none();
}

/// A method on a binding given by index or name.
template <auto Method>
void on_binding(nb::class_<ICudaEngine>& c, const char* name, const char* doc) {
  c.def(
      name, [](ICudaEngine& self, nb::object binding) { return (self.*Method)(binding_of(self, binding)); },
      nb::arg("index"), doc);
}

std::vector<int64_t> tensor_values(ICudaEngine& engine, const char* name, int32_t profile, OptProfileSelector select) {
  const int64_t* values = engine.getProfileTensorValuesV2(name, profile, select);
  if (values == nullptr) return {};
  const Dims shape = engine.getTensorShape(name);
  const int64_t count = shape.nbDims == 0 ? 1 : std::max<int64_t>(shape.d[0], 0);
  return {values, values + count};
}

nb::list profile_shape(ICudaEngine& engine, int32_t profile, nb::handle binding) {
  nb::list shapes;
  for (const OptProfileSelector s : kSelectors) {
    shapes.append(engine.getProfileDimensions(binding_of(engine, binding), profile, s));
  }
  return shapes;
}

nb::list profile_values(ICudaEngine& engine, int32_t profile, nb::handle binding) {
  nb::list all;
  const char* name = engine.getBindingName(binding_of(engine, binding));
  for (const OptProfileSelector s : kSelectors) all.append(nb::cast(tensor_values(engine, name, profile, s)));
  return all;
}

void add_bindings(nb::class_<ICudaEngine>& c) {
  c.def("__len__", [](ICudaEngine& self) { return static_cast<size_t>(count_of(self)); });
  c.def("__getitem__", &item, nb::arg("index"));
  c.def(
      "get_binding_name", [](ICudaEngine& self, int32_t index) { return self.getBindingName(index); }, nb::arg("index"),
      "The name of the binding with an index, with [profile N] behind it beyond the first profile; None beyond them; "
      "until release 9.");
  c.def(
      "get_binding_index", [](ICudaEngine& self, const char* name) { return self.getBindingIndex(name); },
      nb::arg("name"), "The number of a binding; -1 for a name that is none.");
  on_binding<&ICudaEngine::bindingIsInput>(c, "binding_is_input",
                                           "Whether a binding, by index or name, is an input; until release 9.");
  on_binding<&ICudaEngine::getBindingDimensions>(c, "get_binding_shape",
                                                 "Dimensions of a binding, by index or name; -1 where they vary; "
                                                 "without the batch where it is implicit; until release 9.");
  on_binding<&ICudaEngine::getBindingDataType>(c, "get_binding_dtype",
                                               "The DataType of a binding, by index or name; until release 9.");
  on_binding<&ICudaEngine::getLocation>(
      c, "get_location", "Whether a binding, by index or name, is in device or host memory; until release 9.");
  on_binding<&ICudaEngine::getBindingBytesPerComponent>(
      c, "get_binding_bytes_per_component", "Bytes of one component of a binding's elements; until release 9.");
  on_binding<&ICudaEngine::getBindingComponentsPerElement>(
      c, "get_binding_components_per_element", "Components of a vector of a binding's format; until release 9.");
  on_binding<&ICudaEngine::getBindingFormat>(c, "get_binding_format",
                                             "The TensorFormat of a binding, by index or name; until release 9.");
  on_binding<&ICudaEngine::getBindingFormatDesc>(c, "get_binding_format_desc",
                                                 "A binding's format in words; until release 9.");
  on_binding<&ICudaEngine::getBindingVectorizedDim>(
      c, "get_binding_vectorized_dim",
      "The axis that a binding's format makes vectors of, -1 for none; until release 9.");
  on_binding<&ICudaEngine::isShapeBinding>(
      c, "is_shape_binding", "Whether a binding's values decide shapes or come from them; until release 9.");
  on_binding<&ICudaEngine::isExecutionBinding>(c, "is_execution_binding",
                                               "Whether a binding's values are computed with; until release 9.");
}

void add_profiles(nb::class_<ICudaEngine>& c) {
  c.def("get_profile_shape", &profile_shape, nb::arg("profile_index"), nb::arg("binding"),
        "Smallest, best and largest dimensions of a binding in a profile; until release 9.");
  c.def("get_profile_shape_input", &profile_values, nb::arg("profile_index"), nb::arg("binding"),
        "Smallest, best and largest values of a shape binding in a profile; until release 9.");
  c.def(
      "get_tensor_profile_shape",
      [](ICudaEngine& self, const char* name, int32_t profile) {
        nb::list shapes;
        for (const OptProfileSelector s : kSelectors) shapes.append(self.getProfileShape(name, profile, s));
        return shapes;
      },
      nb::arg("name"), nb::arg("profile_index"), "Smallest, best and largest dimensions of an input in a profile.");
  const auto values = [](ICudaEngine& self, const char* name, int32_t profile) {
    nb::list all;
    for (const OptProfileSelector s : kSelectors) all.append(nb::cast(tensor_values(self, name, profile, s)));
    return all;
  };
  c.def("get_tensor_profile_values", values, nb::arg("name"), nb::arg("profile_index"),
        "Smallest, best and largest values of an input that decides shapes, in a profile.");
  c.def(
      "get_tensor_profile_values",
      [values](ICudaEngine& self, int32_t profile, const char* name) { return values(self, name, profile); },
      nb::arg("profile_index"), nb::arg("name"),
      "Smallest, best and largest values of an input that decides shapes, in a profile.");
}

}  // namespace

void more(nb::class_<ICudaEngine>& c) {
  add_bindings(c);
  add_profiles(c);
  const auto create = [](ICudaEngine& self, ExecutionContextAllocationStrategy strategy) {
    return made(unlocked([&] { return self.createExecutionContext(strategy); }),
                "ICudaEngine.create_execution_context");
  };
  c.def("create_execution_context", create, nb::arg("strategy") = ExecutionContextAllocationStrategy::kSTATIC,
        nb::rv_policy::take_ownership, nb::keep_alive<0, 1>(),
        "What runs the engine; several may run at a time, each on a thread of its own. None if memory is short.");
  const auto configured = [](ICudaEngine& self, IRuntimeConfig& config) {
    return made(unlocked([&] { return self.createExecutionContext(&config); }), "ICudaEngine.create_execution_context");
  };
  c.def("create_execution_context", configured, nb::arg("runtime_config"), nb::rv_policy::take_ownership,
        nb::keep_alive<0, 1>(),
        "What runs the engine; several may run at a time, each on a thread of its own. None if memory is short.");
}

}  // namespace tenon::py
