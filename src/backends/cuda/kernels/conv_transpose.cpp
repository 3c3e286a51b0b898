// Transposed convolutions as matrix products on the vector units: every result gathers the inputs that reach it.
#include "ops/nn/conv_transpose.h"
#include "backends/cuda/kernels/conv_gemm.h"

namespace tenon::cuda {
namespace {

/// Weights [c, n / group, taps].
std::shared_ptr<const void> weights(const Problem& p, const ConvShape& s) {
  const int64_t channels = s.c / s.group, columns = s.n / s.group, taps = s.taps();
  return packed_rows(p, 1, "transposed conv by taps", s.n, channels * taps, [=](int64_t column, int64_t k) {
    const int64_t channel = column / columns * channels + k % channels;
    return (channel * columns + column % columns) * taps + k / channels;
  });
}

class ConvTransposeSimt final : public ConvGemm {
 public:
  ConvTransposeSimt(const Problem& p, const ConvShape& s)
      : ConvGemm(p, s, p.attrs<ops::ConvTransposeAttrs>().epilogue, weights(p, s)) {}
  void run(const RunArgs& args) const override {
    SimtGemmArgs g = simt_args(args);
    g.transposed = true;
    TENON_CUDA(gemm_simt(g, type_, 1, stream_of(args)));
    epilogue_.finish(args, args.workspace);
  }
};

std::string read(const Problem& p, ConvShape& s) {
  if (std::string reason = read_conv_transpose(p, s); !reason.empty()) return reason;
  if (s.c / s.group * s.taps() >= int64_t(1) << 31) return "a window has 2^31 elements or more";
  if (s.rows() > int64_t(65535) * 64 || s.group > 65535) return "too many rows or groups";
  ProductEpilogue epilogue;
  return epilogue.read(p, p.attrs<ops::ConvTransposeAttrs>().epilogue, kConvBias, kConvExtras, s.channels_last);
}

Support supports(const Problem& p) {
  ConvShape s;
  if (std::string reason = read(p, s); !reason.empty()) return Support::no(reason);
  return Support::yes(2 + s.flops() / (info_of(p).tflops_f32 * 1e6 * 0.2));
}

std::unique_ptr<Kernel> prepare(const Problem& p) { return make_conv<ConvTransposeSimt>(p, read); }

}  // namespace

std::vector<KernelDef> conv_transpose() {
  return {{"conv_transpose_simt", "ConvTranspose", supports, prepare, kConvPitched}};
}

}  // namespace tenon::cuda
