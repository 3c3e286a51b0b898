// Settings whose effect depends on what the network holds.
#include <algorithm>

#include "nvinfer/config.h"
#include "ops/op.h"

namespace tenon::nvinfer {
namespace {

#if TRT_UNTIL(10) && NV_TENSORRT_MAJOR >= 8
bool holds(const ir::Graph& g, std::initializer_list<ir::DType> types) {
  for (ir::ValueId v = 0; v < g.value_count(); ++v)
    if (std::find(types.begin(), types.end(), g.value(v).dtype) != types.end()) return true;
  return false;
}
#endif

#if NV_TENSORRT_MAJOR >= 8
/// Whether of each four neighbours along `axis` two or more are 0; axes that four do not divide have no such pattern.
bool two_of_four(const ir::Tensor& w, size_t axis) {
  const ir::Dims& d = w.dims();
  if (w.count() == 0 || d[axis] % 4 != 0) return false;
  int64_t inner = 1;
  for (size_t a = axis + 1; a < d.size(); ++a) inner *= d[a];
  for (int64_t group = 0; group < w.count() / 4; ++group) {
    const int64_t first = group / inner * 4 * inner + group % inner;
    int zeros = 0;
    for (int64_t k = 0; k < 4; ++k) zeros += w.get(first + k * inner) == 0;
    if (zeros < 2) return false;
  }
  return true;
}

/// The axis that a layer sums over in its constant weights, which are returned; null where it has none.
const ir::Tensor* summed_weights(const ir::Graph& g, const ir::Node& node, size_t& axis) {
  const bool product = node.op == "MatMul";
  if (!node.alive || (!product && node.op != "Conv") || node.inputs.size() < 2) return nullptr;
  const ir::ValueId v = node.inputs[1];
  const ir::Node* before = g.producer(v);
  const bool turned = before && before->alive && before->op == "Transpose";
  const ir::Tensor* w = g.constant(turned ? before->inputs[0] : v);
  if (!w || w->dims().size() < 2) return nullptr;
  const ir::Field* transposed = product ? node.attrs.find("transpose_b") : nullptr;
  const bool last = transposed && transposed->of<bool>(node.attrs.data());
  axis = product ? w->dims().size() - (last ? 1 : 2) : 1;
  if (turned) {
    const auto& perm = before->attrs.find("perm")->of<std::vector<int64_t>>(before->attrs.data());
    axis = perm.size() == w->dims().size() ? static_cast<size_t>(perm[axis]) : w->dims().size() - 1 - axis;
  }
  return w;
}
#endif

}  // namespace

void BuilderConfig::check_against(const ir::Graph& graph) const {
#if TRT_UNTIL(10) && NV_TENSORRT_MAJOR >= 8
  if (has(BuilderFlag::kFP8) && !holds(graph, {ir::DType::kF8E4M3FN, ir::DType::kF8E5M2}))
    ignore("kFP8", "FP8 values come from quantize layers, and the network has none of that type");
#if NV_TENSORRT_MAJOR >= 10
  if (has(BuilderFlag::kINT4) && !holds(graph, {ir::DType::kI4}))
    ignore("kINT4", "INT4 values come from quantize layers, and the network has none of that type");
  if (has(BuilderFlag::kFP4) && !holds(graph, {ir::DType::kF4E2M1}))
    ignore("kFP4", "FP4 values come from quantize layers, and the network has none of that type");
#endif
#endif
#if NV_TENSORRT_MAJOR >= 8
  if (!has(BuilderFlag::kSPARSE_WEIGHTS)) return;
  int weighted = 0, sparse = 0;
  for (ir::NodeId n = 0; n < graph.node_count(); ++n) {
    size_t axis = 0;
    const ir::Tensor* w = summed_weights(graph, graph.node(n), axis);
    weighted += w != nullptr;
    sparse += w && two_of_four(*w, axis);
  }
  reports_.log(sparse > 0 ? ILogger::Severity::kWARNING : ILogger::Severity::kINFO,
               cat("kSPARSE_WEIGHTS: ", sparse, " of ", weighted, " layers have two zeros in each four weights; ",
                   sparse > 0 ? "they run in dense kernels, none here is faster with zeros" : "all run dense"));
#else
  (void)graph;
#endif
}

void BuilderConfig::adapt(ir::Graph& graph) const {
#if NV_TENSORRT_MAJOR >= 10
  if (!has(BuilderFlag::kSTRICT_NANS)) return;
  const size_t count = graph.node_count();
  for (ir::NodeId n = 0; n < count; ++n) {
    if (!graph.node(n).alive || graph.node(n).op != "HardSigmoid") continue;
    // A clip keeps what is no number; a hard sigmoid is free to answer 0 for it.
    ir::Attrs limits(ops::find_op("Clip").attrs);
    limits.find("min")->of<float>(limits.edit_data()) = 0;
    limits.find("max")->of<float>(limits.edit_data()) = 1;
    const ir::NodeId line =
        graph.add_node("Affine", {graph.node(n).inputs[0]}, graph.node(n).attrs, 1, graph.node(n).name);
    ops::infer_node(graph, line);
    graph.set_input(n, 0, graph.node(line).outputs[0]);
    graph.node(n).op = "Clip";
    graph.node(n).attrs = std::move(limits);
  }
#else
  (void)graph;
#endif
}

}  // namespace tenon::nvinfer
