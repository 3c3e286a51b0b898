// Convolutions with bias, activation and residual as one fused operation graph of cuDNN. The library's heuristics rank
// its engines; the k-th that keeps to our rules of arithmetic is a kernel of its own.
#include <algorithm>
#include <cstring>

#include "backends/cuda/cuda.h"
#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/cudnn_conv_graph.h"
#include "backends/cuda/kernels/variants.h"

namespace tenon::cuda {
namespace {

constexpr size_t kEngines = 12;
constexpr int64_t kMaxWorkspace = 256 << 20;
constexpr double kEfficiency = 0.55, kDepthwiseEfficiency = 0.02;  // of the nominal rate
constexpr double kRankCost = 0.03, kCompiledRankCost = 0.5;        // a later engine is expected to be slower
constexpr double kCompiledCost = 2;                                // so that kernels of our own are timed first
constexpr size_t kCompiledEngines = 2;                             // of those that are compiled when prepared

/// The same bits in every run and full f32: no atomics, no narrow sums, no transforms, no TF32.
bool allowed(const cudnn::EngineChoice& c, ir::DType type) {
  for (cudnn::NumericalNote n : {cudnn::kDownConvertsInputs, cudnn::kReducedPrecisionSums, cudnn::kFft,
                                 cudnn::kNondeterministic, cudnn::kWinograd})
    if (c.has(n)) return false;
  return type != ir::DType::kF32 || !c.has(cudnn::kTensorCores);
}

/// [rows, columns, window…] as [rows, window…, columns].
std::vector<std::byte> columns_last(const ir::Tensor& w) {
  const int64_t rows = w.dims()[0], columns = w.dims()[1], window = w.count() / (rows * columns);
  const size_t size = size_t(ir::bits(w.dtype()) / 8);
  std::vector<std::byte> out(size_t(w.bytes()));
  const std::byte* from = w.data().data();
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      for (int64_t k = 0; k < window; ++k, from += size)
        std::memcpy(out.data() + size_t((r * window + k) * columns + c) * size, from, size);
  return out;
}

class CudnnConv final : public Kernel {
 public:
  CudnnConv(const Problem& p, ConvGraph g, size_t rank) : graph_(std::move(g)) {
    require(p.backend->device()->present(), ErrorCode::kUnsupported, "the GPU is only described");
    p.backend->device()->activate();
    const int ordinal = backend_of(p).ordinal();
    std::vector<cudnn::EngineChoice> choices = cudnn::engine_choices(graph_.spec, ordinal);
    std::erase_if(choices, [&](const auto& c) { return !allowed(c, p.inputs[0].dtype); });
    require(rank < choices.size(), ErrorCode::kUnsupported, "cuDNN proposes ", choices.size(), " engines");
    plan_ = cudnn::build_plan(graph_.spec, choices[rank], ordinal);
    require(plan_->workspace_bytes() <= kMaxWorkspace, ErrorCode::kUnsupported, "the engine wants ",
            plan_->workspace_bytes(), " bytes of workspace");
    if (graph_.packed_weights) weights_ = packed_constant(p, 1, "columns last", columns_last);
    if (graph_.bias >= 0 && p.constants[2]) {
      const ir::DType type = graph_.bias_type;
      bias_ = packed_constant(p, 2, cat("vector/", type), [type](const ir::Tensor& t) {
        const ir::Tensor converted = t.cast(type);
        return std::vector<std::byte>(converted.data().begin(), converted.data().end());
      });
    }
  }
  int64_t workspace_bytes() const override { return plan_->workspace_bytes(); }
  bool reads_constant(size_t input) const override { return input == 1 ? !weights_ : input == 2 ? !bias_ : true; }

  void run(const RunArgs& args) const override {
    std::vector<const void*> pointers(graph_.spec.tensors.size(), nullptr);
    const auto bind = [&](int tensor, const void* memory) {
      require(reinterpret_cast<uintptr_t>(memory) % cudnn::kOperandAlignment == 0, ErrorCode::kInvalidArgument,
              "an operand of a convolution does not start at a multiple of ", cudnn::kOperandAlignment, " bytes");
      pointers[size_t(tensor)] = memory;
    };
    bind(graph_.x, args.inputs[0]);
    bind(graph_.w, weights_ ? weights_.get() : args.inputs[1]);
    if (graph_.bias >= 0) bind(graph_.bias, bias_ ? bias_.get() : args.inputs[2]);
    for (const auto& [tensor, input] : graph_.extras) bind(tensor, args.inputs[input]);
    bind(graph_.y, args.outputs[0]);
    plan_->execute(pointers, args.workspace, stream_of(args));
  }

 private:
  ConvGraph graph_;
  std::shared_ptr<const cudnn::Plan> plan_;
  std::shared_ptr<const void> weights_, bias_;
};

template <size_t kRank>
Support supports(const Problem& p) {
  ConvGraph g;
  if (std::string reason = read_conv_graph(p, g); !reason.empty()) return Support::no(reason);
  if (std::string why; p.backend->device()->present() && !cudnn::api(&why)) return Support::no(why);
  const double efficiency = g.depthwise ? kDepthwiseEfficiency : kEfficiency;
  const double us = estimate_us(p, g.flops, efficiency);
  if (!g.compiled_later()) return Support::yes(us * (1 + kRankCost * double(kRank)));
  // An engine takes a second or more to compile, and where we have kernels of our own they are as fast within a few
  // percent: they go first.
  const bool windows_of_planes =
      g.depthwise && g.packed_weights && p.node->op == "Conv" && p.inputs[0].dims.size() == 4;
  if (kRank >= kCompiledEngines || windows_of_planes)
    return Support::no(
        "cuDNN compiles this epilogue when an engine is prepared, ",
        windows_of_planes ? "and we have kernels for depthwise windows" : "of which the first are enough");
  return Support::yes(us * (kCompiledCost + kCompiledRankCost * double(kRank)));
}
template <size_t kRank>
std::unique_ptr<Kernel> prepare(const Problem& p) {
  ConvGraph g;
  const std::string reason = read_conv_graph(p, g);
  require(reason.empty(), ErrorCode::kInternal, reason);
  return std::make_unique<CudnnConv>(p, std::move(g), kRank);
}

template <size_t... kRanks>
std::vector<KernelDef> definitions(std::index_sequence<kRanks...>) {
  std::vector<KernelDef> all{{variant_name("cudnn_conv_", kRanks), "Conv", supports<kRanks>, prepare<kRanks>}...};
  const std::vector<KernelDef> transposed{
      {variant_name("cudnn_conv_transpose_", kRanks), "ConvTranspose", supports<kRanks>, prepare<kRanks>}...};
  all.insert(all.end(), transposed.begin(), transposed.end());
  return all;
}

}  // namespace

std::vector<KernelDef> cudnn_conv() { return definitions(std::make_index_sequence<kEngines>()); }

}  // namespace tenon::cuda
