// Pooling on channels-last tensors: each image's output rows in fixed slices.
#include <algorithm>
#include <array>

#include "backends/cpu/onednn/onednn.h"
#include "ops/nn/pool.h"

namespace tenon::cpu {
namespace {

using namespace onednn;
using ops::PoolAttrs;
using ops::PoolKind;
using Tag = dnnl::memory::format_tag;

constexpr int64_t kPieces = 4;

class Pool final : public SliceKernel {
 public:
  explicit Pool(const Problem& p) : SliceKernel(p, p.inputs[0].dims[0]) {
    const int64_t rows = p.outputs[0].dims[1], pieces = std::min(kPieces, rows);
    for (int64_t i = 0; i < pieces; ++i) add_slice(p, p.attrs<PoolAttrs>(), rows * i / pieces, rows * (i + 1) / pieces);
  }

 private:
  void add_slice(const Problem& p, const PoolAttrs& a, int64_t first, int64_t end) {
    const TensorDesc &x = p.inputs[0], &y = p.outputs[0];
    const size_t spatial = x.dims.size() - 2;
    const RowSlice slice =
        slice_rows(first, end, x.dims[1], (a.kernel[0] - 1) * a.dilations[0] + 1, a.strides[0], a.pads[0]);
    dnnl::memory::dims src{1, x.dims.back(), slice.in_end - slice.in_first}, dst{1, y.dims.back(), end - first},
        dilates, before, after;
    for (size_t i = 0; i < spatial; ++i) {
      if (i > 0) src.push_back(x.dims[1 + i]), dst.push_back(y.dims[1 + i]);
      dilates.push_back(a.dilations[i] - 1);
      before.push_back(i == 0 ? slice.before : a.pads[i]);
      after.push_back(
          padding_after(dst[2 + i], src[2 + i], (a.kernel[i] - 1) * a.dilations[i] + 1, a.strides[i], before.back()));
    }
    const auto algorithm = a.kind == PoolKind::kMax ? dnnl::algorithm::pooling_max
                           : a.count_include_pad    ? dnnl::algorithm::pooling_avg_include_padding
                                                    : dnnl::algorithm::pooling_avg_exclude_padding;
    const Tag io = std::array<Tag, 3>{Tag::nwc, Tag::nhwc, Tag::ndhwc}[spatial - 1];
    const auto type = *to_type(x.dtype);
    const dnnl::pooling_forward::primitive_desc desc(engine(), dnnl::prop_kind::forward_inference, algorithm,
                                                     {src, type, io}, {dst, type, io}, a.strides, a.kernel, dilates,
                                                     before, after, attributes({}));
    const int64_t row_in = image_in_ / x.dims[1], row_out = image_out_ / y.dims[1];
    add(slice.in_first * row_in, first * row_out, desc, dnnl::pooling_forward(desc));
  }
};

Support supports(const Problem& p) {
  const auto& a = p.attrs<PoolAttrs>();
  const TensorDesc &x = p.inputs[0], &y = p.outputs[0];
  if (!a.channels_last) return Support::no("only channels-last tensors");
  if (!p.all_dense()) return Support::no("operands must be dense");
  if (a.kind == PoolKind::kLp) return Support::no("Lp pooling is not computed");
  if (p.outputs.size() > 1 && p.outputs[1].dtype != ir::DType::kUndefined)
    return Support::no("indices of maxima are wanted");
  const size_t spatial = x.dims.size() - 2;
  if (spatial < 1 || spatial > 3) return Support::no(spatial, " spatial axes, accepted are 1 to 3");
  if (a.kernel.empty()) return Support::no("a global pool has few positions");
  if (x.count() == 0 || y.count() == 0) return Support::no("an operand is empty");
  if (!to_type(x.dtype)) return Support::no("types must be f32 or bf16");
  int64_t taps = 1;
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t window = (a.kernel[i] - 1) * a.dilations[i] + 1, in = x.dims[1 + i];
    taps *= a.kernel[i];
    // A window past the padded end is counted otherwise, or lies in padding alone.
    const int64_t reach = (y.dims[1 + i] - 1) * a.strides[i] + window - a.pads[i];
    if (reach > in + a.pads[spatial + i] || a.pads[i] >= a.kernel[i] || reach - in >= a.kernel[i])
      return Support::no("windows reach past the padding, or it is wider than they");
  }
  const double out = double(y.count()) * double(taps);
  return Support::yes(6 + out / (16e3 * p.threads));
}

}  // namespace

std::vector<KernelDef> onednn_pool() { return {{"onednn_pool", "Pool", supports, onednn::prepare<Pool>}}; }

}  // namespace tenon::cpu
