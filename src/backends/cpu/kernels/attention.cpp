// softmax(scale q k^T + mask) v, head by head and block of queries by block: scores stay in the second-level cache, and
// nothing is transposed in memory. The row sums divide the result, not the scores. Milakov and
// Gimelshein, "Online normalizer calculation for softmax"; here all keys of a block are seen before its softmax.
#include <algorithm>
#include <cstring>

#include "backends/cpu/isa/isa.h"
#include "backends/cpu/kernels/rows.h"
#include "backends/cpu/kernels/strides.h"
#include "base/thread_pool.h"
#include "ops/fused/fused_attention.h"

namespace tenon::cpu {
namespace {

using ir::DType;
using isa::PwOp;
using ops::HeadLayout;

constexpr int64_t kScoreFloats = 48 * 1024;  // scores of a block of queries
constexpr int64_t kMaxBlock = 64;            // queries of a block

/// An operand as [batch, head, row] with rows of `size` contiguous elements; strides in elements.
struct Heads {
  int64_t batch = 0, head = 0, row = 0, size = 0, length = 0;
  Heads() = default;
  Heads(const TensorDesc& d, HeadLayout layout, int64_t heads) {
    row = d.pitch;
    length = d.dims[layout == HeadLayout::kRows ? 1 : 2];
    size = layout == HeadLayout::kRows ? d.dims[2] / heads : d.dims[3];
    head = layout == HeadLayout::kRows ? size : length * row;
    batch = layout == HeadLayout::kRows ? length * row : heads * length * row;
  }
};

int64_t rounded(int64_t n) { return (n + 63) / 64 * 64; }

class Attention final : public Kernel {
 public:
  explicit Attention(const Problem& p)
      : isa_(isa::isa_table()),
        pw_(isa::loop_table().pointwise),
        rows_(isa::loop_table().rows),
        a_(p.attrs<ops::FusedAttentionAttrs>()),
        q_(p.inputs[0], a_.q, a_.heads),
        k_(p.inputs[1], a_.k, a_.kv_heads),
        v_(p.inputs[2], a_.v, a_.kv_heads),
        y_(p.outputs[0], a_.y, a_.heads),
        type_(p.inputs[0].dtype, pw_),
        bf16_(p.inputs[0].dtype == DType::kBF16),
        f16_(p.inputs[0].dtype == DType::kF16),
        threads_(p.threads),
        batch_(p.inputs[0].dims[0]) {
    if (p.has_input(3)) {
      mask_strides_ = broadcast_strides(p.inputs[3], {batch_, a_.heads, q_.length, k_.length});
      bool_mask_ = p.inputs[3].dtype == DType::kBool;
      mask_size_ = ir::bits(p.inputs[3].dtype) / 8;
      load_mask_ = pw_.load[bool_mask_ ? size_t(isa::PwType::kBool) : size_t(*float_type(p.inputs[3].dtype))];
    }
    block_ = std::clamp<int64_t>(kScoreFloats / rounded(k_.length) / isa_.rows * isa_.rows, isa_.rows,
                                 kMaxBlock / isa_.rows * isa_.rows);
    block_ = std::min(block_, q_.length);
    const int64_t blocks = (q_.length + block_ - 1) / block_, heads = batch_ * a_.heads;
    parts_ = std::clamp<int64_t>((2 * threads_ + heads - 1) / heads, 1, threads_ > 1 ? blocks : 1);
    plan_workspace();
  }
  int64_t workspace_bytes() const override { return worker_bytes_ * threads_; }

  void run(const RunArgs& args) const override {
    args.pool.parallel_for(batch_ * a_.heads * parts_, [&](int64_t task, int worker) {
      const int64_t unit = task / parts_, part = task % parts_;
      head(args, unit / a_.heads, unit % a_.heads, q_.length * part / parts_, q_.length * (part + 1) / parts_,
           static_cast<char*>(args.workspace) + worker * worker_bytes_);
    });
  }

