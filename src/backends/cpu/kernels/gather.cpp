// Operators that move elements to or from places that an index tensor names: Gather, GatherElements, GatherND,
// ScatterND and ScatterElements. An index outside its axis is an error.
#include <cmath>
#include <cstring>

#include "backends/cpu/kernels/strides.h"
#include "backends/moves.h"
#include "base/half.h"
#include "base/thread_pool.h"
#include "ops/data/gather_nd.h"
#include "ops/data/scatter.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/move.h"

namespace tenon::cpu {
namespace {

using ir::DType;

/// Index `i` of an i32 or i64 tensor, counted from the front of an axis.
struct Indices {
  const void* data;
  bool wide;
  int64_t operator()(int64_t i, int64_t extent) const {
    const int64_t v = wide ? static_cast<const int64_t*>(data)[i] : static_cast<const int32_t*>(data)[i];
    return v >= 0 && v < extent ? v : ops::front_index(v, extent);
  }
};

/// Moves `bytes` bytes, which are few for single elements.
void move_bytes(char* to, const char* from, int64_t bytes) {
  switch (bytes) {
    case 1:
      std::memcpy(to, from, 1);
      break;
    case 2:
      std::memcpy(to, from, 2);
      break;
    case 4:
      std::memcpy(to, from, 4);
      break;
    case 8:
      std::memcpy(to, from, 8);
      break;
    default:
      std::memcpy(to, from, size_t(bytes));
  }
}

using ops::ScatterReduction;

/// Combines `bytes` bytes of updates with what is at `to`.
using JoinFn = void (*)(char* to, const char* from, int64_t bytes);

/// The type that sums and products of T are computed in.
template <class T>
struct Wide {
  using Type = T;
};
template <>
struct Wide<f16> {
  using Type = float;
};
template <>
struct Wide<bf16> {
  using Type = float;
};

template <class T, ScatterReduction kHow>
void join(char* to, const char* from, int64_t bytes) {
  using W = typename Wide<T>::Type;
  for (int64_t at = 0; at < bytes; at += int64_t(sizeof(T))) {
    T old, update;
    std::memcpy(&old, to + at, sizeof(T));
    std::memcpy(&update, from + at, sizeof(T));
    const W a = W(old), b = W(update);
    W y = b;
    if constexpr (std::is_integral_v<W>) {
      using U = std::make_unsigned_t<W>;
      if constexpr (kHow == ScatterReduction::kAdd) y = W(uint64_t(U(a)) + uint64_t(U(b)));
      if constexpr (kHow == ScatterReduction::kMul) y = W(uint64_t(U(a)) * uint64_t(U(b)));
    } else {
      if constexpr (kHow == ScatterReduction::kAdd) y = a + b;
      if constexpr (kHow == ScatterReduction::kMul) y = a * b;
      if constexpr (kHow == ScatterReduction::kMax || kHow == ScatterReduction::kMin)
        if (std::isnan(a)) y = a;
    }
    if constexpr (kHow == ScatterReduction::kMax)
      if (a > b) y = a;
    if constexpr (kHow == ScatterReduction::kMin)
      if (a < b) y = a;
    const T result = T(y);
    std::memcpy(to + at, &result, sizeof(T));
  }
}
template <class T>
JoinFn join_of(ScatterReduction how) {
  switch (how) {
    case ScatterReduction::kAdd:
      return join<T, ScatterReduction::kAdd>;
    case ScatterReduction::kMul:
      return join<T, ScatterReduction::kMul>;
    case ScatterReduction::kMax:
      return join<T, ScatterReduction::kMax>;
    case ScatterReduction::kMin:
      return join<T, ScatterReduction::kMin>;
    case ScatterReduction::kNone:
      break;
  }
  return nullptr;
}
/// How updates of a type join the data, null where there is no loop for it.
JoinFn find_join(DType type, ScatterReduction how) {
  if (how == ScatterReduction::kNone) return move_bytes;
  switch (type) {
    case DType::kF32:
      return join_of<float>(how);
    case DType::kF64:
      return join_of<double>(how);
    case DType::kF16:
      return join_of<f16>(how);
    case DType::kBF16:
      return join_of<bf16>(how);
    case DType::kI8:
      return join_of<int8_t>(how);
    case DType::kU8:
      return join_of<uint8_t>(how);
    case DType::kI16:
      return join_of<int16_t>(how);
    case DType::kU16:
      return join_of<uint16_t>(how);
    case DType::kI32:
      return join_of<int32_t>(how);
    case DType::kU32:
      return join_of<uint32_t>(how);
    case DType::kI64:
      return join_of<int64_t>(how);
    case DType::kU64:
      return join_of<uint64_t>(how);
    default:
      return nullptr;
  }
}
ScatterReduction reduction_of(const Problem& p) {
  if (p.node->op == "ScatterND") return p.attrs<ops::ScatterNdAttrs>().reduction;
  if (p.node->op == "ScatterElements") return p.attrs<ops::ScatterElementsAttrs>().reduction;
  return ScatterReduction::kNone;
}

struct Sizes {
  int64_t outer = 1, extent = 1, inner = 1;
};
Sizes around(const ir::Dims& dims, int64_t axis) {
  Sizes s;
  const int64_t at = axis < 0 ? axis + int64_t(dims.size()) : axis;
  for (int64_t i = 0; i < int64_t(dims.size()); ++i)
    (i < at ? s.outer : i > at ? s.inner : s.extent) *= dims[size_t(i)];
  return s;
}

class GatherRows final : public Kernel {
 public:
  explicit GatherRows(const Problem& p)
      : s_(around(p.inputs[0].dims, p.attrs<ops::AxisAttrs>().axis)),
        indices_(p.inputs[1].count()),
        wide_(p.inputs[1].dtype == DType::kI64),
        bytes_(s_.inner * element_bytes(p.inputs[0].dtype)) {
    tasks_ = task_count(double(s_.outer * indices_) * (3 + double(bytes_) * 0.05), s_.outer * indices_, p.threads);
  }
  void run(const RunArgs& args) const override {
    const Indices index{args.inputs[1], wide_};
    const char* x = static_cast<const char*>(args.inputs[0]);
    char* y = static_cast<char*>(args.outputs[0]);
    const int64_t rows = s_.outer * indices_;
    args.pool.parallel_for(tasks_, [&](int64_t task, int) {
      const int64_t begin = rows * task / tasks_, end = rows * (task + 1) / tasks_;
      int64_t o = begin / indices_, i = begin % indices_;
      for (int64_t r = begin; r < end; ++r) {
        move_bytes(y + r * bytes_, x + (o * s_.extent + index(i, s_.extent)) * bytes_, bytes_);
        if (++i == indices_) i = 0, ++o;
      }
    });
  }

