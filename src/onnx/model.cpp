#include "onnx/model.h"

#include <array>
#include <cstring>

#include "base/checked.h"

namespace tenon::onnx {
namespace {

using ir::DType;

// Index is ONNX's number. Absent counterparts are kUndefined.
constexpr std::array kDTypes{DType::kUndefined,  DType::kF32,  DType::kU8,       DType::kI8,         DType::kU16,
                             DType::kI16,        DType::kI32,  DType::kI64,      DType::kString,     DType::kBool,
                             DType::kF16,        DType::kF64,  DType::kU32,      DType::kU64,        DType::kC64,
                             DType::kC128,       DType::kBF16, DType::kF8E4M3FN, DType::kF8E4M3FNUZ, DType::kF8E5M2,
                             DType::kF8E5M2FNUZ, DType::kU4,   DType::kI4,       DType::kF4E2M1,     DType::kF8E8M0,
                             DType::kU2,         DType::kI2};

constexpr int64_t kFloat6E2M3 = 27, kFloat6E3M2 = 28;
constexpr int64_t kDenseLimit = int64_t(256) << 20;

int64_t linear_index(const SparseTensor& s, int64_t element, int64_t count) {
  const int64_t* index = s.indices.as<int64_t>();
  if (s.indices.dims().size() == 1) {
    require(index[element] >= 0 && index[element] < count, ErrorCode::kInvalidModel, "sparse tensor \"", s.name,
            "\": index ", index[element], " lies outside ", count, " elements");
    return index[element];
  }
  const size_t rank = s.dims.size();
  int64_t linear = 0;
  for (size_t d = 0; d < rank; ++d) {
    const int64_t i = index[size_t(element) * rank + d];
    require(i >= 0 && i < s.dims[d], ErrorCode::kInvalidModel, "sparse tensor \"", s.name, "\": index ", i,
            " lies outside dimension ", d, " of ", s.dims);
    linear = linear * s.dims[d] + i;  // below count, which was computed without overflow
  }
  return linear;
}

}  // namespace

ir::DType dtype_of(int64_t code) {
  require(code != kFloat6E2M3 && code != kFloat6E3M2, ErrorCode::kUnsupported, "6-bit float elements (ONNX data type ",
          code, ") are not supported");
  require(code > 0 && code < int64_t(kDTypes.size()), ErrorCode::kInvalidModel, code,
          " is not an ONNX data type (known: 1 to ", kDTypes.size() - 1, ")");
  return kDTypes[size_t(code)];
}

ir::Tensor densify(const SparseTensor& s) {
  const int64_t count = checked_product(s.dims), n = s.values.count();
  require(s.indices.dtype() == DType::kI64, ErrorCode::kInvalidModel, "sparse tensor \"", s.name, "\": indices are ",
          s.indices.dtype(), ", i64 is needed");
  const ir::Dims coordinates{n, int64_t(s.dims.size())};
  require(s.values.dims().size() == 1 && (s.indices.dims() == ir::Dims{n} || s.indices.dims() == coordinates),
          ErrorCode::kInvalidModel, "sparse tensor \"", s.name, "\" of dims ", s.dims, ": values ", s.values.dims(),
          " and indices ", s.indices.dims(), " do not fit, [n] with [n] or [n, rank] are needed");
  require(s.values.dtype() != DType::kString, ErrorCode::kUnsupported, "sparse tensor \"", s.name, "\" holds strings");
  require(ir::bits(s.values.dtype()) >= 8, ErrorCode::kUnsupported, "sparse tensor \"", s.name, "\" holds ",
          s.values.dtype(), " elements; whole-byte types are accepted");
  require(ir::storage_bytes(s.values.dtype(), count) <= kDenseLimit, ErrorCode::kUnsupported, "sparse tensor \"",
          s.name, "\" of dims ", s.dims, " is larger than ", kDenseLimit, " bytes when dense");
  ir::Tensor dense(s.values.dtype(), s.dims);
  const size_t width = size_t(ir::bits(s.values.dtype()) / 8);
  for (int64_t i = 0; i < n; ++i)
    std::memcpy(dense.mutable_data() + size_t(linear_index(s, i, count)) * width,
                s.values.data().data() + size_t(i) * width, width);
  return dense;
}

std::string_view name(Attribute::Kind kind) {
  switch (kind) {
    case Attribute::Kind::kUndefined:
      return "undefined";
    case Attribute::Kind::kFloat:
      return "float";
    case Attribute::Kind::kInt:
      return "int";
    case Attribute::Kind::kString:
      return "string";
    case Attribute::Kind::kTensor:
      return "tensor";
    case Attribute::Kind::kGraph:
      return "graph";
    case Attribute::Kind::kFloats:
      return "floats";
    case Attribute::Kind::kInts:
      return "ints";
    case Attribute::Kind::kStrings:
      return "strings";
    case Attribute::Kind::kTensors:
      return "tensors";
    case Attribute::Kind::kGraphs:
      return "graphs";
    case Attribute::Kind::kSparseTensor:
      return "sparse tensor";
    case Attribute::Kind::kSparseTensors:
      return "sparse tensors";
    case Attribute::Kind::kType:
      return "type";
    case Attribute::Kind::kTypes:
      return "types";
  }
  return "unknown";
}

std::string Type::text() const {
  switch (kind) {
    case Kind::kUndefined:
      return "undefined";
    case Kind::kOpaque:
      return "opaque";
    case Kind::kSequence:
      return cat("seq(", element ? element->text() : "?", ")");
    case Kind::kOptional:
      return cat("optional(", element ? element->text() : "?", ")");
    case Kind::kMap:
      return cat("map(", dtype, ", ", element ? element->text() : "?", ")");
    case Kind::kTensor:
    case Kind::kSparseTensor:
      break;
  }
  std::string out = cat(kind == Kind::kTensor ? "tensor(" : "sparse_tensor(", dtype, ")");
  if (!shape) return out;
  std::vector<std::string> dims;
  for (const Dimension& d : *shape) dims.push_back(d.value ? cat(*d.value) : d.param.empty() ? "?" : d.param);
  return cat(out, "[", join(dims, ", "), "]");
}

const Attribute* Node::find(std::string_view attribute) const {
  for (const Attribute& a : attributes)
    if (a.name == attribute) return &a;
  return nullptr;
}

namespace detail {

void fail_attribute_kind(const Node& node, const Attribute& found, std::string_view wanted) {
  fail(ErrorCode::kInvalidModel, "attribute \"", found.name, "\" of ", node.op_type, " is of kind ", name(found.kind),
       ", ", wanted, " is accepted");
}

void fail_attribute_missing(const Node& node, std::string_view attribute) {
  fail(ErrorCode::kInvalidModel, node.op_type, " needs the attribute \"", attribute, "\"");
}

}  // namespace detail
}  // namespace tenon::onnx
