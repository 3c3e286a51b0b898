#include <algorithm>
#include <cstring>
#include <optional>

#include "base/checked.h"
#include "onnx/external_data.h"
#include "onnx/fields.h"
#include "onnx/parser.h"

namespace tenon::onnx {

using ir::DType;

/// A tensor message as it lies in the file.
struct Parser::RawTensor {
  std::string name;
  ir::Dims dims;
  int64_t data_type = 0, location = 0;
  std::optional<std::string_view> raw;
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<int64_t> int32s, int64s, uint64s;
  std::vector<std::string> strings;
  std::vector<std::pair<std::string, std::string>> external;
};

Parser::RawTensor Parser::raw_tensor(WireReader r) {
  namespace f = tensor_field;
  RawTensor t;
  while (r.next()) switch (r.field()) {
      case f::kName:
        t.name = r.text();
        break;
      case f::kDims:
        r.append_int64(t.dims);
        break;
      case f::kDataType:
        t.data_type = r.int64();
        break;
      case f::kDataLocation:
        t.location = r.int64();
        break;
      case f::kRawData:
        t.raw = r.view();
        break;
      case f::kFloatData:
        r.append_fixed(t.floats);
        break;
      case f::kDoubleData:
        r.append_fixed(t.doubles);
        break;
      case f::kInt32Data:
        r.append_int64(t.int32s);
        break;
      case f::kInt64Data:
        r.append_int64(t.int64s);
        break;
      case f::kUint64Data:
        r.append_int64(t.uint64s);
        break;
      case f::kStringData:
        t.strings.push_back(r.text());
        break;
      case f::kExternalData:
        t.external.push_back(entry(r.message()));
        break;
      case f::kSegment:
        fail(ErrorCode::kUnsupported, r.place(), ": tensors in segments are not supported");
      default:
        r.skip();
    }
  return t;
}

namespace {

/// Bytes referred to where their address suits the element type, else copied: kernels read elements in place.
ir::Tensor refer(DType dtype, const ir::Dims& dims, std::shared_ptr<const void> owner,
                 std::span<const std::byte> bytes) {
  int64_t alignment = std::max(1, ir::bits(dtype) / 8);
  if (dtype == DType::kC64 || dtype == DType::kC128) alignment /= 2;
  const bool aligned = reinterpret_cast<uintptr_t>(bytes.data()) % uintptr_t(alignment) == 0;
  const bool clean =
      dtype != DType::kBool || std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b <= std::byte{1}; });
  if (aligned && clean) return ir::Tensor(dtype, dims, std::move(owner), bytes);
  ir::Tensor t(dtype, dims);
  if (!bytes.empty()) std::memcpy(t.mutable_data(), bytes.data(), bytes.size());
  if (!clean)
    for (int64_t i = 0; i < t.count(); ++i) t.mutable_data()[i] = std::byte(t.mutable_data()[i] != std::byte{0});
  return t;
}

/// Elements from a list whose items are wider than the elements. An item may be the element's value or its bit pattern.
ir::Tensor narrow(DType dtype, const ir::Dims& dims, const std::vector<int64_t>& items) {
  ir::Tensor t(dtype, dims);
  const int width = std::max(8, ir::bits(dtype));  // sub-byte elements come as whole bytes
  const size_t bytes = size_t(width / 8);
  for (size_t i = 0; i < items.size(); ++i) {
    const bool fits = width == 64 || (items[i] >= -(int64_t(1) << (width - 1)) && items[i] < (int64_t(1) << width));
    require(fits, ErrorCode::kInvalidModel, "element ", i, " is ", items[i], ", which is no ", dtype);
    const int64_t item = dtype == DType::kBool ? int64_t(items[i] != 0) : items[i];
    std::memcpy(t.mutable_data() + i * bytes, &item, bytes);
  }
  return t;
}

template <class T>
ir::Tensor copied(DType dtype, const ir::Dims& dims, const std::vector<T>& items) {
  ir::Tensor t(dtype, dims);
  if (!items.empty()) std::memcpy(t.mutable_data(), items.data(), items.size() * sizeof(T));
  return t;
}

/// The typed field that elements of a type come in, and how many items `count` elements take.
struct TypedField {
  std::string_view name;
  int64_t items;
};
TypedField typed_field(DType dtype, int64_t count) {
  switch (dtype) {
    case DType::kF32:
      return {"float_data", count};
    case DType::kC64:
      return {"float_data", checked_mul(count, 2)};
    case DType::kF64:
      return {"double_data", count};
    case DType::kC128:
      return {"double_data", checked_mul(count, 2)};
    case DType::kI64:
      return {"int64_data", count};
    case DType::kU64:
    case DType::kU32:
      return {"uint64_data", count};
    case DType::kString:
      return {"string_data", count};
    default:
      return {"int32_data", ir::bits(dtype) < 8 ? ir::storage_bytes(dtype, count) : count};
  }
}

}  // namespace

