// Deformable convolutions: columns of what the taps read, then a matrix product.
#include "ops/nn/deform_conv.h"

#include <algorithm>

#include "backends/cuda/cuda.h"
#include "backends/cuda/device/deform_columns.h"
#include "backends/cuda/device/gemm_simt.h"
#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/product_epilogue.h"

namespace tenon::cuda {
namespace {

constexpr size_t kBias = 3, kMask = 4;
constexpr int64_t kColumnBytes = 16 << 20;  // of the images that are taken together, if they are more than one

class DeformConv final : public Kernel {
 public:
  explicit DeformConv(const Problem& p) : type_(elem_of(p.inputs[0].dtype)), bytes_(ir::bits(p.inputs[0].dtype) / 8) {
    const auto& a = p.attrs<ops::DeformConvAttrs>();
    const ir::Dims &x = p.inputs[0].dims, &w = p.inputs[1].dims, &y = p.outputs[0].dims;
    images_ = x[0];
    channels_ = x[1];
    columns_.groups = int(a.offset_group);
    columns_.channels = int(x[1] / a.offset_group);
    columns_.height = int(x[2]);
    columns_.width = int(x[3]);
    columns_.out_width = Divisor(y[3]);
    columns_.pixels = Divisor(y[2] * y[3]);
    columns_.kernel_width = Divisor(w[3]);
    columns_.taps = Divisor(w[2] * w[3]);
    for (size_t i = 0; i < 2; ++i) {
      columns_.stride[i] = int(a.strides[i]);
      columns_.dilation[i] = int(a.dilations[i]);
      columns_.pad[i] = int(a.pads[i]);
    }
    has_mask_ = p.has_input(kMask);
    const std::string reason = epilogue_.read(p, {}, kBias, p.inputs.size());
    require(reason.empty(), ErrorCode::kInternal, reason);
    epilogue_.prepare(p);
    const int64_t one = column_count() * bytes_;
    together_ = std::clamp<int64_t>(kColumnBytes / one, 1, images_);
    set_product(w, y, a.group);
  }
  int64_t workspace_bytes() const override { return together_ * column_count() * bytes_; }
  bool reads_constant(size_t input) const override { return epilogue_.reads_constant(input); }
  void run(const RunArgs& args) const override {
    const int64_t pixels = columns_.pixels.value, offsets = int64_t(columns_.groups) * columns_.taps.value * pixels;
    const auto part = [&](const void* of, int64_t elements) {
      return static_cast<const char*>(of) + elements * bytes_;
    };
    for (int64_t first = 0; first < images_; first += together_) {
      DeformParams c = columns_;
      c.images = int(std::min(together_, images_ - first));
      c.x = part(args.inputs[0], first * channels_ * c.height * c.width);
      c.offset = part(args.inputs[2], first * 2 * offsets);
      if (has_mask_) c.mask = part(args.inputs[kMask], first * offsets);
      c.columns = args.workspace;
      TENON_CUDA(deform_columns(c, type_, stream_of(args)));
      SimtGemmArgs g = product_;
      g.batch = c.images;
      g.a = args.workspace;
      g.b = args.inputs[1];
      g.y = static_cast<char*>(args.outputs[0]) + first * g.y_image * bytes_;
      g.epilogue = epilogue_.bind(args);
      TENON_CUDA(gemm_simt(g, type_, tile_, stream_of(args)));
    }
  }

 private:
  /// Elements of an image's columns.
  int64_t column_count() const { return channels_ * columns_.taps.value * columns_.pixels.value; }
  /// A row of the product is a pixel, a column a channel of the result.
  void set_product(const ir::Dims& w, const ir::Dims& y, int64_t groups) {
    const int64_t pixels = y[2] * y[3], depth = w[1] * w[2] * w[3];
    product_.a_image = 1;
    product_.a_channel = pixels;
    product_.a_group = depth * pixels;
    product_.a_step[2] = column_count();
    product_.channels = Divisor(depth);
    product_.b_column = depth;
    product_.batch_inner[1] = Divisor(together_);
    product_.y_image = y[1] * pixels;
    product_.y_pixel = 1;
    product_.y_column = pixels;
    product_.pixels = Divisor(pixels);
    product_.rows = int(pixels);
    product_.columns = int(w[0] / groups);
    product_.depth = int(depth);
    product_.groups = int(groups);
    // Small tiles where large ones would leave processors idle.
    const int64_t large = (pixels + 63) / 64 * ((product_.columns + 63) / 64) * together_ * groups;
    tile_ = large >= 132 ? 1 : 2;
  }

  Elem type_;
  int64_t bytes_, images_ = 1, channels_ = 1, together_ = 1;
  bool has_mask_ = false;
  int tile_ = 1;
  DeformParams columns_;
  SimtGemmArgs product_;
  ProductEpilogue epilogue_;
};

bool fits(const Problem& p) {
  const auto& a = p.attrs<ops::DeformConvAttrs>();
  const ir::Dims &x = p.inputs[0].dims, &w = p.inputs[1].dims, &y = p.outputs[0].dims;
  const int64_t taps = w[2] * w[3] * a.offset_group;
  return x[1] == w[1] * a.group && w[0] % a.group == 0 && x[1] % a.offset_group == 0 &&
         p.inputs[2].dims == ir::Dims{x[0], 2 * taps, y[2], y[3]} &&
         (!p.has_input(kBias) || p.inputs[kBias].count() == w[0]) &&
         (!p.has_input(kMask) || p.inputs[kMask].dims == ir::Dims{x[0], taps, y[2], y[3]});
}

Support supports(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  const ir::DType t = p.inputs[0].dtype;
  for (size_t i : {size_t(0), size_t(1), size_t(2), kMask})
    if (p.has_input(i) && (!is_elem(t) || p.inputs[i].dtype != t))
      return Support::no("operand ", i, " is ", p.inputs[i].dtype, ", accepted is one of f32, bf16 and f16 for all");
  if (!fits(p)) return Support::no("the operands do not fit");
  const auto& a = p.attrs<ops::DeformConvAttrs>();
  for (const auto* list : {&a.strides, &a.dilations, &a.pads})
    for (int64_t v : *list)
      if (v < -(1 << 14) || v > 1 << 14) return Support::no("a window parameter is ", v);
  const ir::Dims &x = p.inputs[0].dims, &w = p.inputs[1].dims, &y = p.outputs[0].dims;
  const int64_t depth = w[1] * w[2] * w[3], columns = x[1] * w[2] * w[3] * y[2] * y[3];
  for (int64_t n : {p.inputs[0].count(), p.inputs[2].count(), p.outputs[0].count(), columns})
    if (n > kMaxElements) return Support::no("an operand has ", n, " elements, accepted are ", kMaxElements);
  if (x[0] * a.group > 65535) return Support::no(x[0] * a.group, " products, accepted are 65535");
  ProductEpilogue epilogue;
  if (const std::string reason = epilogue.read(p, {}, kBias, p.inputs.size()); !reason.empty())
    return Support::no(reason);
  return Support::yes(4 + estimate_us(p, 2 * double(p.outputs[0].count()) * double(depth), 0.4));
}

}  // namespace

std::vector<KernelDef> deform_conv() {
  return {{"deform_columns", "DeformConv", supports,
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<DeformConv>(p); }}};
}

}  // namespace tenon::cuda
