// The start of an inverted residual block: its expansion computed in bands of rows and blocks of channels that stay in
// the cache until the depthwise convolution has read them; or both convolutions one after the other, whichever is
// faster.
#include "ops/fused/expand_depthwise.h"

#include <algorithm>
#include <cstring>

#include "backends/backend.h"
#include "backends/cpu/kernels/conv_problem.h"

namespace tenon::cpu {
namespace {

constexpr size_t kInnerBias = 2, kWeights = 3, kOuterBias = 4, kNoExtras = 5;
constexpr int64_t kBandBytes = 192 * 1024;  ///< of the expanded rows that wait

/// Where the expansion of an image stands: rows [first, end) of it are in the buffer.
struct Held {
  int64_t first = 0, end = 0;
};

class ExpandDepthwise final : public Kernel {
 public:
  explicit ExpandDepthwise(const Problem& p)
      : isa_(isa::isa_table()),
        threads_(p.threads),
        type_(isa_type(p.inputs[0].dtype)),
        size_(type_ == isa::Type::kBf16 ? 2 : 4) {
    const auto& a = p.attrs<ops::ExpandDepthwiseAttrs>();
    for (const std::string& reason :
         {inner_.read(p, a.inner, kInnerBias, kNoExtras), outer_.read(p, a.outer, kOuterBias, kNoExtras)})
      require(reason.empty(), ErrorCode::kInternal, reason);
    read_sizes(p, a);
    divide();
    pack_expansion(p);
    pack_windows(p);
  }
  int64_t workspace_bytes() const override { return slot_bytes_ * threads_; }
  void run(const RunArgs& args) const override {
    Epilogue::Bound inner, outer;
    inner_.bind(args, inner);
    outer_.bind(args, outer);
    run_tasks(args, threads_, d_.batch * blocks_ * cuts_, [&](int64_t task, int slot) {
      char* scratch = static_cast<char*>(args.workspace) + slot * slot_bytes_;
      const int64_t cut = task % cuts_, block = task / cuts_ % blocks_, image = task / cuts_ / blocks_;
      part(args, inner.post, outer.post, image, block, d_.out[1] * cut / cuts_, d_.out[1] * (cut + 1) / cuts_, scratch);
    });
  }

 private:
  void read_sizes(const Problem& p, const ops::ExpandDepthwiseAttrs& a) {
    const TensorDesc &x = p.inputs[0], &w = p.inputs[kWeights], &y = p.outputs[0];
    ldx_ = x.pitch;
    g_.k = x.dims[3];
    g_.lda = ldx_;
    g_.type = g_.y_type = type_;
    d_.batch = x.dims[0];
    d_.ldy = y.pitch;
    d_.type = d_.y_type = type_;
    for (size_t i = 0; i < 2; ++i) {
      d_.in[i + 1] = x.dims[i + 1];
      d_.out[i + 1] = y.dims[i + 1];
      d_.kernel[i + 1] = w.dims[i + 2];
      d_.stride[i + 1] = a.strides[i];
      d_.pad[i + 1] = a.pads[i];
    }
    channels_ = y.dims[3];
  }
  /// Blocks of channels as wide as four output rows allow, then as many rows as fit.
  void divide() {
    const int64_t panels = (channels_ + isa_.panel - 1) / isa_.panel, row = d_.in[2] * isa_.panel * size_;
    const int64_t rows = d_.kernel[1] + 3 * d_.stride[1];
    const int64_t widest = std::clamp<int64_t>(kBandBytes / (rows * row), 1, panels);
    blocks_ = (panels + widest - 1) / widest;
    width_ = (panels + blocks_ - 1) / blocks_ * isa_.panel;
    blocks_ = (channels_ + width_ - 1) / width_;
    const int64_t fitting = kBandBytes / (d_.in[2] * width_ * size_);
    band_ = std::clamp<int64_t>((fitting - d_.kernel[1]) / d_.stride[1] + 1, 1, d_.out[1]);
    buffer_rows_ = std::min(d_.in[1], (band_ - 1) * d_.stride[1] + d_.kernel[1]);
    const int64_t tasks = d_.batch * blocks_, wanted = threads_ > 1 ? 4 * threads_ : 1;
    cuts_ = std::clamp<int64_t>((wanted + tasks - 1) / tasks, 1, (d_.out[1] + band_ - 1) / band_);
    isa::Gemm g = g_;
    g.m = buffer_rows_ * d_.in[2];
    g.n = width_;
    buffer_bytes_ = round_up(g.m * width_ * size_);
    slot_bytes_ = buffer_bytes_ + round_up(isa_.gemm_scratch(g));
  }
  int64_t width(int64_t block) const { return std::min(width_, channels_ - block * width_); }