 private:
  Sizes s_;
  int64_t indices_;
  bool wide_;
  int64_t bytes_, tasks_ = 1;
};

/// y[o][k][i] = x[o'][index[o][k][i]][i'], where o' and i' are the same positions in x's longer axes.
class GatherElements final : public Kernel {
 public:
  explicit GatherElements(const Problem& p)
      : dims_(p.inputs[1].dims),
        wide_(p.inputs[1].dtype == DType::kI64),
        size_(element_bytes(p.inputs[0].dtype)),
        strides_(element_strides(p.inputs[0])) {
    const int64_t axis = p.attrs<ops::AxisAttrs>().axis;
    axis_ = size_t(axis < 0 ? axis + int64_t(dims_.size()) : axis);
    extent_ = p.inputs[0].dims[axis_];
    lines_ = p.inputs[1].count() / dims_.back();
    tasks_ = task_count(double(p.inputs[1].count()) * 2, lines_, p.threads);
  }
  void run(const RunArgs& args) const override {
    const Indices index{args.inputs[1], wide_};
    args.pool.parallel_for(tasks_, [&](int64_t task, int) {
      for (int64_t l = lines_ * task / tasks_, end = lines_ * (task + 1) / tasks_; l < end; ++l) line(args, index, l);
    });
  }

