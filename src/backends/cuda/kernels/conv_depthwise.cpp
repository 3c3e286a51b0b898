// Depthwise convolution with 3x3 and 5x5 windows, channels last.
#include <algorithm>

#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/depthwise_plan.h"
#include "backends/cuda/kernels/product_epilogue.h"
#include "ops/nn/conv.h"

namespace tenon::cuda {
namespace {

/// What the kernels of this file have in common.
class Depthwise : public Kernel {
 public:
  Depthwise(const Problem& p, const ConvShape& s)
      : type_(elem_of(p.inputs[0].dtype)), kernel_(int(s.kernel[1])), stride_(int(s.stride[1])) {
    const std::string reason = epilogue_.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras);
    require(reason.empty(), ErrorCode::kInternal, reason);
    epilogue_.prepare(p);
    args_ = depthwise_args(p, s, type_, weights_);
  }
  int64_t workspace_bytes() const override { return epilogue_.sums_bytes(); }
  bool reads_constant(size_t input) const override { return input != 1 && epilogue_.reads_constant(input); }
  void run(const RunArgs& args) const override {
    DepthwiseArgs a = args_;
    a.x = args.inputs[0];
    a.y = args.outputs[0];
    a.epilogue = epilogue_.bind(args);
    if (!epilogue_.in_kernel()) a.sums = static_cast<float*>(args.workspace);
    start(a, stream_of(args));
    epilogue_.finish(args, args.workspace);
  }

 protected:
  virtual void start(const DepthwiseArgs& a, cudaStream_t stream) const = 0;

  Elem type_;
  int kernel_, stride_;

 private:
  ProductEpilogue epilogue_;
  std::shared_ptr<const void> weights_;
  DepthwiseArgs args_;
};

class ConvDepthwise final : public Depthwise {
 public:
  ConvDepthwise(const Problem& p, const ConvShape& s) : Depthwise(p, s) {
    const int64_t columns = (s.out[2] + kDepthwiseColumns - 1) / kDepthwiseColumns;
    const int64_t lines = std::max<int64_t>(1, s.batch * columns * (s.c / kDepthwiseVector));
    // Long strips read little twice; short ones fill the GPU.
    const int64_t wanted = int64_t(info_of(p).multiprocessors) * 1024;
    const int64_t strips = std::clamp<int64_t>((wanted + lines - 1) / lines, 1, s.out[1]);
    rows_ = int((s.out[1] + strips - 1) / strips);
  }

 protected:
  void start(const DepthwiseArgs& a, cudaStream_t stream) const override {
    TENON_CUDA(conv_depthwise(a, type_, kernel_, stride_, rows_, stream));
  }

 private:
  int rows_ = 1;
};

bool is_any(const ProductEpilogue& e) { return !e.in_kernel() || depthwise_any(e.form()); }

class ConvDepthwiseTiled final : public Depthwise {
 public:
  ConvDepthwiseTiled(const Problem& p, const ConvShape& s, const DepthwiseTiling& tiling)
      : Depthwise(p, s), shape_(s), tiling_(tiling) {}

 protected:
  void start(const DepthwiseArgs& a, cudaStream_t stream) const override {
    if (reinterpret_cast<uintptr_t>(a.x) % 16 || reinterpret_cast<uintptr_t>(a.y) % 4) {
      TENON_CUDA(conv_depthwise(a, type_, kernel_, stride_, tiling_.rows, stream));
      return;
    }
    TENON_CUDA(run_depthwise_tiled(a, type_, shape_, tiling_, stream));
  }

 private:
  ConvShape shape_;
  DepthwiseTiling tiling_;
};

std::string read(const Problem& p, ConvShape& s) {
  if (std::string reason = read_conv(p, s); !reason.empty()) return reason;
  if (!s.channels_last) return "channels come first, accepted is channels last";
  return refuse_depthwise(s);
}

Support supports(const Problem& p) {
  ConvShape s;
  std::string reason = read(p, s);
  ProductEpilogue epilogue;
  if (reason.empty()) reason = epilogue.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras);
  if (!reason.empty()) return Support::no(reason);
  return Support::yes(estimate_us(p, 0, 1) + (s.c % kDepthwiseVector ? 10 : 0));
}

template <int kRows, int kStrips>
Support supports_tiled(const Problem& p) {
  ConvShape s;
  std::string reason = read(p, s);
  ProductEpilogue epilogue;
  if (reason.empty()) reason = epilogue.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras);
  if (reason.empty()) reason = epilogue.refuse_early_bias();
  if (reason.empty()) reason = refuse_depthwise_tiled(p, s, is_any(epilogue), kRows, kStrips);
  if (!reason.empty()) return Support::no(reason);
  return Support::yes(0.8 * estimate_us(p, 0, 1));
}

template <int kRows, int kStrips>
std::unique_ptr<Kernel> prepare_tiled(const Problem& p) {
  ConvShape s;
  const std::string reason = read(p, s);
  require(reason.empty(), ErrorCode::kInternal, reason);
  ProductEpilogue epilogue;
  epilogue.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras);
  return std::make_unique<ConvDepthwiseTiled>(p, s, depthwise_tiling(s, is_any(epilogue), kRows, kStrips));
}
template <int kRows, int kStrips>
KernelDef tiled(std::string_view name) {
  return {name, "Conv", supports_tiled<kRows, kStrips>, prepare_tiled<kRows, kStrips>, kConvPitched};
}

std::unique_ptr<Kernel> prepare(const Problem& p) { return make_conv<ConvDepthwise>(p, read); }

}  // namespace

std::vector<KernelDef> conv_depthwise() {
  return {{"conv_depthwise", "Conv", supports, prepare, kConvPitched},
          tiled<16, 1>("conv_depthwise_tiled_16_1"),
          tiled<16, 2>("conv_depthwise_tiled_16_2"),
          tiled<8, 1>("conv_depthwise_tiled_8_1"),
          tiled<8, 2>("conv_depthwise_tiled_8_2"),
          tiled<4, 2>("conv_depthwise_tiled_4_2"),
          tiled<2, 1>("conv_depthwise_tiled_2_1")};
}

}  // namespace tenon::cuda
