// Transposed convolution as ordinary ones: outputs whose places agree modulo the stride see the same taps, so each
// residue is a stride-1 convolution with a part of the window.
#include <cstring>
#include <numeric>

#include "backends/cpu/kernels/conv_problem.h"
#include "ops/nn/conv_transpose.h"

namespace tenon::cpu {
namespace {

constexpr size_t kBias = 2, kExtras = 3;

/// Outputs o = residue + stride * j of one axis: input j + origin + u * step meets kernel position taps[u].
struct Residue {
  int64_t origin = 0, step = 1;
  std::vector<int64_t> taps;  ///< -1: a tap with zero weights, where no position meets these outputs
};

Residue make_residue(int64_t residue, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad) {
  Residue r;
  int64_t last = 0;
  for (int64_t k = kernel - 1; k >= 0; --k) {
    const int64_t at = residue + pad - k * dilation;
    if (at % stride != 0) continue;
    if (r.taps.empty()) r.origin = at / stride;
    if (r.taps.size() == 1) r.step = at / stride - last;
    last = at / stride;
    r.taps.push_back(k);
  }
  if (r.taps.empty()) r.taps.push_back(-1);
  return r;
}

using Shape = ConvShape;

class ConvTransposeResidues final : public Kernel {
 public:
  ConvTransposeResidues(const Problem& p, const Shape& s) : isa_(isa::isa_table()), shape_(s), threads_(p.threads) {
    const std::string reason = epilogue_.read(p, p.attrs<ops::ConvTransposeAttrs>().epilogue, kBias, kExtras);
    require(reason.empty(), ErrorCode::kInternal, reason);
    type_ = isa_type(p.inputs[0].dtype);
    y_type_ = isa_type(p.outputs[0].dtype);
    group_c_ = s.c / s.group;
    group_n_ = s.n / s.group;
    panels_ = (group_n_ + isa_.panel - 1) / isa_.panel;
    for (int i = 0; i < 3; ++i)
      for (int64_t r = 0; r < s.stride[i]; ++r)
        axes_[i].push_back(make_residue(r, s.kernel[i], s.stride[i], s.dilation[i], s.pad[i]));
    pack(p);
    for (size_t i = 0; i < starts_.size(); ++i)
      scratch_ = std::max(scratch_, round_up(isa_.conv_scratch(conv(place_of(i)))));
    lines_ = s.batch * s.out[0] * s.out[1];
    tasks_ = std::min(lines_, int64_t(threads_ > 1 ? 4 * threads_ : 1));
  }

  int64_t workspace_bytes() const override { return scratch_ * threads_; }

  void run(const RunArgs& args) const override {
    Epilogue::Bound bound;
    epilogue_.bind(args, bound);
    run_tasks(args, threads_, tasks_, [&](int64_t task, int slot) {
      for (int64_t line = lines_ * task / tasks_; line < lines_ * (task + 1) / tasks_; ++line)
        run_line(args, bound.post, line, static_cast<char*>(args.workspace) + slot * scratch_);
    });
  }

 private:
  /// The residues of an output position.
  struct Place {
    int64_t r[3];
  };
  Place place_of(size_t i) const {
    const int64_t at = int64_t(i);
    return {
        {at / (shape_.stride[1] * shape_.stride[2]), at / shape_.stride[2] % shape_.stride[1], at % shape_.stride[2]}};
  }
  size_t index_of(const Place& p) const {
    return size_t((p.r[0] * shape_.stride[1] + p.r[1]) * shape_.stride[2] + p.r[2]);
  }
  static int64_t size(isa::Type t) { return t == isa::Type::kBf16 ? 2 : 4; }

  void run_line(const RunArgs& args, const isa::Post& post, int64_t line, char* scratch) const {
    const int64_t oh = line % shape_.out[1], od = line / shape_.out[1] % shape_.out[0];
    const int64_t image = line / (shape_.out[0] * shape_.out[1]), sw = shape_.stride[2];
    for (int64_t rw = 0; rw < std::min(sw, shape_.out[2]); ++rw) {
      const Place place{{od % shape_.stride[0], oh % shape_.stride[1], rw}};
      isa::Conv c = conv(place);
      c.out[2] = (shape_.out[2] - rw + sw - 1) / sw;
      c.pad[0] -= od / shape_.stride[0];
      c.pad[1] -= oh / shape_.stride[1];
      const int64_t row = line * shape_.out[2] + rw;
      const char* x = static_cast<const char*>(args.inputs[0]) +
                      image * shape_.in[0] * shape_.in[1] * shape_.in[2] * shape_.ldx * size(type_);
      for (int64_t g = 0; g < shape_.group; ++g) {
        const int64_t n = g * group_n_;
        c.x = x + g * group_c_ * size(type_);
        c.y = static_cast<char*>(args.outputs[0]) + (row * shape_.ldy + n) * size(y_type_);
        c.b = static_cast<const char*>(packed_.get()) + starts_[index_of(place)] + g * bytes_[index_of(place)];
        c.post = post;
        c.post.row = row;
        c.post.step = sw;
        c.post.column = n;
        if (post.bias) c.post.bias = post.bias + n;
        if (post.residual)
          c.post.residual = static_cast<const char*>(post.residual) + (row * post.residual_pitch + n) * size(y_type_);
        c.post.residual_pitch = post.residual_pitch * sw;
        isa_.conv(c, 0, c.out[2], 0, panels_, scratch);
      }
    }
  }

