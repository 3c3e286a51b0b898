// Operators that read images at computed places: GridSample, RoiAlign, MaxRoiPool; and AffineGrid, which computes
// places.
#include "backends/cuda/device/sample.h"
#include "backends/cuda/cuda.h"
#include "backends/cuda/elem.h"
#include "ops/detect/grid_sample.h"
#include "ops/detect/roi.h"

namespace tenon::cuda {
namespace {

using ir::DType;

class GridSample final : public Kernel {
 public:
  explicit GridSample(const Problem& p) : type_(elem_of(p.inputs[0].dtype)) {
    const auto& a = p.attrs<ops::GridSampleAttrs>();
    const ir::Dims &x = p.inputs[0].dims, &grid = p.inputs[1].dims;
    params_.rule = SampleRule(int(a.mode));
    params_.edge = SampleEdge(int(a.padding));
    params_.align_corners = a.align_corners;
    params_.axes = int(x.size()) - 2;
    for (size_t d = 2; d < x.size(); ++d) params_.extent[3 - (x.size() - d)] = int(x[d]);
    params_.channels = int(x[1]);
    int64_t positions = 1;
    for (size_t d = 1; d + 1 < grid.size(); ++d) positions *= grid[d];
    params_.points = uint32_t(positions * grid[0]);
    params_.positions = Divisor(positions > 0 ? positions : 1);
  }
  void run(const RunArgs& args) const override {
    GridSampleParams p = params_;
    p.x = args.inputs[0];
    p.grid = args.inputs[1];
    p.y = args.outputs[0];
    TENON_CUDA(grid_sample(p, type_, stream_of(args)));
  }

 private:
  Elem type_;
  GridSampleParams params_;
};

class AffineGrid final : public Kernel {
 public:
  explicit AffineGrid(const Problem& p) : type_(elem_of(p.inputs[0].dtype)) {
    const ir::Dims& y = p.outputs[0].dims;
    params_.align_corners = p.attrs<ops::AffineGridAttrs>().align_corners;
    params_.axes = int(y.back());
    params_.points = uint32_t(p.outputs[0].count() / y.back());
    for (int d = 0; d < params_.axes; ++d) params_.extent[d] = Divisor(y[y.size() - 2 - size_t(d)]);
  }
  bool reads_constant(size_t input) const override { return input == 0; }
  void run(const RunArgs& args) const override {
    AffineGridParams p = params_;
    p.theta = args.inputs[0];
    p.y = args.outputs[0];
    TENON_CUDA(affine_grid(p, type_, stream_of(args)));
  }

 private:
  Elem type_;
  AffineGridParams params_;
};

class Roi final : public Kernel {
 public:
  explicit Roi(const Problem& p) : type_(elem_of(p.inputs[0].dtype)), align_(p.node->op == "RoiAlign") {
    const ir::Dims &x = p.inputs[0].dims, &y = p.outputs[0].dims;
    params_.count = uint32_t(p.outputs[0].count());
    params_.images = int(x[0]);
    params_.in_height = int(x[2]);
    params_.in_width = int(x[3]);
    params_.channels = Divisor(y[1] > 0 ? y[1] : 1);
    params_.height = Divisor(y[2]);
    params_.width = Divisor(y[3]);
    if (!align_) {
      params_.spatial_scale = p.attrs<ops::MaxRoiPoolAttrs>().spatial_scale;
      return;
    }
    const auto& a = p.attrs<ops::RoiAlignAttrs>();
    params_.spatial_scale = a.spatial_scale;
    params_.sampling_ratio = int(a.sampling_ratio);
    params_.half_pixel = a.half_pixel;
    params_.max = a.max;
    params_.image.wide = p.inputs[2].dtype == DType::kI64;
  }
  void run(const RunArgs& args) const override {
    RoiParams p = params_;
    p.x = args.inputs[0];
    p.rois = args.inputs[1];
    if (align_) p.image.data = args.inputs[2];
    p.y = args.outputs[0];
    TENON_CUDA(align_ ? roi_align(p, type_, stream_of(args)) : max_roi_pool(p, type_, stream_of(args)));
  }

 private:
  Elem type_;
  bool align_;
  RoiParams params_;
};

Support supports_images(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  const DType t = p.inputs[0].dtype;
  if (!is_elem(t) || p.inputs[1].dtype != t || p.outputs[0].dtype != t)
    return Support::no("the operands are ", t, " and ", p.inputs[1].dtype, ", accepted is one of f32, bf16 and f16");
  for (const TensorDesc* d : {&p.inputs[0], &p.inputs[1], &p.outputs[0]})
    if (d->count() > kMaxElements)
      return Support::no("an operand has ", d->count(), " elements, accepted are ", kMaxElements);
  return Support::yes(estimate_us(p, 0, 1));
}
Support supports_grid(const Problem& p) {
  const size_t rank = p.inputs[0].dims.size();
  if (rank < 3 || rank > 5) return Support::no("1 to 3 spatial axes are sampled, x is ", p.inputs[0].dims);
  if (p.inputs[0].dims[1] > 8 * 65535) return Support::no("x has ", p.inputs[0].dims[1], " channels");
  return supports_images(p);
}
Support supports_affine_grid(const Problem& p) {
  const ir::Dims &theta = p.inputs[0].dims, &y = p.outputs[0].dims;
  if (!p.all_dense()) return Support::no("operands must be dense");
  if (!is_elem(p.inputs[0].dtype))
    return Support::no("elements are ", p.inputs[0].dtype, ", accepted are f32, bf16 and f16");
  if (p.outputs[0].count() > kMaxElements)
    return Support::no("the result has ", p.outputs[0].count(), " elements, accepted are ", kMaxElements);
  if (theta != ir::Dims{y[0], y.back(), y.back() + 1})
    return Support::no("theta is ", theta, ", expected is ", ir::Dims{y[0], y.back(), y.back() + 1});
  return Support::yes(estimate_us(p, 0, 1));
}
Support supports_roi(const Problem& p) {
  if (p.node->op == "RoiAlign") {
    if (p.inputs[2].dtype != DType::kI64 && p.inputs[2].dtype != DType::kI32)
      return Support::no("image indices are ", p.inputs[2].dtype, ", accepted are i32 and i64");
    if (p.attrs<ops::RoiAlignAttrs>().sampling_ratio > 4096)
      return Support::no("sampling_ratio is ", p.attrs<ops::RoiAlignAttrs>().sampling_ratio,
                         ", accepted are 0 to 4096");
  }
  return supports_images(p);
}

template <class K>
std::unique_ptr<Kernel> make(const Problem& p) {
  return std::make_unique<K>(p);
}

}  // namespace

std::vector<KernelDef> sample() {
  return {{"grid_sample", "GridSample", supports_grid, make<GridSample>},
          {"affine_grid", "AffineGrid", supports_affine_grid, make<AffineGrid>},
          {"roi_align", "RoiAlign", supports_roi, make<Roi>},
          {"max_roi_pool", "MaxRoiPool", supports_roi, make<Roi>}};
}

}  // namespace tenon::cuda
