// Convolution as a matrix product whose left operand is addressed in place, row pointers instead of an im2col matrix.
// Narrow groups are joined until they fill a vector, with zeros between one's inputs and another's outputs. Weights
// that are not constant are packed at each run, each group by itself.
#include <algorithm>

#include "backends/cpu/kernels/conv_problem.h"

namespace tenon::cpu {
namespace {

/// Groups that are computed as one.
int64_t joined_groups(const isa::IsaTable& t, const ConvShape& s, bool constant) {
  if (!constant) return 1;
  const int64_t n = s.n / s.group;
  for (int64_t joined = 1; joined < s.group; ++joined)
    if (s.group % joined == 0 && joined * n >= t.lanes) return joined;
  return s.group;
}

class ConvImplicitGemm final : public Kernel {
 public:
  ConvImplicitGemm(const Problem& p, const ConvShape& s) : isa_(isa::isa_table()), shape_(s), threads_(p.threads) {
    const auto& a = p.attrs<ops::ConvAttrs>();
    const std::string reason = epilogue_.read(p, a.epilogue, kConvBias, kConvExtras);
    require(reason.empty(), ErrorCode::kInternal, reason);
    type_ = isa_type(p.inputs[0].dtype);
    y_type_ = isa_type(p.outputs[0].dtype);
    plain_ = s.taps() == 1;
    for (int i = 0; i < 3; ++i) plain_ = plain_ && s.stride[i] == 1 && s.pad[i] == 0 && s.in[i] == s.out[i];
    merge_w_ = shape_.group == 1 && s.ldx == s.c && s.dilation[2] == 1 && s.c <= 8 && s.kernel[2] > 1;
    joined_ = joined_groups(isa_, s, p.constants[1] != nullptr);
    shape_.group /= joined_;
    group_c_ = s.c / shape_.group;
    group_n_ = s.n / shape_.group;
    pack(p);
    const int64_t panels = panels_of_group();
    const int64_t a_bytes = int64_t(s.x_elements()) / shape_.group * 4;
    grid_ = make_grid(isa_, s.rows(), panels, a_bytes, group_bytes_, threads_, shape_.group);
    scratch_ = round_up(std::max(isa_.gemm_scratch(gemm(nullptr)), isa_.conv_scratch(conv(nullptr))));
  }

  int64_t workspace_bytes() const override { return scratch_ * threads_ + (packed_ ? 0 : group_bytes_ * shape_.group); }

  void run(const RunArgs& args) const override {
    Epilogue::Bound bound;
    epilogue_.bind(args, bound);
    const char* weights = packed_ ? static_cast<const char*>(packed_.get()) : pack_given(args);
    const char* x = static_cast<const char*>(args.inputs[0]);
    char* y = static_cast<char*>(args.outputs[0]);
    run_tasks(args, threads_, shape_.group * grid_.count(), [&](int64_t task, int slot) {
      const int64_t group = task / grid_.count(), cell = task % grid_.count();
      const int64_t m = cell % grid_.row_cuts, n = cell / grid_.row_cuts;
      void* scratch = static_cast<char*>(args.workspace) + slot * scratch_;
      if (plain_) {
        isa::Gemm g = gemm(weights + group * group_bytes_);
        g.a = x + group * group_c_ * size(type_);
        g.y = y + group * group_n_ * size(y_type_);
        g.post = post_of(bound.post, group);
        isa_.gemm(g, grid_.row(m), grid_.row(m + 1), grid_.panel(n), grid_.panel(n + 1), scratch);
      } else {
        isa::Conv c = conv(weights + group * group_bytes_);
        c.x = x + group * group_c_ * size(type_);
        c.y = y + group * group_n_ * size(y_type_);
        c.post = post_of(bound.post, group);
        isa_.conv(c, grid_.row(m), grid_.row(m + 1), grid_.panel(n), grid_.panel(n + 1), scratch);
      }
    });
  }

 private:
  static int64_t size(isa::Type t) { return t == isa::Type::kBf16 ? 2 : 4; }

  isa::Post post_of(isa::Post post, int64_t group) const {
    const int64_t n = group * group_n_;
    if (post.bias) post.bias += n;
    if (post.residual) post.residual = static_cast<const char*>(post.residual) + n * size(y_type_);
    post.column = n;
    return post;
  }
  isa::Gemm gemm(const char* b) const {
    isa::Gemm g;
    g.lda = shape_.ldx;
    g.b = b;
    g.ldy = shape_.ldy;
    g.m = shape_.rows();
    g.n = group_n_;
    g.k = group_c_;
    g.type = type_;
    g.y_type = y_type_;
    return g;
  }
  isa::Conv conv(const char* b) const {
    isa::Conv c;
    shape_.set(c);
    shape_.set_window(c);
    c.b = b;
    c.c = group_c_;
    c.n = group_n_;
    c.type = type_;
    c.y_type = y_type_;
    c.merge_w = merge_w_;
    return c;
  }