 private:
  struct Offsets {
    int64_t keys, values, wide, scores, weights, scratch, query, row, sums, result;
  };
  isa::Type isa_type() const { return bf16_ ? isa::Type::kBf16 : isa::Type::kF32; }
  isa::Gemm product(const void* a, int64_t lda, const void* b, float* y, int64_t ldy, int64_t m, int64_t n,
                    int64_t k) const {
    isa::Gemm g;
    g.a = a, g.lda = lda, g.b = b, g.y = y, g.ldy = ldy;
    g.m = m, g.n = n, g.k = k;
    g.type = isa_type();
    return g;
  }
  void plan_workspace() {
    int64_t at = 0;
    auto take = [&](int64_t bytes) {
      const int64_t begin = at;
      at += rounded(bytes);
      return begin;
    };
    const int64_t sk = rounded(k_.length), d = rounded(q_.size), dv = rounded(v_.size);
    o_.keys = take(isa_.packed_bytes(isa_type(), 1, q_.size, k_.length));
    o_.values = take(isa_.packed_bytes(isa_type(), 1, k_.length, v_.size));
    o_.wide = take(f16_ ? sk * std::max(d, dv) * 4 : 0);
    o_.scores = take(block_ * sk * 4);
    o_.weights = take(bf16_ ? block_ * sk * 2 : 0);
    o_.scratch =
        take(std::max(isa_.gemm_scratch(product(nullptr, sk, nullptr, nullptr, sk, block_, k_.length, q_.size)),
                      isa_.gemm_scratch(product(nullptr, sk, nullptr, nullptr, dv, block_, v_.size, k_.length))));
    o_.query = take(f16_ ? block_ * d * 4 : 0);
    o_.row = take(sk * 4);
    o_.sums = take(block_ * 4);
    o_.result = take(block_ * dv * 4);
    worker_bytes_ = at;
  }
  const char* place(const RunArgs& args, size_t i, const Heads& h, int64_t b, int64_t head, int64_t row) const {
    return static_cast<const char*>(args.inputs[i]) + (b * h.batch + head * h.head + row * h.row) * type_.size;
  }
  /// Rows converted to dense f32 where products cannot read the type.
  void widen(const char* from, const Heads& h, int64_t rows, float* to) const {
    for (int64_t r = 0; r < rows; ++r) type_.load(from + r * h.row * type_.size, to + r * h.size, h.size);
  }
  void pack_head(const RunArgs& args, int64_t b, int64_t g, char* w) const {
    float* wide = reinterpret_cast<float*>(w + o_.wide);
    isa::Pack keys, values;
    const char* k = place(args, 1, k_, b, g, 0);
    const char* v = place(args, 2, v_, b, g, 0);
    keys.type = values.type = isa_type();
    keys.source_bf16 = values.source_bf16 = bf16_;
    keys.k = q_.size, keys.n = k_.length;
    keys.sk = 1, keys.sn = f16_ ? k_.size : k_.row;
    values.k = k_.length, values.n = v_.size;
    values.sk = f16_ ? v_.size : v_.row, values.sn = 1;
    if (f16_) widen(k, k_, k_.length, wide);
    keys.source = f16_ ? static_cast<const void*>(wide) : k;
    isa_.pack(keys, w + o_.keys, 0, (k_.length + isa_.panel - 1) / isa_.panel);
    if (f16_) widen(v, v_, v_.length, wide);
    values.source = f16_ ? static_cast<const void*>(wide) : v;
    isa_.pack(values, w + o_.values, 0, (v_.size + isa_.panel - 1) / isa_.panel);
  }
  void head(const RunArgs& args, int64_t b, int64_t h, int64_t begin, int64_t end, char* w) const {
    if (begin >= end) return;
    pack_head(args, b, h / (a_.heads / a_.kv_heads), w);
    for (int64_t i = begin; i < end; i += block_) queries(args, b, h, i, std::min(block_, end - i), w);
  }
  void queries(const RunArgs& args, int64_t b, int64_t h, int64_t i, int64_t rows, char* w) const {
    const int64_t pitch = rounded(k_.length), dv = rounded(v_.size);
    float* scores = reinterpret_cast<float*>(w + o_.scores);
    float* sums = reinterpret_cast<float*>(w + o_.sums);
    float* result = reinterpret_cast<float*>(w + o_.result);
    const char* q = place(args, 0, q_, b, h, i);
    int64_t lda = q_.row;
    if (f16_) {
      float* wide = reinterpret_cast<float*>(w + o_.query);
      widen(q, q_, rows, wide);
      q = reinterpret_cast<const char*>(wide);
      lda = q_.size;
    }
    const isa::Gemm qk = product(q, lda, w + o_.keys, scores, pitch, rows, k_.length, q_.size);
    isa_.gemm(qk, 0, rows, 0, (k_.length + isa_.panel - 1) / isa_.panel, w + o_.scratch);
    for (int64_t r = 0; r < rows; ++r) sums[r] = softmax(args, b, h, i + r, scores + r * pitch, w);
    const void* weights = scores;
    if (bf16_) {
      uint16_t* narrow = reinterpret_cast<uint16_t*>(w + o_.weights);
      for (int64_t r = 0; r < rows; ++r) type_.store(scores + r * pitch, narrow + r * pitch, k_.length);
      weights = narrow;
    }
    const isa::Gemm pv = product(weights, pitch, w + o_.values, result, dv, rows, v_.size, k_.length);
    isa_.gemm(pv, 0, rows, 0, (v_.size + isa_.panel - 1) / isa_.panel, w + o_.scratch);
    char* y = static_cast<char*>(args.outputs[0]) + (b * y_.batch + h * y_.head + i * y_.row) * type_.size;
    for (int64_t r = 0; r < rows; ++r) {
      char* to = y + r * y_.row * type_.size;
      float* values = type_.out(to, result + r * dv);
      pw_.loops[int(PwOp::kMul)][2](values, result + r * dv, &sums[r], nullptr, v_.size);
      type_.done(values, to, v_.size);
    }
  }
  /// Turns the scores of query i into exponentials and returns the reciprocal of their sum.
  float softmax(const RunArgs& args, int64_t b, int64_t h, int64_t i, float* s, char* w) const {
    const int64_t n = a_.causal ? std::min(k_.length, i + k_.length - q_.length + 1) : k_.length;
    float scale = a_.scale;
    if (!mask_strides_.empty()) {
      add_mask(args, b, h, i, s, n, reinterpret_cast<float*>(w + o_.row));
      scale = 1;
    }
    const float top = float(rows_.reduce[int(isa::RowReduce::kMax)](s, n)) * scale;
    const double sum = rows_.exp_sum(s, scale, top, s, n);
    if (n < k_.length) std::memset(s + n, 0, size_t(k_.length - n) * 4);
    return float(1 / sum);
  }
  void add_mask(const RunArgs& args, int64_t b, int64_t h, int64_t i, float* s, int64_t n, float* row) const {
    const char* m = static_cast<const char*>(args.inputs[3]) +
                    (b * mask_strides_[0] + h * mask_strides_[1] + i * mask_strides_[2]) * mask_size_;
    const bool each = mask_strides_[3] != 0;
    load_mask_(m, row, each ? n : 1);
    const float minus_infinity = -__builtin_inff();
    if (!each) pw_.loops[int(PwOp::kCopy)][1](row, row, nullptr, nullptr, n);
    if (bool_mask_) {
      pw_.loops[int(PwOp::kMul)][2](s, s, &a_.scale, nullptr, n);
      pw_.loops[int(PwOp::kSelect)][4](s, row, s, &minus_infinity, n);
    } else {
      pw_.loops[int(PwOp::kFma)][2](s, s, &a_.scale, row, n);
    }
  }

