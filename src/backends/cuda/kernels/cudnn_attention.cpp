// Attention as one operation graph of cuDNN: two products around a softmax that is spelled out.
#include <algorithm>

#include "backends/cuda/cuda.h"
#include "backends/cuda/kernels/attention_problem.h"
#include "backends/cuda/kernels/variants.h"
#include "backends/cuda/libraries/cudnn_graph.h"

namespace tenon::cuda {
namespace {

using cudnn::TensorSpec;

constexpr size_t kEngines = 4;
constexpr int64_t kMaxWorkspace = 64 << 20;
constexpr double kEfficiency = 0.4, kRankCost = 0.03;  // of the nominal rate; a later engine is expected to be slower

struct AttentionGraph {
  cudnn::GraphSpec spec;
  int q, k, v, y, mask = -1;
};

class GraphWriter {
 public:
  GraphWriter(const AttentionParams& a, cudnn::DataType type, cudnn::DataType mask_type) : a_(a), type_(type) {
    const int64_t b = a.batch, h = a.heads, groups = a.heads / a.heads_a_key_head, n = a.queries, m = a.keys;
    g_.q = operand({b, h, n, a.size}, {a.q_at.batch, a.q_at.head, a.q_at.row, 1});
    g_.k = operand({b, groups, a.size, m}, {a.k_at.batch, a.k_at.head, 1, a.k_at.row});
    g_.v = operand({b, groups, m, a.value_size}, {a.v_at.batch, a.v_at.head, a.v_at.row, 1});
    g_.y = operand({b, h, n, a.value_size}, {a.y_at.batch, a.y_at.head, a.y_at.row, 1});
    const int products = temporary(m, cudnn::kFloat);
    g_.spec.operations.push_back(cudnn::MatMulSpec{g_.q, g_.k, products});
    int scores = pointwise(cudnn::kMul, products, number(a.scale));
    if (a.mask_type != MaskType::kNone) scores = pointwise(cudnn::kAdd, scores, mask(mask_type));
    const int maxima = reduced(cudnn::kMaximum, scores);
    const int shifted = pointwise(cudnn::kSub, scores, maxima);
    const int weights = pointwise(cudnn::kExp, shifted, -1);
    const int normalized = temporary(m, type_);
    const int sums = reduced(cudnn::kSum, weights);
    // The library's pattern has the logarithm of the sums, which nobody reads here.
    const int logarithms = temporary(1, cudnn::kFloat), statistics = temporary(1, cudnn::kFloat);
    g_.spec.operations.push_back(cudnn::PointwiseSpec{cudnn::kLog, sums, -1, logarithms});
    g_.spec.operations.push_back(cudnn::PointwiseSpec{cudnn::kAdd, maxima, logarithms, statistics});
    g_.spec.operations.push_back(cudnn::PointwiseSpec{cudnn::kDiv, weights, sums, normalized});
    g_.spec.operations.push_back(cudnn::MatMulSpec{normalized, g_.v, g_.y});
  }
  AttentionGraph take() { return std::move(g_); }

 private:
  int operand(std::vector<int64_t> dims, std::vector<int64_t> strides) {
    return g_.spec.add({type_, std::move(dims), std::move(strides)});
  }
  /// A row of `columns` a query.
  int temporary(int64_t columns, cudnn::DataType type) {
    const int64_t n = a_.queries, h = a_.heads;
    return g_.spec.add(
        {type, {a_.batch, h, n, columns}, {h * n * columns, n * columns, columns, 1}, TensorSpec::Kind::kVirtual});
  }
  int number(float v) { return g_.spec.add({cudnn::kFloat, {1, 1, 1, 1}, {1, 1, 1, 1}, TensorSpec::Kind::kNumber, v}); }
  int mask(cudnn::DataType type) {
    const int64_t b = a_.mask_batch ? a_.batch : 1, h = a_.mask_head ? a_.heads : 1, n = a_.mask_query ? a_.queries : 1,
                  m = a_.mask_key ? a_.keys : 1;
    return g_.mask = g_.spec.add({type, {b, h, n, m}, {h * n * m, n * m, m, 1}});
  }
  int pointwise(cudnn::PointwiseMode mode, int x, int b) {
    const int to = temporary(a_.keys, cudnn::kFloat);
    g_.spec.operations.push_back(cudnn::PointwiseSpec{mode, x, b, to});
    return to;
  }
  int reduced(cudnn::ReductionMode mode, int x) {
    const int to = temporary(1, cudnn::kFloat);
    g_.spec.operations.push_back(cudnn::ReductionSpec{mode, x, to});
    return to;
  }

