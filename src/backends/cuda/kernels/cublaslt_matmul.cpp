// Matrix products, and convolutions by one element, through cuBLASLt. The library's heuristics rank its algorithms;
// the k-th is a kernel of its own.
//
// The library is column-major: it computes the transposed product, n x m = op(b)' op(a)', whose bias runs along its
// rows as ours along the columns.
#include <algorithm>
#include <array>
#include <map>
#include <mutex>

#include "backends/cuda/cuda.h"
#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/gemm_problem.h"
#include "backends/cuda/kernels/variants.h"
#include "backends/cuda/libraries/cublaslt_api.h"

namespace tenon::cuda {
namespace {

namespace lt = cublaslt;

constexpr size_t kAlgorithms = 12, kTf32Algorithms = 6;
constexpr uint64_t kMaxWorkspace = 32 << 20;
constexpr uint32_t kAlignment = 16;  // bytes; what operands normally have
constexpr int64_t kMaxCalls = 64;    // of the outer axis of a batch
constexpr double kEfficiency = 0.6;  // of the nominal rate
constexpr double kRankCost = 0.03;   // a later algorithm is expected to be slower

cudaDataType type_of(ir::DType t) {
  return t == ir::DType::kF16 ? CUDA_R_16F : t == ir::DType::kBF16 ? CUDA_R_16BF : CUDA_R_32F;
}

template <class T, lt::Status (*lt::Api::*kDestroy)(T)>
struct Destroy {
  void operator()(T object) const { (lt::api()->*kDestroy)(object); }
};
template <class T, auto kDestroy>
using Owned = std::unique_ptr<std::remove_pointer_t<T>, Destroy<T, kDestroy>>;
using OwnedDescription = Owned<lt::Description, &lt::Api::destroy_description>;
using OwnedLayout = Owned<lt::Layout, &lt::Api::destroy_layout>;
using OwnedPreference = Owned<lt::Preference, &lt::Api::destroy_preference>;

template <class Value>
void set(lt::Status (*setter)(void*, int, const void*, size_t), void* object, int attribute, Value value,
         const char* call) {
  lt::check(setter(object, attribute, &value, sizeof value), call);
}

/// The product as the library's objects.
class Product {
 public:
  Product(const Problem& p, const Gemm& g, const void* bias, bool tf32) : api_(*lt::api()) {
    const cudaDataType type = type_of(p.inputs[0].dtype), y_type = type_of(p.outputs[0].dtype);
    lt::Description d = nullptr;
    lt::check(api_.create_description(&d, tf32 ? lt::kComputeFastTf32 : lt::kCompute32F, CUDA_R_32F),
              "cublasLtMatmulDescCreate");
    description.reset(d);
    if (g.transpose_b) describe(lt::kTransposeA, lt::kTransposed);
    if (g.transpose_a) describe(lt::kTransposeB, lt::kTransposed);
    describe(lt::kEpilogue, epilogue(g));
    if (bias) {
      describe(lt::kBiasPointer, bias);
      describe(lt::kBiasType, int32_t(y_type));
    }
    using A = Gemm::Axis;
    b = g.transpose_b ? layout(type, g.k, g.n, g.ldb, g, &A::b) : layout(type, g.n, g.k, g.ldb, g, &A::b);
    a = g.transpose_a ? layout(type, g.m, g.k, g.lda, g, &A::a) : layout(type, g.k, g.m, g.lda, g, &A::a);
    y = layout(y_type, g.n, g.m, g.ldy, g, &A::y);
    residual =
        g.residual >= 0 ? layout(y_type, g.n, g.m, g.ldr, g, &A::residual) : layout(y_type, g.n, g.m, g.ldy, g, &A::y);
  }