  void pack_expansion(const Problem& p) {
    const ir::Tensor& source = *p.constants[1];
    const std::string format = cat("product/", isa_.name, type_ == isa::Type::kF32 ? "/f32" : "/bf16", "/rows");
    expansion_ = packed(p, source, format, round_up(isa_.packed_bytes(type_, 1, g_.k, channels_)), [&](void* to) {
      const ir::Tensor values = as_f32(source);
      isa::Pack pack;
      pack.source = values.data().data();
      pack.k = pack.sn = g_.k;
      pack.n = channels_;
      pack.sk = 1;
      pack.type = type_;
      isa_.pack(pack, to, 0, (channels_ + isa_.panel - 1) / isa_.panel);
    });
  }
  /// The windows of each block, [taps][channels of the block].
  void pack_windows(const Problem& p) {
    const ir::Tensor& source = *p.constants[kWeights];
    const int64_t taps = d_.kernel[1] * d_.kernel[2];
    d_.paired = outer_.alone() && isa_.depthwise_pairs(d_);
    const std::string format =
        cat("depthwise/blocks ", width_, d_.paired ? cat("/pairs ", 2 * isa_.lanes) : std::string());
    windows_ = packed(p, source, format, taps * channels_ * 4, [&](void* to) {
      const ir::Tensor values = as_f32(source);
      for (int64_t i = 0; i < channels_; ++i) {
        const int64_t block = i / width_, c = width(block);
        const int64_t at = block * width_ * taps + depthwise_place(i % width_, c, isa_.lanes, d_.paired);
        for (int64_t k = 0; k < taps; ++k) static_cast<float*>(to)[at + k * c] = values.as<float>()[i * taps + k];
      }
    });
  }

  /// Output rows [from, to) of one block of channels of one image.
  void part(const RunArgs& args, const isa::Post& inner, const isa::Post& outer, int64_t image, int64_t block,
            int64_t from, int64_t to, char* scratch) const {
    const int64_t column = block * width_;
    isa::Gemm g = g_;
    g.n = width(block);
    g.ldy = g.n;
    g.b = static_cast<const char*>(expansion_.get()) + isa_.packed_bytes(type_, 1, g_.k, column);
    g.post = inner;
    if (inner.bias) g.post.bias += column;
    isa::Depthwise d = d_;
    d.batch = 1;
    d.c = d.ldx = g.n;
    d.x = scratch;
    d.w = static_cast<const float*>(windows_.get()) + column * d_.kernel[1] * d_.kernel[2];
    d.post = outer;
    if (outer.bias) d.post.bias += column;
    Held held;
    for (int64_t row = from; row < to; row += band_) {
      const int64_t end = std::min(to, row + band_), above = row * d_.stride[1] - d_.pad[1];
      const Held need{std::clamp<int64_t>(above, 0, d_.in[1]),
                      std::clamp<int64_t>((end - 1) * d_.stride[1] - d_.pad[1] + d_.kernel[1], 0, d_.in[1])};
      expand(args, g, image, held, need, scratch);
      held = need;
      d.in[1] = need.end - need.first;
      d.out[1] = end - row;
      d.pad[1] = need.first - above;
      d.y = static_cast<char*>(args.outputs[0]) + ((image * d_.out[1] + row) * d_.out[2] * d_.ldy + column) * size_;
      isa_.depthwise(d, 0, end - row, 0, d.c);
    }
  }
  /// Makes the buffer hold the rows that are needed, of which it holds some.
  void expand(const RunArgs& args, isa::Gemm& g, int64_t image, const Held& held, const Held& need,
              char* scratch) const {
    const int64_t row_bytes = d_.in[2] * g.n * size_, kept = std::max<int64_t>(0, held.end - need.first);
    if (kept > 0) std::memmove(scratch, scratch + (need.first - held.first) * row_bytes, size_t(kept * row_bytes));
    const int64_t first = need.first + kept;
    if (first >= need.end) return;
    g.m = (need.end - first) * d_.in[2];
    g.a = static_cast<const char*>(args.inputs[0]) + (image * d_.in[1] + first) * d_.in[2] * ldx_ * size_;
    g.y = scratch + kept * row_bytes;
    isa_.gemm(g, 0, g.m, 0, (g.n + isa_.panel - 1) / isa_.panel, scratch + buffer_bytes_);
  }