  const AttentionParams& a_;
  cudnn::DataType type_;
  AttentionGraph g_;
};

AttentionGraph make_graph(const Problem& p) {
  const auto type_of = [](ir::DType t) {
    return t == ir::DType::kF16 ? cudnn::kHalf : t == ir::DType::kBF16 ? cudnn::kBFloat16 : cudnn::kFloat;
  };
  const ir::DType mask = p.has_input(kAttentionMask) ? p.inputs[kAttentionMask].dtype : ir::DType::kF32;
  return GraphWriter(attention_params(p), type_of(p.inputs[0].dtype), type_of(mask)).take();
}

class CudnnAttention final : public Kernel {
 public:
  CudnnAttention(const Problem& p, size_t rank) : graph_(make_graph(p)) {
    require(p.backend->device()->present(), ErrorCode::kUnsupported, "the GPU is only described");
    p.backend->device()->activate();
    const int ordinal = backend_of(p).ordinal();
    std::vector<cudnn::EngineChoice> choices = cudnn::engine_choices(graph_.spec, ordinal);
    std::erase_if(choices, [](const auto& c) { return c.has(cudnn::kNondeterministic); });
    require(rank < choices.size(), ErrorCode::kUnsupported, "cuDNN proposes ", choices.size(), " engines");
    plan_ = cudnn::build_plan(graph_.spec, choices[rank], ordinal);
    require(plan_->workspace_bytes() <= kMaxWorkspace, ErrorCode::kUnsupported, "the engine wants ",
            plan_->workspace_bytes(), " bytes of workspace");
  }
  int64_t workspace_bytes() const override { return plan_->workspace_bytes(); }
  void run(const RunArgs& args) const override {
    std::vector<const void*> pointers(graph_.spec.tensors.size(), nullptr);
    const auto bind = [&](int tensor, const void* memory) {
      require(reinterpret_cast<uintptr_t>(memory) % cudnn::kOperandAlignment == 0, ErrorCode::kUnsupported,
              "an operand of an attention does not start at a multiple of ", cudnn::kOperandAlignment, " bytes");
      pointers[size_t(tensor)] = memory;
    };
    bind(graph_.q, args.inputs[0]);
    bind(graph_.k, args.inputs[1]);
    bind(graph_.v, args.inputs[2]);
    if (graph_.mask >= 0) bind(graph_.mask, args.inputs[kAttentionMask]);
    bind(graph_.y, args.outputs[0]);
    plan_->execute(pointers, args.workspace, stream_of(args));
  }

 private:
  AttentionGraph graph_;
  std::shared_ptr<const cudnn::Plan> plan_;
};

template <size_t kRank>
Support supports(const Problem& p) {
  if (std::string reason = check_attention(p); !reason.empty()) return Support::no(reason);
  if (p.inputs[0].dtype == ir::DType::kF32) return Support::no("operands are f32, tensor cores take f16 and bf16");
  const AttentionParams a = attention_params(p);
  if (a.causal) return Support::no("causal attention");
  if (a.mask_type == MaskType::kBool) return Support::no("the mask is bool");
  if (std::string reason = check_16_byte_rows(a); !reason.empty()) return Support::no(reason);
  if (std::string why; p.backend->device()->present() && !cudnn::api(&why)) return Support::no(why);
  return Support::yes(2 + estimate_us(p, attention_flops(a), kEfficiency) * (1 + kRankCost * double(kRank)));
}
template <size_t kRank>
std::unique_ptr<Kernel> prepare(const Problem& p) {
  return std::make_unique<CudnnAttention>(p, kRank);
}

template <size_t... kRanks>
std::vector<KernelDef> definitions(std::index_sequence<kRanks...>) {
  constexpr uint32_t kPitched = 7 | 1u << 16;
  return {{variant_name("cudnn_attention_", kRanks), "FusedAttention", supports<kRanks>, prepare<kRanks>, kPitched}...};
}

}  // namespace

std::vector<KernelDef> cudnn_attention() { return definitions(std::make_index_sequence<kEngines>()); }

}  // namespace tenon::cuda
