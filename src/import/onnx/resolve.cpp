#include "import/onnx/resolve.h"

#include <algorithm>

#include "base/error.h"
#include "import/onnx/import.h"
#include "ops/op.h"

namespace tenon::importer {
namespace {

std::string domain_text(const std::string& domain) { return domain.empty() ? "ai.onnx" : domain; }

}  // namespace

OpsetVersions versions_of(const std::vector<onnx::OpsetImport>& imports) {
  OpsetVersions versions;
  for (const onnx::OpsetImport& o : imports) {
    const auto [it, added] = versions.try_emplace(o.domain, o.version);
    require(added || it->second == o.version, ErrorCode::kInvalidModel, "operator set ", domain_text(o.domain),
            " is imported as version ", it->second, " and as version ", o.version);
  }
  if (auto it = versions.find(""); it != versions.end())
    require(it->second >= kMinOpset && it->second <= kMaxOpset, ErrorCode::kUnsupported,
            "operator set ai.onnx is version ", it->second, ", versions ", kMinOpset, " to ", kMaxOpset,
            " are accepted");
  return versions;
}

int opset_of(const onnx::Node& n, const OpsetVersions& opsets) {
  if (auto it = opsets.find(n.domain); it != opsets.end()) return int(std::min<int64_t>(it->second, INT32_MAX));
  require(!n.domain.empty(), ErrorCode::kInvalidModel, "operator set ai.onnx is not imported, and ", n.op_type,
          " is one of its operators");
  return 1;  // exporters leave out the import of vendors' domains
}

void fail_unknown(const onnx::Node& n, int opset) {
  const std::vector<int> known = ops::known_onnx_opsets(n.domain, n.op_type);
  const std::string what = cat("operator ", n.op_type, " of domain ", domain_text(n.domain), " at opset ", opset);
  if (!known.empty())
    fail(ErrorCode::kUnsupported, "no import for ", what, "; it is known from opset ",
         *std::min_element(known.begin(), known.end()));
  if (!n.domain.empty() && !ops::known_onnx_opsets("", n.op_type).empty())
    fail(ErrorCode::kUnsupported, "unknown ", what, "; domain ai.onnx has an operator of this name");
  fail(ErrorCode::kUnsupported, "unknown ", what, ": neither built in, nor a function of the model, nor a plugin");
}

onnx::Node with_attributes(const onnx::Node& n, const AttributeValues* values) {
  onnx::Node out = n;
  out.attributes.clear();
  for (const onnx::Attribute& a : n.attributes) {
    if (a.ref_name.empty()) {
      out.attributes.push_back(a);
      continue;
    }
    require(values != nullptr, ErrorCode::kInvalidModel, "attribute \"", a.name, "\" refers to the attribute \"",
            a.ref_name, "\" of a function, but is in none");
    const auto it = values->find(a.ref_name);
    if (it == values->end()) continue;
    require(a.kind == onnx::Attribute::Kind::kUndefined || a.kind == it->second->kind, ErrorCode::kInvalidModel,
            "attribute \"", a.name, "\" takes ", name(a.kind), " from \"", a.ref_name, "\", which is given as ",
            name(it->second->kind));
    out.attributes.push_back(*it->second);
    out.attributes.back().name = a.name;
  }
  return out;
}

bool refers(const onnx::Node& n) {
  return std::any_of(n.attributes.begin(), n.attributes.end(), [](const auto& a) { return !a.ref_name.empty(); });
}

bool has_body(const onnx::Node& n) {
  return std::any_of(n.attributes.begin(), n.attributes.end(), [](const auto& a) {
    return std::holds_alternative<onnx::GraphPtr>(a.value) ||
           std::holds_alternative<std::vector<onnx::GraphPtr>>(a.value);
  });
}

}  // namespace tenon::importer
