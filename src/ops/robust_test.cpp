// Every operator under odd attributes and operands: an Error is an answer, a crash or another exception is not.
#include <doctest/doctest.h>

#include <limits>

#include "base/random.h"
#include "ops/trial.h"

namespace tenon::ops {
namespace {

using namespace trial;

class Random {
 public:
  explicit Random(uint64_t seed) : numbers_(seed) {}
  size_t below(size_t n) { return size_t(numbers_.next() >> 33) % n; }
  template <class T>
  T pick(std::initializer_list<T> list) {
    return *(list.begin() + below(list.size()));
  }

 private:
  Xorshift numbers_;
};

int64_t odd_int(Random& r) {
  return r.pick<int64_t>(
      {0, 1, 1, 1, 2, 2, 3, -1, -1, -2, 4, 7, INT64_MAX, INT64_MIN, INT64_MIN + 1, int64_t(1) << 40, -100});
}
int64_t tame_int(Random& r) { return r.pick<int64_t>({0, 1, 1, 1, 2, 2, 3, -1}); }

void scramble(Random& r, const ir::Field& f, void* attrs) {
  auto number = [&] { return r.below(3) == 0 ? odd_int(r) : tame_int(r); };
  switch (f.kind) {
    case ir::FieldKind::kInt:
      f.of<int64_t>(attrs) = number();
      break;
    case ir::FieldKind::kEnum:
      f.of<int64_t>(attrs) = int64_t(r.below(f.names.size()));
      break;
    case ir::FieldKind::kBool:
      f.of<bool>(attrs) = r.below(2) != 0;
      break;
    case ir::FieldKind::kFloat:
      f.of<float>(attrs) = r.pick({0.f, 1.f, -1.f, 0.5f, INFINITY, -INFINITY, std::nanf(""), 1e30f});
      break;
    case ir::FieldKind::kInts: {
      auto& v = f.of<std::vector<int64_t>>(attrs);
      v.assign(r.below(7), 0);
      const bool tame = r.below(2) != 0;
      for (int64_t& e : v) e = tame ? tame_int(r) : number();
      break;
    }
    case ir::FieldKind::kFloats:
      f.of<std::vector<float>>(attrs).assign(r.below(4), 0.5f);
      break;
    case ir::FieldKind::kDType:
      f.of<DType>(attrs) = DType(r.below(ir::kDTypeCount));
      break;
    default:
      break;
  }
}

Tensor operand(Random& r, DType type, size_t rank) {
  Dims dims;
  for (size_t i = 0; i < rank; ++i) dims.push_back(r.pick<int64_t>({0, 1, 2, 2, 3, 3, 3, 4}));
  Tensor t(type, std::move(dims));
  for (int64_t i = 0; i < t.count() && type != DType::kString; ++i)
    ir::is_float(type) ? t.set(i, r.pick({0.0, 1.0, -1.0, 0.5, 3.0, 1e30, double(INFINITY), std::nan("")}))
                       : t.set_int(i, odd_int(r));
  return t;
}

/// Infers with each operand constant or not, then evaluates what is small enough.
void trial_run(Random& r, const OpDef& op) {
  ir::Attrs attrs(op.attrs);
  for (const ir::Field& f : op.attrs->fields)
    if (r.below(3) != 0) scramble(r, f, attrs.edit_data());
  const DType main_type = r.pick({DType::kF32, DType::kF32, DType::kF16, DType::kI64, DType::kI32, DType::kU8,
                                  DType::kBool, DType::kString, DType::kU64, DType::kF8E4M3FN});
  const size_t rank = r.below(6),
               count = op.min_inputs + r.below(std::min<size_t>(op.max_inputs - op.min_inputs, 3) + 1);
  ir::Graph graph;
  std::vector<ir::ValueId> inputs;
  std::vector<Tensor> tensors;
  for (size_t i = 0; i < count; ++i) {
    const bool aside = i > 0 && r.below(3) == 0;
    if (i > 0 && r.below(12) == 0) {
      inputs.push_back(ir::kNone);
      tensors.emplace_back();
      continue;
    }
    tensors.push_back(operand(r, aside ? r.pick({DType::kI64, DType::kF32, DType::kBool, DType::kI32}) : main_type,
                              aside        ? r.below(3)
                              : r.below(4) ? rank
                                           : r.below(5)));
    const Tensor& t = tensors.back();
    Shape shape = ir::to_shape(t.dims());
    for (Dim& d : shape)
      if (r.below(12) == 0) d = graph.symbols->named("n");
    inputs.push_back(r.below(2) ? graph.add_constant(t) : graph.add_input(graph.unique_name("x"), t.dtype(), shape));
  }
  const ir::NodeId n = graph.add_node(std::string(op.name), inputs, attrs, 1 + r.below(3), "node");
  infer_node(graph, n);
  std::vector<DType> types;
  int64_t total = 0;
  for (ir::ValueId v : graph.node(n).outputs) {
    const ir::Value& value = graph.value(v);
    types.push_back(value.dtype);
    int64_t elements = 1;
    for (Dim d : value.shape)
      if (__builtin_mul_overflow(elements, d.is_const() ? d.constant() : 4, &elements)) return;
    total = std::max(total, elements);
  }
  if (op.eval && total <= 20000 && attrs.find("epilogue") == nullptr) eval_node(graph.node(n), tensors, types);
}

TEST_CASE("operators answer odd attributes and operands with an Error or a result") {
  size_t results = 0;
  for (const OpDef& op : all_ops()) {
    if (op.form == OpForm::kControlFlow) continue;
    CAPTURE(std::string(op.name));
    for (uint64_t seed = 0; seed < 400; ++seed) {
      CAPTURE(seed);
      Random r(seed);
      try {
        trial_run(r, op);
        ++results;
      } catch (const Error&) {
      } catch (const std::exception& e) {
        FAIL_CHECK(std::string(e.what()));
      }
    }
  }
  CHECK(results > 3000);
}

}  // namespace
}  // namespace tenon::ops
