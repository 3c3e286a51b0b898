// A convolution without a window whose input has a factor a channel: rows are multiplied as they are needed, in the
// cache.
#include "ops/fused/scaled_conv.h"

#include <algorithm>

#include "backends/cpu/kernels/product.h"

namespace tenon::cpu {
namespace {

constexpr size_t kBias = 2, kScale = 3, kExtras = 4;
constexpr int64_t kBlockBytes = 128 * 1024;  ///< of multiplied rows
constexpr int64_t kMostTiles = 16;           ///< in a block of rows

class ScaledConv final : public Kernel {
 public:
  explicit ScaledConv(const Problem& p)
      : isa_(isa::isa_table()),
        threads_(p.threads),
        type_(isa_type(p.inputs[0].dtype)),
        factor_type_(isa_type(p.inputs[kScale].dtype)),
        size_(type_ == isa::Type::kBf16 ? 2 : 4),
        images_(p.inputs[0].dims[0]),
        ldx_(p.inputs[0].pitch) {
    const std::string reason = epilogue_.read(p, p.attrs<ops::ScaledConvAttrs>().epilogue, kBias, kExtras);
    require(reason.empty(), ErrorCode::kInternal, reason);
    const TensorDesc &x = p.inputs[0], &y = p.outputs[0];
    g_.k = g_.lda = x.dims.back();
    g_.ldy = y.pitch;
    g_.n = y.dims.back();
    g_.type = g_.y_type = type_;
    positions_ = x.count() / images_ / g_.k;
    const int64_t tiles = std::clamp<int64_t>(kBlockBytes / (isa_.rows * g_.k * size_), 1, kMostTiles);
    g_.m = block_ = std::min(positions_, tiles * isa_.rows);
    blocks_ = (positions_ + block_ - 1) / block_;
    rows_bytes_ = round_up(block_ * g_.k * size_);
    gemm_bytes_ = round_up(isa_.gemm_scratch(g_));
    slot_bytes_ = rows_bytes_ + gemm_bytes_ + round_up(g_.k * 4);
    pack(p);
  }
  int64_t workspace_bytes() const override { return slot_bytes_ * threads_; }
  void run(const RunArgs& args) const override {
    Epilogue::Bound bound;
    epilogue_.bind(args, bound);
    const int64_t all = images_ * blocks_, tasks = threads_ > 1 ? std::min<int64_t>(all, 8 * threads_) : 1;
    run_tasks(args, threads_, tasks, [&](int64_t task, int slot) {
      char* scratch = static_cast<char*>(args.workspace) + slot * slot_bytes_;
      for (int64_t i = all * task / tasks, end = all * (task + 1) / tasks; i < end; ++i)
        block(args, bound.post, i / blocks_, i % blocks_, scratch);
    });
  }

 private:
  void pack(const Problem& p) {
    const ir::Tensor& source = *p.constants[1];
    const std::string format = cat("product/", isa_.name, type_ == isa::Type::kF32 ? "/f32" : "/bf16", "/rows");
    const int64_t bytes = round_up(isa_.packed_bytes(type_, 1, g_.k, g_.n));
    packed_ = packed(p, source, format, bytes, [&](void* to) {
      const ir::Tensor values = as_f32(source);
      isa::Pack pack;
      pack.source = values.data().data();
      pack.k = pack.sn = g_.k;
      pack.n = g_.n;
      pack.sk = 1;
      pack.type = type_;
      isa_.pack(pack, to, 0, panels());
    });
  }
  int64_t panels() const { return (g_.n + isa_.panel - 1) / isa_.panel; }
  /// Positions of one image, equal shares of them.
  void block(const RunArgs& args, const isa::Post& post, int64_t image, int64_t index, char* scratch) const {
    const int64_t first = positions_ * index / blocks_, end = positions_ * (index + 1) / blocks_;
    const int64_t row = image * positions_ + first;
    float* room = reinterpret_cast<float*>(scratch + rows_bytes_ + gemm_bytes_);
    isa_.scale_rows(type_, static_cast<const char*>(args.inputs[0]) + row * ldx_ * size_, ldx_, end - first, g_.k,
                    factors(args.inputs[kScale], image, room), scratch);
    isa::Gemm g = g_;
    g.a = scratch;
    g.b = packed_.get();
    g.y = static_cast<char*>(args.outputs[0]) + row * g_.ldy * size_;
    g.post = post;
    g.post.row = row;
    if (post.residual) g.post.residual = static_cast<const char*>(post.residual) + row * post.residual_pitch * size_;
    isa_.gemm(g, 0, end - first, 0, panels(), scratch + rows_bytes_);
  }
  /// The factors of one image as f32.
  const float* factors(const void* all, int64_t image, float* room) const {
    if (factor_type_ == isa::Type::kF32) return static_cast<const float*>(all) + image * g_.k;
    isa_.from_bf16(static_cast<const uint16_t*>(all) + image * g_.k, room, g_.k);
    return room;
  }

  const isa::IsaTable& isa_;
  int threads_;
  isa::Type type_, factor_type_;
  int64_t size_, images_, ldx_;
  Epilogue epilogue_;
  isa::Gemm g_;  ///< of a whole block
  int64_t positions_, block_, blocks_, rows_bytes_, gemm_bytes_, slot_bytes_;
  std::shared_ptr<const void> packed_;
};

Support supports(const Problem& p) {
  const TensorDesc &x = p.inputs[0], &y = p.outputs[0];
  if (!has_isa_type(x.dtype)) return Support::no("elements are ", x.dtype, ", accepted are f32 and bf16");
  const ir::DType factor = p.inputs[kScale].dtype;
  if (factor != x.dtype && factor != ir::DType::kF32)
    return Support::no("factors are ", factor, ", accepted are x's type and f32");
  if (!p.constants[1]) return Support::no("weights are not constant");
  if (!p.inputs[kScale].dense()) return Support::no("the factors must be dense");
  if (x.count() == 0 || y.count() == 0) return Support::no("an operand is empty");
  Epilogue epilogue;
  const std::string reason = epilogue.read(p, p.attrs<ops::ScaledConvAttrs>().epilogue, kBias, kExtras);
  if (!reason.empty()) return Support::no(reason);
  const double work = double(y.count()) * double(x.dims.back());
  const double bytes = (double(x.count()) + double(y.count())) * (x.dtype == ir::DType::kBF16 ? 2 : 4);
  return Support::yes(estimate_us(isa::isa_table(), isa_type(x.dtype), work, bytes, p.threads));
}

std::unique_ptr<Kernel> prepare(const Problem& p) { return std::make_unique<ScaledConv>(p); }

}  // namespace

std::vector<KernelDef> scaled_conv() {
  // x, the epilogue's operands and y may have a pitch.
  return {{"scaled_conv", "ScaledConv", supports, prepare, 0x1fff1}};
}

}  // namespace tenon::cpu
