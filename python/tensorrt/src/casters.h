// How values of TensorRT's interface cross between C++ and Python: enumerations as enum.IntEnum, dims as tuples,
// weights as numpy arrays, addresses and CUDA handles as integers.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstdint>
#include <string>
#include <type_traits>

#include <NvInfer.h>
#include <NvOnnxParser.h>
#include <NvUffParser.h>
#include <impl/NvInferPythonPlugin.h>

namespace tenon::py {

namespace nb = nanobind;

/// Index of a described enumeration in the generated table; -1 for every other type.
template <class T>
struct EnumIndex : std::integral_constant<int, -1> {};

/// The C++ number of a member of Python's class for enumeration `index`. False for any other object.
bool enum_value(int index, PyObject* object, int64_t* value) noexcept;
/// A new reference to the member with a C++ number; null with ValueError if there is none.
PyObject* enum_member(int index, int64_t value) noexcept;
/// Bit masks of an enumeration's numbers: as the chosen release counts, and as level `all` does.
uint32_t mask_to_cpp(int index, uint64_t mask);
uint32_t mask_to_python(int index, uint32_t mask);

/// Dims as the Python class `Dims`; a sequence of integers converts to it.
struct PyDims : nvinfer1::Dims {
  PyDims() : nvinfer1::Dims{} {}
  explicit PyDims(const nvinfer1::Dims& dims) : nvinfer1::Dims(dims) {}
};

/// Values of a sequence, or false with no exception set if it is not one of at most eight integers.
bool dims_of(PyObject* object, nvinfer1::Dims* dims) noexcept;
nb::object dims_object(const nvinfer1::Dims& dims);

/// What Python's class `Weights` holds: the values and the array that owns them.
struct PyWeights {
  nvinfer1::Weights weights{nvinfer1::DataType::kFLOAT, nullptr, 0};
  nb::object owner;
};

/// Weights as an argument. While it lives, the interface makes tensors that keep the array alive.
class WeightsArg {
 public:
  WeightsArg() = default;
  explicit WeightsArg(const PyWeights& given);
  WeightsArg(WeightsArg&& other) noexcept;
  WeightsArg& operator=(WeightsArg&& other) noexcept;
  ~WeightsArg();
  operator nvinfer1::Weights() const { return weights_; }

 private:
  nvinfer1::Weights weights_{nvinfer1::DataType::kFLOAT, nullptr, 0};
  bool registered_ = false;
};

/// From None (empty), Weights or an array. False with no exception set for anything else.
bool weights_of(PyObject* object, PyWeights* weights) noexcept;
/// A numpy array over the values, which keeps `owner` alive; Weights where numpy has no such type.
nb::object weights_object(const nvinfer1::Weights& weights, nb::handle owner);

/// An address or a CUDA handle: an integer, None, or an object with __int__.
struct Address {
  uintptr_t value = 0;
  template <class T>
  T as() const {
    return reinterpret_cast<T>(value);
  }
};
bool address_of(PyObject* object, Address* address) noexcept;

/// numpy's dtype for a data type; None where numpy itself has none.
nb::object numpy_dtype(nvinfer1::DataType type);

}  // namespace tenon::py

namespace nanobind::detail {

/// The name of an enumeration in Python.
template <class E>
struct TenonEnumName;

/// An enumeration's caster; enum_index.h lists them.
template <class E>
struct TenonEnumCaster {
  NB_TYPE_CASTER(E, TenonEnumName<E>::text)
  bool from_python(handle source, uint8_t, cleanup_list*) noexcept {
    int64_t number = 0;
    if (!tenon::py::enum_value(tenon::py::EnumIndex<E>::value, source.ptr(), &number)) return false;
    value = static_cast<E>(number);
    return true;
  }
  static handle from_cpp(E number, rv_policy, cleanup_list*) noexcept {
    return tenon::py::enum_member(tenon::py::EnumIndex<E>::value, static_cast<int64_t>(number));
  }
};

}  // namespace nanobind::detail

#define TENON_ENUM(type, index, name)                                        \
  template <>                                                                \
  struct tenon::py::EnumIndex<type> : std::integral_constant<int, index> {}; \
  template <>                                                                \
  struct nanobind::detail::TenonEnumName<type> {                             \
    static constexpr auto text = nanobind::detail::const_name(name);         \
  };                                                                         \
  template <>                                                                \
  struct nanobind::detail::type_caster<type> : nanobind::detail::TenonEnumCaster<type> {};
#include "enum_index.h"
#undef TENON_ENUM

namespace nanobind::detail {

template <>
struct type_caster<nvinfer1::Dims> {
  NB_TYPE_CASTER(nvinfer1::Dims, io_name("Dims | collections.abc.Sequence[int]", "Dims"))
  bool from_python(handle source, uint8_t, cleanup_list*) noexcept { return tenon::py::dims_of(source.ptr(), &value); }
  static handle from_cpp(const nvinfer1::Dims& dims, rv_policy, cleanup_list*) noexcept {
    return tenon::py::dims_object(dims).release();
  }
};

template <>
struct type_caster<nvinfer1::DimsHW> {
  NB_TYPE_CASTER(nvinfer1::DimsHW, io_name("Dims | collections.abc.Sequence[int]", "Dims"))
  bool from_python(handle source, uint8_t, cleanup_list*) noexcept {
    nvinfer1::Dims dims{};
    if (!tenon::py::dims_of(source.ptr(), &dims) || dims.nbDims != 2) return false;
    value = nvinfer1::DimsHW(dims.d[0], dims.d[1]);
    return true;
  }
  static handle from_cpp(const nvinfer1::DimsHW& dims, rv_policy, cleanup_list*) noexcept {
    return tenon::py::dims_object(dims).release();
  }
};

template <>
struct type_caster<tenon::py::WeightsArg> {
  NB_TYPE_CASTER(tenon::py::WeightsArg, const_name("Weights | numpy.ndarray | None"))
  bool from_python(handle source, uint8_t, cleanup_list*) noexcept {
    tenon::py::PyWeights weights;
    if (!tenon::py::weights_of(source.ptr(), &weights)) return false;
    value = tenon::py::WeightsArg(weights);
    return true;
  }
};

template <>
struct type_caster<tenon::py::Address> {
  NB_TYPE_CASTER(tenon::py::Address, io_name("typing.SupportsInt", "int"))
  bool from_python(handle source, uint8_t, cleanup_list*) noexcept {
    return tenon::py::address_of(source.ptr(), &value);
  }
  static handle from_cpp(tenon::py::Address address, rv_policy, cleanup_list*) noexcept {
    return PyLong_FromVoidPtr(reinterpret_cast<void*>(address.value));
  }
};

/// A layer shows as the class of its type.
template <>
struct type_hook<nvinfer1::ILayer> {
  static const std::type_info* get(const nvinfer1::ILayer* layer);
};

}  // namespace nanobind::detail
