// Convolutions of stride 1 on Hopper whose windows are read in place: each variant has tiles of so many places.
#include "backends/cuda/device/conv_halo.h"

#include <cmath>

#include "backends/cuda/kernels/conv_gemm.h"
#include "backends/cuda/kernels/variants.h"
#include "ops/nn/conv.h"

namespace tenon::cuda {
namespace {

/// All but addresses.
HaloArgs halo_args(const ConvShape& s) {
  HaloArgs a;
  a.x_pitch = s.x_pitch;
  a.w_pitch = packed_pitch(s.c * s.taps());
  a.y_pitch = s.y_pitch;
  a.images = int(s.batch);
  a.c = int(s.c);
  a.columns = int(s.n);
  for (int i = 0; i < 3; ++i) {
    a.in[i] = int(s.in[i]);
    a.out[i] = int(s.out[i]);
    a.kernel[i] = int(s.kernel[i]);
    a.dilation[i] = int(s.dilation[i]);
    a.pad[i] = int(s.pad[i]);
  }
  return a;
}

/// Whether a plane of the window lies inside the image wherever the window stands.
bool meets_depths(const ConvShape& s) {
  for (int64_t depth = 0; depth < s.out[0]; ++depth) {
    bool meets = false;
    for (int64_t k = 0; k < s.kernel[0]; ++k) {
      const int64_t at = depth - s.pad[0] + k * s.dilation[0];
      meets |= at >= 0 && at < s.in[0];
    }
    if (!meets) return false;
  }
  return true;
}

std::string read(const Problem& p, ConvShape& s) {
  if (std::string reason = read_turned(p, s); !reason.empty()) return reason;
  if (s.kernel[1] * s.kernel[2] == 1) return "a window of one pixel of a plane";
  for (int i = 0; i < 3; ++i) {
    if (s.stride[i] != 1) return cat("stride ", s.stride[i], ", accepted is 1");
    if (s.kernel[i] > 64 || s.pad[i] > 1024) return cat("a window of ", s.kernel[i], " padded by ", s.pad[i]);
  }
  if (!meets_depths(s)) return "a window that lies outside the image";
  return {};
}

class ConvHalo final : public ConvGemm {
 public:
  ConvHalo(const Problem& p, const ConvShape& s, int places)
      : ConvGemm(p, s, p.attrs<ops::ConvAttrs>().epilogue, weights_by_taps(p, s)),
        args_(halo_args(s)),
        places_(places),
        blocks_(info_of(p).multiprocessors) {
    args_.w = weights_.get();
  }
  void run(const RunArgs& args) const override {
    HaloArgs a = args_;
    a.x = args.inputs[0];
    a.y = args.outputs[0];
    a.epilogue = epilogue_.bind(args);
    if (aligned_for_copies(args, a.epilogue))
      TENON_CUDA(conv_halo(a, type_, places_, blocks_, stream_of(args)));
    else
      TENON_CUDA(gemm_simt(simt_args(args), type_, 1, stream_of(args)));
  }

 private:
  HaloArgs args_;
  int places_, blocks_;
};

/// With what tiles leave unused.
double flops_done(const Problem& p, const ConvShape& s, const HaloTile& t, int places) {
  const double blocks = info_of(p).multiprocessors, rounds = std::ceil(t.count / blocks);
  const double channels = double((s.c + kHaloChannels - 1) / kHaloChannels * kHaloChannels);
  return 2 * rounds * blocks * places * kHaloChannels * channels * double(s.taps());
}

template <int kNumber>
KernelDef variant() {
  return {variant_name("conv_halo_", kHaloPlaces[kNumber]), "Conv",
          [](const Problem& p) {
            ConvShape s;
            if (std::string reason = read(p, s); !reason.empty()) return Support::no(reason);
            const HaloTile t = halo_tile(halo_args(s), kHaloPlaces[kNumber]);
            if (t.lines == 0) return Support::no(cat("no tile of ", kHaloPlaces[kNumber], " places"));
            return Support::yes(estimate_us(p, flops_done(p, s, t, kHaloPlaces[kNumber]), 0.75));
          },
          [](const Problem& p) { return make_conv<ConvHalo>(p, read, kHaloPlaces[kNumber]); }, kConvPitched};
}

}  // namespace

std::vector<KernelDef> conv_halo() {
  return []<int... i>(std::integer_sequence<int, i...>) { return std::vector<KernelDef>{variant<i>()...}; }
  (std::make_integer_sequence<int, kHaloCount>());
}

}  // namespace tenon::cuda
