// Transposed convolution on channels-last tensors, an image at a time.
#include <array>

#include "backends/cpu/onednn/onednn.h"
#include "ops/nn/conv_transpose.h"

namespace tenon::cpu {
namespace {

using namespace onednn;
using Tag = dnnl::memory::format_tag;
using Dims = dnnl::memory::dims;

Tag channels_last(size_t spatial) { return std::array<Tag, 3>{Tag::nwc, Tag::nhwc, Tag::ndhwc}[spatial - 1]; }

class Deconv final : public SliceKernel {
 public:
  explicit Deconv(const Problem& p) : SliceKernel(p, p.inputs[0].dims[0]) {
    const auto& a = p.attrs<ops::ConvTransposeAttrs>();
    const TensorDesc &x = p.inputs[0], &w = p.inputs[1], &y = p.outputs[0];
    const size_t spatial = x.dims.size() - 2;
    const int64_t in = x.dims.back() / a.group, out = y.dims.back() / a.group;
    Dims src{1, x.dims.back()}, dst{1, y.dims.back()}, kernel{out, in}, strides, dilates, before, after;
    int64_t taps = 1;
    for (size_t i = 0; i < spatial; ++i) {
      src.push_back(x.dims[1 + i]);
      dst.push_back(y.dims[1 + i]);
      kernel.push_back(w.dims[2 + i]);
      taps *= w.dims[2 + i];
      strides.push_back(a.strides[i]);
      dilates.push_back(a.dilations[i] - 1);
      before.push_back(a.pads[i]);
      const int64_t window = (w.dims[2 + i] - 1) * a.dilations[i] + 1;
      after.push_back((x.dims[1 + i] - 1) * a.strides[i] + window - y.dims[1 + i] - a.pads[i]);
    }
    Dims stored{taps, out * taps};  // of [in][out][taps]
    for (size_t i = 0, step = size_t(taps); i < spatial; ++i) stored.push_back(int64_t(step /= size_t(w.dims[2 + i])));
    if (a.group > 1) {
      kernel.insert(kernel.begin(), a.group);
      stored.insert(stored.begin(), in * out * taps);
    }
    const auto type = *to_type(x.dtype), out_type = *to_type(y.dtype);
    const Tag io = channels_last(spatial);
    const dnnl::memory::desc bias = p.has_input(2)
                                        ? dnnl::memory::desc({y.dims.back()}, dnnl::memory::data_type::f32, Tag::a)
                                        : dnnl::memory::desc();
    const dnnl::deconvolution_forward::primitive_desc desc(
        engine(), dnnl::prop_kind::forward_inference, dnnl::algorithm::deconvolution_direct, {src, type, io},
        {kernel, type, Tag::any}, bias, {dst, out_type, io}, strides, dilates, before, after,
        read_epilogue(p, a.epilogue, dst, io));
    set_weights(p, {kernel, type, stored}, desc.weights_desc(), cat("onednn transposed/", int(type), a.group));
    add(0, 0, desc, dnnl::deconvolution_forward(desc));
  }
};

Support supports(const Problem& p) {
  const auto& a = p.attrs<ops::ConvTransposeAttrs>();
  const TensorDesc &x = p.inputs[0], &y = p.outputs[0];
  if (!a.channels_last) return Support::no("only channels-last tensors");
  if (!p.all_dense()) return Support::no("operands must be dense");
  const size_t spatial = x.dims.size() - 2;
  if (spatial < 1 || spatial > 3) return Support::no(spatial, " spatial axes, accepted are 1 to 3");
  if (!p.constants[1]) return Support::no("the weights must be constant");
  if (x.count() == 0 || y.count() == 0) return Support::no("an operand is empty");
  const auto type = to_type(x.dtype), w_type = to_type(p.inputs[1].dtype), out_type = to_type(y.dtype);
  if (!type || !w_type || !out_type || *type != *w_type) return Support::no("types must be f32 or bf16");
  if (p.has_input(2) && p.inputs[2].dtype != ir::DType::kF32) return Support::no("the bias must be f32");
  if (!to_post_ops(a.epilogue, Dims(x.dims.size(), 1), channels_last(spatial), extras_of(p), y))
    return Support::no("the epilogue '", a.epilogue, "' is not a chain of post-ops");
  double macs = double(x.count());
  for (size_t i = 1; i < p.inputs[1].dims.size(); ++i) macs *= double(p.inputs[1].dims[i]);
  const double rate = *type == dnnl::memory::data_type::bf16 ? 60e3 : 30e3;
  return Support::yes(5 + macs / (rate * double(std::min<int64_t>(p.threads, x.dims[0]))));
}

}  // namespace

std::vector<KernelDef> onednn_deconv() {
  return {{"onednn_deconv", "ConvTranspose", supports, onednn::prepare<Deconv>}};
}

}  // namespace tenon::cpu
