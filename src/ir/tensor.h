// A dense row-major tensor in host memory: constants, references' inputs and outputs, test data.
#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ir/dim.h"
#include "ir/dtype.h"

namespace tenon::ir {

using Dims = std::vector<int64_t>;

/// Shares its bytes: copies are cheap and must not be written through once shared. Packed types (i4, f4) hold two
/// elements a byte, the first in the low half. A kString tensor holds `strings()` instead of bytes.
class Tensor {
 public:
  Tensor() = default;
  /// Zero-filled, 64-byte aligned. Throws if the size overflows or memory is short.
  Tensor(DType dtype, Dims dims);
  /// Refers to `bytes`, kept alive by `owner` (a mapped file, a caller's buffer). Size is checked against dims.
  Tensor(DType dtype, Dims dims, std::shared_ptr<const void> owner, std::span<const std::byte> bytes);
  /// Like Tensor(dtype, dims), with bytes that the caller is about to write; not for strings.
  static Tensor uninitialized(DType dtype, Dims dims);
  static Tensor of_strings(Dims dims, std::vector<std::string> values);
  template <class T>
  static Tensor of(DType dtype, Dims dims, std::span<const T> values);
  static Tensor scalar_i64(int64_t v);
  static Tensor scalar_f32(float v);
  static Tensor vector_i64(std::span<const int64_t> v);

  DType dtype() const { return dtype_; }
  const Dims& dims() const { return dims_; }
  int64_t count() const { return count_; }
  int64_t bytes() const { return int64_t(size_); }
  std::span<const std::byte> data() const { return {data_, size_}; }
  /// Only on a tensor that this process allocated and has not shared.
  std::byte* mutable_data() { return const_cast<std::byte*>(data_); }
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_);
  }
  template <class T>
  T* mutable_as() {
    return reinterpret_cast<T*>(mutable_data());
  }
  const std::vector<std::string>& strings() const { return *strings_; }
  std::vector<std::string>& mutable_strings() { return *strings_; }
  bool defined() const { return dtype_ != DType::kUndefined; }

  /// Element `i` in row-major order, converted. Real part of complex types; strings throw.
  double get(int64_t i) const;
  int64_t get_int(int64_t i) const;
  /// Converts with rounding to nearest even (float types) or truncation towards zero (integers), as ONNX Cast does.
  void set(int64_t i, double v);
  void set_int(int64_t i, int64_t v);
  /// All elements as integers. Throws for floating-point types.
  std::vector<int64_t> to_ints() const;
  std::vector<double> to_doubles() const;
  /// Same bytes, other dims of equal count.
  Tensor reshaped(Dims dims) const;
  /// A copy converted to `dtype` element by element.
  Tensor cast(DType dtype) const;
  /// Content hash of dtype, dims and bytes.
  uint64_t hash() const;

 private:
  DType dtype_ = DType::kUndefined;
  Dims dims_;
  int64_t count_ = 0;
  size_t size_ = 0;
  const std::byte* data_ = nullptr;
  std::shared_ptr<const void> owner_;
  std::shared_ptr<std::vector<std::string>> strings_;
};

bool operator==(const Tensor& a, const Tensor& b);

template <class T>
Tensor Tensor::of(DType dtype, Dims dims, std::span<const T> values) {
  Tensor t(dtype, std::move(dims));
  require(t.count() == int64_t(values.size()), ErrorCode::kInternal, "tensor of ", t.count(), " elements given ",
          values.size(), " values");
  for (int64_t i = 0; i < t.count(); ++i) {
    if constexpr (std::is_integral_v<T>)
      t.set_int(i, int64_t(values[size_t(i)]));
    else
      t.set(i, double(values[size_t(i)]));
  }
  return t;
}

/// Row-major strides in elements.
Dims strides_of(std::span<const int64_t> dims);

}  // namespace tenon::ir
