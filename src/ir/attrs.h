// Attributes of an operator: a plain struct that lists its fields once; print, parse, compare, hash and serialize
// follow.
//
//   struct ConvAttrs {
//     std::vector<int64_t> strides, pads;
//     int64_t group = 1;
//     static std::span<const ir::Field> fields() {
//       static const ir::Field f[] = {ir::field<&ConvAttrs::strides>("strides"), ir::field<&ConvAttrs::pads>("pads"),
//                                     ir::field<&ConvAttrs::group>("group")};
//       return f;
//     }
//   };
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <typeinfo>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "ir/dtype.h"
#include "ir/tensor.h"

namespace tenon::ir {

class Graph;

enum class FieldKind : uint8_t {
  kInt,
  kFloat,
  kBool,
  kString,
  kDType,
  kEnum,
  kInts,
  kFloats,
  kStrings,
  kGraph,
  kTensor
};

/// One field of an attribute struct: its name, kind and place. `names` holds an enum's texts, by value from 0.
struct Field {
  std::string_view name;
  FieldKind kind;
  void* (*get)(void* attrs);
  std::span<const std::string_view> names;

  template <class T>
  T& of(void* attrs) const {
    return *static_cast<T*>(get(attrs));
  }
  template <class T>
  const T& of(const void* attrs) const {
    return *static_cast<const T*>(get(const_cast<void*>(attrs)));
  }
};

namespace detail {
template <class T>
struct KindOf;
template <>
struct KindOf<int64_t> {
  static constexpr auto value = FieldKind::kInt;
};
template <>
struct KindOf<float> {
  static constexpr auto value = FieldKind::kFloat;
};
template <>
struct KindOf<bool> {
  static constexpr auto value = FieldKind::kBool;
};
template <>
struct KindOf<std::string> {
  static constexpr auto value = FieldKind::kString;
};
template <>
struct KindOf<DType> {
  static constexpr auto value = FieldKind::kDType;
};
template <>
struct KindOf<std::vector<int64_t>> {
  static constexpr auto value = FieldKind::kInts;
};
template <>
struct KindOf<std::vector<float>> {
  static constexpr auto value = FieldKind::kFloats;
};
template <>
struct KindOf<std::vector<std::string>> {
  static constexpr auto value = FieldKind::kStrings;
};
template <>
struct KindOf<std::shared_ptr<Graph>> {
  static constexpr auto value = FieldKind::kGraph;
};
template <>
struct KindOf<Tensor> {
  static constexpr auto value = FieldKind::kTensor;
};
template <class M>
struct MemberOf;
template <class C, class T>
struct MemberOf<T C::*> {
  using Class = C;
  using Type = T;
};
}  // namespace detail

/// Describes a member. An enum must have int64_t as its underlying type and an overload
/// `std::span<const std::string_view> enum_names(E)` beside it.
template <auto Member>
Field field(std::string_view name) {
  using M = detail::MemberOf<decltype(Member)>;
  auto get = [](void* p) -> void* { return &(static_cast<typename M::Class*>(p)->*Member); };
  if constexpr (std::is_enum_v<typename M::Type> && !std::is_same_v<typename M::Type, DType>) {
    static_assert(std::is_same_v<std::underlying_type_t<typename M::Type>, int64_t>);
    return {name, FieldKind::kEnum, get, enum_names(typename M::Type{})};
  } else {
    return {name, detail::KindOf<typename M::Type>::value, get, {}};
  }
}

/// What an attribute struct is made of. One object a struct type; compare by address.
struct AttrSchema {
  std::span<const Field> fields;
  std::shared_ptr<void> (*make)();
  std::shared_ptr<void> (*copy)(const void*);
};

template <class T>
const AttrSchema* schema_of() {
  static const AttrSchema schema{
      T::fields(), [] { return std::shared_ptr<void>(std::make_shared<T>()); },
      [](const void* p) { return std::shared_ptr<void>(std::make_shared<T>(*static_cast<const T*>(p))); }};
  return &schema;
}

/// An operator without attributes.
struct NoAttrs {
  static std::span<const Field> fields() { return {}; }
};

/// A value of some attribute struct. Copies share until edited.
class Attrs {
 public:
  Attrs() : Attrs(schema_of<NoAttrs>()) {}
  explicit Attrs(const AttrSchema* schema) : schema_(schema), data_(schema->make()) {}
  template <class T>
  requires requires { T::fields(); }
  Attrs(T value) : schema_(schema_of<T>()), data_(std::make_shared<T>(std::move(value))) {}  // NOLINT: implicit

  template <class T>
  const T& as() const {
    require(schema_ == schema_of<T>(), ErrorCode::kInternal, "attributes are not ", typeid(T).name());
    return *static_cast<const T*>(data_.get());
  }
  template <class T>
  T& edit() {
    as<T>();
    if (data_.use_count() > 1) data_ = schema_->copy(data_.get());
    return *static_cast<T*>(data_.get());
  }
  const AttrSchema& schema() const { return *schema_; }
  const void* data() const { return data_.get(); }
  void* edit_data() {
    if (data_.use_count() > 1) data_ = schema_->copy(data_.get());
    return data_.get();
  }
  /// The field called `name`, or null.
  const Field* find(std::string_view name) const;
  void hash(Hasher& hasher) const;
  friend bool operator==(const Attrs& a, const Attrs& b);

 private:
  const AttrSchema* schema_;
  std::shared_ptr<void> data_;
};

}  // namespace tenon::ir
