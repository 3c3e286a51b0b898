// Operators that only move elements: Transpose, Concat, Split, Slice, Expand, Tile, DepthToSpace and SpaceToDepth as
// strided copies, Pad and CenterCropPad.
#include <algorithm>
#include <cstring>

#include "backends/cuda/cuda.h"
#include "backends/cuda/device/pad.h"
#include "backends/cuda/kernels/strided_copy.h"

namespace tenon::cuda {
namespace {

using ir::Dims;

class StridedMoves final : public Kernel {
 public:
  explicit StridedMoves(const Problem& p) {
    for (const Move& m : moves_of(p).all) copies_.emplace_back(m, element_bytes(p.inputs[0].dtype));
  }
  void run(const RunArgs& args) const override { run_copies(copies_, args.inputs, args.outputs, stream_of(args)); }

 private:
  std::vector<StridedCopy> copies_;
};

Support supports_moves(const Problem& p) {
  const int64_t size = element_bytes(p.inputs[0].dtype);
  if (size == 0) return Support::no("elements of type ", p.inputs[0].dtype, " have no whole number of bytes");
  const Moves moves = moves_of(p);
  if (!moves.reason.empty()) return Support::no(moves.reason);
  for (const Move& m : moves.all)
    if (const StridedCopy c(m, size); !c.reason().empty()) return Support::no(c.reason());
  return Support::yes(estimate_us(p, 0, 1));
}

/// Axes of Pad, neighbours that are not padded as one.
struct PadAxes {
  Dims out, in, begin, x_strides, y_strides;
};
PadAxes pad_axes(const Problem& p) {
  const Padding pad = padding_of(p);
  const Dims &x = p.inputs[0].dims, &y = p.outputs[0].dims;
  const Dims xs = element_strides(p.inputs[0]), ys = element_strides(p.outputs[0]);
  PadAxes a;
  auto plain = [&](size_t d) { return pad.begin[d] == 0 && pad.end[d] == 0; };
  for (size_t d = 0; d < x.size(); ++d) {
    const bool joins = d > 0 && plain(d) && plain(d - 1) && xs[d - 1] == xs[d] * x[d] && ys[d - 1] == ys[d] * y[d];
    if (joins) {
      a.out.back() *= y[d];
      a.in.back() *= x[d];
      a.x_strides.back() = xs[d];
      a.y_strides.back() = ys[d];
    } else {
      a.out.push_back(y[d]);
      a.in.push_back(x[d]);
      a.begin.push_back(pad.begin[d]);
      a.x_strides.push_back(xs[d]);
      a.y_strides.push_back(ys[d]);
    }
  }
  return a;
}

class PadKernel final : public Kernel {
 public:
  explicit PadKernel(const Problem& p)
      : axes_(pad_axes(p)), size_(element_bytes(p.inputs[0].dtype)), count_(p.outputs[0].count()) {
    base_.rule = PadRule(int(padding_of(p).mode));
    const bool constant = base_.rule == PadRule::kConstant;
    computed_value_ = constant && p.has_input(2) && !p.constants[2];
    if (constant && p.has_input(2) && p.constants[2])
      for (int64_t i = 0; i < 16; i += size_)
        std::memcpy(base_.pattern + i, p.constants[2]->data().data(), size_t(size_));
  }
  bool reads_constant(size_t input) const override { return input == 0; }
  void run(const RunArgs& args) const override {
    PadParams p = base_;
    p.x = args.inputs[0];
    p.y = args.outputs[0];
    if (computed_value_) p.value = args.inputs[2];
    const int64_t n = elements_together(args.inputs[0], args.outputs[0]);
    PadAxes a = axes_;
    const size_t last = a.out.size() - 1;
    for (int64_t* v : {&a.out[last], &a.in[last], &a.begin[last]}) *v /= n;
    for (size_t d = 0; d < last; ++d) a.x_strides[d] /= n, a.y_strides[d] /= n;
    p.count = uint32_t(count_ / n);
    p.out = extents_of(a.out);
    p.x_strides = strides_of(a.x_strides);
    p.y_strides = strides_of(a.y_strides);
    for (size_t d = 0; d <= last; ++d) {
      p.begin[last - d] = int(a.begin[d]);
      p.in[last - d] = int(a.in[d]);
    }
    TENON_CUDA(pad(p, int(size_ * n), stream_of(args)));
  }

 private:
  /// How many neighbours along the last axis move as one.
  int64_t elements_together(const void* x, const void* y) const {
    const PadAxes& a = axes_;
    const size_t last = a.out.size() - 1;
    const bool whole_rows = a.in[last] == a.out[last] && a.begin[last] == 0;
    if (computed_value_ || a.x_strides[last] != 1 || a.y_strides[last] != 1) return 1;
    if (!whole_rows && base_.rule != PadRule::kConstant) return 1;
    uint64_t all = reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(y);
    for (int64_t v : {a.out[last], a.in[last], a.begin[last]}) all |= uint64_t(v * size_);
    for (size_t d = 0; d < last; ++d) all |= uint64_t(a.x_strides[d] * size_) | uint64_t(a.y_strides[d] * size_);
    return std::max<int64_t>(1, std::min<int64_t>(16, int64_t(all & (~all + 1))) / size_);
  }
  PadAxes axes_;
  int64_t size_, count_;
  PadParams base_;
  bool computed_value_ = false;
};

Support supports_pad(const Problem& p) {
  if (element_bytes(p.inputs[0].dtype) == 0)
    return Support::no("elements of type ", p.inputs[0].dtype, " have no whole number of bytes");
  if (p.inputs[0].dims.empty()) return Support::no("a scalar has no axis");
  const Padding pad = padding_of(p);
  if (!pad.reason.empty()) return Support::no(pad.reason);
  const bool constant = pad.mode == ops::PadMode::kConstant;
  if (constant && p.has_input(2) && p.inputs[2].dtype != p.inputs[0].dtype)
    return Support::no("the padding value has another type than the data");
  for (size_t d = 0; d < pad.begin.size(); ++d) {
    if (!constant && (pad.begin[d] < 0 || pad.end[d] < 0))
      return Support::no("negative pads are cropped by constant padding only");
    if (!constant && p.inputs[0].dims[d] == 0) return Support::no("there is nothing to repeat");
  }
  if (p.outputs[0].count() > kMaxElements || p.inputs[0].count() > kMaxElements)
    return Support::no("the operands have ", p.inputs[0].count(), " and ", p.outputs[0].count(),
                       " elements, accepted are ", kMaxElements);
  if (pad_axes(p).out.size() > size_t(kAxes)) return Support::no("more than ", kAxes, " axes are walked");
  return Support::yes(estimate_us(p, 0, 1));
}

}  // namespace

std::vector<KernelDef> move() {
  std::vector<KernelDef> defs;
  for (std::string_view op :
       {"Transpose", "Concat", "Split", "Slice", "Expand", "Tile", "DepthToSpace", "SpaceToDepth"})
    defs.push_back({"strided_copy", op, supports_moves,
                    [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<StridedMoves>(p); },
                    0xffff | 1u << 16});
  for (std::string_view op : {"Pad", "CenterCropPad"})
    defs.push_back({"pad", op, supports_pad,
                    [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<PadKernel>(p); },
                    1u | 1u << 16});
  return defs;
}

}  // namespace tenon::cuda
