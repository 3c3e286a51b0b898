// Matrix products: on tensor cores for operands with aligned rows, on the vector units for everything else.
#include <algorithm>

#include "backends/cuda/device/gemm_simt.h"
#include "backends/cuda/device/gemm_tensor_core.h"
#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/gemm_plan.h"
#include "backends/cuda/kernels/product_epilogue.h"
#include "backends/cuda/kernels/variants.h"
#include "backends/strides.h"
#include "ops/nn/matmul.h"

namespace tenon::cuda {
namespace {

constexpr size_t kBias = 2, kExtras = 3;
/// Operands that may have a pitch: all but the bias.
constexpr uint32_t kPitched = 0x1fffb;

/// y[z] = alpha a[z] b[z], each m x k and k x n.
struct Shape {
  int64_t m = 0, n = 0, k = 0, lda = 0, ldb = 0, ldy = 0;
  int64_t batch = 1, axes[3] = {1, 1, 1};  ///< matrices, and as three axes, the last fastest
  int64_t a_step[3] = {0, 0, 0}, b_step[3] = {0, 0, 0};
  int64_t b_count = 1;  ///< matrices stored in b
  bool transpose_a = false, transpose_b = false;
  float alpha = 1;
};

/// Elements between matrices of an operand as the batch axes of y run.
ir::Dims matrix_steps(const TensorDesc& d, const ir::Dims& batch) {
  const ir::Dims own = element_strides(d);
  ir::Dims steps(batch.size(), 0);
  const size_t axes = d.dims.size() - 2, offset = batch.size() - axes;
  for (size_t i = 0; i < axes; ++i) steps[offset + i] = d.dims[i] == 1 ? 0 : own[i];
  return steps;
}

std::string read_batch(const Problem& p, Shape& s) {
  const TensorDesc &a = p.inputs[0], &b = p.inputs[1], &y = p.outputs[0];
  ir::Dims dims(y.dims.begin(), y.dims.end() - 2);
  std::vector<ir::Dims> steps{matrix_steps(a, dims), matrix_steps(b, dims)};
  collapse(dims, steps);
  if (dims.size() == 1 && steps[1][0] == 0 && !s.transpose_a && steps[0][0] == s.m * s.lda) {
    s.m *= dims[0];  // one matrix b for all: the batch is more rows
    dims.clear();
  }
  if (dims.size() > 3) return cat(dims.size(), " separate batch axes, accepted are 3");
  const size_t offset = 3 - dims.size();
  for (size_t i = 0; i < dims.size(); ++i) {
    s.axes[offset + i] = dims[i];
    s.a_step[offset + i] = steps[0][i];
    s.b_step[offset + i] = steps[1][i];
    s.batch *= dims[i];
  }
  return {};
}

std::string read(const Problem& p, Shape& s) {
  const auto& t = p.attrs<ops::MatMulAttrs>();
  const TensorDesc &a = p.inputs[0], &b = p.inputs[1], &y = p.outputs[0];
  if (!is_elem(a.dtype) || a.dtype != b.dtype || a.dtype != y.dtype)
    return cat("types ", ir::name(a.dtype), ", ", ir::name(b.dtype), " and ", ir::name(y.dtype),
               ", accepted is one of f32, f16 and bf16");
  if (a.count() == 0 || b.count() == 0 || y.count() == 0) return "an operand is empty";
  s.transpose_a = t.transpose_a;
  s.transpose_b = t.transpose_b;
  s.alpha = t.alpha;
  s.m = y.dims[y.dims.size() - 2];
  s.n = y.dims.back();
  s.k = t.transpose_a ? a.dims[a.dims.size() - 2] : a.dims.back();
  s.lda = a.pitch;
  s.ldb = b.pitch;
  s.ldy = y.pitch;
  s.b_count = b.count() / (s.k * s.n);
  if (std::string reason = read_batch(p, s); !reason.empty()) return reason;
  const int64_t limit = int64_t(1) << 31;
  if (s.m >= limit || s.n >= limit || s.k >= limit || s.batch > 65535)
    return cat(s.batch, " products of ", s.m, "x", s.n, "x", s.k, ", accepted are 65535 of fewer than 2^31");
  ProductEpilogue epilogue;
  return epilogue.read(p, t.epilogue, kBias, kExtras);
}

/// Whether b is packed when the kernel is prepared: one constant matrix.
bool packs(const Problem& p, const Shape& s) { return p.constants[1] && s.b_count == 1 && s.batch == 1; }

/// What the arguments of all products name alike: GemmArgs and SimtGemmArgs.
template <class Args>
void set_sizes(const Shape& s, Args& g) {
  g.rows = int(s.m);
  g.columns = int(s.n);
  g.depth = int(s.k);
  g.batch = int(s.batch);
  g.batch_inner[0] = Divisor(uint32_t(s.axes[1]));
  g.batch_inner[1] = Divisor(uint32_t(s.axes[2]));
  std::copy(s.a_step, s.a_step + 3, g.a_step);
  std::copy(s.b_step, s.b_step + 3, g.b_step);
  g.alpha = s.alpha;
}

class MatMulBase : public Kernel {
 public:
  MatMulBase(const Problem& p, const Shape& s) : shape_(s), type_(elem_of(p.inputs[0].dtype)) {
    const std::string reason = epilogue_.read(p, p.attrs<ops::MatMulAttrs>().epilogue, kBias, kExtras);
    require(reason.empty(), ErrorCode::kInternal, reason);
    epilogue_.prepare(p);
  }
  int64_t workspace_bytes() const override { return epilogue_.sums_bytes(); }
  bool reads_constant(size_t input) const override {
    return (input != 1 || !weights_) && epilogue_.reads_constant(input);
  }

