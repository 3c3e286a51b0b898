// An ONNX model as plain structs: what the file says, checked for form, not for meaning. Knows no graph IR.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ir/tensor.h"

namespace tenon::onnx {

/// A dimension of a declared shape: a value, a name, or neither (unknown).
struct Dimension {
  std::optional<int64_t> value;  ///< >= 0
  std::string param;
};

/// A declared value type.
struct Type {
  enum class Kind : uint8_t { kUndefined, kTensor, kSparseTensor, kSequence, kOptional, kMap, kOpaque };
  Kind kind = Kind::kUndefined;
  ir::DType dtype = ir::DType::kUndefined;      ///< element type of tensors, key type of maps
  std::optional<std::vector<Dimension>> shape;  ///< of tensors; nullopt: unknown rank
  std::shared_ptr<const Type> element;          ///< of sequences, optionals and maps (the value)
  std::string text() const;                     ///< "tensor(f32)[N, 3]", "seq(tensor(f32))"
};

struct ValueInfo {
  std::string name;
  Type type;
};

struct NamedTensor {
  std::string name;
  ir::Tensor tensor;
};

/// Coordinate form. `indices` is i64 [n] (linear) or [n, rank]; `values` is [n].
struct SparseTensor {
  std::string name;
  ir::Tensor values, indices;
  ir::Dims dims;
};
/// The dense tensor. Indices are checked; throws kUnsupported when it would exceed 256 MiB.
ir::Tensor densify(const SparseTensor& sparse);

struct Graph;
using GraphPtr = std::shared_ptr<const Graph>;

struct Attribute {
  /// The numbers of the file format.
  enum class Kind : uint8_t {
    kUndefined = 0,
    kFloat = 1,
    kInt = 2,
    kString = 3,
    kTensor = 4,
    kGraph = 5,
    kFloats = 6,
    kInts = 7,
    kStrings = 8,
    kTensors = 9,
    kGraphs = 10,
    kSparseTensor = 11,
    kSparseTensors = 12,
    kType = 13,
    kTypes = 14
  };
  using Value = std::variant<std::monostate, float, int64_t, std::string, ir::Tensor, GraphPtr, std::vector<float>,
                             std::vector<int64_t>, std::vector<std::string>, std::vector<ir::Tensor>,
                             std::vector<GraphPtr>, std::shared_ptr<const SparseTensor>, std::vector<SparseTensor>,
                             std::shared_ptr<const Type>, std::vector<Type>>;
  std::string name;
  std::string ref_name;  ///< inside a function: takes the value of the caller's attribute of this name
  Value value;           ///< monostate only for a reference
  Kind kind = Kind::kUndefined;
};
std::string_view name(Attribute::Kind kind);

struct Node {
  std::string name, op_type, domain, overload;  ///< domain "" is ONNX's own, "ai.onnx" in the file included
  std::vector<std::string> inputs, outputs;     ///< "" marks an absent optional one
  std::vector<Attribute> attributes;
  std::map<std::string, std::string> metadata;

  const Attribute* find(std::string_view attribute) const;
  /// The attribute's value, nullptr if absent. Throws kInvalidModel if it is of another kind.
  template <class T>
  const T* get(std::string_view attribute) const;
  template <class T>
  T get_or(std::string_view attribute, T fallback) const {
    const T* v = get<T>(attribute);
    return v ? *v : std::move(fallback);
  }
  /// The attribute's value; throws kInvalidModel if it is absent or of another kind.
  template <class T>
  const T& need(std::string_view attribute) const;
};

struct Graph {
  std::string name;
  std::vector<Node> nodes;
  std::vector<NamedTensor> initializers;
  std::vector<SparseTensor> sparse_initializers;
  std::vector<ValueInfo> inputs, outputs, value_infos;
  std::map<std::string, std::string> metadata;
};

struct OpsetImport {
  std::string domain;  ///< "" for ONNX's own
  int64_t version = 0;
};

/// A model-local function.
struct Function {
  std::string name, domain, overload;
  std::vector<std::string> inputs, outputs, attributes;
  std::vector<Attribute> default_attributes;
  std::vector<Node> nodes;
  std::vector<OpsetImport> opset_imports;
  std::vector<ValueInfo> value_infos;
};

struct Model {
  int64_t ir_version = 0, model_version = 0;
  std::string producer_name, producer_version, domain;
  std::vector<OpsetImport> opset_imports;
  Graph graph;
  std::vector<Function> functions;
  std::map<std::string, std::string> metadata;
  /// Initializers of the graph without data, and why: see LoadOptions::later. Their tensors have no numbers yet.
  std::map<std::string, std::string> awaited;
};

/// The element type with ONNX's number `code`. Throws kInvalidModel for a number without meaning, kUnsupported for
/// types that have no IR counterpart.
ir::DType dtype_of(int64_t code);

namespace detail {
[[noreturn]] void fail_attribute_kind(const Node& node, const Attribute& found, std::string_view wanted);
[[noreturn]] void fail_attribute_missing(const Node& node, std::string_view attribute);
template <class T>
inline constexpr std::string_view kAttributeText = "a value of another kind";
template <>
inline constexpr std::string_view kAttributeText<float> = "float";
template <>
inline constexpr std::string_view kAttributeText<int64_t> = "int";
template <>
inline constexpr std::string_view kAttributeText<std::string> = "string";
template <>
inline constexpr std::string_view kAttributeText<ir::Tensor> = "tensor";
template <>
inline constexpr std::string_view kAttributeText<GraphPtr> = "graph";
template <>
inline constexpr std::string_view kAttributeText<std::vector<float>> = "floats";
template <>
inline constexpr std::string_view kAttributeText<std::vector<int64_t>> = "ints";
template <>
inline constexpr std::string_view kAttributeText<std::vector<std::string>> = "strings";
}  // namespace detail

template <class T>
const T* Node::get(std::string_view attribute) const {
  const Attribute* a = find(attribute);
  if (!a) return nullptr;
  if (const T* v = std::get_if<T>(&a->value)) return v;
  detail::fail_attribute_kind(*this, *a, detail::kAttributeText<T>);
}

template <class T>
const T& Node::need(std::string_view attribute) const {
  const T* v = get<T>(attribute);
  if (!v) detail::fail_attribute_missing(*this, attribute);
  return *v;
}

}  // namespace tenon::onnx
