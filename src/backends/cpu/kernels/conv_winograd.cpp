// Stride-1 convolution with 3 x 3 or 5 x 5 windows by Winograd's minimal filtering, F(4x4, 3x3) and F(2x2, 5x5), in
// f32. Kernel planes along depth are taps of the products. Lavin and Gray, "Fast Algorithms for Convolutional Neural
// Networks".
#include "backends/cpu/kernels/conv_problem.h"

namespace tenon::cpu {
namespace {

constexpr int64_t kPoints = 36, kFew = 32;

/// How a problem is cut: blocks of tiles, of planes along depth, of output channels.
struct Blocks {
  int64_t tiles, tile_blocks, planes, plane_blocks, panels, panel_cuts;
  int64_t count() const { return tile_blocks * plane_blocks * panel_cuts; }
  int64_t most_tiles() const { return (tiles + tile_blocks - 1) / tile_blocks; }
  int64_t most_planes() const { return (planes + plane_blocks - 1) / plane_blocks; }
  int64_t most_panels() const { return (panels + panel_cuts - 1) / panel_cuts; }
};

/// Rows of a product that make up for reading its transformed weights, which come from a cache or from memory.
int64_t wanted_rows(double u_bytes, int64_t kernel_d) {
  return u_bytes > 12e6 ? 224 : u_bytes > 3e6 || kernel_d > 1 ? 56 : 28;
}

Blocks choose_blocks(const isa::IsaTable& t, const isa::Winograd& w, int threads) {
  Blocks b;
  b.tiles = w.batch * t.winograd_plane_tiles(w);
  b.planes = w.out[0];
  b.panels = (w.n + t.panel - 1) / t.panel;
  const double u_bytes = double(kPoints * w.kernel_d * w.c) * double(w.n) * 4;
  const int64_t rows = wanted_rows(u_bytes, w.kernel_d);
  // Neighbouring planes share their input's transform: a few of them together.
  const int64_t planes = std::min<int64_t>(b.planes, w.kernel_d > 1 ? 4 : 1);
  b.plane_blocks = (b.planes + planes - 1) / planes;
  b.tile_blocks = std::max<int64_t>(1, (b.tiles * planes + rows / 2) / rows);
  b.panel_cuts = 1;
  const int64_t blocks = b.tile_blocks * b.plane_blocks;
  if (blocks < 4 * threads) {
    // Weights from memory are read once: by panels. Others are shared by blocks of tiles.
    if (b.plane_blocks == 1 && b.tiles >= 14 * threads && u_bytes < 24e6)
      b.tile_blocks = std::max<int64_t>(1, (b.tile_blocks + threads - 1) / threads) * threads;
    else if (blocks % threads != 0)
      b.panel_cuts = std::min<int64_t>(b.panels, threads);
  }
  return b;
}

class ConvWinograd final : public Kernel {
 public:
  ConvWinograd(const Problem& p, const isa::Winograd& w)
      : isa_(isa::isa_table()), args_(w), threads_(p.threads), blocks_(choose_blocks(isa_, w, p.threads)) {
    const std::string reason = epilogue_.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras);
    require(reason.empty(), ErrorCode::kInternal, reason);
    const ir::Tensor& source = *p.constants[1];
    const int64_t bytes = isa_.winograd_weight_count(args_, blocks_.panels) * 4;
    weights_ = packed(p, source, cat("winograd/", isa_.name), bytes, [&](void* to) {
      const ir::Tensor values = as_f32(source);
      isa_.winograd_weights(args_, values.as<float>(), static_cast<float*>(to), 0, blocks_.panels);
    });
    args_.u = static_cast<const float*>(weights_.get());
    scratch_ =
        round_up(isa_.winograd_scratch(args_, blocks_.most_tiles(), blocks_.most_planes(), blocks_.most_panels()));
  }

  int64_t workspace_bytes() const override { return scratch_ * threads_; }

