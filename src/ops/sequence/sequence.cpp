// Sequences and optionals: import only. A sequence is a list of values while a model is imported, so its length and the
// positions read from it must be constants there.
#include <algorithm>

#include "base/checked.h"
#include "ir/inline.h"
#include "ops/import.h"
#include "ops/op.h"
#include "ops/sequence/context.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/split.h"

namespace tenon::ops {
namespace {

using Elements = std::vector<ir::ValueId>;

constexpr size_t kMaxElements = 65536;

SequenceContext& sequences(ImportContext& c) {
  SequenceContext* s = sequences_of(c);
  require(s != nullptr, ErrorCode::kUnsupported, "sequences are accepted in ONNX models alone");
  return *s;
}

const Elements& sequence(ImportContext& c, size_t i) {
  const Elements* elements = sequences(c).sequence(i);
  require(elements != nullptr, ErrorCode::kUnsupported, "input ", i,
          " is no sequence whose length is known while importing");
  return *elements;
}

/// The position in input `i`, from the front, in a list of `count`; `fallback` where the input is left out.
size_t position(ImportContext& c, size_t i, size_t count, int64_t fallback) {
  int64_t at = fallback;
  if (c.has(i)) {
    const Tensor* t = c.constant(c.input(i));
    if (!t || t->count() != 1) c.fail("input ", i, ", a position in a sequence, is not a constant number");
    at = t->to_ints()[0];
  }
  const int64_t n = int64_t(count);
  require(at >= -n && at < n, ErrorCode::kInvalidModel, "position ", at, " lies outside a sequence of ", n);
  return size_t(at < 0 ? at + n : at);
}

void import_construct(ImportContext& c) {
  Elements elements;
  for (size_t i = 0; i < c.input_count(); ++i) elements.push_back(c.required(i));
  sequences(c).output_sequence(0, std::move(elements));
}

void import_empty(ImportContext& c) { sequences(c).output_sequence(0, {}); }

void import_at(ImportContext& c) {
  const Elements& s = sequence(c, 0);
  c.required(1);
  c.output(0, s[position(c, 1, s.size(), 0)]);
}

void import_insert(ImportContext& c) {
  Elements s = sequence(c, 0);
  require(s.size() < kMaxElements, ErrorCode::kUnsupported, "a sequence has more than ", kMaxElements, " elements");
  const size_t at = position(c, 2, s.size() + 1, int64_t(s.size()));
  s.insert(s.begin() + int64_t(at), c.required(1));
  sequences(c).output_sequence(0, std::move(s));
}

void import_erase(ImportContext& c) {
  Elements s = sequence(c, 0);
  s.erase(s.begin() + int64_t(position(c, 1, s.size(), -1)));
  sequences(c).output_sequence(0, std::move(s));
}

void import_length(ImportContext& c) { c.output(0, c.constant(Tensor::scalar_i64(int64_t(sequence(c, 0).size())))); }

void import_concat(ImportContext& c) {
  Elements s = sequence(c, 0);
  require(!s.empty(), ErrorCode::kInvalidModel, "the sequence is empty");
  if (!c.has_attr("axis")) c.fail("attribute axis is missing");
  const int64_t axis = c.attr_int("axis", 0);
  if (c.attr_int("new_axis", 0))
    for (ir::ValueId& v : s) v = c.add("Unsqueeze", {v}, AxesAttrs{{axis}});
  c.output(0, c.add("Concat", std::move(s), AxisAttrs{axis}));
}

/// Sizes of the parts that `split` asks for, of an axis with `extent` entries.
std::vector<int64_t> part_sizes(ImportContext& c, std::optional<int64_t> extent) {
  int64_t size = 1;
  if (c.has(1)) {
    const Tensor* t = c.constant(c.input(1));
    if (!t) c.fail("the sizes of the parts are not constant");
    if (t->dims().size() == 1) return t->to_ints();
    size = t->to_ints().at(0);
    require(size > 0, ErrorCode::kInvalidModel, "parts have size ", size, ", a positive one is accepted");
  }
  if (!extent) c.fail("the axis to split has no constant size, so the number of parts is not known");
  require(*extent / size < int64_t(kMaxElements), ErrorCode::kUnsupported, "a sequence has more than ", kMaxElements,
          " elements");
  std::vector<int64_t> sizes(size_t(*extent / size), size);
  if (*extent % size) sizes.push_back(*extent % size);
  return sizes;
}

void import_split(ImportContext& c) {
  const ir::ValueId x = c.required(0);
  const Shape& shape = c.shape(x);
  const int64_t rank = int64_t(shape.size()), axis = c.attr_int("axis", 0);
  require(axis >= -rank && axis < rank, ErrorCode::kShapeMismatch, "axis ", axis, " lies outside a tensor of rank ",
          rank);
  const Dim extent = shape[size_t(axis < 0 ? axis + rank : axis)];
  const std::vector<int64_t> sizes = part_sizes(c, extent.is_const() ? std::optional(extent.constant()) : std::nullopt);
  if (sizes.empty()) return sequences(c).output_sequence(0, {});
  Elements parts = c.add_n("Split", {x, c.constant(Tensor::vector_i64(sizes))}, SplitAttrs{.axis = axis}, sizes.size());
  if (!c.has(1) && !c.attr_int("keepdims", 1))
    for (ir::ValueId& v : parts) v = c.add("Squeeze", {v}, AxesAttrs{{axis}});
  sequences(c).output_sequence(0, std::move(parts));
}

// The body is applied to the elements at each position of the first sequence in turn; tensors go to all.
void import_map(ImportContext& c) {
  const size_t n = sequence(c, 0).size();
  std::vector<Elements> results(c.output_count());
  for (size_t k = 0; k < n; ++k) {
    Elements args, captures;
    std::vector<BodyInput> types;
    for (size_t i = 0; i < c.input_count(); ++i) {
      const Elements* s = sequences(c).sequence(i);
      require(!s || s->size() == n, ErrorCode::kInvalidModel, "sequences have ", n, " and ", s ? s->size() : 0,
              " elements");
      args.push_back(s ? (*s)[k] : c.required(i));
      const ir::Value& v = c.graph().value(args.back());
      types.push_back({v.dtype, v.ranked, v.shape});
    }
    const auto body = c.attr_graph("body", captures, types);
    args.insert(args.end(), captures.begin(), captures.end());
    require(body->inputs.size() == args.size() && body->outputs.size() >= results.size(), ErrorCode::kInvalidModel,
            "the body has ", body->inputs.size() - captures.size(), " inputs and ", body->outputs.size(),
            " outputs, the node ", c.input_count(), " and ", results.size());
    const Elements outputs = ir::inline_graph(c.graph(), *body, args);
    for (size_t i = 0; i < results.size(); ++i) results[i].push_back(outputs[i]);
  }
  for (size_t i = 0; i < results.size(); ++i) sequences(c).output_sequence(i, std::move(results[i]));
}

void import_optional(ImportContext& c) {
  if (const Elements* s = sequences(c).sequence(0))
    sequences(c).output_sequence(0, *s);
  else if (c.has(0))
    c.output(0, c.input(0));
  else
    sequences(c).output_absent(0);
}

void import_has_element(ImportContext& c) {
  Tensor t(DType::kBool, {});
  t.set_int(0, sequences(c).sequence(0) || c.has(0));
  c.output(0, c.constant(std::move(t)));
}

void import_get_element(ImportContext& c) {
  if (const Elements* s = sequences(c).sequence(0)) return sequences(c).output_sequence(0, *s);
  require(c.has(0), ErrorCode::kInvalidModel, "the optional is empty");
  c.output(0, c.input(0));
}

}  // namespace

OpSet sequence() {
  return {{},
          {{"", "SequenceConstruct", 11, import_construct},
           {"", "SequenceEmpty", 11, import_empty},
           {"", "SequenceAt", 11, import_at},
           {"", "SequenceInsert", 11, import_insert},
           {"", "SequenceErase", 11, import_erase},
           {"", "SequenceLength", 11, import_length},
           {"", "ConcatFromSequence", 11, import_concat},
           {"", "SplitToSequence", 11, import_split},
           {"", "SequenceMap", 17, import_map},
           {"", "Optional", 15, import_optional},
           {"", "OptionalHasElement", 15, import_has_element},
           {"", "OptionalGetElement", 15, import_get_element}}};
}

}  // namespace tenon::ops
