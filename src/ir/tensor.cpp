#include "ir/tensor.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <new>

#include "base/checked.h"
#include "base/half.h"
#include "base/hash.h"
#include "base/physical_memory.h"
#include "ir/small_float.h"

namespace tenon::ir {
namespace {

struct Aligned {
  void operator()(void* p) const { ::operator delete(p, std::align_val_t(64)); }
};

uint8_t packed(const std::byte* p, int64_t i, int width) {
  const int per_byte = 8 / width;
  return uint8_t((uint8_t(p[i / per_byte]) >> (i % per_byte * width)) & ((1 << width) - 1));
}

void set_packed(std::byte* p, int64_t i, int width, uint8_t v) {
  const int per_byte = 8 / width, shift = int(i % per_byte) * width, mask = ((1 << width) - 1) << shift;
  p[i / per_byte] = std::byte((uint8_t(p[i / per_byte]) & ~mask) | ((v << shift) & mask));
}

int sign_extend(uint8_t v, int width) { return v & (1 << (width - 1)) ? int(v) - (1 << width) : v; }

int64_t to_int_saturated(double v) {
  if (std::isnan(v)) return 0;
  if (v >= 9223372036854775808.0) return std::numeric_limits<int64_t>::max();
  if (v <= -9223372036854775808.0) return std::numeric_limits<int64_t>::min();
  return int64_t(v);
}

}  // namespace

Tensor Tensor::uninitialized(DType dtype, Dims dims) {
  require(dtype != DType::kString, ErrorCode::kInternal, "a string tensor has no bytes");
  Tensor t;
  t.dtype_ = dtype;
  t.dims_ = std::move(dims);
  t.count_ = checked_product(t.dims_);
  t.size_ = size_t(storage_bytes(dtype, t.count_));
  void* p =
      t.size_ > physical_memory() ? nullptr : ::operator new(t.size_ ? t.size_ : 1, std::align_val_t(64), std::nothrow);
  require(p != nullptr, ErrorCode::kOutOfMemory, "cannot allocate ", t.size_, " bytes for a tensor ", name(dtype),
          t.dims_);
  t.owner_ = std::shared_ptr<void>(p, Aligned());
  t.data_ = static_cast<const std::byte*>(p);
  return t;
}

Tensor::Tensor(DType dtype, Dims dims) {
  if (dtype != DType::kString) {
    *this = uninitialized(dtype, std::move(dims));
    std::memset(mutable_data(), 0, size_);
    return;
  }
  dtype_ = dtype;
  dims_ = std::move(dims);
  count_ = checked_product(dims_);
  require(uint64_t(count_) <= physical_memory() / sizeof(std::string), ErrorCode::kOutOfMemory, "cannot allocate ",
          count_, " strings");
  strings_ = std::make_shared<std::vector<std::string>>(size_t(count_));
}

Tensor::Tensor(DType dtype, Dims dims, std::shared_ptr<const void> owner, std::span<const std::byte> bytes)
    : dtype_(dtype),
      dims_(std::move(dims)),
      count_(checked_product(dims_)),
      size_(size_t(storage_bytes(dtype, count_))),
      data_(bytes.data()),
      owner_(std::move(owner)) {
  require(bytes.size() == size_, ErrorCode::kInvalidModel, "tensor ", name(dtype), dims_, " needs ", size_,
          " bytes, got ", bytes.size());
}

Tensor Tensor::of_strings(Dims dims, std::vector<std::string> values) {
  Tensor t(DType::kString, std::move(dims));
  require(t.count_ == int64_t(values.size()), ErrorCode::kInvalidModel, "string tensor of ", t.count_,
          " elements given ", values.size(), " values");
  *t.strings_ = std::move(values);
  return t;
}
Tensor Tensor::scalar_i64(int64_t v) {
  Tensor t(DType::kI64, {});
  t.set_int(0, v);
  return t;
}
Tensor Tensor::scalar_f32(float v) {
  Tensor t(DType::kF32, {});
  t.set(0, v);
  return t;
}
Tensor Tensor::vector_i64(std::span<const int64_t> v) { return of<int64_t>(DType::kI64, {int64_t(v.size())}, v); }

double Tensor::get(int64_t i) const {
  switch (dtype_) {
    case DType::kF32:
      return double(as<float>()[i]);
    case DType::kF64:
      return as<double>()[i];
    case DType::kF16:
      return double(f16::decode(as<uint16_t>()[i]));
    case DType::kBF16:
      return double(std::bit_cast<float>(uint32_t(as<uint16_t>()[i]) << 16));
    case DType::kF8E4M3FN:
    case DType::kF8E5M2:
    case DType::kF8E4M3FNUZ:
    case DType::kF8E5M2FNUZ:
      return double(small_float(dtype_)->decode(as<uint8_t>()[i]));
    case DType::kF4E2M1:
      return double(kF4E2M1.decode(packed(data_, i, 4)));
    case DType::kF8E8M0: {
      uint8_t e = as<uint8_t>()[i];
      return e == 255 ? std::numeric_limits<double>::quiet_NaN() : std::ldexp(1.0, int(e) - 127);
    }
    case DType::kC64:
      return double(as<float>()[2 * i]);
    case DType::kC128:
      return as<double>()[2 * i];
    case DType::kU64:
      return double(as<uint64_t>()[i]);
    default:
      return double(get_int(i));
  }
}

int64_t Tensor::get_int(int64_t i) const {
  switch (dtype_) {
    case DType::kI64:
      return as<int64_t>()[i];
    case DType::kU64:
      return int64_t(as<uint64_t>()[i]);
    case DType::kI32:
      return as<int32_t>()[i];
    case DType::kU32:
      return as<uint32_t>()[i];
    case DType::kI16:
      return as<int16_t>()[i];
    case DType::kU16:
      return as<uint16_t>()[i];
    case DType::kI8:
      return as<int8_t>()[i];
    case DType::kU8:
      return as<uint8_t>()[i];
    case DType::kBool:
      return as<uint8_t>()[i] != 0;
    case DType::kI4:
      return sign_extend(packed(data_, i, 4), 4);
    case DType::kU4:
      return packed(data_, i, 4);
    case DType::kI2:
      return sign_extend(packed(data_, i, 2), 2);
    case DType::kU2:
      return packed(data_, i, 2);
    case DType::kString:
    case DType::kUndefined:
      fail(ErrorCode::kInvalidModel, "a ", name(dtype_), " tensor has no numbers");
    default:
      return to_int_saturated(get(i));
  }
}

void Tensor::set(int64_t i, double v) {
  switch (dtype_) {
    case DType::kF32:
      mutable_as<float>()[i] = float(v);
      return;
    case DType::kF64:
      mutable_as<double>()[i] = v;
      return;
    case DType::kF16:
      mutable_as<uint16_t>()[i] = f16::encode(float(v));
      return;
    case DType::kBF16:
      mutable_as<uint16_t>()[i] = bf16::encode(float(v));
      return;
    case DType::kF8E4M3FN:
    case DType::kF8E5M2:
    case DType::kF8E4M3FNUZ:
    case DType::kF8E5M2FNUZ:
      mutable_as<uint8_t>()[i] = small_float(dtype_)->encode(float(v));
      return;
    case DType::kF4E2M1:
      set_packed(mutable_data(), i, 4, kF4E2M1.encode(float(v)));
      return;
    case DType::kF8E8M0: {
      double e = std::isnan(v) || v < 0 ? 255
                 : v == 0               ? 0
                                        : std::min(254.0, std::max(0.0, std::ceil(std::log2(v)) + 127));
      mutable_as<uint8_t>()[i] = uint8_t(e);
      return;
    }
    case DType::kC64:
      mutable_as<float>()[2 * i] = float(v);
      return;
    case DType::kC128:
      mutable_as<double>()[2 * i] = v;
      return;
    case DType::kBool:
      mutable_as<uint8_t>()[i] = v != 0;
      return;
    case DType::kU64:
      mutable_as<uint64_t>()[i] = v < 0                         ? uint64_t(to_int_saturated(v))
                                  : v >= 18446744073709551616.0 ? UINT64_MAX
                                                                : uint64_t(v);
      return;
    default:
      set_int(i, to_int_saturated(v));
      return;
  }
}

void Tensor::set_int(int64_t i, int64_t v) {
  switch (dtype_) {
    case DType::kI64:
    case DType::kU64:
      mutable_as<int64_t>()[i] = v;
      return;
    case DType::kI32:
    case DType::kU32:
      mutable_as<uint32_t>()[i] = uint32_t(v);
      return;
    case DType::kI16:
    case DType::kU16:
      mutable_as<uint16_t>()[i] = uint16_t(v);
      return;
    case DType::kI8:
    case DType::kU8:
      mutable_as<uint8_t>()[i] = uint8_t(v);
      return;
    case DType::kBool:
      mutable_as<uint8_t>()[i] = v != 0;
      return;
    case DType::kI4:
    case DType::kU4:
      set_packed(mutable_data(), i, 4, uint8_t(v & 15));
      return;
    case DType::kI2:
    case DType::kU2:
      set_packed(mutable_data(), i, 2, uint8_t(v & 3));
      return;
    case DType::kString:
    case DType::kUndefined:
      fail(ErrorCode::kInvalidModel, "a ", name(dtype_), " tensor has no numbers");
    default:
      set(i, double(v));
      return;
  }
}

std::vector<int64_t> Tensor::to_ints() const {
  require(is_integer(dtype_) || dtype_ == DType::kBool, ErrorCode::kInvalidModel, "an integer tensor is needed, found ",
          name(dtype_));
  std::vector<int64_t> v(static_cast<size_t>(count_));
  for (int64_t i = 0; i < count_; ++i) v[size_t(i)] = get_int(i);
  return v;
}

std::vector<double> Tensor::to_doubles() const {
  std::vector<double> v(static_cast<size_t>(count_));
  for (int64_t i = 0; i < count_; ++i) v[size_t(i)] = get(i);
  return v;
}

Tensor Tensor::reshaped(Dims dims) const {
  require(checked_product(dims) == count_, ErrorCode::kShapeMismatch, "cannot view ", dims_, " as ", dims);
  Tensor t = *this;
  t.dims_ = std::move(dims);
  return t;
}

Tensor Tensor::cast(DType dtype) const {
  if (dtype == dtype_) return *this;
  Tensor t(dtype, dims_);
  const bool exact = !is_float(dtype_) && !is_float(dtype);
  for (int64_t i = 0; i < count_; ++i) exact ? t.set_int(i, get_int(i)) : t.set(i, get(i));
  return t;
}

uint64_t Tensor::hash() const {
  Hasher h;
  h.add(uint64_t(dtype_));
  for (int64_t d : dims_) h.add(uint64_t(d));
  h.add_bytes(data());
  if (strings_)
    for (const auto& s : *strings_) h.add_text(s);
  return h.value();
}

bool operator==(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.dims() != b.dims()) return false;
  if (a.dtype() == DType::kString) return a.strings() == b.strings();
  return a.bytes() == b.bytes() &&
         (a.bytes() == 0 || std::memcmp(a.data().data(), b.data().data(), size_t(a.bytes())) == 0);
}

Dims strides_of(std::span<const int64_t> dims) {
  Dims s(dims.size(), 1);
  for (size_t i = dims.size(); i-- > 1;) s[i - 1] = s[i] * dims[i];
  return s;
}

}  // namespace tenon::ir