  /// The algorithms that the heuristics propose for operands aligned to `alignment` bytes, best first.
  std::vector<lt::Candidate> candidates(lt::Handle handle, uint32_t alignment) const {
    lt::Preference raw = nullptr;
    lt::check(api_.create_preference(&raw), "cublasLtMatmulPreferenceCreate");
    const OwnedPreference preference(raw);
    const auto prefer = [&](int attribute, auto value) {
      set(api_.set_preference, raw, attribute, value, "cublasLtMatmulPreferenceSetAttribute");
    };
    prefer(lt::kMaxWorkspace, kMaxWorkspace);
    prefer(lt::kReductionSchemes, lt::kReduceInComputeType);
    for (int which : {lt::kAlignmentA, lt::kAlignmentB, lt::kAlignmentC, lt::kAlignmentD}) prefer(which, alignment);
    std::vector<lt::Candidate> found(2 * kAlgorithms);
    int count = 0;
    const lt::Status status = api_.search(handle, description.get(), b.get(), a.get(), residual.get(), y.get(), raw,
                                          int(found.size()), found.data(), &count);
    found.resize(status == 0 ? size_t(count) : 0);
    std::erase_if(found, [&](lt::Candidate& c) { return c.status != 0 || !confirm(handle, c); });
    return found;
  }

  OwnedDescription description;
  OwnedLayout a, b, residual, y;

 private:
  /// The heuristics estimate; the check knows what the algorithm refuses and the workspace that it will ask for.
  bool confirm(lt::Handle handle, lt::Candidate& c) const {
    lt::Candidate result{};
    const lt::Status status =
        api_.confirm(handle, description.get(), b.get(), a.get(), residual.get(), y.get(), &c.algorithm, &result);
    if (status != 0 || result.status != 0) return false;
    c.workspace = std::max(c.workspace, result.workspace);
    return c.workspace <= kMaxWorkspace;
  }
  template <class Value>
  void describe(int attribute, Value value) {
    set(api_.set_description, description.get(), attribute, value, "cublasLtMatmulDescSetAttribute");
  }
  static uint32_t epilogue(const Gemm& g) {
    uint32_t bits = g.bias >= 0 ? lt::kEpilogueBias : 0;
    if (g.act == Gemm::Act::kRelu) bits |= lt::kEpilogueRelu;
    if (g.act == Gemm::Act::kGeluErf || g.act == Gemm::Act::kGeluTanh) bits |= lt::kEpilogueGeluTanh;
    return bits ? bits : lt::kEpilogueNone;
  }
  OwnedLayout layout(cudaDataType type, int64_t rows, int64_t columns, int64_t leading, const Gemm& g,
                     int64_t Gemm::Axis::*stride) const {
    lt::Layout raw = nullptr;
    lt::check(api_.create_layout(&raw, type, uint64_t(rows), uint64_t(columns), leading), "cublasLtMatrixLayoutCreate");
    OwnedLayout owned(raw);
    if (!g.batch.empty()) {
      set(api_.set_layout, raw, lt::kBatchCount, int32_t(g.batch.back().count), "cublasLtMatrixLayoutSetAttribute");
      set(api_.set_layout, raw, lt::kBatchStride, g.batch.back().*stride, "cublasLtMatrixLayoutSetAttribute");
    }
    return owned;
  }
  const lt::Api& api_;
};

/// What the heuristics answered, kept for the process: the variants of one node ask the same.
std::vector<lt::Candidate> remembered(const std::string& key, const Product& product, lt::Handle handle,
                                      uint32_t alignment) {
  static std::mutex mutex;
  static std::map<std::string, std::vector<lt::Candidate>> answers;
  constexpr size_t kMaxAnswers = 4096;
  {
    std::lock_guard lock(mutex);
    if (const auto found = answers.find(key); found != answers.end()) return found->second;
  }
  std::vector<lt::Candidate> answer = product.candidates(handle, alignment);
  std::lock_guard lock(mutex);
  if (answers.size() >= kMaxAnswers) answers.clear();
  return answers.emplace(key, std::move(answer)).first->second;
}

std::string key_of(const Problem& p, const Gemm& g, bool tf32, uint32_t alignment) {
  std::string key =
      cat(backend_of(p).ordinal(), tf32 ? " tf32 " : " ", p.inputs[0].dtype, ' ', p.outputs[0].dtype, ' ', alignment,
          ' ', g.m, 'x', g.n, 'x', g.k, g.transpose_a ? "T" : "N", g.transpose_b ? "T" : "N", ' ', g.lda, ' ', g.ldb,
          ' ', g.ldy, ' ', g.residual >= 0 ? g.ldr : 0, g.bias >= 0 ? " bias " : " ", int(g.act));
  for (const Gemm::Axis& x : g.batch) key += cat(' ', x.count, ':', x.a, ':', x.b, ':', x.y, ':', x.residual);
  return key;
}

class CublasLtMatMul final : public Kernel {
 public:
  CublasLtMatMul(const Problem& p, Gemm g, bool tf32, size_t rank) : gemm_(std::move(g)) {
    require(p.backend->device()->present(), ErrorCode::kUnsupported, "the GPU is only described");
    p.backend->device()->activate();
    handle_ = lt::handle(backend_of(p).ordinal());
    element_ = ir::bits(p.inputs[0].dtype) / 8;
    y_element_ = ir::bits(p.outputs[0].dtype) / 8;
    if (gemm_.bias >= 0) {
      const ir::DType type = p.outputs[0].dtype;
      bias_ = packed_constant(p, size_t(gemm_.bias), cat("vector/", type), [type](const ir::Tensor& t) {
        const ir::Tensor converted = t.cast(type);
        return std::vector<std::byte>(converted.data().begin(), converted.data().end());
      });
    }
    product_ = std::make_unique<Product>(p, gemm_, bias_.get(), tf32);
    const auto found = remembered(key_of(p, gemm_, tf32, kAlignment), *product_, handle_, kAlignment);
    require(rank < found.size(), ErrorCode::kUnsupported, "cuBLASLt proposes ", found.size(), " algorithms");
    aligned_ = found[rank];
    const auto natural = uint32_t(element_);
    const auto loose = remembered(key_of(p, gemm_, tf32, natural), *product_, handle_, natural);
    if (!loose.empty()) loose_ = loose[0];
    has_loose_ = !loose.empty();
  }
  int64_t workspace_bytes() const override {
    return int64_t(std::max(aligned_.workspace, has_loose_ ? loose_.workspace : 0));
  }
  bool reads_constant(size_t input) const override { return int(input) != gemm_.bias; }

