// Convolution on channels-last tensors. Each image's output rows are cut into at most kPieces slices; the input rows
// that a slice reads, and the padding that it sees at top and bottom, follow from its rows.
#include <algorithm>
#include <array>

#include "backends/cpu/onednn/onednn.h"
#include "ops/nn/conv.h"

namespace tenon::cpu {
namespace {

using namespace onednn;
using Tag = dnnl::memory::format_tag;

constexpr int64_t kPieces = 4;  // fixed, so that bits do not depend on the thread count

struct Geometry {
  size_t spatial;
  Tag io, weights;
};

Geometry geometry(size_t spatial, bool grouped) {
  constexpr std::array<Tag, 3> kIo{Tag::nwc, Tag::nhwc, Tag::ndhwc};
  constexpr std::array<Tag, 3> kWeights{Tag::oiw, Tag::oihw, Tag::oidhw}, kGrouped{Tag::goiw, Tag::goihw, Tag::goidhw};
  return {spatial, kIo[spatial - 1], grouped ? kGrouped[spatial - 1] : kWeights[spatial - 1]};
}

class Conv final : public SliceKernel {
 public:
  explicit Conv(const Problem& p) : SliceKernel(p, p.inputs[0].dims[0]) {
    const int64_t rows = p.outputs[0].dims[1], pieces = std::min(kPieces, rows);
    for (int64_t i = 0; i < pieces; ++i)
      add_slice(p, p.attrs<ops::ConvAttrs>(), rows * i / pieces, rows * (i + 1) / pieces);
  }

 private:
  void add_slice(const Problem& p, const ops::ConvAttrs& a, int64_t first, int64_t end) {
    const TensorDesc &x = p.inputs[0], &w = p.inputs[1], &y = p.outputs[0];
    const size_t spatial = x.dims.size() - 2;
    const Geometry g = geometry(spatial, a.group > 1);
    const RowSlice slice =
        slice_rows(first, end, x.dims[1], (w.dims[2] - 1) * a.dilations[0] + 1, a.strides[0], a.pads[0]);
    dnnl::memory::dims src{1, x.dims.back(), slice.in_end - slice.in_first}, dst{1, y.dims.back(), end - first},
        weights, strides, dilates, before, after;
    for (size_t i = 0; i < spatial; ++i) {
      if (i > 0) src.push_back(x.dims[1 + i]), dst.push_back(y.dims[1 + i]);
      strides.push_back(a.strides[i]);
      dilates.push_back(a.dilations[i] - 1);
      before.push_back(i == 0 ? slice.before : a.pads[i]);
      after.push_back(
          padding_after(dst[2 + i], src[2 + i], (w.dims[2 + i] - 1) * a.dilations[i] + 1, a.strides[i], before.back()));
    }
    if (a.group > 1)
      weights = {a.group, w.dims[0] / a.group};
    else
      weights = {w.dims[0]};
    weights.insert(weights.end(), w.dims.begin() + 1, w.dims.end());

    const auto type = *to_type(x.dtype), out_type = *to_type(y.dtype), w_type = *to_type(w.dtype);
    const dnnl::memory::desc bias = p.has_input(2)
                                        ? dnnl::memory::desc({y.dims.back()}, dnnl::memory::data_type::f32, Tag::a)
                                        : dnnl::memory::desc();
    const dnnl::convolution_forward::primitive_desc desc(
        engine(), dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, {src, type, g.io},
        {weights, w_type, Tag::any}, bias, {dst, out_type, g.io}, strides, dilates, before, after,
        read_epilogue(p, a.epilogue, dst, g.io));
    set_weights(p, {weights, w_type, g.weights}, desc.weights_desc(), cat("onednn/", int(w_type), a.group));
    const int64_t row_in = image_in_ / std::max<int64_t>(x.dims[1], 1),
                  row_out = image_out_ / std::max<int64_t>(y.dims[1], 1);
    add(slice.in_first * row_in, first * row_out, desc, dnnl::convolution_forward(desc));
  }
};

Support supports(const Problem& p) {
  const auto& a = p.attrs<ops::ConvAttrs>();
  if (!a.x_channels_last()) return Support::no("only channels-last tensors");
  if (!p.all_dense()) return Support::no("operands must be dense");
  const size_t spatial = p.inputs[0].dims.size() - 2;
  if (spatial > 3) return Support::no(spatial, " spatial axes, accepted are 1 to 3");
  if (!p.constants[1]) return Support::no("the weights must be constant");
  const auto type = to_type(p.inputs[0].dtype), w_type = to_type(p.inputs[1].dtype),
             out_type = to_type(p.outputs[0].dtype);
  if (!type || !w_type || !out_type || *type != *w_type) return Support::no("types must be f32 or bf16");
  if (p.has_input(2) && p.inputs[2].dtype != ir::DType::kF32) return Support::no("the bias must be f32");
  const dnnl::memory::dims probe(p.inputs[0].dims.size(), 1);
  if (!to_post_ops(a.epilogue, probe, geometry(spatial, false).io, extras_of(p), p.outputs[0]))
    return Support::no("the epilogue '", a.epilogue, "' is not a chain of post-ops");
  double macs = double(p.outputs[0].count());
  for (size_t i = 1; i < p.inputs[1].dims.size(); ++i) macs *= double(p.inputs[1].dims[i]);
  const double rate = *type == dnnl::memory::data_type::bf16 ? 120e3 : 60e3;  // MAC a microsecond and thread
  return Support::yes(5 + macs / (rate * p.threads));
}

}  // namespace

std::vector<KernelDef> onednn_conv() { return {{"onednn_conv", "Conv", supports, onednn::prepare<Conv>}}; }

}  // namespace tenon::cpu
