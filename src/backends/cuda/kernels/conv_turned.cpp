// Convolutions without windows of few pixels on Hopper: tiles of eights of pixels that fill the GPU once.
#include <cmath>

#include "backends/cuda/device/gemm_turned.h"
#include "backends/cuda/kernels/conv_gemm.h"
#include "backends/cuda/kernels/variants.h"
#include "ops/nn/conv.h"

namespace tenon::cuda {
namespace {

constexpr int kMostRounds = 3;  ///< of tiles on each multiprocessor, beyond which other kernels are better

std::string read(const Problem& p, ConvShape& s) {
  if (std::string reason = read_turned(p, s); !reason.empty()) return reason;
  for (int i = 0; i < 3; ++i)
    if (s.kernel[i] != 1 || s.stride[i] != 1 || s.pad[i] != 0) return "a window, stride or padding";
  return {};
}

class ConvTurned final : public ConvGemm {
 public:
  ConvTurned(const Problem& p, const ConvShape& s, int columns)
      : ConvGemm(p, s, p.attrs<ops::ConvAttrs>().epilogue, weights_by_taps(p, s)),
        columns_(columns),
        blocks_(info_of(p).multiprocessors) {}
  void run(const RunArgs& args) const override {
    TurnedArgs a;
    a.x = args.inputs[0];
    a.w = weights_.get();
    a.y = args.outputs[0];
    a.x_pitch = shape_.x_pitch;
    a.w_pitch = packed_pitch(shape_.c);
    a.y_pitch = shape_.y_pitch;
    a.rows = int(shape_.rows());
    a.columns = int(shape_.n);
    a.depth = int(shape_.c);
    a.epilogue = epilogue_.bind(args);
    if (aligned_for_copies(args, a.epilogue))
      TENON_CUDA(gemm_turned(a, type_, columns_, blocks_, stream_of(args)));
    else
      TENON_CUDA(gemm_simt(simt_args(args), type_, 1, stream_of(args)));
  }

 private:
  int columns_, blocks_;
};

template <int kNumber>
KernelDef variant() {
  return {variant_name("conv_turned_", kTurnedColumns[kNumber]), "Conv",
          [](const Problem& p) {
            ConvShape s;
            if (std::string reason = read(p, s); !reason.empty()) return Support::no(reason);
            const int64_t rows = (s.rows() + kTurnedRows - 1) / kTurnedRows, columns = kTurnedColumns[kNumber];
            const int64_t tiles = rows * ((s.n + columns - 1) / columns), blocks = info_of(p).multiprocessors;
            const int64_t rounds = (tiles + blocks - 1) / blocks;
            if (rounds > kMostRounds) return Support::no(cat(tiles, " tiles, accepted are ", kMostRounds * blocks));
            const double done = 2.0 * double(rounds * blocks * kTurnedRows * columns) * double(s.c);
            return Support::yes(estimate_us(p, done, 0.75));
          },
          [](const Problem& p) { return make_conv<ConvTurned>(p, read, kTurnedColumns[kNumber]); }, kConvPitched};
}

}  // namespace

std::vector<KernelDef> conv_turned() {
  return []<int... i>(std::integer_sequence<int, i...>) { return std::vector<KernelDef>{variant<i>()...}; }
  (std::make_integer_sequence<int, kTurnedCount>());
}

}  // namespace tenon::cuda
