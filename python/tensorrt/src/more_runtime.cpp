// Runtime, host memory and refitters.
#include "buffer.h"
#include "more.h"

namespace tenon::py {
namespace {

using namespace nvinfer1;

int memory_buffer(PyObject* self, Py_buffer* view, int flags) {
  IHostMemory* memory = nb::inst_ptr<IHostMemory>(self);
  return PyBuffer_FillInfo(view, self, memory->data(), static_cast<Py_ssize_t>(memory->size()), 1, flags);
}

/// What a refitter lists as pairs of layer name and role.
template <class Read>
nb::tuple layers_and_roles(Read&& read) {
  const auto count = static_cast<size_t>(std::max(read(0, nullptr, nullptr), 0));
  std::vector<const char*> names(count);
  std::vector<WeightsRole> roles(count);
  read(static_cast<int32_t>(count), names.data(), roles.data());
  nb::list first, second;
  for (size_t i = 0; i < count; ++i) {
    first.append(names[i]);
    second.append(roles[i]);
  }
  return nb::make_tuple(first, second);
}

template <class Read>
nb::list names_of(Read&& read) {
  const auto count = static_cast<size_t>(std::max(read(0, nullptr), 0));
  std::vector<const char*> names(count);
  read(static_cast<int32_t>(count), names.data());
  nb::list list;
  for (const char* name : names) list.append(name);
  return list;
}

void add_listings(nb::class_<IRefitter>& c) {
  c.def(
      "get_missing",
      [](IRefitter& self) {
        return layers_and_roles(
            [&](int32_t n, const char** names, WeightsRole* roles) { return self.getMissing(n, names, roles); });
      },
      "(layers, roles) that have to be set too before the engine can be refitted.");
  c.def(
      "get_all",
      [](IRefitter& self) {
        return layers_and_roles(
            [&](int32_t n, const char** names, WeightsRole* roles) { return self.getAll(n, names, roles); });
      },
      "(layers, roles) that can be set.");
  c.def(
      "get_missing_weights",
      [](IRefitter& self) {
        return names_of([&](int32_t n, const char** names) { return self.getMissingWeights(n, names); });
      },
      "Names of weights that have to be set as well before refit_cuda_engine() succeeds.");
  c.def(
      "get_all_weights",
      [](IRefitter& self) {
        return names_of([&](int32_t n, const char** names) { return self.getAllWeights(n, names); });
      },
      "Names of all weights that set_named_weights() takes.");
  c.def(
      "get_tensors_with_dynamic_range",
      [](IRefitter& self) {
        return names_of([&](int32_t n, const char** names) { return self.getTensorsWithDynamicRange(n, names); });
      },
      "Names of the tensors that INT8 ranges were set for.");
}

}  // namespace

void more(nb::class_<IHostMemory>& c) {
  c.def_prop_ro(
      "dtype", [](IHostMemory& self) { return self.type(); }, "The DataType of its elements.");
  c.def_prop_ro(
      "nbytes", [](IHostMemory& self) { return self.size(); }, "Bytes.");
  c.def("__len__", [](IHostMemory& self) { return self.size(); });
  c.def("__bytes__", [](IHostMemory& self) { return nb::bytes(self.data(), self.size()); });
}

const PyType_Slot* slots_of_IHostMemory() {
  static const PyType_Slot slots[] = {{Py_bf_getbuffer, reinterpret_cast<void*>(memory_buffer)}, {0, nullptr}};
  return slots;
}

void more(nb::class_<IRuntime>& c) {
  c.def(nb::new_([](ILogger& logger) {
          IRuntime* runtime = made(createInferRuntime(logger), "Runtime");
          keep_first_logger();
          return runtime;
        }),
        nb::arg("logger"), nb::keep_alive<0, 2>());
  const auto from_bytes = [](IRuntime& self, Buffer plan) {
    return made(unlocked([&] { return self.deserializeCudaEngine(plan.data(), plan.size()); }),
                "Runtime.deserialize_cuda_engine");
  };
  c.def("deserialize_cuda_engine", from_bytes, nb::arg("serialized_engine"), nb::rv_policy::take_ownership,
        nb::keep_alive<0, 1>(),
        "The engine of a plan: bytes or any other buffer, or an IStreamReader. None, with the reason in the log, if "
        "the plan is damaged, of another version, or needs a plugin that has no creator.");
  const auto from_stream = [](IRuntime& self, auto& reader) {
    return made(unlocked([&] { return self.deserializeCudaEngine(reader); }), "Runtime.deserialize_cuda_engine");
  };
  c.def(
      "deserialize_cuda_engine", [from_stream](IRuntime& self, IStreamReader& r) { return from_stream(self, r); },
      nb::arg("stream_reader"), nb::rv_policy::take_ownership, nb::keep_alive<0, 1>(),
      "The engine of a plan: bytes or any other buffer, or an IStreamReader. None, with the reason in the log, if the "
      "plan is damaged, of another version, or needs a plugin that has no creator.");
  c.def(
      "deserialize_cuda_engine", [from_stream](IRuntime& self, IStreamReaderV2& r) { return from_stream(self, r); },
      nb::arg("stream_reader_v2"), nb::rv_policy::take_ownership, nb::keep_alive<0, 1>(),
      "The engine of a plan: bytes or any other buffer, or an IStreamReader. None, with the reason in the log, if the "
      "plan is damaged, of another version, or needs a plugin that has no creator.");
  c.def_prop_rw(
      "gpu_allocator", [](IRuntime&) { return nb::none(); },
      [](IRuntime& self, IGpuAllocator* allocator) { self.setGpuAllocator(allocator); },
      nb::for_setter(nb::arg().none()), nb::for_setter(nb::keep_alive<1, 2>()),
      "An IGpuAllocator for device memory; None for the default. Reading gives None.");
  c.def(
      "get_plugin_registry", [](IRuntime& self) { return &self.getPluginRegistry(); }, nb::rv_policy::reference,
      "The registry that plans' plugins are looked up in.");
  c.def(
      "load_runtime",
      [](IRuntime& self, const char* path) { return made(self.loadRuntime(path), "Runtime.load_runtime"); },
      nb::arg("path"), nb::rv_policy::take_ownership, nb::keep_alive<0, 1>(),
      "A runtime like this one, in place of the library at a path, which is not loaded: plans need no runtime of their "
      "own. "
      "None if there is no such file.");
}

void more(nb::class_<IRefitter>& c) {
  c.def(nb::new_(
            [](ICudaEngine& engine, ILogger& logger) { return made(createInferRefitter(engine, logger), "Refitter"); }),
        nb::arg("engine"), nb::arg("logger"), nb::keep_alive<0, 2>(), nb::keep_alive<0, 3>());
  add_listings(c);
  c.def(
      "get_dynamic_range",
      [](IRefitter& self, const char* name) {
        return nb::make_tuple(self.getDynamicRangeMin(name), self.getDynamicRangeMax(name));
      },
      nb::arg("tensor_name"), "(minimum, maximum) of a tensor.");
  c.def(
      "set_dynamic_range",
      [](IRefitter& self, const char* name, std::vector<float> range) {
        if (range.size() != 2) throw nb::value_error("a dynamic range is a pair: minimum and maximum");
        return done(self.setDynamicRange(name, range[0], range[1]), "Refitter.set_dynamic_range");
      },
      nb::arg("tensor_name"), nb::arg("range"),
      "Sets minimum and maximum of a tensor that INT8 is computed of. False if it has none.");
  c.def(
      "get_named_weights",
      [](nb::pointer_and_handle<IRefitter> self, const char* name) {
        return weights_object(self.p->getNamedWeights(name), self.h);
      },
      nb::arg("weights_name"), "The weights that were set for a name.");
  c.def(
      "get_weights_prototype",
      [](IRefitter& self, const char* name) {
        return PyWeights{self.getWeightsPrototype(name), {}};
      },
      nb::arg("weights_name"), "Type and number of the weights of a name, without values.");
  c.def(
      "set_named_weights",
      [](IRefitter& self, const char* name, WeightsArg weights) {
        return done(self.setNamedWeights(name, weights), "Refitter.set_named_weights");
      },
      nb::arg("name"), nb::arg("weights"), nb::keep_alive<1, 3>(),
      "Gives new weights to a name. False if type or size differ.");
  c.def(
      "set_named_weights",
      [](IRefitter& self, const char* name, WeightsArg weights, TensorLocation location) {
        return done(self.setNamedWeights(name, weights, location), "Refitter.set_named_weights");
      },
      nb::arg("name"), nb::arg("weights"), nb::arg("location"), nb::keep_alive<1, 3>(),
      "Gives new weights to a name. False if type or size differ.");
  c.def(
      "refit_cuda_engine_async",
      [](IRefitter& self, Address stream) {
        return done(unlocked([&] { return self.refitCudaEngineAsync(stream.as<cudaStream_t>()); }),
                    "Refitter.refit_cuda_engine_async");
      },
      nb::arg("stream_handle").none(),
      "Changes the engine's weights in the order of a stream. False if some are missing.");
}

}  // namespace tenon::py