 private:
  void line(const RunArgs& args, const Indices& index, int64_t l) const {
    const int64_t n = dims_.back();
    int64_t base = 0, rest = l;
    for (size_t d = dims_.size() - 1; d-- > 0; rest /= dims_[d])
      if (d != axis_) base += rest % dims_[d] * strides_[d];
    const char* x = static_cast<const char*>(args.inputs[0]) + base * size_;
    char* y = static_cast<char*>(args.outputs[0]) + l * n * size_;
    const int64_t along = axis_ + 1 == dims_.size() ? 0 : 1;
    for (int64_t i = 0; i < n; ++i)
      move_bytes(y + i * size_, x + (index(l * n + i, extent_) * strides_[axis_] + i * along) * size_, size_);
  }
  ir::Dims dims_;
  bool wide_;
  int64_t size_;
  ir::Dims strides_;
  size_t axis_ = 0;
  int64_t extent_ = 1, lines_ = 1, tasks_ = 1;
};

/// GatherND, and ScatterND, which copies its data first; rows of indices are walked in order.
class SliceND final : public Kernel {
 public:
  explicit SliceND(const Problem& p) : scatter_(p.node->op == "ScatterND"), wide_(p.inputs[1].dtype == DType::kI64) {
    const ir::Dims &x = p.inputs[0].dims, &i = p.inputs[1].dims;
    const size_t batch = scatter_ ? 0 : size_t(p.attrs<ops::GatherNdAttrs>().batch_dims);
    depth_ = i.back();
    rows_ = p.inputs[1].count() / depth_;
    for (size_t d = 0; d < batch; ++d) batches_ *= x[d];
    bytes_ = element_bytes(p.inputs[0].dtype);
    total_ = p.inputs[0].count() * bytes_;
    for (size_t d = batch + size_t(depth_); d < x.size(); ++d) bytes_ *= x[d];
    int64_t stride = bytes_;
    extents_.assign(x.begin() + int64_t(batch), x.begin() + int64_t(batch) + depth_);
    strides_.assign(extents_.size(), 0);
    for (size_t d = extents_.size(); d-- > 0; stride *= extents_[d]) strides_[d] = stride;
    batch_bytes_ = stride;
    join_ = find_join(p.inputs[0].dtype, reduction_of(p));
    tasks_ = scatter_ ? 1 : task_count(double(rows_) * (4 + double(bytes_) * 0.05), rows_, p.threads);
  }
  void run(const RunArgs& args) const override {
    const Indices index{args.inputs[1], wide_};
    if (scatter_) std::memcpy(args.outputs[0], args.inputs[0], size_t(total_));
    args.pool.parallel_for(tasks_, [&](int64_t task, int) {
      for (int64_t r = rows_ * task / tasks_, end = rows_ * (task + 1) / tasks_; r < end; ++r) {
        int64_t at = r / (rows_ / batches_) * batch_bytes_;
        for (int64_t d = 0; d < depth_; ++d) at += index(r * depth_ + d, extents_[size_t(d)]) * strides_[size_t(d)];
        char* y = static_cast<char*>(args.outputs[0]);
        if (scatter_)
          join_(y + at, static_cast<const char*>(args.inputs[2]) + r * bytes_, bytes_);
        else
          move_bytes(y + r * bytes_, static_cast<const char*>(args.inputs[0]) + at, bytes_);
      }
    });
  }

 private:
  bool scatter_, wide_;
  JoinFn join_;
  int64_t depth_ = 1, rows_ = 1, batches_ = 1, bytes_ = 1, total_ = 0, batch_bytes_ = 1, tasks_ = 1;
  ir::Dims extents_, strides_;
};

/// y = x, then y[o][index[o][k][i]][i] joined by update[o][k][i]. Places differ where coordinates beside the axis do:
/// tasks are ranges of the axes before it, and each walks its updates in order.
class ScatterElements final : public Kernel {
 public:
  explicit ScatterElements(const Problem& p)
      : dims_(p.inputs[1].dims),
        wide_(p.inputs[1].dtype == DType::kI64),
        size_(element_bytes(p.inputs[0].dtype)),
        strides_(element_strides(p.inputs[0])),
        total_(p.inputs[0].count() * size_),
        join_(find_join(p.inputs[0].dtype, reduction_of(p))) {
    const int64_t axis = p.attrs<ops::ScatterElementsAttrs>().axis;
    axis_ = size_t(axis < 0 ? axis + int64_t(dims_.size()) : axis);
    extent_ = p.inputs[0].dims[axis_];
    count_ = p.inputs[1].count();
    for (size_t d = 0; d < axis_; ++d) outer_ *= dims_[d];
    tasks_ = task_count(double(count_) * 3, outer_, p.threads);
  }
  void run(const RunArgs& args) const override {
    const Indices index{args.inputs[1], wide_};
    std::memcpy(args.outputs[0], args.inputs[0], size_t(total_));
    if (count_ == 0) return;
    const int64_t n = dims_.back(), lines = count_ / n, each = axis_ + 1 == dims_.size() ? 1 : lines / outer_;
    args.pool.parallel_for(tasks_, [&](int64_t task, int) {
      const int64_t first = outer_ * task / tasks_ * each, end = outer_ * (task + 1) / tasks_ * each;
      for (int64_t l = first; l < end; ++l) line(args, index, l);
    });
  }

