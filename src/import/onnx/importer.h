// The driver behind import.h, and what its parts share. Internal to this folder.
#pragma once
#include <memory>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "import/onnx/import.h"
#include "import/onnx/scope.h"

namespace tenon::importer {

/// Thrown through a rule when a body that it asked for has errors; they are recorded already.
struct BodyFailed {};

class Importer {
 public:
  Importer(const onnx::Model& model, const OnnxOptions& options);
  void run(ir::Graph& graph);
  std::vector<ImportError> take_errors() { return std::move(errors_); }

  const OnnxOptions& options() const { return options_; }
  /// Imports `body` as a closed graph. `input_types` replace what the body declares of its inputs, as far as they are
  /// known. Throws BodyFailed.
  std::shared_ptr<ir::Graph> body(const onnx::Graph& body, std::string_view attribute, Scope& outer,
                                  std::span<const ops::BodyInput> input_types, std::vector<ir::ValueId>& captures);

 private:
  using FunctionKey = std::tuple<std::string, std::string, std::string>;  // domain, name, overload
  struct Level;

  void add_inputs(const onnx::Graph& g, Scope& scope);
  void add_initializers(const onnx::Graph& g, Scope& scope);
  void add_body_inputs(const onnx::Graph& g, Scope& scope, std::span<const ops::BodyInput> types);
  void add_outputs(const onnx::Graph& g, Scope& scope);
  ir::ValueId output_value(const std::string& name, Scope& scope);
  void nodes(const std::vector<onnx::Node>& list, Scope& scope);
  void node(const onnx::Node& n, size_t index, Scope& scope);
  void apply(const onnx::Node& n, size_t index, Scope& scope);
  std::vector<ir::ValueId> arguments(const onnx::Node& n, Scope& scope, bool& broken);
  const onnx::Function* find_function(const onnx::Node& n) const;
  std::vector<ir::ValueId> call(const onnx::Function& f, const onnx::Node& n, size_t index, Scope& scope,
                                const std::vector<ir::ValueId>& args);
  void record(const Error& e);
  /// Inputs in place of what a node of the main graph failed to make, as far as the model declares its type.
  void assume_outputs(const onnx::Node& n, Scope& scope);
  /// The dimension that a declaration means: the same symbol for the same name, a fresh one for no name.
  ir::Dim dim(const onnx::Dimension& d, ir::SymbolTable& symbols, const std::string& hint);
  ops::BodyInput declared(const onnx::ValueInfo& v, ir::SymbolTable& symbols);

  const onnx::Model& model_;
  const OnnxOptions& options_;
  OpsetVersions opsets_;
  std::map<FunctionKey, const onnx::Function*> functions_;
  Sequences sequences_;
  std::vector<const onnx::Function*> calls_;  // now being inlined
  std::map<std::string, std::string> dim_names_;
  std::set<std::string> dim_symbols_;
  std::vector<std::string> places_;  // from the main graph inwards
  const onnx::Node* main_node_ = nullptr;
  int64_t main_index_ = -1;
  int64_t node_count_ = 0;
  std::vector<ImportError> errors_;
};

}  // namespace tenon::importer
