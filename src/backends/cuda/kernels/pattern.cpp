// Operators whose elements follow from their positions: Trilu, EyeLike, OneHot, Range, ReverseSequence.
#include "backends/cuda/device/pattern.h"
#include "backends/cuda/cuda.h"
#include "backends/cuda/kernels/plain.h"
#include "backends/moves.h"
#include "ops/data/reverse_sequence.h"
#include "ops/data/trilu.h"
#include "ops/shape/axis_attrs.h"

namespace tenon::cuda {
namespace {

using ir::DType;

Divisor divisor(int64_t n) { return Divisor(n > 0 ? n : 1); }
int bytes_of(const TensorDesc& d) { return int(element_bytes(d.dtype)); }

/// Parameters that only wait for the operands' addresses.
template <class Params>
class Pattern : public Kernel {
 protected:
  Params params_;
  int bytes_ = 0;
};

class Triangle final : public Pattern<TriangleParams> {
 public:
  explicit Triangle(const Problem& p) : computed_(p.has_input(1) && !p.constants[1]) {
    const ir::Dims& dims = p.inputs[0].dims;
    bytes_ = bytes_of(p.inputs[0]);
    params_.upper = p.attrs<ops::TriluAttrs>().upper;
    if (p.has_input(1) && p.constants[1]) params_.k = p.constants[1]->get_int(0);
    params_.count = uint32_t(p.inputs[0].count());
    params_.columns = divisor(dims.back());
    params_.rows = divisor(dims[dims.size() - 2]);
  }
  bool reads_constant(size_t input) const override { return input == 0; }
  void run(const RunArgs& args) const override {
    TriangleParams p = params_;
    p.x = args.inputs[0];
    if (computed_) p.diagonal = static_cast<const int64_t*>(args.inputs[1]);
    p.y = args.outputs[0];
    TENON_CUDA(triangle(p, bytes_, stream_of(args)));
  }

 private:
  bool computed_;
};

class Eye final : public Pattern<EyeParams> {
 public:
  explicit Eye(const Problem& p) {
    params_.type = *plain_of(p.outputs[0].dtype);
    params_.k = p.attrs<ops::EyeLikeAttrs>().k;
    params_.count = uint32_t(p.outputs[0].count());
    params_.columns = divisor(p.outputs[0].dims[1]);
  }
  void run(const RunArgs& args) const override {
    EyeParams p = params_;
    p.y = args.outputs[0];
    TENON_CUDA(eye(p, stream_of(args)));
  }
};

class OneHot final : public Pattern<OneHotParams> {
 public:
  explicit OneHot(const Problem& p) {
    const AxisSplit s = split_at(p.outputs[0].dims, p.attrs<ops::AxisAttrs>().axis);
    bytes_ = bytes_of(p.outputs[0]);
    params_.index_type = *plain_of(p.inputs[0].dtype);
    params_.count = uint32_t(p.outputs[0].count());
    params_.depth = divisor(s.size);
    params_.inner = divisor(s.inner);
  }
  bool reads_constant(size_t input) const override { return input != 1; }
  void run(const RunArgs& args) const override {
    OneHotParams p = params_;
    p.indices = args.inputs[0];
    p.values = args.inputs[2];
    p.y = args.outputs[0];
    TENON_CUDA(one_hot(p, bytes_, stream_of(args)));
  }
};

class Range final : public Pattern<RangeParams> {
 public:
  explicit Range(const Problem& p) {
    params_.type = *plain_of(p.outputs[0].dtype);
    params_.count = uint32_t(p.outputs[0].count());
  }
  bool reads_constant(size_t input) const override { return input != 1; }
  void run(const RunArgs& args) const override {
    RangeParams p = params_;
    p.start = args.inputs[0];
    p.delta = args.inputs[2];
    p.y = args.outputs[0];
    TENON_CUDA(range(p, stream_of(args)));
  }
};

class Reverse final : public Pattern<ReverseParams> {
 public:
  explicit Reverse(const Problem& p) {
    const auto& a = p.attrs<ops::ReverseSequenceAttrs>();
    const AxisSplit batch = split_at(p.inputs[0].dims, a.batch_axis), time = split_at(p.inputs[0].dims, a.time_axis);
    bytes_ = bytes_of(p.inputs[0]);
    params_.length_type = *plain_of(p.inputs[1].dtype);
    params_.count = uint32_t(p.inputs[0].count());
    params_.batch_stride = divisor(batch.inner);
    params_.batch = divisor(batch.size);
    params_.time_stride = divisor(time.inner);
    params_.time = divisor(time.size);
  }
  void run(const RunArgs& args) const override {
    ReverseParams p = params_;
    p.x = args.inputs[0];
    p.lengths = args.inputs[1];
    p.y = args.outputs[0];
    TENON_CUDA(reverse_sequence(p, bytes_, stream_of(args)));
  }
};

Support supports_any(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  if (p.outputs[0].count() > kMaxElements)
    return Support::no("the result has ", p.outputs[0].count(), " elements, accepted are ", kMaxElements);
  return Support::yes(estimate_us(p, 0, 1));
}
Support supports_moved(const Problem& p) {
  if (bytes_of(p.outputs[0]) == 0)
    return Support::no("elements of type ", p.outputs[0].dtype, " have no whole number of bytes");
  return supports_any(p);
}
Support supports_plain(const Problem& p) {
  if (!plain_of(p.outputs[0].dtype)) return Support::no("elements of type ", p.outputs[0].dtype);
  return supports_any(p);
}
Support supports_triangle(const Problem& p) {
  if (p.has_input(1) && p.inputs[1].dtype != DType::kI64) return Support::no("k is ", p.inputs[1].dtype);
  return supports_moved(p);
}
Support supports_one_hot(const Problem& p) {
  if (!plain_of(p.inputs[0].dtype)) return Support::no("indices are ", p.inputs[0].dtype);
  return supports_moved(p);
}
Support supports_reverse(const Problem& p) {
  if (p.inputs[1].dtype != DType::kI64 && p.inputs[1].dtype != DType::kI32)
    return Support::no("lengths are ", p.inputs[1].dtype, ", accepted are i32 and i64");
  return supports_moved(p);
}

template <class K>
std::unique_ptr<Kernel> make(const Problem& p) {
  return std::make_unique<K>(p);
}

}  // namespace

std::vector<KernelDef> pattern() {
  return {{"triangle", "Trilu", supports_triangle, make<Triangle>},
          {"eye", "EyeLike", supports_plain, make<Eye>},
          {"one_hot", "OneHot", supports_one_hot, make<OneHot>},
          {"range", "Range", supports_plain, make<Range>},
          {"reverse_sequence", "ReverseSequence", supports_reverse, make<Reverse>}};
}

}  // namespace tenon::cuda
