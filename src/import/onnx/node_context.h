// What an import rule sees of one ONNX node.
#pragma once
#include <string>
#include <vector>

#include "import/onnx/importer.h"
#include "ops/import.h"
#include "ops/sequence/context.h"

namespace tenon::importer {

class NodeContext final : public ops::ImportContext, public ops::SequenceContext {
 public:
  /// `inputs` are values of the scope's graph or kNone.
  NodeContext(Importer& importer, const onnx::Node& node, std::string name, int opset, Scope& scope,
              std::vector<ir::ValueId> inputs)
      : importer_(importer),
        node_(node),
        name_(std::move(name)),
        opset_(opset),
        scope_(scope),
        inputs_(std::move(inputs)),
        outputs_(node.outputs.size(), ir::kNone),
        bound_(node.outputs.size(), false) {}

  const onnx::Node& node() const override { return node_; }
  std::string_view node_op() const override { return node_.op_type; }
  int opset() const override { return opset_; }
  ir::Graph& graph() override { return scope_.graph; }
  size_t input_count() const override { return inputs_.size(); }
  size_t output_count() const override { return outputs_.size(); }
  ir::ValueId input(size_t i) const override;
  const std::vector<ir::ValueId>* sequence(size_t i) const override;

  bool has_attr(std::string_view name) const override { return node_.find(name) != nullptr; }
  int64_t attr_int(std::string_view name, int64_t fallback) const override;
  float attr_float(std::string_view name, float fallback) const override;
  std::string attr_string(std::string_view name, std::string_view fallback) const override;
  std::vector<int64_t> attr_ints(std::string_view name, std::vector<int64_t> fallback) const override;
  std::vector<float> attr_floats(std::string_view name, std::vector<float> fallback) const override;
  std::vector<std::string> attr_strings(std::string_view name) const override;
  std::optional<ir::Tensor> attr_tensor(std::string_view name) const override;
  ir::DType attr_dtype(std::string_view name, ir::DType fallback) const override;
  std::shared_ptr<ir::Graph> attr_graph(std::string_view name, std::vector<ir::ValueId>& captures,
                                        std::span<const ops::BodyInput> input_types) override;

  std::vector<ir::ValueId> add_n(std::string_view op, std::vector<ir::ValueId> inputs, ir::Attrs attrs,
                                 size_t outputs) override;
  void output(size_t i, ir::ValueId v) override;
  void output_sequence(size_t i, std::vector<ir::ValueId> elements) override;
  void output_absent(size_t i) override;
  /// One a declared output: a value, a sequence, or kNone for an empty optional. Throws if the rule left one unbound
  /// that the model names.
  const std::vector<ir::ValueId>& bound_outputs() const;

 private:
  Importer& importer_;
  const onnx::Node& node_;
  std::string name_;
  int opset_;
  Scope& scope_;
  std::vector<ir::ValueId> inputs_, outputs_;
  std::vector<bool> bound_;
};

/// Replaces a node's outputs by constants where its inputs are constants or its elements are known, all are small, and
/// the operator is a function of its inputs; erases the node then. Returns the values to use.
std::vector<ir::ValueId> fold_small(ir::Graph& graph, ir::NodeId node);

}  // namespace tenon::importer
