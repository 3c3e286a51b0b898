#include "nvinfer/tensor_format.h"

#include <cstring>

#include "base/checked.h"

namespace tenon::nvinfer {

using nvinfer1::TensorFormat;

namespace {

struct Known {
  TensorFormat format;
  Packing packing;
  const char* name;
};
// By number: level 7 has its own names for some.
constexpr Known kKnown[] = {{TensorFormat(3), {2, 4, false}, "kCHW4"},   {TensorFormat(5), {2, 32, false}, "kCHW32"},
                            {TensorFormat(8), {2, 1, true}, "kHWC"},     {TensorFormat(2), {2, 8, true}, "kHWC8"},
                            {TensorFormat(1), {2, 2, false}, "kCHW2"},   {TensorFormat(4), {2, 16, false}, "kCHW16"},
                            {TensorFormat(11), {2, 16, true}, "kHWC16"}, {TensorFormat(12), {3, 1, true}, "kDHWC"},
                            {TensorFormat(6), {3, 8, true}, "kDHWC8"},   {TensorFormat(7), {3, 32, false}, "kCDHW32"}};

ops::CustomPacking view_of(const Packing& p, const ir::Dims& dims) {
  require(dims.size() > p.spatial, ErrorCode::kShapeMismatch, "dims ", dims, " have no channels before ", p.spatial,
          " spatial dimensions");
  const size_t axis = dims.size() - p.spatial - 1;
  ops::CustomPacking v;
  v.vector = p.vector;
  v.channels_last = p.channels_last;
  for (size_t i = 0; i < axis; ++i) v.outer = checked_mul(v.outer, dims[i]);
  v.channels = dims[axis];
  for (size_t i = axis + 1; i < dims.size(); ++i) v.inner = checked_mul(v.inner, dims[i]);
  return v;
}

int64_t bytes_of(ir::DType type) { return ir::bits(type) / 8; }

/// Calls `move(row-major element, packed element)` with every element's two places.
template <class Move>
void for_each_element(const ops::CustomPacking& v, const Move& move) {
  int64_t row = 0;
  for (int64_t n = 0; n < v.outer; ++n)
    for (int64_t c = 0; c < v.channels; ++c)
      for (int64_t s = 0; s < v.inner; ++s, ++row)
        move(row, v.channels_last ? (n * v.inner + s) * v.groups() * v.vector + c
                                  : ((n * v.groups() + c / v.vector) * v.inner + s) * v.vector + c % v.vector);
}

}  // namespace

std::span<const TensorFormat> device_formats() {
  static const std::vector<TensorFormat> formats = [] {
    std::vector<TensorFormat> all{TensorFormat::kLINEAR};
    for (const Known& known : kKnown) all.push_back(known.format);
    return all;
  }();
  return formats;
}

std::optional<Packing> packing_of(TensorFormat format) {
  if (format == TensorFormat::kLINEAR) return std::nullopt;
  for (const Known& known : kKnown)
    if (known.format == format) return known.packing;
  fail(ErrorCode::kUnsupported, "tensor format ", format_name(format), " is not for this device");
}

std::string format_name(TensorFormat format) {
  for (const Known& known : kKnown)
    if (known.format == format) return known.name;
  switch (static_cast<int>(format)) {
    case 0:
      return "kLINEAR";
    case 9:
      return "kDLA_LINEAR";
    case 10:
      return "kDLA_HWC4";
    default:
      return cat("format ", static_cast<int>(format));
  }
}

bool fits(TensorFormat format, size_t rank, ir::DType type) {
  const auto packing = packing_of(format);
  return !packing || (rank > packing->spatial && ir::bits(type) >= 8);
}

std::optional<ops::CustomPacking> placement(TensorFormat format, const ir::Dims& dims) {
  const auto packing = packing_of(format);
  return packing ? std::optional(view_of(*packing, dims)) : std::nullopt;
}

int64_t packed_bytes(TensorFormat format, const ir::Dims& dims, ir::DType type) {
  const auto v = placement(format, dims);
  if (!v) return ir::storage_bytes(type, checked_product(dims));
  const int64_t elements = checked_mul(checked_mul(v->outer, v->inner), checked_mul(v->groups(), v->vector));
  return checked_mul(elements, bytes_of(type));
}

void pack(TensorFormat format, const ir::Dims& dims, ir::DType type, const void* from, void* to) {
  const auto size = static_cast<size_t>(bytes_of(type));
  std::memset(to, 0, static_cast<size_t>(packed_bytes(format, dims, type)));
  for_each_element(placement(format, dims).value(), [&](int64_t row, int64_t packed) {
    std::memcpy(static_cast<std::byte*>(to) + static_cast<size_t>(packed) * size,
                static_cast<const std::byte*>(from) + static_cast<size_t>(row) * size, size);
  });
}

void unpack(TensorFormat format, const ir::Dims& dims, ir::DType type, const void* from, void* to) {
  const auto size = static_cast<size_t>(bytes_of(type));
  for_each_element(placement(format, dims).value(), [&](int64_t row, int64_t packed) {
    std::memcpy(static_cast<std::byte*>(to) + static_cast<size_t>(row) * size,
                static_cast<const std::byte*>(from) + static_cast<size_t>(packed) * size, size);
  });
}

}  // namespace tenon::nvinfer
