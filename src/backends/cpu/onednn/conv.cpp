// Convolution on channels-last tensors. Each image's output rows are cut into at most kPieces slices; the input rows
// that a slice reads, and the padding that it sees at top and bottom, follow from its rows.
#include <algorithm>
#include <array>
#include <unordered_map>

#include "backends/cpu/onednn/onednn.h"
#include "base/thread_pool.h"
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

/// Output rows [first, end) of one image: what they read and the primitive that computes them.
struct Slice {
  int64_t input_offset = 0, output_offset = 0;  // bytes
  dnnl::convolution_forward::primitive_desc desc;
  dnnl::convolution_forward primitive;
};

class Conv final : public Kernel {
 public:
  explicit Conv(const Problem& p) : batch_(p.inputs[0].dims[0]) {
    const OneThread alone;
    const auto& a = p.attrs<ops::ConvAttrs>();
    const TensorDesc &x = p.inputs[0], &y = p.outputs[0];
    const int64_t rows = y.dims[1], pieces = std::min(kPieces, rows);
    image_in_ = ir::storage_bytes(x.dtype, x.count() / std::max<int64_t>(batch_, 1));
    image_out_ = ir::storage_bytes(y.dtype, y.count() / std::max<int64_t>(batch_, 1));
    for (int64_t i = 0; i < pieces; ++i) add_slice(p, a, rows * i / pieces, rows * (i + 1) / pieces);
    has_bias_ = p.has_input(2);
  }

  int64_t workspace_bytes() const override { return scratch_ * batch_ * int64_t(slices_.size()); }

  void run(const RunArgs& args) const override {
    const auto pieces = int64_t(slices_.size());
    args.pool.parallel_for(batch_ * pieces, [&](int64_t task, int) {
      const OneThread alone;
      const int64_t n = task / pieces;
      const Slice& s = slices_[size_t(task % pieces)];
      auto at = [](const void* base, int64_t offset) {
        return const_cast<char*>(static_cast<const char*>(base)) + offset;
      };
      const int64_t out = n * image_out_ + s.output_offset;
      std::unordered_map<int, dnnl::memory> operands{
          {DNNL_ARG_SRC, {s.desc.src_desc(), engine(), at(args.inputs[0], n * image_in_ + s.input_offset)}},
          {DNNL_ARG_WEIGHTS, {s.desc.weights_desc(), engine(), const_cast<void*>(weights_.get())}},
          {DNNL_ARG_DST, {s.desc.dst_desc(), engine(), at(args.outputs[0], out)}},
          {DNNL_ARG_SCRATCHPAD, {s.desc.scratchpad_desc(), engine(), at(args.workspace, scratch_ * task)}}};
      if (has_bias_) operands.emplace(DNNL_ARG_BIAS, dnnl::memory(s.desc.bias_desc(), engine(), at(args.inputs[2], 0)));
      for (const auto& o : post_.operands) {
        const auto arg = DNNL_ARG_ATTR_MULTIPLE_POST_OP(o.post_op) | DNNL_ARG_SRC_1;
        const int64_t scaled = o.full ? out / out_bytes_ * extra_bytes_[size_t(o.k - 1)] : 0;
        operands.emplace(arg, dnnl::memory(s.desc.query_md(dnnl::query::exec_arg_md, arg), engine(),
                                           at(args.inputs[2 + o.k], scaled)));
      }
      s.primitive.execute(stream(), operands);
      stream().wait();
    });
  }

