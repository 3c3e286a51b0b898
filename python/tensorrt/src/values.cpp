// Dims, Permutation, Weights and addresses.
#include <cstring>
#include <memory>

#include <nanobind/ndarray.h>

#include "common.h"
#include "parts.h"

/// Tensors that the interface makes on this thread of weights at `values` hold `*owner`; null ends that.
extern "C" void tenon_own_weights(const void* values, const std::shared_ptr<const void>* owner);

namespace tenon::py {
namespace {

using nvinfer1::DataType;
using nvinfer1::Dims;

struct TypeName {
  DataType type;
  const char* name;  ///< Of numpy's dtype, or of ml_dtypes'.
  int bits;
  bool of_numpy;
};
constexpr TypeName kTypes[] = {
    {DataType::kFLOAT, "float32", 32, true},     {DataType::kHALF, "float16", 16, true},
    {DataType::kINT8, "int8", 8, true},          {DataType::kINT32, "int32", 32, true},
    {DataType::kBOOL, "bool", 8, true},          {DataType::kUINT8, "uint8", 8, true},
    {DataType::kINT64, "int64", 64, true},       {DataType::kBF16, "bfloat16", 16, false},
    {DataType::kFP8, "float8_e4m3fn", 8, false}, {DataType::kE8M0, "float8_e8m0fnu", 8, false},
    {DataType::kINT4, "int4", 4, false},         {DataType::kFP4, "float4_e2m1fn", 4, false},
};

const TypeName& name_of(DataType type) {
  for (const TypeName& t : kTypes) {
    if (t.type == type) return t;
  }
  return kTypes[0];
}

size_t bytes_of(const nvinfer1::Weights& weights) {
  return (static_cast<size_t>(weights.count) * static_cast<size_t>(name_of(weights.type).bits) + 7) / 8;
}

int64_t index_in(const Dims& dims, int64_t index) {
  const int64_t i = index < 0 ? index + dims.nbDims : index;
  if (i < 0 || i >= dims.nbDims) throw nb::index_error("index out of range of Dims");
  return i;
}

nb::tuple to_tuple(const Dims& dims) {
  nb::list values;
  for (int32_t i = 0; i < dims.nbDims; ++i) values.append(dims.d[i]);
  return nb::tuple(values);
}

size_t length(const Dims& dims) {
  if (dims.nbDims < 0) throw nb::value_error("these Dims are invalid: the call that made them failed");
  return static_cast<size_t>(dims.nbDims);
}

PyDims dims_of_object(nb::handle object) {
  PyDims dims;
  if (!dims_of(object.ptr(), &dims)) throw nb::type_error("expected a sequence of at most 8 integers");
  return dims;
}

/// A subclass of Dims with a fixed number of dimensions.
template <int Count>
struct PyDimsN : PyDims {};
struct PyDimsHW : PyDimsN<2> {};

template <int Count, class Type>
void fixed(nb::class_<Type, PyDims>& type) {
  type.def("__init__", [](Type* self) {
    new (self) Type();
    self->nbDims = Count;
  });
  type.def(
      "__init__",
      [](Type* self, nb::object shape) {
        PyDims dims = dims_of_object(shape);
        if (dims.nbDims != Count) throw nb::value_error("the shape has another number of dimensions");
        new (self) Type();
        static_cast<Dims&>(*self) = dims;
      },
      nb::arg("shape"));
  type.def("__init__", [](Type* self, nb::args values) {
    PyDims dims = dims_of_object(values);
    if (dims.nbDims != Count) throw nb::type_error("another number of dimensions is expected");
    new (self) Type();
    static_cast<Dims&>(*self) = dims;
  });
}

void bind_dims(nb::module_& m) {
  nb::class_<PyDims> c(m, "Dims",
                       "Up to 8 dimensions, a sequence of integers; -1 stands for one that is not fixed. Tuples and "
                       "lists are taken in its place.");
  c.def(nb::init<>());
  c.def(
      "__init__", [](PyDims* self, nb::object shape) { new (self) PyDims(dims_of_object(shape)); }, nb::arg("shape"));
  c.def("__len__", [](const PyDims& d) { return length(d); });
  c.def("__getitem__", [](const PyDims& d, int64_t i) { return d.d[index_in(d, i)]; });
  c.def("__getitem__", [](const PyDims& d, nb::slice s) { return dims_of_object(nb::object(to_tuple(d))[s]); });
  c.def("__setitem__", [](PyDims& d, int64_t i, int64_t value) { d.d[index_in(d, i)] = value; });
  c.def("__setitem__", [](PyDims& d, nb::slice s, nb::object values) {
    nb::object list = nb::list(to_tuple(d));
    list[s] = values;
    static_cast<Dims&>(d) = dims_of_object(list);
  });
  c.def("__eq__", [](const PyDims& d, nb::object other) {
    PyDims right;
    return dims_of(other.ptr(), &right) && right.nbDims == d.nbDims &&
           std::equal(right.d, right.d + std::max(right.nbDims, 0), d.d);
  });
  c.def("__str__", [](const PyDims& d) { return nb::str(to_tuple(d)); });
  c.def("__repr__", [](const PyDims& d) { return nb::repr(to_tuple(d)); });
  c.def("__iter__", [](const PyDims& d) { return nb::iter(to_tuple(d)); });
  c.attr("MAX_DIMS") = Dims::MAX_DIMS;
  nb::class_<PyDimsN<2>, PyDims> two(m, "Dims2", "Two dimensions.");
  fixed<2>(two);
  nb::class_<PyDimsN<3>, PyDims> three(m, "Dims3", "Three dimensions.");
  fixed<3>(three);
  nb::class_<PyDimsN<4>, PyDims> four(m, "Dims4", "Four dimensions.");
  fixed<4>(four);
  nb::class_<PyDimsHW, PyDims> hw(m, "DimsHW", "Height and width.");
  fixed<2>(hw);
  hw.def_prop_rw(
      "h", [](PyDimsHW& d) { return d.d[0]; }, [](PyDimsHW& d, int64_t v) { d.d[0] = v; }, "The height.");
  hw.def_prop_rw(
      "w", [](PyDimsHW& d) { return d.d[1]; }, [](PyDimsHW& d, int64_t v) { d.d[1] = v; }, "The width.");
}

void bind_permutation(nb::module_& m) {
  using nvinfer1::Permutation;
  const auto place = [](int64_t i) {
    const int64_t index = i < 0 ? i + Dims::MAX_DIMS : i;
    if (index < 0 || index >= Dims::MAX_DIMS) throw nb::index_error("index out of range of Permutation");
    return index;
  };
  const auto tuple = [](const Permutation& p) {
    nb::list values;
    for (int32_t axis : p.order) values.append(axis);
    return nb::tuple(values);
  };
  nb::class_<Permutation> c(m, "Permutation", "An order of axes, for IShuffleLayer. Sequences are taken in its place.");
  c.def("__init__", [](Permutation* self) { new (self) Permutation{}; });
  c.def(
      "__init__",
      [](Permutation* self, nb::sequence order) {
        const PyDims dims = dims_of_object(order);
        new (self) Permutation{};
        for (int32_t i = 0; i < dims.nbDims; ++i) self->order[i] = static_cast<int32_t>(dims.d[i]);
      },
      nb::arg("perm"));
  nb::implicitly_convertible<nb::sequence, Permutation>();
  c.def("__len__", [](const Permutation&) { return size_t{Dims::MAX_DIMS}; });
  c.def("__getitem__", [place](const Permutation& p, int64_t i) { return p.order[place(i)]; });
  c.def("__setitem__", [place](Permutation& p, int64_t i, int32_t axis) { p.order[place(i)] = axis; });
  c.def("__str__", [tuple](const Permutation& p) { return nb::str(tuple(p)); });
  c.def("__repr__", [tuple](const Permutation& p) { return nb::repr(tuple(p)); });
}

PyWeights weights_of_array(nb::handle array) {
  PyWeights weights;
  if (!weights_of(array.ptr(), &weights)) {
    throw nb::type_error(
        "the array's data type is none of TensorRT's: float32, float16, bfloat16, int8, int32, int64, "
        "uint8, bool, fp8, int4, fp4");
  }
  return weights;
}

void bind_weights(nb::module_& m) {
  nb::class_<PyWeights> c(
      m, "Weights",
      "Values of a layer: an array of numpy, or a type, an address and a number. Arrays are taken in its place.");
  c.def(
      "__init__",
      [](PyWeights* self, DataType type) {
        new (self) PyWeights{{type, nullptr, 0}, {}};
      },
      nb::arg("type") = DataType::kFLOAT);
  c.def(
      "__init__",
      [](PyWeights* self, DataType type, Address ptr, int64_t count) {
        new (self) PyWeights{{type, ptr.as<const void*>(), count}, {}};
      },
      nb::arg("type"), nb::arg("ptr"), nb::arg("count"));
  c.def(
      "__init__", [](PyWeights* self, nb::object a) { new (self) PyWeights(weights_of_array(a)); }, nb::arg("a"));
  c.def_prop_ro(
      "dtype", [](const PyWeights& w) { return w.weights.type; }, "The DataType of the values.");
  c.def_prop_ro(
      "size", [](const PyWeights& w) { return w.weights.count; }, "The number of values.");
  c.def_prop_ro(
      "nbytes", [](const PyWeights& w) { return bytes_of(w.weights); }, "Bytes of the values.");
  c.def("__len__", [](const PyWeights& w) { return static_cast<size_t>(w.weights.count); });
  c.def(
      "numpy", [](nb::pointer_and_handle<PyWeights> self) { return weights_object(self.p->weights, self.h); },
      "The values as an array of numpy that shares their memory.");
}

void release_object(const void* object) {
  if (Py_IsInitialized() == 0) return;
  nb::gil_scoped_acquire lock;
  Py_DECREF(static_cast<PyObject*>(const_cast<void*>(object)));
}

}  // namespace

bool dims_of(PyObject* object, Dims* dims) noexcept {
  if (nb::isinstance<PyDims>(object)) {
    *dims = *nb::inst_ptr<PyDims>(object);
    return true;
  }
  if (PySequence_Check(object) == 0 || PyUnicode_Check(object) || PyBytes_Check(object)) return false;
  const Py_ssize_t count = PySequence_Size(object);
  bool good = count >= 0 && count <= Dims::MAX_DIMS;
  *dims = Dims{};
  dims->nbDims = good ? static_cast<int32_t>(count) : 0;
  for (Py_ssize_t i = 0; good && i < count; ++i) {
    const nb::object item = nb::steal(PySequence_GetItem(object, i));
    const nb::object number = nb::steal(item.is_valid() ? PyNumber_Index(item.ptr()) : nullptr);
    if (number.is_valid()) dims->d[i] = PyLong_AsLongLong(number.ptr());
    good = number.is_valid() && PyErr_Occurred() == nullptr;
  }
  if (!good) PyErr_Clear();
  return good;
}

nb::object dims_object(const Dims& dims) {
  if (dims.nbDims < 0) return nb::none();
  return nb::cast(PyDims(dims));
}

bool address_of(PyObject* object, Address* address) noexcept {
  if (object == Py_None) {
    address->value = 0;
    return true;
  }
  if (PyFloat_Check(object) || PyUnicode_Check(object) || PyNumber_Check(object) == 0) return false;
  const nb::object number = nb::steal(PyNumber_Long(object));
  const unsigned long long value = number.is_valid() ? PyLong_AsUnsignedLongLong(number.ptr()) : 0;
  if (PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    return false;
  }
  address->value = value;
  return true;
}

nb::object numpy_dtype(DataType type) {
  const TypeName& name = name_of(type);
  if (!name.of_numpy) return nb::none();
  return nb::module_::import_("numpy").attr(name.type == DataType::kBOOL ? "bool_" : name.name);
}

bool weights_of(PyObject* object, PyWeights* weights) noexcept {
  if (object == Py_None) return true;
  if (nb::isinstance<PyWeights>(object)) {
    *weights = *nb::inst_ptr<PyWeights>(object);
    return true;
  }
  try {
    nb::handle source(object);
    if (!nb::hasattr(source, "__array_interface__")) return false;
    nb::object array = nb::module_::import_("numpy").attr("ascontiguousarray")(source);
    if (!nb::cast<bool>(array.attr("dtype").attr("isnative")))
      array = array.attr("astype")(array.attr("dtype").attr("newbyteorder")("="));
    const auto name = nb::cast<std::string>(array.attr("dtype").attr("name"));
    for (const TypeName& type : kTypes) {
      if (name != type.name || type.bits < 8) continue;
      const auto address = nb::cast<uintptr_t>(array.attr("__array_interface__")["data"][0]);
      weights->weights = {type.type, reinterpret_cast<const void*>(address), nb::cast<int64_t>(array.attr("size"))};
      weights->owner = std::move(array);
      return true;
    }
    return false;
  } catch (nb::python_error& e) {
    e.restore();
    PyErr_Clear();
    return false;
  } catch (...) {
    return false;
  }
}

nb::object weights_object(const nvinfer1::Weights& weights, nb::handle owner) {
  const TypeName& name = name_of(weights.type);
  if (name.bits < 8) return nb::cast(PyWeights{weights, nb::borrow(owner)});
  nb::ndarray<nb::numpy, const uint8_t, nb::ndim<1>> bytes(weights.values, {bytes_of(weights)}, owner);
  nb::object from = nb::module_::import_(name.of_numpy ? "numpy" : "ml_dtypes");
  return nb::cast(bytes).attr("view")(from.attr(name.type == DataType::kBOOL ? "bool_" : name.name));
}

WeightsArg::WeightsArg(const PyWeights& given) : weights_(given.weights) {
  if (weights_.values == nullptr || !given.owner.is_valid()) return;
  const std::shared_ptr<const void> owner(nb::object(given.owner).release().ptr(), release_object);
  tenon_own_weights(weights_.values, &owner);
  registered_ = true;
}

WeightsArg::WeightsArg(WeightsArg&& other) noexcept
    : weights_(other.weights_), registered_(std::exchange(other.registered_, false)) {}

WeightsArg& WeightsArg::operator=(WeightsArg&& other) noexcept {
  std::swap(weights_, other.weights_);
  std::swap(registered_, other.registered_);
  return *this;
}

WeightsArg::~WeightsArg() {
  if (registered_) tenon_own_weights(weights_.values, nullptr);
}

void bind_values(nb::module_& m) {
  bind_dims(m);
  bind_permutation(m);
  bind_weights(m);
}

}  // namespace tenon::py
