// Convolution of each channel with a window of its own, vectors of channels side by side.
#include "backends/cpu/kernels/conv_problem.h"

namespace tenon::cpu {
namespace {

class ConvDepthwise final : public Kernel {
 public:
  ConvDepthwise(const Problem& p, const ConvShape& s) : isa_(isa::isa_table()), threads_(p.threads) {
    const std::string reason = epilogue_.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras);
    require(reason.empty(), ErrorCode::kInternal, reason);
    s.set(args_);
    s.set_window(args_);
    args_.c = s.c;
    args_.type = isa_type(p.inputs[0].dtype);
    args_.y_type = isa_type(p.outputs[0].dtype);
    const int64_t taps = s.taps(), c = s.c;
    args_.paired = epilogue_.alone() && isa_.depthwise_pairs(args_);
    const ir::Tensor& source = *p.constants[1];
    const std::string format = args_.paired ? cat("depthwise/pairs ", 2 * isa_.lanes) : std::string("depthwise");
    weights_ = packed(p, source, format, taps * c * 4, [&](void* to) {
      const ir::Tensor values = as_f32(source);
      for (int64_t i = 0; i < c; ++i) {
        const int64_t place = depthwise_place(i, c, isa_.lanes, args_.paired);
        for (int64_t k = 0; k < taps; ++k) static_cast<float*>(to)[k * c + place] = values.as<float>()[i * taps + k];
      }
    });
    args_.w = static_cast<const float*>(weights_.get());
    lines_ = s.batch * s.out[0] * s.out[1];
    // Channels are cut at whole vectors, and where there are few lines.
    const int64_t wanted = 2 * threads_, strips = (c + kStrip - 1) / kStrip;
    if (threads_ > 1) {
      channel_cuts_ = lines_ >= 16 * threads_ ? 1 : std::min(strips, wanted);
      line_cuts_ = std::min(lines_, (wanted + channel_cuts_ - 1) / channel_cuts_);
    }
  }

  void run(const RunArgs& args) const override {
    Epilogue::Bound bound;
    epilogue_.bind(args, bound);
    isa::Depthwise d = args_;
    d.x = args.inputs[0];
    d.y = args.outputs[0];
    d.post = bound.post;
    const int64_t strips = (d.c + kStrip - 1) / kStrip;
    args.pool.parallel_for(line_cuts_ * channel_cuts_, [&](int64_t task, int) {
      const int64_t line = task % line_cuts_, cut = task / line_cuts_;
      isa_.depthwise(d, lines_ * line / line_cuts_, lines_ * (line + 1) / line_cuts_,
                     strips * cut / channel_cuts_ * kStrip, std::min(d.c, strips * (cut + 1) / channel_cuts_ * kStrip));
    });
  }

 private:
  static constexpr int64_t kStrip = 32;
  const isa::IsaTable& isa_;
  isa::Depthwise args_;
  int threads_;
  Epilogue epilogue_;
  std::shared_ptr<const void> weights_;
  int64_t lines_, line_cuts_ = 1, channel_cuts_ = 1;
};

std::string read(const Problem& p, ConvShape& s) {
  std::string reason = read_conv(p, s);
  if (!reason.empty()) return reason;
  if (s.group != s.c || s.n != s.c)
    return cat(s.group, " groups of ", s.c, " and ", s.n, " channels, accepted is one channel a group");
  return {};
}

Support supports(const Problem& p) {
  ConvShape s;
  std::string reason = read(p, s);
  Epilogue epilogue;
  if (reason.empty()) reason = epilogue.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras);
  if (!reason.empty()) return Support::no(reason);
  const isa::IsaTable& t = isa::isa_table();
  const double bytes = (s.x_elements() + double(s.rows() * s.n)) * (p.inputs[0].dtype == ir::DType::kBF16 ? 2 : 4);
  return Support::yes(estimate_us(t, isa::Type::kF32, 2 * s.multiply_adds(), bytes, p.threads));
}

std::unique_ptr<Kernel> prepare(const Problem& p) {
  ConvShape s;
  const std::string reason = read(p, s);
  require(reason.empty(), ErrorCode::kInternal, reason);
  return std::make_unique<ConvDepthwise>(p, s);
}

}  // namespace

std::vector<KernelDef> conv_depthwise() { return {{"conv_depthwise", "Conv", supports, prepare, kConvPitched}}; }

}  // namespace tenon::cpu