 private:
  void line(const RunArgs& args, const Indices& index, int64_t l) const {
    const int64_t n = dims_.back();
    int64_t base = 0, rest = l;
    for (size_t d = dims_.size() - 1; d-- > 0; rest /= dims_[d])
      if (d != axis_) base += rest % dims_[d] * strides_[d];
    const char* updates = static_cast<const char*>(args.inputs[2]) + l * n * size_;
    char* y = static_cast<char*>(args.outputs[0]) + base * size_;
    const int64_t along = axis_ + 1 == dims_.size() ? 0 : 1;
    for (int64_t i = 0; i < n; ++i)
      join_(y + (index(l * n + i, extent_) * strides_[axis_] + i * along) * size_, updates + i * size_, size_);
  }
  ir::Dims dims_;
  bool wide_;
  int64_t size_;
  ir::Dims strides_;
  int64_t total_;
  JoinFn join_;
  size_t axis_ = 0;
  int64_t extent_ = 1, count_ = 0, outer_ = 1, tasks_ = 1;
};

/// The dims that a reference checks while running.
bool fits_elements(const Problem& p) {
  const ir::Dims &x = p.inputs[0].dims, &i = p.inputs[1].dims;
  if (i.empty() || i.size() != x.size() || p.inputs[2].dims != i) return false;
  const int64_t at = p.attrs<ops::ScatterElementsAttrs>().axis, axis = at < 0 ? at + int64_t(x.size()) : at;
  for (size_t d = 0; d < x.size(); ++d)
    if (int64_t(d) != axis && i[d] > x[d]) return false;
  return true;
}

Support supports(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  if (element_bytes(p.inputs[0].dtype) == 0)
    return Support::no("elements of type ", p.inputs[0].dtype, " have no whole number of bytes");
  if (p.inputs[1].dtype != DType::kI64 && p.inputs[1].dtype != DType::kI32)
    return Support::no("indices are ", p.inputs[1].dtype, ", accepted are i32 and i64");
  if (!find_join(p.inputs[0].dtype, reduction_of(p)))
    return Support::no("updates of type ", p.inputs[0].dtype, " cannot be combined with the data");
  if (p.node->op == "ScatterElements" && !fits_elements(p))
    return Support::no("indices and updates do not fit the data");
  if ((p.node->op == "GatherND" || p.node->op == "ScatterND") &&
      (p.inputs[1].dims.empty() || p.inputs[1].dims.back() == 0))
    return Support::no("indices name no axis");
  if (p.node->op == "GatherElements" && p.inputs[1].dims.empty()) return Support::no("a scalar has no axis");
  const double bytes = double(p.outputs[0].count()) * ir::bits(p.outputs[0].dtype) / 8;
  return Support::yes(streaming_us(2 * bytes, double(p.inputs[1].count()) * 3, p.threads));
}

template <class K>
std::unique_ptr<Kernel> make(const Problem& p) {
  return std::make_unique<K>(p);
}

}  // namespace

std::vector<KernelDef> gather() {
  return {{"gather_rows", "Gather", supports, make<GatherRows>},
          {"gather_elements", "GatherElements", supports, make<GatherElements>},
          {"gather_slices", "GatherND", supports, make<SliceND>},
          {"scatter_slices", "ScatterND", supports, make<SliceND>},
          {"scatter_elements", "ScatterElements", supports, make<ScatterElements>}};
}

}  // namespace tenon::cpu
