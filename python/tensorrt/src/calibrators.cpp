// INT8 calibrators and algorithm selectors written in Python.
#include <nanobind/trampoline.h>

#include "callback.h"
#include "parts.h"

namespace tenon::py {
namespace {

using namespace nvinfer1;

/// A copy of the bytes as a memoryview, which is what TensorRT hands out; it may be kept.
nb::object view_of(const void* data, size_t length) {
  return nb::steal(PyMemoryView_FromObject(nb::bytes(data, length).ptr()));
}

/// A calibrator: get_batch(names) returns device addresses or None at the end; the cache is anything with a buffer.
template <class Base>
struct PyCalibrator : Base {
  NB_TRAMPOLINE(Base);

  int32_t getBatchSize() const override {
    return called_back("get_batch_size", [&] { return nb::cast<int32_t>(self().attr("get_batch_size")()); });
  }
  bool getBatch(void* bindings[], const char* names[], int32_t count) override {
    return called_back("get_batch", [&] {
      nb::list list;
      for (int32_t i = 0; i < count; ++i) list.append(names[i]);
      nb::object batch = nb::getattr(self(), "get_batch")(list);
      if (batch.is_none() || PyObject_IsTrue(batch.ptr()) == 0) return false;
      if (static_cast<int32_t>(nb::len(batch)) != count) {
        nb::raise("get_batch returned %zu addresses for %d inputs", nb::len(batch), count);
      }
      for (int32_t i = 0; i < count; ++i) bindings[i] = nb::cast<Address>(batch[i]).template as<void*>();
      return true;
    });
  }
  const void* readCalibrationCache(size_t& length) override { return read("read_calibration_cache", length); }
  void writeCalibrationCache(const void* data, size_t length) override {
    called_back("write_calibration_cache", [&] { self().attr("write_calibration_cache")(view_of(data, length)); });
  }
  CalibrationAlgoType getAlgorithm() override {
    return called_back("get_algorithm", [&] { return nb::cast<CalibrationAlgoType>(self().attr("get_algorithm")()); });
  }

 protected:
  nb::handle self() const { return this->nb_trampoline.base(); }
  const void* read(const char* method, size_t& length) {
    nb::gil_scoped_acquire lock;
    length = 0;
    nb::object data = self().attr(method)();
    if (data.is_none()) return nullptr;
    Py_buffer view;
    if (PyObject_GetBuffer(data.ptr(), &view, PyBUF_SIMPLE) != 0) nb::raise_python_error();
    cache_.assign(static_cast<const char*>(view.buf), static_cast<size_t>(view.len));
    PyBuffer_Release(&view);
    length = cache_.size();
    return cache_.data();
  }
  std::string cache_;
};

struct PyLegacyCalibrator : PyCalibrator<IInt8LegacyCalibrator> {
  double getQuantile() const override { return value("quantile", "get_quantile", 0.99); }
  double getRegressionCutoff() const override { return value("regression_cutoff", "get_regression_cutoff", 0.99); }
  const void* readHistogramCache(size_t& length) override {
    nb::gil_scoped_acquire lock;
    length = 0;
    return nb::hasattr(self(), "read_histogram_cache") ? read("read_histogram_cache", length) : nullptr;
  }
  void writeHistogramCache(const void* data, size_t length) override {
    nb::gil_scoped_acquire lock;
    if (nb::hasattr(self(), "write_histogram_cache")) self().attr("write_histogram_cache")(view_of(data, length));
  }