  void run(const RunArgs& args) const override {
    Epilogue::Bound bound;
    epilogue_.bind(args, bound);
    isa::Winograd w = args_;
    w.x = args.inputs[0];
    w.y = args.outputs[0];
    w.post = bound.post;
    const Blocks& b = blocks_;
    run_tasks(args, threads_, b.count(), [&](int64_t task, int slot) {
      const int64_t q = task % b.tile_blocks, d = task / b.tile_blocks % b.plane_blocks;
      const int64_t p = task / (b.tile_blocks * b.plane_blocks);
      isa_.winograd(w, b.tiles * q / b.tile_blocks, b.tiles * (q + 1) / b.tile_blocks, b.planes * d / b.plane_blocks,
                    b.planes * (d + 1) / b.plane_blocks, b.panels * p / b.panel_cuts, b.panels * (p + 1) / b.panel_cuts,
                    static_cast<char*>(args.workspace) + slot * scratch_);
    });
  }

 private:
  const isa::IsaTable& isa_;
  isa::Winograd args_;
  int threads_;
  Blocks blocks_;
  Epilogue epilogue_;
  int64_t scratch_;
  std::shared_ptr<const void> weights_;
};

std::string read(const Problem& p, isa::Winograd& w) {
  ConvShape s;
  std::string reason = read_conv(p, s);
  if (!reason.empty()) return reason;
  const int64_t r = s.kernel[1];
  if (s.group != 1) return cat(s.group, " groups, accepted is 1");
  if ((r != 3 && r != 5) || s.kernel[2] != r)
    return cat("window ", s.kernel[1], " x ", s.kernel[2], ", accepted are 3 x 3 and 5 x 5");
  if (s.stride[1] != 1 || s.stride[2] != 1) return "strides differ from 1";
  if (s.dilation[1] != s.dilation[2]) return "dilations of height and width differ";
  if (p.inputs[0].dtype != p.outputs[0].dtype) return "input and output types differ";
  if (s.c < 8) return cat(s.c, " input channels, accepted are 8 and more");
  // Little time is saved there, and each such layer adds more to a network's rounding error than a direct one.
  if (s.c <= kFew && s.n <= kFew && p.inputs[0].dtype == ir::DType::kF32)
    return cat(s.c, " and ", s.n, " channels of f32, accepted are more than ", kFew, " of one");
  s.set(w);
  w.kernel_d = s.kernel[0];
  w.stride_d = s.stride[0];
  w.dilation_d = s.dilation[0];
  w.r = r;
  w.dilation = s.dilation[1];
  w.c = s.c;
  w.n = s.n;
  w.type = isa_type(p.inputs[0].dtype);
  return {};
}

Support supports(const Problem& p) {
  isa::Winograd w;
  std::string reason = read(p, w);
  Epilogue epilogue;
  if (reason.empty()) reason = epilogue.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras);
  if (!reason.empty()) return Support::no(reason);
  const isa::IsaTable& t = isa::isa_table();
  const double rows = double(w.batch * t.winograd_plane_tiles(w) * w.out[0]),
               width = double((w.n + t.lanes - 1) / t.lanes * t.lanes);
  const double products = rows * kPoints * double(w.kernel_d * w.c) * width;
  const double transforms = rows * kPoints * double(w.c + w.n) * 10;
  const double u_bytes = double(kPoints * w.kernel_d * w.c) * width * 4;
  return Support::yes(estimate_us(t, isa::Type::kF32, products + transforms, 0, p.threads) + u_bytes / 30e3);
}

std::unique_ptr<Kernel> prepare(const Problem& p) {
  isa::Winograd w;
  const std::string reason = read(p, w);
  require(reason.empty(), ErrorCode::kInternal, reason);
  return std::make_unique<ConvWinograd>(p, w);
}

}  // namespace

std::vector<KernelDef> conv_winograd() { return {{"conv_winograd", "Conv", supports, prepare, kConvPitched}}; }

}  // namespace tenon::cpu
