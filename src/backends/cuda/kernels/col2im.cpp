#include "backends/cuda/device/col2im.h"

#include <algorithm>

#include "backends/col2im_geometry.h"
#include "backends/cuda/cuda.h"
#include "backends/cuda/elem.h"

namespace tenon::cuda {
namespace {

class Col2Im final : public Kernel {
 public:
  explicit Col2Im(const Problem& p) : type_(elem_of(p.inputs[0].dtype)) {
    params_.count = uint32_t(p.outputs[0].count());
    const ColumnAxes axes = column_axes(p);
    for (size_t i = 0; i < axes.size(); ++i) {
      const ColumnAxis& from = axes[i];
      Col2ImAxis& to = params_.axes[i];
      to.image = Divisor(std::max<int64_t>(from.image, 1));
      to.stride = Divisor(from.stride);
      to.block = int(from.block);
      to.positions = int(from.positions);
      to.dilation = int(from.dilation);
      to.begin = int(from.begin);
    }
  }
  bool reads_constant(size_t input) const override { return input == 0; }
  void run(const RunArgs& args) const override {
    Col2ImParams p = params_;
    p.x = args.inputs[0];
    p.y = args.outputs[0];
    TENON_CUDA(col2im(p, type_, stream_of(args)));
  }

 private:
  Elem type_;
  Col2ImParams params_;
};

Support supports(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  if (const std::string reason = refuse_columns(p); !reason.empty()) return Support::no(reason);
  if (p.inputs[0].count() > kMaxElements || p.outputs[0].count() > kMaxElements)
    return Support::no("the operands have ", p.inputs[0].count(), " and ", p.outputs[0].count(),
                       " elements, accepted are ", kMaxElements);
  for (const ColumnAxis& axis : column_axes(p))
    for (int64_t v : {axis.block, axis.stride, axis.dilation, axis.begin})
      if (v < -(1 << 14) || v > 1 << 14)
        return Support::no("a block parameter is ", v, ", accepted are up to ", 1 << 14);
  return Support::yes(estimate_us(p, 0, 1));
}

}  // namespace

std::vector<KernelDef> col2im() {
  return {{"col2im_pixels", "Col2Im", supports,
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<Col2Im>(p); }}};
}

}  // namespace tenon::cuda
