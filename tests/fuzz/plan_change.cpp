#include "plan_change.h"

#include <cstring>

#include "base/crc32c.h"
#include "ops/op.h"

namespace tenon::fuzz {
namespace {

constexpr size_t kHeader = 32, kEntry = 24;
constexpr uint32_t kWeights = 5;

ir::Dim odd_dim(ir::Graph& g, Random& random) {
  if (random.one_in(4)) return g.symbols->named("fuzz");
  return random.odd_int();
}

void change_field(const ir::Field& f, void* attrs, Random& random) {
  switch (f.kind) {
    case ir::FieldKind::kInt:
      f.of<int64_t>(attrs) = random.odd_int();
      return;
    case ir::FieldKind::kEnum:
      f.of<int64_t>(attrs) = int64_t(random.below(f.names.size()));
      return;
    case ir::FieldKind::kBool:
      f.of<bool>(attrs) = !f.of<bool>(attrs);
      return;
    case ir::FieldKind::kFloat:
      f.of<float>(attrs) = random.odd_float();
      return;
    case ir::FieldKind::kDType:
      f.of<ir::DType>(attrs) = ir::DType(random.below(ir::kDTypeCount));
      return;
    case ir::FieldKind::kInts: {
      auto& v = f.of<std::vector<int64_t>>(attrs);
      if (v.empty() || random.one_in(4))
        v.resize(random.below(7), random.odd_int());
      else
        v[random.below(v.size())] = random.odd_int();
      return;
    }
    case ir::FieldKind::kFloats:
      f.of<std::vector<float>>(attrs).resize(random.below(5), random.odd_float());
      return;
    case ir::FieldKind::kString: {
      auto& s = f.of<std::string>(attrs);
      s.empty() ? s.push_back(char(random.below(256))) : s.resize(random.below(s.size()));
      return;
    }
    case ir::FieldKind::kStrings:
      f.of<std::vector<std::string>>(attrs).resize(random.below(4), "Relu");
      return;
    case ir::FieldKind::kTensor:
      f.of<ir::Tensor>(attrs) = {};
      return;
    case ir::FieldKind::kGraph:
      f.of<std::shared_ptr<ir::Graph>>(attrs) = nullptr;
      return;
  }
}

void change_node(ir::Graph& g, Random& random) {
  if (g.node_count() == 0) return;
  const auto n = ir::NodeId(random.below(g.node_count()));
  ir::Node& node = g.node(n);
  const auto& fields = node.attrs.schema().fields;
  switch (random.below(6)) {
    case 5:
      if (random.one_in(2) || node.outputs.empty())
        node.outputs.insert(node.outputs.begin() + int64_t(random.below(node.outputs.size() + 1)), ir::kNone);
      else
        node.outputs.pop_back();
      return;
    case 0: {
      const ops::OpDef& other = ops::all_ops()[random.below(ops::all_ops().size())];
      node.op = std::string(other.name);
      if (other.attrs != &node.attrs.schema()) node.attrs = ir::Attrs(other.attrs);
      return;
    }
    case 1:
      if (!node.inputs.empty())
        g.set_input(n, random.below(node.inputs.size()),
                    random.one_in(4) ? ir::kNone : ir::ValueId(random.below(g.value_count())));
      return;
    case 2:
      if (random.one_in(2) || node.inputs.empty())
        g.add_node_input(n, ir::ValueId(random.below(g.value_count())));
      else
        g.set_inputs(n, {node.inputs.begin(), node.inputs.end() - 1});
      return;
    default:
      if (!fields.empty()) change_field(fields[random.below(fields.size())], node.attrs.edit_data(), random);
  }
}

void change_value(ir::Graph& g, Random& random) {
  ir::Value& v = g.value(ir::ValueId(random.below(g.value_count())));
  switch (random.below(5)) {
    case 0:
      v.dtype = ir::DType(random.below(ir::kDTypeCount));
      return;
    case 1:
      v.ranked = !v.ranked;
      return;
    case 2:
      v.shape.resize(random.below(7), odd_dim(g, random));
      return;
    case 3:
      if (!v.constant || v.constant->dtype() == ir::DType::kString) return;
      v.constant = ir::Tensor(v.dtype, ir::Dims(random.below(5), int64_t(random.below(4))));
      if (random.one_in(2)) v.shape = ir::to_shape(v.constant->dims());
      return;
    default:
      if (!v.shape.empty()) v.shape[random.below(v.shape.size())] = odd_dim(g, random);
  }
}

void change_profile(plan::Plan& plan, Random& random) {
  plan::Profile& profile = plan.profiles[random.below(plan.profiles.size())];
  if (profile.inputs.empty()) return;
  plan::Range& range = profile.inputs[random.below(profile.inputs.size())];
  ir::Dims& dims = random.one_in(3) ? range.min : random.one_in(2) ? range.opt : range.max;
  if (!dims.empty()) dims[random.below(dims.size())] = random.odd_int();
}

}  // namespace

void change_bytes(std::vector<std::byte>& plan, Random& random) {
  uint32_t sections;
  std::memcpy(&sections, plan.data() + 12, 4);
  struct Entry {
    uint32_t id, crc;
    uint64_t offset, size;
  };
  static_assert(sizeof(Entry) == kEntry);
  std::vector<Entry> table(sections);
  std::memcpy(table.data(), plan.data() + kHeader, sections * kEntry);
  for (size_t k = 0, n = 1 + random.below(3); k < n; ++k) {
    const Entry& e = random.pick(table);
    if (e.id == kWeights || e.size == 0) continue;
    plan[e.offset + random.below(e.size)] = std::byte(random.one_in(2) ? random.below(8) : random.below(256));
  }
  for (Entry& e : table) e.crc = crc32c(std::span(plan).subspan(e.offset, e.size));
  std::memcpy(plan.data() + kHeader, table.data(), sections * kEntry);
  uint32_t crc = crc32c(std::span(plan).subspan(kHeader, sections * kEntry));
  std::memcpy(plan.data() + 24, &crc, 4);
  crc = crc32c(std::span(plan).first(28));
  std::memcpy(plan.data() + 28, &crc, 4);
}

void change_contents(plan::Plan& plan, Random& random) {
  ir::Graph& g = plan.graph;
  if (g.value_count() == 0) return;
  switch (random.below(8)) {
    case 0:
    case 1:
    case 2:
      return change_node(g, random);
    case 3:
    case 4:
      return change_value(g, random);
    case 5:
      return change_profile(plan, random);
    case 6: {
      auto& choices = plan.choices[random.below(plan.choices.size())];
      if (!choices.empty()) choices[random.below(choices.size())].kernel = random.pick(choices).kernel;
      return;
    }
    default:
      if (random.one_in(3))
        plan.info["auxiliary_streams"] = std::to_string(random.odd_int());
      else if (!g.outputs.empty())
        g.outputs[random.below(g.outputs.size())] = ir::ValueId(random.below(g.value_count()));
  }
}

}  // namespace tenon::fuzz
