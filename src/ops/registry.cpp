#include <algorithm>
#include <map>
#include <unordered_map>

#include "ops/op.h"

namespace tenon::ops {

#define TENON_OPS(name) OpSet name();
#include "ops/ops.inc"
#undef TENON_OPS

namespace {

struct Registry {
  std::vector<OpDef> ops;
  std::unordered_map<std::string_view, size_t> by_name;
  std::map<std::pair<std::string_view, std::string_view>, std::vector<OnnxRule>> rules;

  Registry() {
    auto add = [this](OpSet set) {
      ops.insert(ops.end(), set.ops.begin(), set.ops.end());
      for (const OnnxRule& rule : set.rules) rules[{rule.domain, rule.op}].push_back(rule);
    };
#define TENON_OPS(name) add(name());
#include "ops/ops.inc"
#undef TENON_OPS
    for (size_t i = 0; i < ops.size(); ++i)
      require(by_name.emplace(ops[i].name, i).second, ErrorCode::kInternal, "operator ", ops[i].name,
              " is listed twice");
    for (auto& [key, versions] : rules)
      std::sort(versions.begin(), versions.end(),
                [](const OnnxRule& a, const OnnxRule& b) { return a.since < b.since; });
  }
};

const Registry& registry() {
  static const Registry r;
  return r;
}

}  // namespace

const OpDef* find_op_or_null(std::string_view name) {
  auto it = registry().by_name.find(name);
  return it == registry().by_name.end() ? nullptr : &registry().ops[it->second];
}

const OpDef& find_op(std::string_view name) {
  const OpDef* op = find_op_or_null(name);
  require(op != nullptr, ErrorCode::kUnsupported, "there is no operator called '", name, "'");
  return *op;
}

std::span<const OpDef> all_ops() { return registry().ops; }

const OnnxRule* find_onnx_rule(std::string_view domain, std::string_view op, int opset) {
  if (domain == "ai.onnx") domain = "";
  auto it = registry().rules.find({domain, op});
  if (it == registry().rules.end()) return nullptr;
  const OnnxRule* best = nullptr;
  for (const OnnxRule& rule : it->second)
    if (rule.since <= opset) best = &rule;
  return best;
}

std::vector<int> known_onnx_opsets(std::string_view domain, std::string_view op) {
  if (domain == "ai.onnx") domain = "";
  std::vector<int> versions;
  if (auto it = registry().rules.find({domain, op}); it != registry().rules.end())
    for (const OnnxRule& rule : it->second) versions.push_back(rule.since);
  return versions;
}

}  // namespace tenon::ops
