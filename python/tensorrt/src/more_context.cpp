// Execution contexts: every release's way to run.
#include "more.h"

namespace tenon::py {
namespace {

using namespace nvinfer1;

std::vector<void*> pointers(const std::vector<Address>& addresses) {
  std::vector<void*> list;
  for (const Address& a : addresses) list.push_back(a.as<void*>());
  return list;
}

cudaEvent_t* event_or_null(Address& event) {
  return event.value == 0 ? nullptr : reinterpret_cast<cudaEvent_t*>(&event.value);
}

void add_execution(nb::class_<IExecutionContext>& c) {
  const auto execute = [](IExecutionContext& self, int32_t batch, const std::vector<Address>& bindings) {
    const std::vector<void*> list = pointers(bindings);
    return done(unlocked([&] { return self.execute(batch, list.data()); }), "IExecutionContext.execute");
  };
  c.def("execute", execute, nb::arg("batch_size"), nb::arg("bindings"),
        "Runs a batch of an engine with implicit batch; `bindings` are addresses in the order of the engine's. False, "
        "with the reason in the log, if it fails.");
  c.def(
      "execute",
      [execute](IExecutionContext& self, const std::vector<Address>& bindings) { return execute(self, 1, bindings); },
      nb::kw_only(), nb::arg("bindings"), "A batch of one.");
  const auto enqueue = [](IExecutionContext& self, int32_t batch, const std::vector<Address>& bindings, Address stream,
                          Address consumed) {
    const std::vector<void*> list = pointers(bindings);
    const auto run = [&] {
      return self.enqueue(batch, list.data(), stream.as<cudaStream_t>(), event_or_null(consumed));
    };
    return done(unlocked(run), "IExecutionContext.execute_async");
  };
  c.def("execute_async", enqueue, nb::arg("batch_size"), nb::arg("bindings"), nb::arg("stream_handle").none(),
        nb::arg("input_consumed").none() = nb::none(), "execute() on a stream.");
  c.def(
      "execute_async",
      [enqueue](IExecutionContext& self, const std::vector<Address>& bindings, Address stream, Address consumed) {
        return enqueue(self, 1, bindings, stream, consumed);
      },
      nb::kw_only(), nb::arg("bindings"), nb::arg("stream_handle").none(),
      nb::arg("input_consumed").none() = nb::none(), "A batch of one.");
  c.def(
      "execute_v2",
      [](IExecutionContext& self, const std::vector<Address>& bindings) {
        const std::vector<void*> list = pointers(bindings);
        return done(unlocked([&] { return self.executeV2(list.data()); }), "IExecutionContext.execute_v2");
      },
      nb::arg("bindings"),
      "Runs; `bindings` are addresses in the order of the engine's. False, with the reason in the log, if it fails.");
  c.def(
      "execute_async_v2",
      [](IExecutionContext& self, const std::vector<Address>& bindings, Address stream, Address consumed) {
        const std::vector<void*> list = pointers(bindings);
        const auto run = [&] {
          return self.enqueueV2(list.data(), stream.as<cudaStream_t>(), event_or_null(consumed));
        };
        return done(unlocked(run), "IExecutionContext.execute_async_v2");
      },
      nb::arg("bindings"), nb::arg("stream_handle").none(), nb::arg("input_consumed").none() = nb::none(),
      "execute_v2() on a CUDA stream, given by its handle: returns before the work is done. `bindings` are device "
      "addresses as integers. False, with the reason in the log, if it cannot begin; until release 9.");
  c.def(
      "execute_async_v3",
      [](IExecutionContext& self, Address stream) {
        return done(unlocked([&] { return self.enqueueV3(stream.as<cudaStream_t>()); }),
                    "IExecutionContext.execute_async_v3");
      },
      nb::arg("stream_handle").none(),
      "Runs on a stream with the addresses that were set by name. False, with the reason in the log, if it fails.");
}

std::vector<int32_t> shape_values(IExecutionContext& context, int32_t binding) {
  const Dims dims = context.getBindingDimensions(binding);
  int64_t count = 1;
  for (int32_t i = 0; i < dims.nbDims; ++i) count *= std::max<int64_t>(dims.d[i], 0);
  std::vector<int32_t> values(static_cast<size_t>(count));
  if (!context.getShapeBinding(binding, values.data())) values.clear();
  return values;
}

void add_shapes(nb::class_<IExecutionContext>& c) {
  c.def(
      "set_input_shape",
      [](IExecutionContext& self, const char* name, const Dims& shape) {
        return done(self.setInputShape(name, shape), "IExecutionContext.set_input_shape");
      },
      nb::arg("name"), nb::arg("shape"), "Sets an input's dimensions; False outside of the profile's range.");
  c.def(
      "get_tensor_shape",
      [](IExecutionContext& self, const char* name) {
        const Dims shape = unlocked([&] { return self.getTensorShape(name); });
        done(shape.nbDims >= 0, "IExecutionContext.get_tensor_shape");
        return shape;
      },
      nb::arg("name"),
      "Dimensions now: an output's follow once all inputs' are set, else -1. None, with the reason in the log, where "
      "those "
      "of the inputs do not go together.");
  c.def(
      "infer_shapes",
      [](IExecutionContext& self) {
        std::vector<const char*> names(static_cast<size_t>(std::max(self.getEngine().getNbIOTensors(), 1)));
        const int32_t missing =
            unlocked([&] { return self.inferShapes(static_cast<int32_t>(names.size()), names.data()); });
        nb::list list;
        for (int32_t i = 0; i < missing; ++i) list.append(names[static_cast<size_t>(i)]);
        done(missing >= 0, "IExecutionContext.infer_shapes");
        return list;
      },
      "Names of the inputs whose dimensions or values are missing; with none, the outputs' dimensions are known.");
  c.def(
      "set_binding_shape",
      [](IExecutionContext& self, int32_t binding, const Dims& shape) {
        return done(self.setBindingDimensions(binding, shape), "IExecutionContext.set_binding_shape");
      },
      nb::arg("binding"), nb::arg("shape"), "Sets an input's dimensions; False outside of the profile's range.");
  c.def(
      "get_binding_shape",
      [](IExecutionContext& self, int32_t binding) {
        return unlocked([&] { return self.getBindingDimensions(binding); });
      },
      nb::arg("binding"), "Dimensions now, of an input or output.");
  c.def(
      "get_strides", [](IExecutionContext& self, int32_t binding) { return self.getStrides(binding); },
      nb::arg("binding"), "Elements between neighbours along each axis of a binding; until release 9.");
  c.def(
      "set_shape_input",
      [](IExecutionContext& self, int32_t binding, const std::vector<int32_t>& shape) {
        return done(self.setInputShapeBinding(binding, shape.data()), "IExecutionContext.set_shape_input");
      },
      nb::arg("binding"), nb::arg("shape"),
      "Sets the values of an input that decides shapes. False outside of the profile's range; until release 9.");
  c.def("get_shape", &shape_values, nb::arg("binding"), "The values of a shape binding; until release 9.");
}

void add_profile(nb::class_<IExecutionContext>& c) {
  c.def_prop_rw(
      "active_optimization_profile", [](IExecutionContext& self) { return self.getOptimizationProfile(); },
      [](IExecutionContext& self, int32_t index) {
        done(self.setOptimizationProfile(index), "IExecutionContext.active_optimization_profile");
      },
      "The profile's index. Setting it forgets the input shapes.");
  c.def(
      "set_optimization_profile_async",
      [](IExecutionContext& self, int32_t index, Address stream) {
        return done(self.setOptimizationProfileAsync(index, stream.as<cudaStream_t>()),
                    "IExecutionContext.set_optimization_profile_async");
      },
      nb::arg("profile_index"), nb::arg("stream_handle").none(),
      "Changes the profile; False if there is none of that index.");
}

}  // namespace

void more(nb::class_<IExecutionContext>& c) {
  add_execution(c);
  add_shapes(c);
  add_profile(c);
  c.def_prop_rw(
      "device_memory", [](IExecutionContext&) { return nb::none(); },
      [](IExecutionContext& self, Address memory) { self.setDeviceMemory(memory.as<void*>()); },
      "Sets the address of memory of ICudaEngine.device_memory_size bytes.");
  c.def(
      "set_device_memory",
      [](IExecutionContext& self, Address memory, int64_t size) { self.setDeviceMemoryV2(memory.as<void*>(), size); },
      nb::arg("memory"), nb::arg("size"), "An address of device memory for the context's activations, and its bytes.");
  c.def(
      "set_aux_streams",
      [](IExecutionContext& self, const std::vector<Address>& streams) {
        std::vector<cudaStream_t> list;
        for (const Address& s : streams) list.push_back(s.as<cudaStream_t>());
        self.setAuxStreams(list.data(), static_cast<int32_t>(list.size()));
      },
      nb::arg("aux_streams"), "Streams, as numbers, that runs may use beside their own.");
  c.def_prop_rw(
      "temporary_allocator", [](IExecutionContext& self) { return self.getTemporaryStorageAllocator(); },
      [](IExecutionContext& self, IGpuAllocator* a) { self.setTemporaryStorageAllocator(a); },
      nb::rv_policy::reference_internal, nb::for_setter(nb::arg().none()), nb::for_setter(nb::keep_alive<1, 2>()),
      "The IGpuAllocator of memory that runs need for a time, or None for the default.");
  c.def(
      "set_debug_listener",
      [](IExecutionContext& self, IDebugListener* listener) { return self.setDebugListener(listener); },
      nb::arg("listener").none(), nb::keep_alive<1, 2>(),
      "An IDebugListener that is shown debug tensors; None for nobody.");
  c.def(
      "get_debug_listener", [](IExecutionContext& self) { return self.getDebugListener(); },
      nb::rv_policy::reference_internal, "The IDebugListener, or None.");
  c.def(
      "set_output_allocator",
      [](IExecutionContext& self, const char* name, IOutputAllocator* allocator) {
        return done(self.setOutputAllocator(name, allocator), "IExecutionContext.set_output_allocator");
      },
      nb::arg("name"), nb::arg("output_allocator").none(), nb::keep_alive<1, 3>(),
      "Lets an allocator give the memory of an output whose size is known only after the run.");
  c.def(
      "get_output_allocator", [](IExecutionContext& self, const char* name) { return self.getOutputAllocator(name); },
      nb::arg("name"), nb::rv_policy::reference_internal, "The IOutputAllocator of an output, or None.");
}

}  // namespace tenon::py