  const isa::IsaTable& isa_;
  int threads_;
  isa::Type type_;
  int64_t size_;
  Epilogue inner_, outer_;
  isa::Gemm g_;       ///< of the expansion, but for rows and columns
  isa::Depthwise d_;  ///< of the whole operator, but for channels
  int64_t ldx_ = 0, channels_ = 0, width_ = 0, blocks_ = 1, band_ = 1, buffer_rows_ = 1, cuts_ = 1;
  int64_t buffer_bytes_ = 0, slot_bytes_ = 0;
  std::shared_ptr<const void> expansion_, windows_;
};

Support supports(const Problem& p) {
  const TensorDesc &x = p.inputs[0], &y = p.outputs[0];
  if (!has_isa_type(x.dtype)) return Support::no("elements are ", x.dtype, ", accepted are f32 and bf16");
  if (!p.constants[1] || !p.constants[kWeights]) return Support::no("weights are not constant");
  if (x.count() == 0 || y.count() == 0) return Support::no("an operand is empty");
  const auto& a = p.attrs<ops::ExpandDepthwiseAttrs>();
  Epilogue inner, outer;
  for (const std::string& reason :
       {inner.read(p, a.inner, kInnerBias, kNoExtras), outer.read(p, a.outer, kOuterBias, kNoExtras)})
    if (!reason.empty()) return Support::no(reason);
  if (!inner.alone() || !outer.alone()) return Support::no("an epilogue is more than an activation");
  const isa::IsaTable& t = isa::isa_table();
  const double expanded = double(x.count()) / double(x.dims[3]) * double(y.dims[3]);
  const double windows = double(y.count()) * double(p.inputs[kWeights].dims[2] * p.inputs[kWeights].dims[3]);
  const double bytes = (double(x.count()) + double(y.count())) * (x.dtype == ir::DType::kBF16 ? 2 : 4);
  return Support::yes(estimate_us(t, isa_type(x.dtype), expanded * double(x.dims[3]), bytes, p.threads) +
                      estimate_us(t, isa::Type::kF32, 2 * windows, 0, p.threads));
}

std::unique_ptr<Kernel> prepare(const Problem& p) { return std::make_unique<ExpandDepthwise>(p); }

/// One of the two convolutions, done by the kernel of that name. It is a fixed one: bits depend neither on the number
/// of threads nor on the batch.
struct Part {
  ir::Node node;
  Problem problem;
  const KernelDef& kernel;

  Part(const Problem& whole, const char* name, const ops::ConvAttrs& attrs, const TensorDesc& x, const TensorDesc& y,
       size_t weights)
      : node(*whole.node), problem(whole), kernel(*find_kernel(cpu_backend(), name)) {
    node.op = "Conv";
    node.attrs = attrs;
    problem.node = &node;
    problem.inputs = {x, whole.inputs[weights]};
    problem.outputs = {y};
    problem.constants = {nullptr, whole.constants[weights]};
    if (whole.has_input(weights + 1)) {
      problem.inputs.push_back(whole.inputs[weights + 1]);
      problem.constants.push_back(whole.constants[weights + 1]);
    }
  }
  Part(const Part&) = delete;
};

struct Parts {
  TensorDesc between;
  Part first, second;
  explicit Parts(const Problem& p)
      : between(between_of(p)),
        first(p, "conv_implicit_gemm", ops::expansion_of(p.attrs<ops::ExpandDepthwiseAttrs>()), p.inputs[0], between,
              1),
        second(p, "conv_depthwise", ops::depthwise_of(p.attrs<ops::ExpandDepthwiseAttrs>(), between.pitch), between,
               p.outputs[0], kWeights) {}

 private:
  static TensorDesc between_of(const Problem& p) {
    TensorDesc d = p.inputs[0];
    d.dims[3] = d.pitch = p.outputs[0].dims[3];
    return d;
  }
};

class InTurn final : public Kernel {
 public:
  explicit InTurn(const Problem& p) : parts_(p) {
    first_ = parts_.first.kernel.prepare(parts_.first.problem);
    second_ = parts_.second.kernel.prepare(parts_.second.problem);
    between_bytes_ = round_up(parts_.between.count() * ir::bits(parts_.between.dtype) / 8);
  }
  int64_t workspace_bytes() const override {
    return between_bytes_ + std::max(first_->workspace_bytes(), second_->workspace_bytes());
  }
  void run(const RunArgs& args) const override {
    void* between = args.workspace;
    RunArgs part = args;
    part.workspace = static_cast<char*>(args.workspace) + between_bytes_;
    const auto optional = [&](const Part& of, size_t i) {
      return of.problem.inputs.size() > 2 ? args.inputs[i] : nullptr;
    };
    const void* first[] = {args.inputs[0], args.inputs[1], optional(parts_.first, kInnerBias)};
    part.inputs = first;
    part.outputs = &between;
    first_->run(part);
    const void* second[] = {between, args.inputs[kWeights], optional(parts_.second, kOuterBias)};
    part.inputs = second;
    part.outputs = args.outputs;
    second_->run(part);
  }

 private:
  Parts parts_;
  std::unique_ptr<Kernel> first_, second_;
  int64_t between_bytes_;
};

Support supports_in_turn(const Problem& p) {
  if (p.inputs[0].count() == 0 || p.outputs[0].count() == 0) return Support::no("an operand is empty");
  const Parts parts(p);
  const Support first = parts.first.kernel.supports(parts.first.problem);
  const Support second = parts.second.kernel.supports(parts.second.problem);
  if (!first.ok || !second.ok) return first.ok ? second : first;
  return Support::yes(first.cost_us + second.cost_us);
}

std::unique_ptr<Kernel> prepare_in_turn(const Problem& p) { return std::make_unique<InTurn>(p); }

}  // namespace

std::vector<KernelDef> expand_depthwise() {
  constexpr uint32_t kPitched = 0x10001;  // x and y
  return {{"expand_depthwise", "ExpandDepthwise", supports, prepare, kPitched},
          {"expand_then_depthwise", "ExpandDepthwise", supports_in_turn, prepare_in_turn, kPitched}};
}

}  // namespace tenon::cpu