ir::Tensor Parser::external_value(const RawTensor& t, int64_t size) {
  if (may_await_) {
    may_await_ = false;
    try {
      return external_value(t, size);
    } catch (const Error& e) {
      awaited_[t.name] = e.what();
      return ir::Tensor::uninitialized(dtype_of(t.data_type), t.dims);
    }
  }
  require(!t.raw || t.raw->empty(), ErrorCode::kInvalidModel, "has raw data and external data");
  const ExternalReference reference = parse_external_reference(t.external);
  require(external_ != nullptr, ErrorCode::kInvalidModel, "lies in the file \"", reference.location,
          "\", and a model from memory needs a base directory for such files");
  const ExternalData::Bytes found = external_->get(reference, size);
  return refer(dtype_of(t.data_type), t.dims, found.owner, found.bytes);
}

ir::Tensor Parser::tensor_value(RawTensor& t) {
  const DType dtype = dtype_of(t.data_type);
  const int64_t count = checked_product(t.dims), size = ir::storage_bytes(dtype, count);
  const std::pair<std::string_view, size_t> filled[] = {
      {"float_data", t.floats.size()}, {"double_data", t.doubles.size()}, {"int32_data", t.int32s.size()},
      {"int64_data", t.int64s.size()}, {"uint64_data", t.uint64s.size()}, {"string_data", t.strings.size()}};
  const bool in_raw = t.raw && !t.raw->empty(), in_file = t.location == kDataLocationExternal;
  const TypedField field = typed_field(dtype, count);
  for (const auto& [field_name, items] : filled) {
    if (items == 0) continue;
    require(!in_raw && !in_file && field_name == field.name, ErrorCode::kInvalidModel, dtype, " elements are in ",
            field_name,
            in_raw    ? " and raw_data"
            : in_file ? " and a file"
                      : "",
            "; raw_data, a file or ", field.name, " is accepted");
    require(int64_t(items) == field.items, ErrorCode::kInvalidModel, dtype, t.dims, " needs ", field.items,
            " items in ", field.name, ", found ", items);
  }
  require(!(in_raw || in_file) || dtype != DType::kString, ErrorCode::kInvalidModel,
          "strings cannot be raw or external data");
  if (in_file) return external_value(t, size);
  if (in_raw || (count > 0 && t.raw)) {
    require(int64_t(t.raw->size()) == size, ErrorCode::kInvalidModel, dtype, t.dims, " needs ", size,
            " bytes of raw data, found ", t.raw->size());
    return refer(dtype, t.dims, owner_, std::as_bytes(std::span(t.raw->data(), t.raw->size())));
  }
  const bool empty = std::all_of(std::begin(filled), std::end(filled), [](const auto& f) { return f.second == 0; });
  require(count == 0 || !empty, ErrorCode::kInvalidModel, dtype, t.dims, " has no data");
  if (dtype == DType::kString) return ir::Tensor::of_strings(t.dims, std::move(t.strings));
  if (field.name == "float_data") return copied(dtype, t.dims, t.floats);
  if (field.name == "double_data") return copied(dtype, t.dims, t.doubles);
  return narrow(dtype, t.dims,
                field.name == "int32_data"   ? t.int32s
                : field.name == "int64_data" ? t.int64s
                                             : t.uint64s);
}

NamedTensor Parser::tensor(WireReader r) {
  RawTensor t = raw_tensor(r);
  try {
    require(t.location == 0 || t.location == kDataLocationExternal, ErrorCode::kInvalidModel, "data location ",
            t.location, " is unknown");
    ir::Tensor value = tensor_value(t);
    return {std::move(t.name), std::move(value)};
  } catch (const Error& e) {
    // Sizes that overflow are the file's fault here.
    const Error named = e.at(cat("tensor \"", t.name, "\" at byte ", r.offset()));
    if (e.code() != ErrorCode::kInvalidArgument) throw named;
    throw Error(ErrorCode::kInvalidModel, named.message(), named.place());
  }
}

SparseTensor Parser::sparse_tensor(WireReader r) {
  SparseTensor s;
  while (r.next()) switch (r.field()) {
      case sparse_field::kValues: {
        NamedTensor values = tensor(r.message());
        s.name = std::move(values.name);
        s.values = std::move(values.tensor);
        break;
      }
      case sparse_field::kIndices:
        s.indices = tensor(r.message()).tensor;
        break;
      case sparse_field::kDims:
        r.append_int64(s.dims);
        break;
      default:
        r.skip();
    }
  return s;
}

}  // namespace tenon::onnx