  const isa::IsaTable& isa_;
  const isa::PointwiseLoops& pw_;
  const isa::RowLoops& rows_;
  ops::FusedAttentionAttrs a_;
  Heads q_, k_, v_, y_;
  RowType type_;
  bool bf16_, f16_, bool_mask_ = false;
  int threads_;
  int64_t batch_, block_ = 1, parts_ = 1, worker_bytes_ = 0, mask_size_ = 4;
  ir::Dims mask_strides_;
  void (*load_mask_)(const void*, float*, int64_t) = nullptr;
  Offsets o_{};
};

Support supports(const Problem& p) {
  const auto& a = p.attrs<ops::FusedAttentionAttrs>();
  const DType type = p.inputs[0].dtype;
  if (!float_type(type)) return Support::no("operands are ", type, ", accepted are f32, bf16 and f16");
  for (const TensorDesc* d : {&p.inputs[1], &p.inputs[2], &p.outputs[0]})
    if (d->dtype != type) return Support::no("operands differ in type");
  if (p.has_input(3) && p.inputs[3].dtype != DType::kBool && !float_type(p.inputs[3].dtype))
    return Support::no("the mask is ", p.inputs[3].dtype);
  if (p.has_input(3) && !p.inputs[3].dense()) return Support::no("the mask must be dense");
  if (!(a.scale > 0)) return Support::no("the scale ", a.scale, " is not positive");
  const Heads q(p.inputs[0], a.q, a.heads), k(p.inputs[1], a.k, a.kv_heads), v(p.inputs[2], a.v, a.kv_heads);
  if (a.causal && q.length > k.length) return Support::no("a causal query has no key");
  const double pairs = double(p.inputs[0].dims[0]) * double(a.heads) * double(q.length) * double(k.length);
  const double rate = type == DType::kBF16 ? 120 : 60;  // products a nanosecond and core
  return Support::yes(streaming_us(pairs / 8, pairs * (double(q.size + v.size) * 2 / rate / 2 + 0.3), p.threads));
}

}  // namespace

std::vector<KernelDef> attention() {
  return {{"attention_blocks", "FusedAttention", supports,
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<Attention>(p); }, 7 | 1u << 16}};
}

}  // namespace tenon::cpu