 private:
  double value(const char* attribute, const char* method, double otherwise) const {
    nb::gil_scoped_acquire lock;
    if (nb::hasattr(self(), method)) return nb::cast<double>(self().attr(method)());
    return nb::hasattr(self(), attribute) ? nb::cast<double>(self().attr(attribute)) : otherwise;
  }
};

/// What get_algorithm says, the legacy one with its further methods too.
struct PyAnyCalibrator : PyLegacyCalibrator {
  InterfaceInfo getInterfaceInfo() const override {
    nb::gil_scoped_acquire lock;
    const auto algorithm = nb::cast<CalibrationAlgoType>(self().attr("get_algorithm")());
    const bool legacy = algorithm == CalibrationAlgoType::kLEGACY_CALIBRATION;
    return InterfaceInfo{legacy ? "IInt8LegacyCalibrator" : "IInt8EntropyCalibrator2", 1, 0};
  }
};

/// Methods that a user's class overrides; called on ours they answer as a calibrator without data.
template <class Type, class... Rest>
void define(nb::class_<Type, Rest...>& c, CalibrationAlgoType algorithm) {
  c.def(nb::init<>());
  c.def(
      "get_batch_size", [](Type&) { return 1; },
      "How many samples, rows of the first axis, each batch of get_batch() has.");
  c.def(
      "get_batch", [](Type&, nb::object) { return nb::none(); }, nb::arg("names"),
      "Device addresses of the next batch, one for each of `names`; None after the last.");
  c.def(
      "read_calibration_cache", [](Type&) { return nb::none(); },
      "The bytes of an earlier calibration, which is taken instead of batches; None if there is none.");
  c.def(
      "write_calibration_cache", [](Type&, nb::object) {}, nb::arg("cache"),
      "Told the bytes of the calibration, a memoryview, for read_calibration_cache() of another build.");
  c.def(
      "get_algorithm", [algorithm](Type&) { return algorithm; }, "The CalibrationAlgoType.");
}

struct PyAlgorithmSelector : IAlgorithmSelector {
  NB_TRAMPOLINE(IAlgorithmSelector);
  int32_t selectAlgorithms(const IAlgorithmContext& context, const IAlgorithm* const* choices, int32_t count,
                           int32_t* selection) override {
    return called_back("IAlgorithmSelector.select_algorithms", [&] {
      nb::list list;
      for (int32_t i = 0; i < count; ++i) list.append(nb::cast(choices[i], nb::rv_policy::reference));
      nb::object chosen = self().attr("select_algorithms")(nb::cast(&context, nb::rv_policy::reference), list);
      const auto size = static_cast<int32_t>(nb::len(chosen));
      for (int32_t i = 0; i < std::min(size, count); ++i) selection[i] = nb::cast<int32_t>(chosen[i]);
      return std::min(size, count);
    });
  }
  void reportAlgorithms(const IAlgorithmContext* const* contexts, const IAlgorithm* const* choices,
                        int32_t count) override {
    called_back("IAlgorithmSelector.report_algorithms", [&] {
      nb::list first, second;
      for (int32_t i = 0; i < count; ++i) {
        first.append(nb::cast(contexts[i], nb::rv_policy::reference));
        second.append(nb::cast(choices[i], nb::rv_policy::reference));
      }
      self().attr("report_algorithms")(first, second);
    });
  }

 private:
  nb::handle self() const { return nb_trampoline.base(); }
};

}  // namespace

void bind_calibrators(nb::module_& m) {
  nb::class_<IInt8Calibrator, IVersionedInterface, PyAnyCalibrator> any(
      m, "IInt8Calibrator",
      "Feeds inputs whose ranges become INT8 scales. A class has get_batch_size(), get_batch(), "
      "read_calibration_cache() and write_calibration_cache().");
  define(any, CalibrationAlgoType::kENTROPY_CALIBRATION_2);
  nb::class_<IInt8EntropyCalibrator, IInt8Calibrator, PyCalibrator<IInt8EntropyCalibrator>> entropy(
      m, "IInt8EntropyCalibrator", "A calibrator whose scales lose the least information, with the bins of release 4.");
  define(entropy, CalibrationAlgoType::kENTROPY_CALIBRATION);
  nb::class_<IInt8EntropyCalibrator2, IInt8Calibrator, PyCalibrator<IInt8EntropyCalibrator2>> second(
      m, "IInt8EntropyCalibrator2", "A calibrator whose scales lose the least information; the usual one.");
  define(second, CalibrationAlgoType::kENTROPY_CALIBRATION_2);
  nb::class_<IInt8MinMaxCalibrator, IInt8Calibrator, PyCalibrator<IInt8MinMaxCalibrator>> extremes(
      m, "IInt8MinMaxCalibrator", "A calibrator whose scales cover the whole range of values.");
  define(extremes, CalibrationAlgoType::kMINMAX_CALIBRATION);
  nb::class_<IInt8LegacyCalibrator, IInt8Calibrator, PyLegacyCalibrator> legacy(
      m, "IInt8LegacyCalibrator", "A calibrator of the first releases, with a quantile and a cutoff.");
  define(legacy, CalibrationAlgoType::kLEGACY_CALIBRATION);
  nb::class_<IAlgorithmSelector, IVersionedInterface, PyAlgorithmSelector> selector(
      m, "IAlgorithmSelector",
      "Chooses among kernels. A class has select_algorithms() and report_algorithms(); until release 9.");
  selector.def(nb::init<>());
  selector.def(
      "select_algorithms",
      [](IAlgorithmSelector&, nb::object, nb::object choices) {
        nb::list all;
        for (size_t i = 0; i < nb::len(choices); ++i) all.append(i);
        return all;
      },
      nb::arg("context"), nb::arg("choices"), "Indices of the kernels, of `choices`, that may be used for a layer.");
  selector.def(
      "report_algorithms", [](IAlgorithmSelector&, nb::object, nb::object) {}, nb::arg("contexts"), nb::arg("choices"),
      "Told the kernel that was chosen for each layer.");
}

}  // namespace tenon::py
