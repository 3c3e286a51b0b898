// Operators that read places that an index tensor names: Gather, GatherElements, GatherND.
#include <algorithm>

#include "backends/cuda/cuda.h"
#include "backends/cuda/device/gather.h"
#include "backends/cuda/kernels/strided_copy.h"
#include "ops/data/gather_nd.h"
#include "ops/shape/axis_attrs.h"

namespace tenon::cuda {
namespace {

using ir::DType;

/// The widest element, up to 16 bytes, that runs of `run` elements of `size` bytes at these addresses consist of.
int64_t widest(int64_t run, int64_t size, const void* x, const void* y) {
  const uint64_t all = uint64_t(run * size) | reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(y);
  return std::max(size, std::min<int64_t>(16, int64_t(all & (~all + 1))));
}
bool wide_indices(const Problem& p) { return p.inputs[1].dtype == DType::kI64; }

class GatherRows final : public Kernel {
 public:
  explicit GatherRows(const Problem& p)
      : s_(split_at(p.inputs[0].dims, p.attrs<ops::AxisAttrs>().axis)),
        size_(element_bytes(p.inputs[0].dtype)),
        indices_(p.inputs[1].count()),
        wide_(wide_indices(p)) {}
  void run(const RunArgs& args) const override {
    if (s_.outer * indices_ * s_.inner == 0) return;
    const int64_t bytes = widest(s_.inner, size_, args.inputs[0], args.outputs[0]);
    GatherParams p;
    p.x = args.inputs[0];
    p.index = {args.inputs[1], wide_};
    p.y = args.outputs[0];
    p.extent = int(s_.size);
    p.inner = Divisor(s_.inner * size_ / bytes);
    p.indices = Divisor(indices_);
    p.count = uint32_t(s_.outer * indices_ * p.inner.value);
    TENON_CUDA(cuda::gather(p, int(bytes), stream_of(args)));
  }

 private:
  AxisSplit s_;
  int64_t size_, indices_;
  bool wide_;
};

class GatherElements final : public Kernel {
 public:
  explicit GatherElements(const Problem& p) : size_(int(element_bytes(p.inputs[0].dtype))) {
    const ir::Dims& dims = p.inputs[1].dims;
    const int64_t axis = p.attrs<ops::AxisAttrs>().axis;
    const size_t at = size_t(axis < 0 ? axis + int64_t(dims.size()) : axis);
    ir::Dims strides = element_strides(p.inputs[0]);
    params_.index.wide = wide_indices(p);
    params_.count = uint32_t(p.inputs[1].count());
    params_.extent = int(p.inputs[0].dims[at]);
    params_.axis_stride = strides[at];
    strides[at] = 0;
    if (params_.count == 0) return;
    params_.extents = extents_of(dims);
    params_.strides = strides_of(strides);
  }
  void run(const RunArgs& args) const override {
    GatherElementsParams p = params_;
    p.x = args.inputs[0];
    p.index.data = args.inputs[1];
    p.y = args.outputs[0];
    TENON_CUDA(gather_elements(p, size_, stream_of(args)));
  }

 private:
  int size_;
  GatherElementsParams params_;
};

class GatherSlices final : public Kernel {
 public:
  explicit GatherSlices(const Problem& p) : size_(element_bytes(p.inputs[0].dtype)), wide_(wide_indices(p)) {
    const ir::Dims &x = p.inputs[0].dims, &i = p.inputs[1].dims;
    const size_t batch = size_t(p.attrs<ops::GatherNdAttrs>().batch_dims);
    depth_ = size_t(i.back());
    for (size_t d = 0; d < batch; ++d) batches_ *= x[d];
    for (size_t d = batch + depth_; d < x.size(); ++d) inner_ *= x[d];
    rows_ = depth_ ? p.inputs[1].count() / int64_t(depth_) : 0;
    extents_.assign(x.begin() + int64_t(batch), x.begin() + int64_t(batch + depth_));
  }
  void run(const RunArgs& args) const override {
    if (rows_ * inner_ == 0) return;
    const int64_t bytes = widest(inner_, size_, args.inputs[0], args.outputs[0]);
    SliceParams p;
    p.x = args.inputs[0];
    p.index = {args.inputs[1], wide_};
    p.y = args.outputs[0];
    p.inner = Divisor(inner_ * size_ / bytes);
    p.rows_a_batch = Divisor(rows_ / batches_);
    p.count = uint32_t(rows_ * p.inner.value);
    p.depth = int(depth_);
    int64_t stride = p.inner.value;
    for (size_t d = depth_; d-- > 0; stride *= extents_[d]) {
      p.extents[d] = int(extents_[d]);
      p.strides[d] = stride;
    }
    p.batch_stride = stride;
    TENON_CUDA(gather_slices(p, int(bytes), stream_of(args)));
  }

 private:
  int64_t size_;
  bool wide_;
  size_t depth_ = 1;
  int64_t rows_ = 0, batches_ = 1, inner_ = 1;
  ir::Dims extents_;
};

Support supports(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  if (element_bytes(p.inputs[0].dtype) == 0)
    return Support::no("elements of type ", p.inputs[0].dtype, " have no whole number of bytes");
  if (p.inputs[1].dtype != DType::kI64 && p.inputs[1].dtype != DType::kI32)
    return Support::no("indices are ", p.inputs[1].dtype, ", accepted are i32 and i64");
  for (const TensorDesc* d : {&p.inputs[0], &p.inputs[1], &p.outputs[0]})
    if (d->count() > kMaxElements)
      return Support::no("an operand has ", d->count(), " elements, accepted are ", kMaxElements);
  if (p.inputs[0].dims.empty()) return Support::no("a scalar has no axis");
  if (p.inputs[0].dims.size() > size_t(kAxes))
    return Support::no("x has ", p.inputs[0].dims.size(), " axes, accepted are ", kAxes);
  if (p.node->op == "GatherND" && (p.inputs[1].dims.empty() || p.inputs[1].dims.back() == 0))
    return Support::no("indices name no axis");
  // Of x only what is read is moved.
  const double y = double(p.outputs[0].count()) * ir::bits(p.outputs[0].dtype) / 8;
  const double x = double(p.inputs[0].count()) * ir::bits(p.inputs[0].dtype) / 8;
  const double unread = std::max(0.0, x - y) / (info_of(p).gigabytes_a_second * 1e3);
  return Support::yes(std::max(2.0, estimate_us(p, 0, 1) - unread));
}

template <class K>
std::unique_ptr<Kernel> make(const Problem& p) {
  return std::make_unique<K>(p);
}

}  // namespace

std::vector<KernelDef> gather() {
  return {{"gather_rows", "Gather", supports, make<GatherRows>},
          {"gather_elements", "GatherElements", supports, make<GatherElements>},
          {"gather_slices", "GatherND", supports, make<GatherSlices>}};
}

}  // namespace tenon::cuda
