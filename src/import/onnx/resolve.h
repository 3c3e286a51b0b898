// What a model's names refer to: operator set versions, attributes of functions.
#pragma once
#include <vector>

#include "import/onnx/scope.h"
#include "onnx/model.h"

namespace tenon::importer {

/// Throws if a domain has two versions, or ONNX's own one that is not accepted.
OpsetVersions versions_of(const std::vector<onnx::OpsetImport>& imports);
/// The version of the node's domain; 1 for a vendor's domain that is not imported. Throws if ONNX's own is not.
int opset_of(const onnx::Node& n, const OpsetVersions& opsets);
/// Names operator, domain, opset and what is known.
[[noreturn]] void fail_unknown(const onnx::Node& n, int opset);
/// Whether an attribute takes its value from a function's.
bool refers(const onnx::Node& n);
bool has_body(const onnx::Node& n);
/// The node with each such reference replaced by the value; an attribute whose function has no value is left out.
onnx::Node with_attributes(const onnx::Node& n, const AttributeValues* values);

}  // namespace tenon::importer
