// Matrix products over register tiles: B packed once where it is constant, else packed as it comes.
#include <cstring>

#include "backends/cpu/kernels/product.h"
#include "ops/nn/matmul.h"

namespace tenon::cpu {
namespace {

constexpr size_t kBias = 2, kExtras = 3;

/// y[batch] = a[a_at] b[b_at], each matrix m x k, k x n.
struct Shape {
  int64_t batch = 1, m, n, k;
  int64_t lda, ldb, ldy;            ///< elements between stored rows
  std::vector<int64_t> a_at, b_at;  ///< elements from the start of a and b, one a matrix of the batch
  int64_t b_count = 1;              ///< matrices in b
  double multiply_adds() const { return double(batch) * double(m) * double(n) * double(k); }
};

/// Offsets of an operand's matrices as the broadcast batch of y runs through them.
std::vector<int64_t> offsets(const TensorDesc& x, const ir::Dims& y) {
  const size_t batch = y.size() - 2, lead = x.dims.size() - 2;
  ir::Dims stride(batch, 0);
  int64_t step = x.pitch * x.dims[lead], count = 1;
  for (size_t i = 0; i < lead; ++i) {
    const size_t from = lead - 1 - i;
    if (x.dims[from] != 1) stride[batch - 1 - i] = step;
    step *= x.dims[from];
  }
  for (size_t i = 0; i < batch; ++i) count *= y[i];
  std::vector<int64_t> all(static_cast<size_t>(count));
  for (int64_t z = 0; z < count; ++z) {
    int64_t rest = z;
    for (size_t i = batch; i-- > 0; rest /= y[i]) all[size_t(z)] += rest % y[i] * stride[i];
  }
  return all;
}

std::string read(const Problem& p, Shape& s) {
  const auto& t = p.attrs<ops::MatMulAttrs>();
  const TensorDesc &a = p.inputs[0], &b = p.inputs[1], &y = p.outputs[0];
  if (!has_isa_type(a.dtype) || a.dtype != b.dtype)
    return cat("types ", ir::name(a.dtype), " and ", ir::name(b.dtype), ", accepted are f32 and bf16");
  if (!has_isa_type(y.dtype)) return cat("result type ", ir::name(y.dtype), ", accepted are f32 and bf16");
  if (a.count() == 0 || b.count() == 0 || y.count() == 0) return "an operand is empty";
  s.m = y.dims[y.dims.size() - 2];
  s.n = y.dims.back();
  s.k = t.transpose_a ? a.dims[a.dims.size() - 2] : a.dims.back();
  s.lda = a.pitch;
  s.ldb = b.pitch;
  s.ldy = y.pitch;
  s.a_at = offsets(a, y.dims);
  s.b_at = offsets(b, y.dims);
  s.batch = int64_t(s.a_at.size());
  s.b_count = b.count() / (s.k * s.n);
  // One matrix B for all of A: the batch is more rows.
  if (s.b_count == 1 && s.batch > 1 && !t.transpose_a && a.count() == s.batch * s.m * s.k) {
    s.m *= s.batch;
    s.batch = 1;
    s.a_at.resize(1);
    s.b_at.resize(1);
  }
  return {};
}

isa::Pack pack_of(const Shape& s, const ops::MatMulAttrs& t, isa::Type type) {
  isa::Pack pack;
  pack.k = s.k;
  pack.n = s.n;
  pack.sk = t.transpose_b ? 1 : s.ldb;
  pack.sn = t.transpose_b ? s.ldb : 1;
  pack.type = type;
  pack.source_bf16 = type == isa::Type::kBf16;
  pack.scale = t.alpha;
  return pack;
}

/// What both kernels share: rows of A, perhaps turned first, times packed panels.
class MatMulBase : public Kernel {
 public:
  MatMulBase(const Problem& p, Shape s) : isa_(isa::isa_table()), shape_(std::move(s)), threads_(p.threads) {
    const auto& t = p.attrs<ops::MatMulAttrs>();
    const std::string reason = epilogue_.read(p, t.epilogue, kBias, kExtras);
    require(reason.empty(), ErrorCode::kInternal, reason);
    transpose_a_ = t.transpose_a;
    type_ = isa_type(p.inputs[0].dtype);
    y_type_ = isa_type(p.outputs[0].dtype);
    size_ = type_ == isa::Type::kBf16 ? 2 : 4;
    y_size_ = y_type_ == isa::Type::kBf16 ? 2 : 4;
    panels_ = (shape_.n + isa_.panel - 1) / isa_.panel;
    b_bytes_ = round_up(isa_.packed_bytes(type_, 1, shape_.k, shape_.n));
    isa::Gemm g = gemm(nullptr);
    gemm_scratch_ = round_up(isa_.gemm_scratch(g));
    grid_ = make_grid(isa_, shape_.m, panels_, shape_.m * shape_.k * size_, b_bytes_, threads_, shape_.batch);
    turned_bytes_ = transpose_a_ ? round_up(shape_.m * shape_.k * size_) : 0;  // a slot may take all rows of a product
  }

