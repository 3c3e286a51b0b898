// Custom: outputs = implementation(inputs).
#include "ops/custom/custom.h"

#include <charconv>
#include <cstring>
#include <map>

#include "base/checked.h"

namespace tenon::ops {

std::span<const ir::Field> CustomAttrs::fields() {
  static const ir::Field f[] = {
      ir::field<&CustomAttrs::kind>("kind"),           ir::field<&CustomAttrs::name>("name"),
      ir::field<&CustomAttrs::version>("version"),     ir::field<&CustomAttrs::space>("space"),
      ir::field<&CustomAttrs::state>("state"),         ir::field<&CustomAttrs::tactic>("tactic"),
      ir::field<&CustomAttrs::workspace>("workspace"), ir::field<&CustomAttrs::shape_inputs>("shape_inputs"),
      ir::field<&CustomAttrs::types>("types"),         ir::field<&CustomAttrs::shapes>("shapes"),
      ir::field<&CustomAttrs::limits>("limits"),       ir::field<&CustomAttrs::aliases>("aliases"),
      ir::field<&CustomAttrs::formats>("formats"),     ir::field<&CustomAttrs::scales>("scales")};
  return f;
}

const CustomAttrs& custom_attrs(const ir::Attrs& attrs) { return attrs.as<CustomAttrs>(); }
CustomAttrs& edit_custom_attrs(ir::Attrs& attrs) { return attrs.edit<CustomAttrs>(); }

std::string shape_text(const ir::SymbolTable& symbols, const Shape& shape) {
  std::string text;
  for (size_t i = 0; i < shape.size(); ++i) text += cat(i ? ";" : "", symbols.text(shape[i]));
  return text;
}

void CustomRun::enqueue(const void* const*, void* const*, void*, void*) const {
  fail(ErrorCode::kUnsupported, "the implementation runs on the processor only");
}

const CustomOp& live_of(const CustomAttrs& a) {
  require(a.live != nullptr, ErrorCode::kUnsupported, "no implementation of '", a.name, "', version '", a.version,
          "', namespace '", a.space, "' is loaded");
  return *a.live;
}

namespace {

/// The numbers k and j of a symbol such as i<k>_<j>; j is 0 where there is none.
struct Operand {
  char kind = 0;
  size_t index = 0, element = 0;
};

Operand operand_of(const std::string& symbol) {
  Operand o;
  const char* const end = symbol.data() + symbol.size();
  if (!symbol.empty()) o.kind = symbol[0];
  const auto first = std::from_chars(symbol.data() + (symbol.empty() ? 0 : 1), end, o.index);
  bool good = first.ec == std::errc() && (o.kind == 'i' || o.kind == 'e' || o.kind == 's');
  if (good && first.ptr != end) good = *first.ptr == '_' && std::from_chars(first.ptr + 1, end, o.element).ptr == end;
  require(good, ErrorCode::kInvalidModel, "a shape of the node speaks of '", symbol, "'");
  return o;
}

/// Expressions of one node with values in place of their symbols.
class Expressions {
 public:
  using Lookup = std::function<Dim(const Operand&)>;
  Expressions(ir::SymbolTable& into, Lookup lookup) : into_(into), lookup_(std::move(lookup)) {}

