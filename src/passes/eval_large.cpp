#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>

#include "base/half.h"
#include "ops/op.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/transpose.h"
#include "passes/fold.h"

namespace tenon::passes {
namespace {

using ir::Dims;
using ir::DType;
using ir::Tensor;

/// Strides of `from` seen as broadcast to `to`, right-aligned.
Dims broadcast_strides(const Dims& from, const Dims& to) {
  Dims strides(to.size(), 0);
  const Dims own = ir::strides_of(from);
  for (size_t i = 0; i < from.size(); ++i)
    if (from[i] != 1) strides[to.size() - from.size() + i] = own[i];
  return strides;
}

/// Operands of an elementwise operation: their strides, one row after the other.
template <size_t N>
using Strides = std::array<Dims, N>;

/// Merges neighbouring axes that all operands walk as one.
template <size_t N>
void merge_axes(Dims& dims, Strides<N>& strides) {
  for (size_t i = dims.size(); i-- > 1;) {
    const bool one = dims[i] == 1 || dims[i - 1] == 1;
    const auto as_one = [&](const Dims& s) { return s[i - 1] == s[i] * dims[i]; };
    if (!one && !std::all_of(strides.begin(), strides.end(), as_one)) continue;
    for (Dims& s : strides) {
      if (dims[i] != 1) s[i - 1] = s[i];
      s.erase(s.begin() + int64_t(i));
    }
    dims[i - 1] *= dims[i];
    dims.erase(dims.begin() + int64_t(i));
  }
}

/// Calls row(offsets, strides, count) for every row of the result, in order.
template <size_t N, class Row>
void for_each_row(Dims dims, Strides<N> strides, const Row& row) {
  if (dims.empty()) {
    dims = {1};
    for (Dims& s : strides) s = {0};
  }
  merge_axes(dims, strides);
  std::array<int64_t, N> at{}, inner{};
  for (size_t o = 0; o < N; ++o) inner[o] = strides[o].back();
  Dims index(dims.size(), 0);
  for (;;) {
    row(at, inner, dims.back());
    size_t k = dims.size() - 1;
    for (; k-- > 0;) {
      for (size_t o = 0; o < N; ++o) at[o] += strides[o][k];
      if (++index[k] < dims[k]) break;
      for (size_t o = 0; o < N; ++o) at[o] -= strides[o][k] * dims[k];
      index[k] = 0;
    }
    if (k == SIZE_MAX) return;
  }
}

template <class F>
void row(const float* a, int64_t sa, const float* b, int64_t sb, float* y, int64_t count, F f) {
  if (sa == 1 && sb == 1)
    for (int64_t i = 0; i < count; ++i) y[i] = f(a[i], b[i]);
  else if (sa == 1 && sb == 0)
    for (int64_t i = 0; i < count; ++i) y[i] = f(a[i], *b);
  else
    for (int64_t i = 0; i < count; ++i) y[i] = f(a[i * sa], b[i * sb]);
}

std::optional<Tensor> arithmetic(const ir::Node& node, const std::vector<Tensor>& in, const Dims& dims) {
  Tensor y = Tensor::uninitialized(DType::kF32, dims);
  if (y.count() == 0) return y;
  const auto run = [&](auto f) {
    const float *a = in[0].as<float>(), *b = in[1].as<float>();
    float* out = y.mutable_as<float>();
    for_each_row<2>(dims, {broadcast_strides(in[0].dims(), dims), broadcast_strides(in[1].dims(), dims)},
                    [&](const auto& at, const auto& stride, int64_t count) {
                      row(a + at[0], stride[0], b + at[1], stride[1], out, count, f);
                      out += count;
                    });
    return y;
  };
  if (node.op == "Add") return run(std::plus<float>());
  if (node.op == "Sub") return run(std::minus<float>());
  if (node.op == "Mul") return run(std::multiplies<float>());
  if (node.op == "Div") return run(std::divides<float>());
  return std::nullopt;
}

/// Calls f(T()) with an unsigned integer of as many bits as the type has; nullopt for other sizes.
template <class F>
std::optional<Tensor> by_size(DType type, const F& f) {
  switch (ir::bits(type)) {
    case 8:
      return f(uint8_t());
    case 16:
      return f(uint16_t());
    case 32:
      return f(uint32_t());
    case 64:
      return f(uint64_t());
    default:
      return std::nullopt;
  }
}

std::optional<Tensor> expanded(const Tensor& x, const Dims& dims) {
  return by_size(x.dtype(), [&]<class T>(T) {
    Tensor y = Tensor::uninitialized(x.dtype(), dims);
    const T* from = x.as<T>();
    T* out = y.mutable_as<T>();
    for_each_row<1>(dims, {broadcast_strides(x.dims(), dims)}, [&](const auto& at, const auto& stride, int64_t count) {
      if (stride[0] == 1)
        std::copy_n(from + at[0], count, out);
      else
        for (int64_t i = 0; i < count; ++i) out[i] = from[at[0] + i * stride[0]];
      out += count;
    });
    return y;
  });
}

std::optional<Tensor> selected(const Tensor& which, const Tensor& yes, const Tensor& no, const Dims& dims) {
  return by_size(yes.dtype(), [&]<class T>(T) {
    Tensor y = Tensor::uninitialized(yes.dtype(), dims);
    const auto* c = which.as<uint8_t>();
    const T *a = yes.as<T>(), *b = no.as<T>();
    T* out = y.mutable_as<T>();
    const Strides<3> strides{broadcast_strides(which.dims(), dims), broadcast_strides(yes.dims(), dims),
                             broadcast_strides(no.dims(), dims)};
    for_each_row<3>(dims, strides, [&](const auto& at, const auto& stride, int64_t count) {
      for (int64_t i = 0; i < count; ++i)
        out[i] = c[at[0] + i * stride[0]] ? a[at[1] + i * stride[1]] : b[at[2] + i * stride[2]];
      out += count;
    });
    return y;
  });
}

template <class T>
void permute(const T* x, T* y, const Dims& dims, const Dims& strides) {
  constexpr int64_t kBlock = 16;  // keeps both sides of a matrix transposition in the first-level cache
  const size_t r = dims.size();
  const int64_t rows = r > 1 ? dims[r - 2] : 1, columns = dims[r - 1];
  const int64_t row = r > 1 ? strides[r - 2] : 0, column = strides[r - 1];
  Dims index(r, 0);
  for (int64_t at = 0;;) {
    for (int64_t i0 = 0; i0 < rows; i0 += kBlock)
      for (int64_t j0 = 0; j0 < columns; j0 += kBlock)
        for (int64_t i = i0; i < std::min(rows, i0 + kBlock); ++i)
          for (int64_t j = j0; j < std::min(columns, j0 + kBlock); ++j)
            y[i * columns + j] = x[at + i * row + j * column];
    y += rows * columns;
    size_t k = r > 1 ? r - 2 : 0;
    for (; k-- > 0;) {
      at += strides[k];
      if (++index[k] < dims[k]) break;
      at -= strides[k] * dims[k];
      index[k] = 0;
    }
    if (k == SIZE_MAX) return;
  }
}

std::optional<Tensor> transposed(const ir::Node& node, const Tensor& x, const Dims& dims) {
  Dims perm = node.attrs.as<ops::TransposeAttrs>().perm;
  if (perm.empty())
    for (size_t i = dims.size(); i-- > 0;) perm.push_back(int64_t(i));
  const Dims xs = ir::strides_of(x.dims());
  Dims strides;
  for (int64_t p : perm) strides.push_back(xs[size_t(p < 0 ? p + int64_t(xs.size()) : p)]);
  if (dims.empty() || x.count() == 0) return std::nullopt;
  return by_size(x.dtype(), [&]<class T>(T) {
    Tensor y = Tensor::uninitialized(x.dtype(), dims);
    permute(x.as<T>(), y.mutable_as<T>(), dims, strides);
    return y;
  });
}

std::optional<Tensor> narrowed(const Tensor& x, DType to) {
  if (x.dtype() != DType::kF32 || (to != DType::kBF16 && to != DType::kF16)) return std::nullopt;
  Tensor y = Tensor::uninitialized(to, x.dims());
  const float* from = x.as<float>();
  uint16_t* out = y.mutable_as<uint16_t>();
  if (to == DType::kBF16)
    for (int64_t i = 0; i < x.count(); ++i) out[i] = bf16::encode(from[i]);
  else
    for (int64_t i = 0; i < x.count(); ++i) out[i] = f16::encode(from[i]);
  return y;
}

std::optional<Tensor> concatenated(const ir::Node& node, const std::vector<Tensor>& in, DType dtype, const Dims& dims) {
  if (dims.empty() || ir::bits(dtype) % 8 != 0 || ir::bits(dtype) == 0) return std::nullopt;
  int64_t axis = node.attrs.as<ops::AxisAttrs>().axis, outer = 1;
  if (axis < 0) axis += int64_t(dims.size());
  for (int64_t i = 0; i < axis; ++i) outer *= dims[size_t(i)];
  if (outer == 0) return std::nullopt;
  Tensor y = Tensor::uninitialized(dtype, dims);
  const int64_t pitch = y.bytes() / outer;
  int64_t at = 0;
  for (const Tensor& x : in) {
    const int64_t bytes = x.bytes() / outer;
    for (int64_t o = 0; o < outer && bytes > 0; ++o)
      std::memcpy(y.mutable_data() + o * pitch + at, x.data().data() + o * bytes, size_t(bytes));
    at += bytes;
  }
  return y;
}

}  // namespace

std::optional<Tensor> eval_large(const ir::Node& node, const std::vector<Tensor>& in, DType dtype, const Dims& dims) {
  const ops::OpDef& op = ops::find_op(node.op);
  if (op.form == ops::OpForm::kView && in[0].dtype() == dtype) return in[0].reshaped(dims);
  if (node.op == "Concat") return concatenated(node, in, dtype, dims);
  if (node.op == "Transpose") return transposed(node, in[0], dims);
  if (node.op == "Cast") return narrowed(in[0], dtype);
  if (std::count(dims.begin(), dims.end(), 0) > 0) return std::nullopt;
  if (node.op == "Expand" && in[0].dtype() == dtype) return expanded(in[0], dims);
  if (node.op == "Where" && in.size() == 3 && in[0].dtype() == DType::kBool && in[1].dtype() == dtype &&
      in[2].dtype() == dtype)
    return selected(in[0], in[1], in[2], dims);
  if (op.form == ops::OpForm::kBinary && in.size() == 2 && dtype == DType::kF32 && in[0].dtype() == dtype &&
      in[1].dtype() == dtype)
    return arithmetic(node, in, dims);
  return std::nullopt;
}

}  // namespace tenon::passes