 protected:
  int64_t slot_bytes() const { return gemm_scratch_ + turned_bytes_; }

  isa::Gemm gemm(const void* b) const {
    isa::Gemm g;
    g.lda = transpose_a_ ? shape_.k : shape_.lda;
    g.b = b;
    g.ldy = shape_.ldy;
    g.m = shape_.m;
    g.n = shape_.n;
    g.k = shape_.k;
    g.type = type_;
    g.y_type = y_type_;
    return g;
  }

  /// Rows [m0, m1) of panels [p0, p1) of product `z`, whose B is packed at `b`.
  void multiply(const RunArgs& args, const isa::Post& post, int64_t z, const void* b, int64_t m0, int64_t m1,
                int64_t p0, int64_t p1, char* scratch) const {
    isa::Gemm g = gemm(b);
    const char* a = static_cast<const char*>(args.inputs[0]) + shape_.a_at[size_t(z)] * size_;
    if (transpose_a_) {
      char* turned = scratch + gemm_scratch_;
      turn(a, m0, m1, turned);
      g.a = turned - m0 * shape_.k * size_;
    } else {
      g.a = a;
    }
    const int64_t row = z * shape_.m;
    g.y = static_cast<char*>(args.outputs[0]) + row * shape_.ldy * y_size_;
    g.post = post;
    g.post.row = row;
    if (post.residual) g.post.residual = static_cast<const char*>(post.residual) + row * post.residual_pitch * y_size_;
    isa_.gemm(g, m0, m1, p0, p1, scratch);
  }

  /// Columns [m0, m1) of the stored A become rows.
  void turn(const char* a, int64_t m0, int64_t m1, char* to) const {
    if (size_ == 4)
      turn_as<uint32_t>(a, m0, m1, to);
    else
      turn_as<uint16_t>(a, m0, m1, to);
  }
  template <class T>
  void turn_as(const char* a, int64_t m0, int64_t m1, char* to) const {
    constexpr int64_t kBlock = 16;
    const T* from = reinterpret_cast<const T*>(a);
    T* out = reinterpret_cast<T*>(to);
    for (int64_t k0 = 0; k0 < shape_.k; k0 += kBlock)
      for (int64_t m = m0; m < m1; ++m)
        for (int64_t k = k0; k < std::min(shape_.k, k0 + kBlock); ++k)
          out[(m - m0) * shape_.k + k] = from[k * shape_.lda + m];
  }

  const isa::IsaTable& isa_;
  Shape shape_;
  int threads_;
  Epilogue epilogue_;
  bool transpose_a_;
  isa::Type type_, y_type_;
  int64_t size_, y_size_, panels_, b_bytes_, gemm_scratch_, turned_bytes_;
  Grid grid_;
};

class MatMulPacked final : public MatMulBase {
 public:
  MatMulPacked(const Problem& p, Shape s) : MatMulBase(p, std::move(s)) {
    const ir::Tensor& source = *p.constants[1];
    const auto& t = p.attrs<ops::MatMulAttrs>();
    isa::Pack pack = pack_of(shape_, t, type_);
    const std::string format = cat("product/", isa_.name, type_ == isa::Type::kF32 ? "/f32" : "/bf16", "/transposed ",
                                   t.transpose_b, "/scale ", double(t.alpha));
    packed_ = packed(p, source, format, b_bytes_ * shape_.b_count, [&](void* to) {
      pack.source_bf16 = source.dtype() == ir::DType::kBF16;
      const ir::Tensor values = pack.source_bf16 ? source : as_f32(source);
      for (int64_t i = 0; i < shape_.b_count; ++i) {
        pack.source = values.data().data() + i * shape_.k * shape_.n * (pack.source_bf16 ? 2 : 4);
        isa_.pack(pack, static_cast<char*>(to) + i * b_bytes_, 0, panels_);
      }
    });
  }
  int64_t workspace_bytes() const override { return slot_bytes() * threads_; }
  void run(const RunArgs& args) const override {
    Epilogue::Bound bound;
    epilogue_.bind(args, bound);
    run_tasks(args, threads_, shape_.batch * grid_.count(), [&](int64_t task, int slot) {
      const int64_t z = task / grid_.count(), cell = task % grid_.count();
      const int64_t m = cell % grid_.row_cuts, n = cell / grid_.row_cuts;
      const char* b =
          static_cast<const char*>(packed_.get()) + shape_.b_at[size_t(z)] / (shape_.k * shape_.n) * b_bytes_;
      multiply(args, bound.post, z, b, grid_.row(m), grid_.row(m + 1), grid_.panel(n), grid_.panel(n + 1),
               static_cast<char*>(args.workspace) + slot * slot_bytes());
    });
  }