  int64_t panels_of_group() const { return (group_n_ + isa_.panel - 1) / isa_.panel; }

  void pack(const Problem& p) {
    const int64_t taps = shape_.taps(), merged = merge_w_ ? shape_.kernel[2] : 1;
    pack_.taps = taps / merged;
    pack_.k = merged * group_c_;
    pack_.n = group_n_;
    pack_.inner = group_c_;
    pack_.st = merged;
    pack_.so = 1;
    pack_.sk = taps;
    pack_.sn = group_c_ * taps;
    pack_.type = type_;
    group_bytes_ = round_up(isa_.packed_bytes(type_, pack_.taps, pack_.k, group_n_));
    pack_.source_bf16 = joined_ == 1 && p.inputs[1].dtype == ir::DType::kBF16;
    if (!p.constants[1]) return;
    const ir::Tensor& source = *p.constants[1];
    const std::string format = cat("product/", isa_.name, type_ == isa::Type::kF32 ? "/f32" : "/bf16", "/groups ",
                                   shape_.group, " of ", joined_, "/merge ", merged);
    packed_ = packed(p, source, format, group_bytes_ * shape_.group, [&](void* to) {
      isa::Pack pack = pack_;
      const ir::Tensor values = pack.source_bf16 ? source : as_f32(source);
      std::vector<float> joined;
      for (int64_t g = 0; g < shape_.group; ++g) {
        pack.source = values.data().data() + g * group_n_ * pack.sn / joined_ * (pack.source_bf16 ? 2 : 4);
        if (joined_ > 1) {
          joined = join(static_cast<const float*>(pack.source), taps);
          pack.source = joined.data();
        }
        isa_.pack(pack, static_cast<char*>(to) + g * group_bytes_, 0, panels_of_group());
      }
    });
  }
  /// Packs the weights of this run behind the scratch areas.
  const char* pack_given(const RunArgs& args) const {
    char* to = static_cast<char*>(args.workspace) + scratch_ * threads_;
    const int64_t panels = panels_of_group();
    args.pool.parallel_for(shape_.group * panels, [&](int64_t i, int) {
      isa::Pack pack = pack_;
      pack.source = static_cast<const char*>(args.inputs[1]) + i / panels * group_n_ * pack.sn * size(type_);
      isa_.pack(pack, to + i / panels * group_bytes_, i % panels, i % panels + 1);
    });
    return to;
  }

  /// The weights [n][c][taps] of joined groups, from those of each group one after the other.
  std::vector<float> join(const float* w, int64_t taps) const {
    const int64_t c = group_c_ / joined_, n = group_n_ / joined_;
    std::vector<float> out(size_t(group_n_ * group_c_ * taps), 0.f);
    for (int64_t i = 0; i < group_n_; ++i)
      std::copy_n(w + i * c * taps, c * taps, out.begin() + (i * group_c_ + i / n * c) * taps);
    return out;
  }

  const isa::IsaTable& isa_;
  ConvShape shape_;
  int threads_;
  Epilogue epilogue_;
  isa::Type type_, y_type_;
  bool plain_, merge_w_;
  int64_t joined_ = 1, group_c_, group_n_, group_bytes_ = 0, scratch_;
  isa::Pack pack_;
  std::shared_ptr<const void> packed_;
  Grid grid_;
};

Support supports(const Problem& p) {
  ConvShape s;
  std::string reason = read_conv(p, s, true);
  Epilogue epilogue;
  if (reason.empty()) reason = epilogue.read(p, p.attrs<ops::ConvAttrs>().epilogue, kConvBias, kConvExtras);
  if (!reason.empty()) return Support::no(reason);
  const isa::IsaTable& t = isa::isa_table();
  const isa::Type type = isa_type(p.inputs[0].dtype);
  // Columns beyond a group's are computed and dropped; short sums leave the stores in sight.
  const int64_t joined = joined_groups(t, s, p.constants[1] != nullptr), n = s.n / s.group * joined,
                width = (n + t.lanes - 1) / t.lanes * t.lanes;
  const double k = double(s.c / s.group * joined * s.taps());
  const double work = s.multiply_adds() * double(joined) * double(width) / double(n) * (1 + 8 / k);
  const double bytes = (s.x_elements() + double(s.rows() * s.n)) * (type == isa::Type::kBf16 ? 2 : 4);
  return Support::yes(estimate_us(t, type, work, bytes, p.threads));
}

std::unique_ptr<Kernel> prepare(const Problem& p) {
  ConvShape s;
  const std::string reason = read_conv(p, s, true);
  require(reason.empty(), ErrorCode::kInternal, reason);
  return std::make_unique<ConvImplicitGemm>(p, s);
}

}  // namespace

std::vector<KernelDef> conv_implicit_gemm() {
  return {{"conv_implicit_gemm", "Conv", supports, prepare, kConvPitched}};
}

}  // namespace tenon::cpu