  isa::Conv conv(const Place& place) const {
    isa::Conv c;
    for (int i = 0; i < 3; ++i) {
      const Residue& r = axes_[i][size_t(place.r[i])];
      c.in[i] = shape_.in[i];
      c.kernel[i] = int64_t(r.taps.size());
      c.dilation[i] = r.step;
      c.pad[i] = -r.origin;
    }
    c.out[2] = (shape_.out[2] + shape_.stride[2] - 1) / shape_.stride[2];
    c.ldx = shape_.ldx;
    c.ldy = shape_.ldy * shape_.stride[2];
    c.c = group_c_;
    c.n = group_n_;
    c.type = type_;
    c.y_type = y_type_;
    return c;
  }

  /// The weights of one residue and group as [tap][c][n].
  std::vector<float> select(const float* w, const Place& place, int64_t group) const {
    std::vector<float> out;
    const int64_t taps = shape_.taps();
    for (int64_t kd : axes_[0][size_t(place.r[0])].taps)
      for (int64_t kh : axes_[1][size_t(place.r[1])].taps)
        for (int64_t kw : axes_[2][size_t(place.r[2])].taps) {
          const bool none = kd < 0 || kh < 0 || kw < 0;
          const int64_t tap = none ? 0 : (kd * shape_.kernel[1] + kh) * shape_.kernel[2] + kw;
          for (int64_t c = 0; c < group_c_; ++c)
            for (int64_t n = 0; n < group_n_; ++n)
              out.push_back(none ? 0.f : w[((group * group_c_ + c) * group_n_ + n) * taps + tap]);
        }
    return out;
  }

  void pack(const Problem& p) {
    const int64_t residues = shape_.stride[0] * shape_.stride[1] * shape_.stride[2];
    int64_t total = 0;
    for (int64_t i = 0; i < residues; ++i) {
      const isa::Conv c = conv(place_of(size_t(i)));
      bytes_.push_back(round_up(isa_.packed_bytes(type_, c.kernel[0] * c.kernel[1] * c.kernel[2], group_c_, group_n_)));
      starts_.push_back(total);
      total += bytes_.back() * shape_.group;
    }
    const auto& a = p.attrs<ops::ConvTransposeAttrs>();
    const std::string format = cat("residues/", isa_.name, type_ == isa::Type::kF32 ? "/f32" : "/bf16", "/group ",
                                   shape_.group, a.strides, a.dilations, a.pads);
    const ir::Tensor& source = *p.constants[1];
    packed_ = packed(p, source, format, total, [&](void* to) {
      const ir::Tensor values = as_f32(source);
      for (int64_t i = 0; i < residues; ++i)
        for (int64_t g = 0; g < shape_.group; ++g) {
          const std::vector<float> w = select(values.as<float>(), place_of(size_t(i)), g);
          isa::Pack pack;
          pack.source = w.data();
          pack.k = group_c_;
          pack.n = group_n_;
          pack.taps = int64_t(w.size()) / (group_c_ * group_n_);
          pack.st = group_c_ * group_n_;
          pack.sk = group_n_;
          pack.sn = 1;
          pack.type = type_;
          isa_.pack(pack, static_cast<char*>(to) + starts_[size_t(i)] + g * bytes_[size_t(i)], 0, panels_);
        }
    });
  }

  const isa::IsaTable& isa_;
  Shape shape_;
  int threads_;
  Epilogue epilogue_;
  isa::Type type_, y_type_;
  int64_t group_c_, group_n_, panels_, scratch_ = 0, lines_, tasks_;
  std::vector<Residue> axes_[3];
  std::vector<int64_t> starts_, bytes_;  ///< of each residue's packed weights
  std::shared_ptr<const void> packed_;
};

Support supports(const Problem& p) {
  Shape s;
  std::string reason = read_conv_transpose(p, s);
  Epilogue epilogue;
  if (reason.empty()) reason = epilogue.read(p, p.attrs<ops::ConvTransposeAttrs>().epilogue, kBias, kExtras);
  if (!reason.empty()) return Support::no(reason);
  constexpr int64_t kMostResidues = 4096;
  if (s.stride[0] > kMostResidues || s.stride[1] > kMostResidues || s.stride[2] > kMostResidues ||
      s.stride[0] * s.stride[1] * s.stride[2] > kMostResidues)
    return Support::no("strides leave more residues than are worth a product each");
  const double work = double(p.inputs[0].count()) * double(s.n / s.group) * double(s.taps());
  const double bytes = double(p.inputs[0].count() + p.outputs[0].count()) * 4;
  return Support::yes(estimate_us(isa::isa_table(), isa_type(p.inputs[0].dtype), work, bytes, p.threads));
}

std::unique_ptr<Kernel> prepare(const Problem& p) {
  Shape s;
  const std::string reason = read_conv_transpose(p, s);
  require(reason.empty(), ErrorCode::kInternal, reason);
  return std::make_unique<ConvTransposeResidues>(p, s);
}

}  // namespace

std::vector<KernelDef> conv_transpose() {
  // x, the epilogue's operands and y may have a pitch.
  return {{"conv_transpose_residues", "ConvTranspose", supports, prepare, 0x1fff9}};
}

}  // namespace tenon::cpu