  void run(const RunArgs& args) const override {
    const auto at = [](const void* base, int64_t bytes) { return static_cast<const char*>(base) + bytes; };
    const void *a = args.inputs[0], *b = args.inputs[1];
    void* y = args.outputs[0];
    const void* residual = gemm_.residual >= 0 ? args.inputs[gemm_.residual] : y;
    const Gemm::Axis axis = outer_axis();
    const lt::Candidate& chosen = choose({a, b, y, residual});
    const float beta = gemm_.residual >= 0 ? 1.f : 0.f;
    for (int64_t i = 0; i < axis.count; ++i)
      lt::check(
          lt::api()->multiply(handle_, product_->description.get(), &gemm_.alpha, at(b, i * axis.b * element_),
                              product_->b.get(), at(a, i * axis.a * element_), product_->a.get(), &beta,
                              at(residual, i * (gemm_.residual >= 0 ? axis.residual : axis.y) * y_element_),
                              product_->residual.get(), const_cast<char*>(at(y, i * axis.y * y_element_)),
                              product_->y.get(), &chosen.algorithm, args.workspace, chosen.workspace, stream_of(args)),
          "cublasLtMatmul");
  }

 private:
  Gemm::Axis outer_axis() const { return gemm_.batch.size() > 1 ? gemm_.batch.front() : Gemm::Axis{1, 0, 0, 0, 0}; }
  /// Slices and a caller's tensors may start anywhere, and the steps of the outer axis may lead off the alignment.
  const lt::Candidate& choose(std::initializer_list<const void*> operands) const {
    const Gemm::Axis axis = outer_axis();
    bool aligned = true;
    for (int64_t step : {axis.a * element_, axis.b * element_, axis.y * y_element_, axis.residual * y_element_})
      aligned = aligned && step % kAlignment == 0;
    for (const void* p : operands) aligned = aligned && reinterpret_cast<uintptr_t>(p) % kAlignment == 0;
    if (aligned) return aligned_;
    require(has_loose_, ErrorCode::kUnsupported, "cuBLASLt has no algorithm for operands that start at multiples of ",
            element_, " bytes");
    return loose_;
  }