 private:
  void add_slice(const Problem& p, const ops::ConvAttrs& a, int64_t first, int64_t end) {
    const TensorDesc &x = p.inputs[0], &w = p.inputs[1], &y = p.outputs[0];
    const size_t spatial = x.dims.size() - 2;
    const Geometry g = geometry(spatial, a.group > 1);
    const int64_t window = (w.dims[2] - 1) * a.dilations[0] + 1;
    const int64_t from = first * a.strides[0] - a.pads[0], to = (end - 1) * a.strides[0] - a.pads[0] + window;
    const int64_t in_first = std::clamp<int64_t>(from, 0, x.dims[1]),
                  in_end = std::clamp<int64_t>(to, in_first, x.dims[1]);
    dnnl::memory::dims src{1, x.dims.back(), in_end - in_first}, dst{1, y.dims.back(), end - first}, weights, strides,
        dilates, before, after;
    for (size_t i = 0; i < spatial; ++i) {
      if (i > 0) src.push_back(x.dims[1 + i]), dst.push_back(y.dims[1 + i]);
      strides.push_back(a.strides[i]);
      dilates.push_back(a.dilations[i] - 1);
      const int64_t reach = (dst[2 + i] - 1) * a.strides[i] + (w.dims[2 + i] - 1) * a.dilations[i] + 1;
      before.push_back(i == 0 ? in_first - from : a.pads[i]);
      after.push_back(std::max<int64_t>(reach - src[2 + i] - before.back(), 0));
    }
    if (a.group > 1)
      weights = {a.group, w.dims[0] / a.group};
    else
      weights = {w.dims[0]};
    weights.insert(weights.end(), w.dims.begin() + 1, w.dims.end());

    const auto type = *to_type(x.dtype), out_type = *to_type(y.dtype), w_type = *to_type(w.dtype);
    std::vector<TensorDesc> extras(p.inputs.begin() + std::min<int64_t>(3, int64_t(p.inputs.size())), p.inputs.end());
    auto post = to_post_ops(a.epilogue, dst, g.io, extras, y);
    require(post.has_value(), ErrorCode::kInternal, "the epilogue is not a chain of post-ops");
    const dnnl::memory::desc bias = p.has_input(2)
                                        ? dnnl::memory::desc({y.dims.back()}, dnnl::memory::data_type::f32, Tag::a)
                                        : dnnl::memory::desc();
    Slice s;
    s.desc = dnnl::convolution_forward::primitive_desc(engine(), dnnl::prop_kind::forward_inference,
                                                       dnnl::algorithm::convolution_direct, {src, type, g.io},
                                                       {weights, w_type, Tag::any}, bias, {dst, out_type, g.io},
                                                       strides, dilates, before, after, attributes(post->ops));
    const auto packed = s.desc.weights_desc();
    const dnnl::memory::desc given(weights, w_type, g.weights);
    if (slices_.empty()) {
      weights_desc_ = packed;
      weights_ = pack(
          p, 1, given, packed,
          cat("onednn/", int(w_type), a.group, packed.get_strides(), packed.get_inner_blks(), packed.get_inner_idxs()));
      post_ = *post;
      out_bytes_ = ir::bits(y.dtype) / 8;
      for (const auto& e : extras) extra_bytes_.push_back(ir::bits(e.dtype) / 8);
    } else {
      require(packed == weights_desc_, ErrorCode::kUnsupported, "slices want different weights");
    }
    s.primitive = dnnl::convolution_forward(s.desc);
    const int64_t row_in = image_in_ / std::max<int64_t>(x.dims[1], 1),
                  row_out = image_out_ / std::max<int64_t>(y.dims[1], 1);
    s.input_offset = in_first * row_in;
    s.output_offset = first * row_out;
    scratch_ = std::max<int64_t>(scratch_, int64_t(s.desc.scratchpad_desc().get_size() + 63) / 64 * 64);
    slices_.push_back(std::move(s));
  }

  int64_t batch_, image_in_ = 0, image_out_ = 0, scratch_ = 0, out_bytes_ = 4;
  bool has_bias_ = false;
  std::vector<Slice> slices_;
  std::shared_ptr<const void> weights_;
  dnnl::memory::desc weights_desc_;
  PostOps post_;
  std::vector<int64_t> extra_bytes_;
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
  std::vector<TensorDesc> extras(p.inputs.begin() + std::min<int64_t>(3, int64_t(p.inputs.size())), p.inputs.end());
  const dnnl::memory::dims probe(p.inputs[0].dims.size(), 1);
  if (!to_post_ops(a.epilogue, probe, geometry(spatial, false).io, extras, p.outputs[0]))
    return Support::no("the epilogue '", a.epilogue, "' is not a chain of post-ops");
  double macs = double(p.outputs[0].count());
  for (size_t i = 1; i < p.inputs[1].dims.size(); ++i) macs *= double(p.inputs[1].dims[i]);
  const double rate = *type == dnnl::memory::data_type::bf16 ? 120e3 : 60e3;  // MAC a microsecond and thread
  return Support::yes(5 + macs / (rate * p.threads));
}

}  // namespace

std::vector<KernelDef> onednn_conv() {
  return {{"onednn_conv", "Conv", supports, [](const Problem& p) -> std::unique_ptr<Kernel> {
             try {
               return std::make_unique<Conv>(p);
             } catch (const dnnl::error& e) {
               fail(ErrorCode::kUnsupported, "oneDNN: ", e.what());
             }
           }}};
}

}  // namespace tenon::cpu
