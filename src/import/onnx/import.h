// ONNX model → graph of core operators. The rules for each operator live with the operator (src/ops).
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "ir/graph.h"
#include "onnx/load.h"
#include "onnx/model.h"
#include "ops/import.h"

namespace tenon::importer {

inline constexpr int kMinOpset = 7, kMaxOpset = 25;  ///< accepted versions of ONNX's own operator set

/// One thing wrong with a model, with the outermost node that it concerns.
struct ImportError {
  ErrorCode code = ErrorCode::kInvalidModel;
  std::string message;  ///< what was found and what is accepted
  std::string place;    ///< e.g. node 3 "loop" (Loop): body: node 1 "x" (Foo)
  int64_t node = -1;    ///< index in the model's main graph; -1: the graph or model as a whole
  std::string node_name, op_type, domain;
  std::vector<std::string> functions;  ///< the model's functions that the error lies in, from the outermost
  std::string text() const { return place.empty() ? message : cat(place, ": ", message); }
};

struct OnnxOptions {
  /// Asked for an operator that is neither built in nor a function of the model, e.g. to make a plugin's node. True if
  /// it bound the node's outputs.
  std::function<bool(ops::ImportContext&)> unknown_operator;
  int64_t max_nodes = 1'000'000;  ///< after functions are inlined
  /// What a failed node makes counts as an input of the type that the model declares for it, so that nodes behind it
  /// are checked too. The graph is good for nothing else then.
  bool assume_declared = false;
};

/// Adds the model's main graph to `graph`, which keeps what it has. Inputs, outputs and values get the model's names.
/// Initializers become constants, those that share their name with an input too. Goes on after a failing node as far as
/// other nodes do not depend on it, and returns all errors; if there are any, `graph` is incomplete.
std::vector<ImportError> import_onnx_into(const onnx::Model& model, ir::Graph& graph, const OnnxOptions& options = {});

/// The model as a new graph. Throws an Error with the first error's code and the texts of the first ten.
ir::Graph import_onnx(const onnx::Model& model, const OnnxOptions& options = {});

}  // namespace tenon::importer
