// Interfaces that users implement in Python: profilers, recorders, monitors, listeners, streams, output allocators.
#include <nanobind/trampoline.h>

#include <cstdio>
#include <cstring>

#include "callback.h"
#include "parts.h"

namespace tenon::py {
namespace {

using namespace nvinfer1;

/// Runs a callback that has no way to fail; a Python exception is shown as unraisable.
template <class Body>
auto shielded(const char* what, Body&& body) noexcept -> decltype(body()) {
  nb::gil_scoped_acquire lock;
  try {
    return body();
  } catch (nb::python_error& error) {
    show_unraisable(error, what);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "[TRT] %s: %s\n", what, error.what());
  }
  return decltype(body())();
}

struct PyProfiler : IProfiler {
  NB_TRAMPOLINE(IProfiler);
  void reportLayerTime(const char* name, float ms) noexcept override {
    shielded("IProfiler.report_layer_time",
             [&] { NB_OVERRIDE_PURE_NAME("report_layer_time", reportLayerTime, name, ms); });
  }
};

/// Prints each layer's time.
struct Profiler : IProfiler {
  void reportLayerTime(const char* name, float ms) noexcept override { std::printf("%s: %gms\n", name, double(ms)); }
};

struct PyErrorRecorder : IErrorRecorder {
  NB_TRAMPOLINE(IErrorRecorder);
  int32_t getNbErrors() const noexcept override {
    return shielded("IErrorRecorder.num_errors", [&] { return nb::cast<int32_t>(value("num_errors")); });
  }
  ErrorCode getErrorCode(int32_t index) const noexcept override {
    return shielded("IErrorRecorder.get_error_code",
                    [&]() -> ErrorCode { NB_OVERRIDE_PURE_NAME("get_error_code", getErrorCode, index); });
  }
  ErrorDesc getErrorDesc(int32_t index) const noexcept override {
    text_ = shielded("IErrorRecorder.get_error_desc", [&] {
      return nb::cast<std::string>(nb::handle(nb_trampoline.base()).attr("get_error_desc")(index));
    });
    return text_.c_str();
  }
  bool hasOverflowed() const noexcept override {
    return shielded("IErrorRecorder.has_overflowed",
                    [&]() -> bool { NB_OVERRIDE_PURE_NAME("has_overflowed", hasOverflowed); });
  }
  void clear() noexcept override {
    shielded("IErrorRecorder.clear", [&] { NB_OVERRIDE_PURE_NAME("clear", clear); });
  }
  bool reportError(ErrorCode code, ErrorDesc text) noexcept override {
    return shielded("IErrorRecorder.report_error",
                    [&]() -> bool { NB_OVERRIDE_PURE_NAME("report_error", reportError, code, text); });
  }
  RefCount incRefCount() noexcept override { return ++count_; }
  RefCount decRefCount() noexcept override { return --count_; }

 private:
  /// `num_errors` is a property in some programs and a method in others.
  nb::object value(const char* name) const {
    nb::object found = nb::handle(nb_trampoline.base()).attr(name);
    return PyCallable_Check(found.ptr()) != 0 ? found() : found;
  }
  mutable std::string text_;
  int32_t count_ = 0;
};

struct PyProgressMonitor : IProgressMonitor {
  NB_TRAMPOLINE(IProgressMonitor);
  void phaseStart(const char* phase, const char* parent, int32_t steps) override {
    called_back("IProgressMonitor.phase_start",
                [&] { NB_OVERRIDE_PURE_NAME("phase_start", phaseStart, phase, parent, steps); });
  }
  bool stepComplete(const char* phase, int32_t step) override {
    return called_back("IProgressMonitor.step_complete",
                       [&]() -> bool { NB_OVERRIDE_PURE_NAME("step_complete", stepComplete, phase, step); });
  }
  void phaseFinish(const char* phase) override {
    called_back("IProgressMonitor.phase_finish", [&] { NB_OVERRIDE_PURE_NAME("phase_finish", phaseFinish, phase); });
  }
};

struct PyDebugListener : IDebugListener {
  NB_TRAMPOLINE(IDebugListener);
  bool processDebugTensor(const void* data, TensorLocation location, DataType type, const Dims& shape, const char* name,
                          cudaStream_t stream) override {
    return called_back("IDebugListener.process_debug_tensor", [&] {
      nb::object result = nb::handle(nb_trampoline.base())
                              .attr("process_debug_tensor")(reinterpret_cast<uintptr_t>(data), location, type, shape,
                                                            name, reinterpret_cast<uintptr_t>(stream));
      return result.is_none() || nb::cast<bool>(nb::bool_(result));
    });
  }
};

struct PyOutputAllocator : IOutputAllocator {
  NB_TRAMPOLINE(IOutputAllocator);
  int32_t getInterfaceVersion() const override { return 1; }
  void* reallocateOutput(const char* name, void* memory, uint64_t size, uint64_t alignment) override {
    return call("reallocate_output", name, reinterpret_cast<uintptr_t>(memory), size, alignment);
  }
  void* reallocateOutputAsync(const char* name, void* memory, uint64_t size, uint64_t alignment,
                              cudaStream_t stream) override {
    nb::gil_scoped_acquire lock;
    if (!nb::hasattr(nb::handle(nb_trampoline.base()), "reallocate_output_async")) {
      return reallocateOutput(name, memory, size, alignment);
    }
    return call("reallocate_output_async", name, reinterpret_cast<uintptr_t>(memory), size, alignment,
                reinterpret_cast<uintptr_t>(stream));
  }
  void notifyShape(const char* name, const Dims& dims) override {
    called_back("IOutputAllocator.notify_shape",
                [&] { NB_OVERRIDE_PURE_NAME("notify_shape", notifyShape, name, dims); });
  }