 private:
  std::shared_ptr<const void> packed_;
};

/// B arrives with each run. Where the batch gives every thread work, each product packs its own B; else all threads
/// pack first.
class MatMulRuntime final : public MatMulBase {
 public:
  MatMulRuntime(const Problem& p, Shape s) : MatMulBase(p, std::move(s)) {
    pack_ = pack_of(shape_, p.attrs<ops::MatMulAttrs>(), type_);
    alone_ = shape_.batch >= threads_ && shape_.b_count == shape_.batch;
  }
  int64_t workspace_bytes() const override {
    return alone_ ? (slot_bytes() + b_bytes_) * threads_ : slot_bytes() * threads_ + b_bytes_ * shape_.b_count;
  }
  void run(const RunArgs& args) const override {
    Epilogue::Bound bound;
    epilogue_.bind(args, bound);
    char* scratch = static_cast<char*>(args.workspace);
    char* space = scratch + slot_bytes() * threads_;
    const char* b = static_cast<const char*>(args.inputs[1]);
    if (alone_) {
      run_tasks(args, threads_, shape_.batch, [&](int64_t z, int slot) {
        char* packed = space + slot * b_bytes_;
        pack(b + shape_.b_at[size_t(z)] * size_, packed, 0, panels_);
        multiply(args, bound.post, z, packed, 0, shape_.m, 0, panels_, scratch + slot * slot_bytes());
      });
      return;
    }
    const int64_t cuts = std::min<int64_t>(panels_, 4 * threads_);
    run_tasks(args, threads_, shape_.b_count * cuts, [&](int64_t task, int) {
      const int64_t i = task / cuts, cut = task % cuts;
      pack(b + i * stored_b() * size_, space + i * b_bytes_, panels_ * cut / cuts, panels_ * (cut + 1) / cuts);
    });
    run_tasks(args, threads_, shape_.batch * grid_.count(), [&](int64_t task, int slot) {
      const int64_t z = task / grid_.count(), cell = task % grid_.count();
      const int64_t m = cell % grid_.row_cuts, n = cell / grid_.row_cuts;
      multiply(args, bound.post, z, space + shape_.b_at[size_t(z)] / stored_b() * b_bytes_, grid_.row(m),
               grid_.row(m + 1), grid_.panel(n), grid_.panel(n + 1), scratch + slot * slot_bytes());
    });
  }

 private:
  /// Elements between the matrices of b.
  int64_t stored_b() const { return shape_.ldb * (pack_.sn == 1 ? shape_.k : shape_.n); }
  void pack(const char* from, char* to, int64_t p0, int64_t p1) const {
    isa::Pack p = pack_;
    p.source = from;
    isa_.pack(p, to, p0, p1);
  }
  isa::Pack pack_;
  bool alone_;
};

Support estimate(const Problem& p, const Shape& s, bool packs) {
  Epilogue epilogue;
  if (std::string reason = epilogue.read(p, p.attrs<ops::MatMulAttrs>().epilogue, kBias, kExtras); !reason.empty())
    return Support::no(reason);
  const isa::IsaTable& t = isa::isa_table();
  const double size = p.inputs[0].dtype == ir::DType::kBF16 ? 2 : 4;
  const double b = double(s.b_count) * double(s.k) * double(s.n);
  const double bytes = (double(p.inputs[0].count()) + double(p.outputs[0].count()) + b * (packs ? 6 : 3)) * size;
  return Support::yes(estimate_us(t, isa_type(p.inputs[0].dtype), s.multiply_adds(), bytes, p.threads));
}

Support supports_packed(const Problem& p) {
  if (!p.constants[1]) return Support::no("the right operand is not constant");
  Shape s;
  if (std::string reason = read(p, s); !reason.empty()) return Support::no(reason);
  return estimate(p, s, false);
}
Support supports_runtime(const Problem& p) {
  Shape s;
  if (std::string reason = read(p, s); !reason.empty()) return Support::no(reason);
  return estimate(p, s, true);
}
template <class K>
std::unique_ptr<Kernel> prepare(const Problem& p) {
  Shape s;
  const std::string reason = read(p, s);
  require(reason.empty(), ErrorCode::kInternal, reason);
  return std::make_unique<K>(p, std::move(s));
}

}  // namespace

std::vector<KernelDef> matmul() {
  // a, the epilogue's operands and y may have a pitch; a runtime b too.
  return {{"matmul_packed", "MatMul", supports_packed, prepare<MatMulPacked>, 0x1fff9},
          {"matmul_runtime", "MatMul", supports_runtime, prepare<MatMulRuntime>, 0x1fffb}};
}

}  // namespace tenon::cpu
