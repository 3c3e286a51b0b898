// Enumerations: one enum.IntEnum class each, made from the generated table when the module is imported.
#include <algorithm>
#include <array>

#include "common.h"
#include "parts.h"

namespace tenon::py {
namespace {

struct Row {
  const char* enumeration;       ///< Begins an enumeration if not null.
  const char* name;              ///< Of an enumerator, or what the enumeration says of itself.
  int32_t number;                ///< At level `all`.
  std::array<int32_t, 4> shown;  ///< At levels 7, 8, 10 and 11.
};

#define ENUM(name, doc) {name, doc, 0, {}},
#define VALUE(name, number, at_7, at_8, at_10, at_11) {nullptr, name, number, {at_7, at_8, at_10, at_11}},
constexpr Row kRows[] = {
#include "enums.inc"
};
#undef ENUM
#undef VALUE

struct Enumeration {
  PyObject* type = nullptr;
  std::vector<PyObject*> members;  ///< By number at level `all`; null where there is none.
  std::vector<int32_t> numbers;    ///< By shown number; -1 where there is none.
};

/// Lives as long as the process: members are compared by identity of their class.
std::vector<Enumeration>& enumerations() {
  static auto* all = new std::vector<Enumeration>;
  return *all;
}

size_t column() {
  switch (release()) {
    case 7:
      return 0;
    case 8:
      return 1;
    case 11:
      return 3;
    default:
      return 2;
  }
}

template <class T>
T& at(std::vector<T>& list, int32_t index, T missing) {
  const auto i = static_cast<size_t>(index);
  if (i >= list.size()) list.resize(i + 1, missing);
  return list[i];
}

/// Makes the class of rows [begin, end), whose first names the enumeration.
Enumeration make(nb::module_& m, const nb::object& base, const Row* begin, const Row* end) {
  nb::list pairs;
  for (const Row* row = begin + 1; row != end; ++row) pairs.append(nb::make_tuple(row->name, row->shown[column()]));
  nb::object type = base(begin->enumeration, pairs, nb::arg("module") = "tensorrt");
  type.attr("__doc__") = begin->name;
  Enumeration made;
  for (const Row* row = begin + 1; row != end; ++row) {
    nb::object member = type.attr(row->name);
    PyObject*& slot = at<PyObject*>(made.members, row->number, nullptr);
    if (slot == nullptr) slot = member.release().ptr();
    int32_t& number = at<int32_t>(made.numbers, row->shown[column()], -1);
    if (number < 0) number = row->number;
  }
  m.attr(begin->enumeration) = type;
  made.type = type.release().ptr();
  return made;
}

uint32_t translated(uint64_t mask, const std::vector<int32_t>& target) {
  uint32_t result = 0;
  for (uint32_t bit = 0; bit < 32 && bit < target.size(); ++bit) {
    if ((mask >> bit & 1U) != 0 && target[bit] >= 0) result |= 1U << static_cast<uint32_t>(target[bit]);
  }
  return result;
}

}  // namespace

void bind_enums(nb::module_& m, const nb::object& base) {
  const Row* const end = std::end(kRows);
  for (const Row* row = std::begin(kRows); row != end;) {
    const Row* next = std::find_if(row + 1, end, [](const Row& r) { return r.enumeration != nullptr; });
    enumerations().push_back(make(m, base, row, next));
    row = next;
  }
}

bool enum_value(int index, PyObject* object, int64_t* value) noexcept {
  const Enumeration& e = enumerations()[static_cast<size_t>(index)];
  if (reinterpret_cast<PyObject*>(Py_TYPE(object)) != e.type) return false;
  const auto shown = static_cast<size_t>(PyLong_AsLong(object));
  if (shown >= e.numbers.size() || e.numbers[shown] < 0) return false;
  *value = e.numbers[shown];
  return true;
}

PyObject* enum_member(int index, int64_t value) noexcept {
  const Enumeration& e = enumerations()[static_cast<size_t>(index)];
  const auto i = static_cast<size_t>(value);
  if (i < e.members.size() && e.members[i] != nullptr) return Py_NewRef(e.members[i]);
  PyErr_Format(PyExc_ValueError, "%R has no member of number %lld", e.type, static_cast<long long>(value));
  return nullptr;
}

uint32_t mask_to_cpp(int index, uint64_t mask) {
  return translated(mask, enumerations()[static_cast<size_t>(index)].numbers);
}

uint32_t mask_to_python(int index, uint32_t mask) {
  const Enumeration& e = enumerations()[static_cast<size_t>(index)];
  std::vector<int32_t> shown(e.members.size(), -1);
  for (size_t i = 0; i < shown.size(); ++i) {
    if (e.members[i] != nullptr) shown[i] = static_cast<int32_t>(PyLong_AsLong(e.members[i]));
  }
  return translated(mask, shown);
}

}  // namespace tenon::py