 private:
  template <class... Args>
  void* call(const char* method, Args... args) {
    return called_back("IOutputAllocator.reallocate_output", [&] {
      return nb::cast<Address>(nb::handle(nb_trampoline.base()).attr(method)(args...)).template as<void*>();
    });
  }
};

/// Copies what Python's read() returned, any object with a buffer, to `target`.
int64_t copy_bytes(nb::handle object, void* target, int64_t limit) {
  Py_buffer view;
  if (PyObject_GetBuffer(object.ptr(), &view, PyBUF_SIMPLE) != 0) nb::raise_python_error();
  const int64_t count = std::min<int64_t>(view.len, limit);
  std::memcpy(target, view.buf, static_cast<size_t>(count));
  PyBuffer_Release(&view);
  return count;
}

struct PyStreamReader : IStreamReader {
  NB_TRAMPOLINE(IStreamReader);
  int64_t read(void* target, int64_t bytes) override {
    return called_back("IStreamReader.read",
                       [&] { return copy_bytes(nb::handle(nb_trampoline.base()).attr("read")(bytes), target, bytes); });
  }
};

struct PyStreamReaderV2 : IStreamReaderV2 {
  NB_TRAMPOLINE(IStreamReaderV2);
  int64_t read(void* target, int64_t bytes, cudaStream_t stream) override {
    return called_back("IStreamReaderV2.read", [&] {
      nb::object data = nb::handle(nb_trampoline.base()).attr("read")(bytes, reinterpret_cast<uintptr_t>(stream));
      return copy_bytes(data, target, bytes);
    });
  }
  bool seek(int64_t offset, SeekPosition where) override {
    return called_back("IStreamReaderV2.seek", [&]() -> bool { NB_OVERRIDE_PURE_NAME("seek", seek, offset, where); });
  }
};

struct PyStreamWriter : IStreamWriter {
  NB_TRAMPOLINE(IStreamWriter);
  int64_t write(const void* data, int64_t bytes) override {
    return called_back("IStreamWriter.write", [&] {
      const nb::bytes given(data, static_cast<size_t>(bytes));
      return nb::cast<int64_t>(nb::handle(nb_trampoline.base()).attr("write")(given));
    });
  }
};

void bind_streams(nb::module_& m) {
  nb::class_<IStreamReader, IVersionedInterface, PyStreamReader> reader(
      m, "IStreamReader", "Reads a plan piece by piece. A class has read(size).");
  reader.def(nb::init<>());
  reader.def(
      "read", [](IStreamReader&, int64_t) { return nb::bytes("", 0); }, nb::arg("size"),
      "The next `size` bytes, or fewer at the end, as an object with a buffer.");
  nb::class_<IStreamReaderV2, IVersionedInterface, PyStreamReaderV2> second(
      m, "IStreamReaderV2",
      "Reads a plan piece by piece, at any place. A class has read(num_bytes, stream) and seek(offset, where).");
  second.def(nb::init<>());
  second.def(
      "read", [](IStreamReaderV2&, int64_t, Address) { return nb::bytes("", 0); }, nb::arg("num_bytes"),
      nb::arg("stream"), "The next `num_bytes` bytes, or fewer at the end, as an object with a buffer.");
  second.def("seek", &IStreamReaderV2::seek, nb::arg("offset"), nb::arg("where"),
             "Moves to a place, counted as a SeekPosition tells. Whether it could.");
  nb::class_<IStreamWriter, IVersionedInterface, PyStreamWriter> writer(
      m, "IStreamWriter", "Takes a plan piece by piece. A class has write(data).");
  writer.def(nb::init<>());
  writer.def(
      "write", [](IStreamWriter&, nb::bytes) { return int64_t{0}; }, nb::arg("data"),
      "Takes the next bytes; the number of those taken.");
}

void bind_recorder(nb::module_& m) {
  nb::class_<IErrorRecorder, IVersionedInterface, PyErrorRecorder> c(
      m, "IErrorRecorder", "Keeps errors of builders, runtimes, engines and contexts. A class has all of its methods.");
  c.def(nb::init<>());
  c.def(
      "num_errors", [](IErrorRecorder&) { return 0; }, "Errors that were recorded; a method or a property.");
  c.def("get_error_code", &IErrorRecorder::getErrorCode, nb::arg("arg0"), "The ErrorCodeTRT of an error, by index.");
  c.def(
      "get_error_desc", [](IErrorRecorder&, int32_t) { return ""; }, nb::arg("arg0"),
      "The text of an error, by index.");
  c.def("has_overflowed", &IErrorRecorder::hasOverflowed, "Whether errors were dropped for want of room.");
  c.def("clear", &IErrorRecorder::clear, "Forgets all errors.");
  c.def("report_error", &IErrorRecorder::reportError, nb::arg("arg0"), nb::arg("arg1"),
        "Told the code and the text of a new error. True if nothing else should be done about it.");
  c.attr("MAX_DESC_LENGTH") = size_t{IErrorRecorder::kMAX_DESC_LENGTH};
}

}  // namespace