  Dim dim(std::string_view text) { return value(own_.parse(text)); }
  Shape shape(std::string_view text) {
    Shape shape;
    while (!text.empty()) {
      const size_t end = std::min(text.find(';'), text.size());
      shape.push_back(dim(text.substr(0, end)));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    return shape;
  }

 private:
  Dim value(Dim d) {
    if (d.is_const()) return d;
    if (auto it = known_.find(d.symbol_id()); it != known_.end()) return it->second;
    const ir::SymbolTable::Expr e = own_.expr(d.symbol_id());
    const Dim found = e.op == ir::DimOp::kSymbol ? lookup_(operand_of(e.name)) : combine(e);
    return known_[d.symbol_id()] = found;
  }
  Dim combine(const ir::SymbolTable::Expr& e) {
    const Dim a = value(e.a), b = value(e.b);
    switch (e.op) {
      case ir::DimOp::kAdd:
        return into_.add(a, b);
      case ir::DimOp::kMul:
        return into_.mul(a, b);
      case ir::DimOp::kFloorDiv:
        return into_.floor_div(a, b);
      case ir::DimOp::kMod:
        return into_.mod(a, b);
      case ir::DimOp::kMin:
        return into_.min(a, b);
      case ir::DimOp::kMax:
        return into_.max(a, b);
      case ir::DimOp::kSymbol:
        break;
    }
    tenon::fail(ErrorCode::kInternal, "an expression of unknown kind");
  }
  ir::SymbolTable& into_;
  ir::SymbolTable own_;
  Lookup lookup_;
  std::map<int32_t, Dim> known_;
};

void check_counts(const CustomAttrs& a, size_t outputs) {
  require(a.types.size() == outputs && a.shapes.size() == outputs && a.limits.size() == outputs,
          ErrorCode::kInvalidModel, "the node has ", outputs, " outputs and ", a.types.size(), " types, ",
          a.shapes.size(), " shapes, ", a.limits.size(), " limits");
  for (int64_t type : a.types)
    require(type > 0 && type < int64_t(ir::kDTypeCount), ErrorCode::kInvalidModel, "data type ", type, " is unknown");
}

void infer_custom(InferContext& c) {
  const auto& a = c.attrs<CustomAttrs>();
  check_counts(a, c.output_count());
  Expressions expressions(c.dims(), [&](const Operand& o) {
    if (o.kind == 's') return c.unknown();
    if (o.kind == 'i') {
      c.expect(o.element < c.rank(o.index), "the node was made for an input ", o.index, " of higher rank");
      return c.shape(o.index)[o.element];
    }
    const auto elements = c.contents(o.index);
    return elements && o.element < elements->size() ? (*elements)[o.element] : c.unknown();
  });
  for (size_t i = 0; i < c.output_count(); ++i) c.output(i, DType(a.types[i]), expressions.shape(a.shapes[i]));
}

/// The first elements of `t` under smaller dims.
Tensor trimmed(const Tensor& t, const Dims& dims) {
  if (t.dims() == dims) return t;
  Tensor out(t.dtype(), dims);
  require(out.bytes() <= t.bytes(), ErrorCode::kShapeMismatch, "an output has dims ", dims, ", at most ", t.dims(),
          " were announced");
  if (out.bytes() > 0) std::memcpy(out.mutable_data(), t.data().data(), size_t(out.bytes()));
  return out;
}

/// Runs with memory for the largest sizes that the implementation announced, then cuts outputs to the sizes it wrote.
void eval_custom(EvalContext& c) {
  const auto& a = c.attrs<CustomAttrs>();
  check_counts(a, c.outputs.size());
  ir::SymbolTable none;
  const auto number = [&](const Operand& o) -> Dim {
    return o.kind == 'i' ? c.input(o.index).dims().at(o.element) : c.input(o.index).get_int(int64_t(o.element));
  };
  Expressions most(none, [&](const Operand& o) {
    if (o.kind != 's') return number(o);
    require(o.index < a.limits.size() && !a.limits[o.index].empty(), ErrorCode::kInvalidModel, "output ", o.index,
            " is not a size");
    return Expressions(none, number).dim(a.limits[o.index]);
  });
  const size_t given = c.input_count() - size_t(a.shape_inputs);
  std::vector<CustomTensor> in(given), out(c.outputs.size());
  std::vector<const void*> from(given);
  std::vector<void*> to(c.outputs.size());
  for (size_t i = 0; i < given; ++i) {
    if (!c.has(i)) continue;
    in[i] = {c.input(i).dtype(), c.input(i).dims()};
    from[i] = c.input(i).data().data();
  }
  std::vector<Tensor> made;
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = {DType(a.types[i]), ir::static_dims(most.shape(a.shapes[i]))};
    made.emplace_back(out[i].dtype, out[i].dims);
    to[i] = made[i].mutable_data();
  }
  const auto run = live_of(a).prepare(in, out);
  Tensor workspace(DType::kU8, {run->workspace_bytes()});
  run->run(from.data(), to.data(), workspace.mutable_data());
  Expressions sizes(none,
                    [&](const Operand& o) { return o.kind == 's' ? Dim(made.at(o.index).get_int(0)) : number(o); });
  for (size_t i = 0; i < out.size(); ++i)
    if (c.wants(i)) c.outputs[i] = trimmed(made[i], ir::static_dims(sizes.shape(a.shapes[i])));
}

}  // namespace

OpSet custom() {
  return {{{.name = "Custom",
            .attrs = ir::schema_of<CustomAttrs>(),
            .min_inputs = 0,
            .max_inputs = SIZE_MAX,
            .infer = infer_custom,
            .eval = eval_custom,
            .random = true}},  // the implementation may keep state: never folded, merged or left out
          {}};
}

}  // namespace tenon::ops