 protected:
  SimtGemmArgs simt_args(const RunArgs& args) const {
    const Shape& s = shape_;
    SimtGemmArgs g;
    g.a = args.inputs[0];
    g.a_image = s.transpose_a ? 1 : s.lda;
    g.a_channel = s.transpose_a ? s.lda : 1;
    g.channels = Divisor(uint32_t(s.k));
    g.b = weights_ ? weights_.get() : args.inputs[1];
    g.b_column = weights_ ? packed_pitch(s.k) : s.transpose_b ? s.ldb : 1;
    g.b_k = weights_ || s.transpose_b ? 1 : s.ldb;
    g.y_is_sums = !epilogue_.in_kernel();
    g.y = g.y_is_sums ? args.workspace : args.outputs[0];
    g.y_image = g.y_is_sums ? s.n : s.ldy;
    set_sizes(s, g);
    g.epilogue = epilogue_.bind(args);
    return g;
  }

  Shape shape_;
  Elem type_;
  ProductEpilogue epilogue_;
  std::shared_ptr<const void> weights_;  ///< b by columns, k fastest, if it is one constant matrix
};

/// All but addresses.
GemmArgs gemm_args(const Shape& s, bool packed) {
  GemmArgs g;
  g.a_pitch = s.lda;
  g.b_pitch = packed ? packed_pitch(s.k) : s.ldb;
  g.b_constant = packed;
  g.y_pitch = s.ldy;
  g.sums_pitch = s.n;
  set_sizes(s, g);
  return g;
}

class MatMulTensorCore final : public MatMulBase {
 public:
  MatMulTensorCore(const Problem& p, const Shape& s, GemmVariant variant)
      : MatMulBase(p, s),
        variant_(packs(p, s) ? variant_for(variant, *p.constants[1]) : variant),
        args_(gemm_args(s, packs(p, s))),
        device_(info_of(p)) {
    if (packs(p, s)) {
      const int64_t column = s.transpose_b ? s.k : 1, step = s.transpose_b ? 1 : s.n;
      weights_ = packed_rows(
          p, 1, s.transpose_b ? "matrix of columns" : "matrix of rows", s.n, s.k,
          [=](int64_t c, int64_t k) { return c * column + k * step; }, rounds(variant.kind));
    }
  }
  void run(const RunArgs& args) const override {
    GemmArgs g = args_;
    g.a = args.inputs[0];
    g.b = weights_ ? weights_.get() : args.inputs[1];
    g.y = args.outputs[0];
    if (!epilogue_.in_kernel()) g.sums = static_cast<float*>(args.workspace);
    g.epilogue = epilogue_.bind(args);
    const bool aligned = reinterpret_cast<uintptr_t>(g.a) % 16 == 0 && reinterpret_cast<uintptr_t>(g.b) % 16 == 0;
    if (!aligned) {
      TENON_CUDA(gemm_simt(simt_args(args), type_, 1, stream_of(args)));
    } else {
      const bool by_rows = weights_ || shape_.transpose_b;
      TENON_CUDA(run_variant(variant_, g, type_, by_rows ? GemmOperands::kRows : GemmOperands::kColumns, device_,
                             stream_of(args)));
    }
    epilogue_.finish(args, args.workspace);
  }

 private:
  GemmVariant variant_;
  GemmArgs args_;
  const DeviceInfo& device_;
};

class MatMulSimt final : public MatMulBase {
 public:
  MatMulSimt(const Problem& p, const Shape& s, int tile) : MatMulBase(p, s), tile_(tile) {}
  void run(const RunArgs& args) const override {
    TENON_CUDA(gemm_simt(simt_args(args), type_, tile_, stream_of(args)));
    epilogue_.finish(args, args.workspace);
  }