  Gemm gemm_;
  lt::Handle handle_ = nullptr;
  int64_t element_ = 4, y_element_ = 4;
  std::shared_ptr<const void> bias_;
  std::unique_ptr<Product> product_;
  lt::Candidate aligned_{}, loose_{};
  bool has_loose_ = false;
};

using Reader = std::string (*)(const Problem&, Gemm&);

std::string read(const Problem& p, Reader reader, Gemm& g) {
  if (std::string reason = reader(p, g); !reason.empty()) return reason;
  if (g.batch.size() > 2 || (g.batch.size() == 2 && g.batch[0].count > kMaxCalls))
    return "the batch axes of the operands do not make one";
  if (g.bias >= 0 && !p.constants[size_t(g.bias)]) return "the bias is not constant";
  if (g.act == Gemm::Act::kGeluErf && p.outputs[0].dtype == ir::DType::kF32)
    return "the library's GELU is the one by tanh, which differs by more than f32's rounding";
  if (std::string why; p.backend->device()->present() && !lt::api(&why)) return why;
  return {};
}

template <Reader kReader, bool kTf32, size_t kRank>
Support supports(const Problem& p) {
  Gemm g;
  if (std::string reason = read(p, kReader, g); !reason.empty()) return Support::no(reason);
  if (std::string reason = kTf32 ? refuse_tf32(p) : ""; !reason.empty()) return Support::no(reason);
  const double efficiency = kEfficiency * (kTf32 ? tf32_gain(p) : 1);
  return Support::yes(estimate_us(p, g.flops(), efficiency) * (1 + kRankCost * double(kRank)));
}
template <Reader kReader, bool kTf32, size_t kRank>
std::unique_ptr<Kernel> prepare(const Problem& p) {
  Gemm g;
  const std::string reason = read(p, kReader, g);
  require(reason.empty(), ErrorCode::kInternal, reason);
  return std::make_unique<CublasLtMatMul>(p, std::move(g), kTf32, kRank);
}

// a, b, the added operand and y may have a pitch; the weights and bias of a convolution are dense.
constexpr uint32_t kPitched = 0x1fffb, kConvPitched = 0x1fff9;

template <Reader kReader, bool kTf32, size_t... kRanks>
void add(std::vector<KernelDef>& all, std::string_view stem, std::string_view op, uint32_t pitched,
         std::index_sequence<kRanks...>) {
  (all.push_back({variant_name(stem, kRanks), op, supports<kReader, kTf32, kRanks>, prepare<kReader, kTf32, kRanks>,
                  pitched, kTf32}),
   ...);
}

}  // namespace

std::vector<KernelDef> cublaslt_matmul() {
  constexpr auto kRanks = std::make_index_sequence<kAlgorithms>();
  constexpr auto kTf32Ranks = std::make_index_sequence<kTf32Algorithms>();
  std::vector<KernelDef> all;
  add<read_gemm, false>(all, "cublaslt_", "MatMul", kPitched, kRanks);
  add<read_gemm_of_conv, false>(all, "cublaslt_conv_", "Conv", kConvPitched, kRanks);
  add<read_gemm, true>(all, "cublaslt_tf32_", "MatMul", kPitched, kTf32Ranks);
  add<read_gemm_of_conv, true>(all, "cublaslt_conv_tf32_", "Conv", kConvPitched, kTf32Ranks);
  return all;
}

}  // namespace tenon::cuda
