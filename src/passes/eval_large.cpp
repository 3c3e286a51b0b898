#include <algorithm>
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

/// Merges neighbouring axes that both operands walk as one.
void merge_axes(Dims& dims, Dims& a, Dims& b) {
  for (size_t i = dims.size(); i-- > 1;) {
    const bool one = dims[i] == 1 || dims[i - 1] == 1;
    if (!one && (a[i - 1] != a[i] * dims[i] || b[i - 1] != b[i] * dims[i])) continue;
    if (dims[i] != 1) a[i - 1] = a[i], b[i - 1] = b[i];
    dims[i - 1] *= dims[i];
    for (Dims* d : {&dims, &a, &b}) d->erase(d->begin() + int64_t(i));
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

template <class F>
void binary(const float* a, const float* b, float* y, Dims dims, Dims as, Dims bs, F f) {
  if (dims.empty()) dims = as = bs = {1}, as[0] = bs[0] = 0;
  merge_axes(dims, as, bs);
  const int64_t inner = dims.back(), sa = as.back(), sb = bs.back();
  Dims index(dims.size(), 0);
  for (int64_t ia = 0, ib = 0;;) {
    row(a + ia, sa, b + ib, sb, y, inner, f);
    y += inner;
    size_t k = dims.size() - 1;
    for (; k-- > 0;) {
      ia += as[k], ib += bs[k];
      if (++index[k] < dims[k]) break;
      ia -= as[k] * dims[k], ib -= bs[k] * dims[k];
      index[k] = 0;
    }
    if (k == SIZE_MAX) return;
  }
}

std::optional<Tensor> arithmetic(const ir::Node& node, const std::vector<Tensor>& in, const Dims& dims) {
  Tensor y = Tensor::uninitialized(DType::kF32, dims);
  if (y.count() == 0) return y;
  const auto run = [&](auto f) {
    binary(in[0].as<float>(), in[1].as<float>(), y.mutable_as<float>(), dims, broadcast_strides(in[0].dims(), dims),
           broadcast_strides(in[1].dims(), dims), f);
    return y;
  };
  if (node.op == "Add") return run(std::plus<float>());
  if (node.op == "Sub") return run(std::minus<float>());
  if (node.op == "Mul") return run(std::multiplies<float>());
  if (node.op == "Div") return run(std::divides<float>());
  return std::nullopt;
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
  Tensor y = Tensor::uninitialized(x.dtype(), dims);
  if (y.count() == 0 || dims.empty()) return std::nullopt;
  switch (ir::bits(x.dtype())) {
    case 32:
      permute(x.as<uint32_t>(), y.mutable_as<uint32_t>(), dims, strides);
      return y;
    case 16:
      permute(x.as<uint16_t>(), y.mutable_as<uint16_t>(), dims, strides);
      return y;
    case 64:
      permute(x.as<uint64_t>(), y.mutable_as<uint64_t>(), dims, strides);
      return y;
    default:
      return std::nullopt;
  }
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
  if (op.form == ops::OpForm::kBinary && in.size() == 2 && dtype == DType::kF32 && in[0].dtype() == dtype &&
      in[1].dtype() == dtype)
    return arithmetic(node, in, dims);
  return std::nullopt;
}

}  // namespace tenon::passes