 private:
  int tile_;
};

bool is_f32(const Problem& p) { return p.inputs[0].dtype == ir::DType::kF32; }

std::string refuse_tensor_core(const Problem& p, const Shape& s, GemmKind kind) {
  if (!takes(kind, is_f32(p))) return is_f32(p) ? "f32, accepted are f16 and bf16" : "accepted is f32";
  if (s.transpose_a) return "a is transposed";
  const int64_t each = is_f32(p) ? 4 : 8;
  bool aligned = s.lda % each == 0 && (packs(p, s) || s.ldb % each == 0);
  for (int i = 0; i < 3; ++i) aligned &= s.a_step[i] % each == 0 && s.b_step[i] % each == 0;
  if (!aligned) return cat("rows of ", s.lda, " and ", s.ldb, " elements, accepted are multiples of ", each);
  return {};
}

std::string refuse_copy_engine(const Problem& p, const Shape& s, GemmKind kind) {
  if (s.axes[0] != 1 || s.axes[1] != 1) return "more than one axis of batch";
  ProductEpilogue epilogue;
  const std::string reason = epilogue.read(p, p.attrs<ops::MatMulAttrs>().epilogue, kBias, kExtras);
  if (!reason.empty()) return reason;
  return refuse_kind(kind, gemm_args(s, packs(p, s)), false, epilogue);
}

Support supports_tensor_core(const Problem& p, int number) {
  Shape s;
  std::string reason = read(p, s);
  const GemmKind kind = gemm_variant(number).kind;
  if (reason.empty()) reason = refuse_tensor_core(p, s, kind);
  if (reason.empty() && uses_copy_engine(kind)) reason = refuse_copy_engine(p, s, kind);
  double cost = 0;
  const bool packed = reason.empty() && packs(p, s);
  if (reason.empty())
    reason = rank_variant(p, {s.m, s.n, s.k, s.batch, !packed && !s.transpose_b, 1, is_f32(p), packed}, number, cost);
  return reason.empty() ? Support::yes(cost) : Support::no(reason);
}

std::unique_ptr<Kernel> prepare_tensor_core(const Problem& p, int number) {
  Shape s;
  const std::string reason = read(p, s);
  require(reason.empty(), ErrorCode::kInternal, reason);
  return std::make_unique<MatMulTensorCore>(p, s, gemm_variant(number));
}

template <int kNumber>
KernelDef tensor_core_variant() {
  return {variant_name("matmul", gemm_variant(kNumber)),
          "MatMul",
          [](const Problem& p) { return supports_tensor_core(p, kNumber); },
          [](const Problem& p) { return prepare_tensor_core(p, kNumber); },
          kPitched,
          rounds(gemm_variant(kNumber).kind)};
}

template <int kTile>
KernelDef simt_variant() {
  return {variant_name("matmul_simt_", size_t(kSimtTiles[kTile].rows)), "MatMul",
          [](const Problem& p) {
            Shape s;
            if (std::string reason = read(p, s); !reason.empty()) return Support::no(reason);
            const SimtTile t = kSimtTiles[kTile];
            const int64_t down = (s.m + t.rows - 1) / t.rows, across = (s.n + t.columns - 1) / t.columns;
            if (down > 65535) return Support::no("too many rows for this tile");
            const double work = 2.0 * double(down * t.rows) * double(across * t.columns) * double(s.k * s.batch);
            const double fill = std::min(1.0, double(down * across * s.batch) / info_of(p).multiprocessors);
            const double rate = info_of(p).tflops_f32 * 1e6 * (kTile == 0 ? 0.5 : kTile == 1 ? 0.35 : 0.15) * fill;
            return Support::yes(std::max(estimate_us(p, 0, 1), 2 + work / rate));
          },
          [](const Problem& p) -> std::unique_ptr<Kernel> {
            Shape s;
            const std::string reason = read(p, s);
            require(reason.empty(), ErrorCode::kInternal, reason);
            return std::make_unique<MatMulSimt>(p, s, kTile);
          },
          kPitched};
}

}  // namespace

std::vector<KernelDef> matmul() {
  return []<int... i, int... j>(std::integer_sequence<int, i...>, std::integer_sequence<int, j...>) {
    return std::vector<KernelDef>{tensor_core_variant<i>()..., simt_variant<j>()...};
  }
  (std::make_integer_sequence<int, kGemmVariantCount>(), std::make_integer_sequence<int, kSimtTileCount>());
}

}  // namespace tenon::cuda
