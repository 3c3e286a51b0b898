// Operators that move elements to or from places that an index tensor names: Gather, GatherElements, GatherND,
// ScatterND and ScatterElements without reduction. An index outside its axis is an error.
#include <cstring>

#include "backends/cpu/kernels/strides.h"
#include "backends/moves.h"
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
inline void move_bytes(char* to, const char* from, int64_t bytes) {
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
          move_bytes(y + at, static_cast<const char*>(args.inputs[2]) + r * bytes_, bytes_);
        else
          move_bytes(y + r * bytes_, static_cast<const char*>(args.inputs[0]) + at, bytes_);
      }
    });
  }

 private:
  bool scatter_, wide_;
  int64_t depth_ = 1, rows_ = 1, batches_ = 1, bytes_ = 1, total_ = 0, batch_bytes_ = 1, tasks_ = 1;
  ir::Dims extents_, strides_;
};

Support supports(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  if (element_bytes(p.inputs[0].dtype) == 0)
    return Support::no("elements of type ", p.inputs[0].dtype, " have no whole number of bytes");
  if (p.inputs[1].dtype != DType::kI64 && p.inputs[1].dtype != DType::kI32)
    return Support::no("indices are ", p.inputs[1].dtype, ", accepted are i32 and i64");
  if (p.node->op == "ScatterND" && p.attrs<ops::ScatterNdAttrs>().reduction != ops::ScatterReduction::kNone)
    return Support::no("updates are combined with the data");
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
          {"scatter_slices", "ScatterND", supports, make<SliceND>}};
}

}  // namespace tenon::cpu