void bind_callbacks(nb::module_& m) {
  nb::class_<IProfiler, IVersionedInterface, PyProfiler> profiler(
      m, "IProfiler", "Is told layers' times. A class has report_layer_time(layer_name, ms).");
  profiler.def(nb::init<>());
  profiler.def("report_layer_time", &IProfiler::reportLayerTime, nb::arg("layer_name"), nb::arg("ms"),
               "Told a layer's time in milliseconds, layer after layer.");
  nb::class_<Profiler, IProfiler> printing(m, "Profiler", "Prints layers' times.");
  printing.def(nb::init<>());
  bind_recorder(m);
  nb::class_<IProgressMonitor, IVersionedInterface, PyProgressMonitor> monitor(
      m, "IProgressMonitor",
      "Is told how a build goes on. A class has phase_start(), step_complete() and phase_finish().");
  monitor.def(nb::init<>());
  monitor.def("phase_start", &IProgressMonitor::phaseStart, nb::arg("phase_name"), nb::arg("parent_phase").none(),
              nb::arg("num_steps"), "Told a phase, the phase that it is part of or None, and its steps.");
  monitor.def("step_complete", &IProgressMonitor::stepComplete, nb::arg("phase_name"), nb::arg("step"),
              "Told that a step has ended. False cancels the build.");
  monitor.def("phase_finish", &IProgressMonitor::phaseFinish, nb::arg("phase_name"), "Told that a phase has ended.");
  nb::class_<IDebugListener, IVersionedInterface, PyDebugListener> listener(
      m, "IDebugListener", "Is shown tensors as runs compute them. A class has process_debug_tensor().");
  listener.def(nb::init<>());
  listener.def(
      "process_debug_tensor", [](IDebugListener&, nb::args) { return true; },
      "Told (address, location, type, shape, name, stream) of a debug tensor. False stops the run with an error.");
  nb::class_<IOutputAllocator, IVersionedInterface, PyOutputAllocator> output(
      m, "IOutputAllocator",
      "Allocates outputs whose size depends on data. A class has reallocate_output() and notify_shape().");
  output.def(nb::init<>());
  output.def_prop_ro(
      "tensorrt_version", [](IOutputAllocator&) { return release(); }, "The release that the interface is of.");
  output.def(
      "reallocate_output", [](IOutputAllocator&, nb::args) { return 0; },
      "Told (name, address, bytes, alignment); an address of that many bytes. A class may have "
      "reallocate_output_async() with a stream instead.");
  output.def(
      "notify_shape", [](IOutputAllocator&, nb::args) {}, "Told an output's name and dimensions when they are known.");
  bind_streams(m);
}

}  // namespace tenon::py
