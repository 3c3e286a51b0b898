#include <algorithm>
#include <cmath>
#include <new>
#include <stdexcept>

#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/bounds.h"

namespace tenon::ops {

const ir::Value& InferContext::input(size_t i) const {
  require(has(i), ErrorCode::kInvalidModel, "input ", i, " is required");
  return graph_.value(node().inputs[i]);
}

const Shape& InferContext::shape(size_t i) const {
  const ir::Value& v = input(i);
  require(v.ranked, ErrorCode::kShapeMismatch, "the shape of input '", v.name, "' is not known");
  return v.shape;
}

const Tensor* InferContext::constant(size_t i) const { return has(i) ? graph_.constant(node().inputs[i]) : nullptr; }

namespace {
constexpr int64_t kMaxContents = 4096;  // longer integer tensors are data, not shapes
}

std::optional<std::vector<Dim>> InferContext::contents(size_t i) const {
  if (!has(i) || input(i).shape.size() > 1) return std::nullopt;
  return elements(i);
}

std::optional<std::vector<Dim>> InferContext::elements(size_t i) const {
  if (!has(i)) return std::nullopt;
  const ir::Value& v = input(i);
  if (v.contents) return v.contents;
  if (!v.constant || v.constant->count() > kMaxContents) return std::nullopt;
  if (!ir::is_integer(v.dtype) && !ir::is_float(v.dtype) && v.dtype != DType::kBool) return std::nullopt;
  std::vector<Dim> elements;
  for (int64_t k = 0; k < v.constant->count(); ++k) {
    const int64_t value = v.constant->get_int(k);
    // Whole numbers only; a few of the lowest 64-bit numbers stand for symbols.
    if (ir::is_float(v.dtype) && (double(value) != v.constant->get(k) || std::abs(double(value)) > 0x1p24))
      return std::nullopt;
    if (!(Dim(value) == value)) return std::nullopt;
    elements.emplace_back(value);
  }
  return elements;
}

std::optional<std::vector<int64_t>> InferContext::ints(size_t i) const {
  if (const Tensor* t = constant(i); t && (ir::is_integer(t->dtype()) || t->dtype() == DType::kBool)) {
    if (t->dims().size() > 1 || t->count() > kMaxContents) return std::nullopt;
    return t->to_ints();
  }
  auto dims = contents(i);
  if (!dims || !ir::is_static(*dims)) return std::nullopt;
  return ir::static_dims(*dims);
}

void InferContext::output(size_t i, DType dtype, Shape shape) {
  if (i >= node().outputs.size() || node().outputs[i] == ir::kNone) return;
  expect(shape.size() <= kMaxRank, "output ", i, " would have rank ", shape.size(), ", accepted are ranks to ",
         kMaxRank);
  for (Dim d : shape)
    if (d.is_const()) expect(d.constant() >= 0, "output ", i, " would have the negative dimension ", d.constant());
  ir::Value& v = graph_.value(node().outputs[i]);
  v.dtype = dtype;
  v.shape = std::move(shape);
  v.ranked = true;
  v.contents.reset();
}

void InferContext::output_contents(size_t i, std::vector<Dim> contents) {
  if (i >= node().outputs.size() || node().outputs[i] == ir::kNone) return;
  ir::Value& v = graph_.value(node().outputs[i]);
  if (v.shape.size() <= 1 && int64_t(contents.size()) <= kMaxContents) v.contents = std::move(contents);
}

void InferContext::output_elements(size_t i, std::vector<Dim> elements) {
  if (i >= node().outputs.size() || node().outputs[i] == ir::kNone) return;
  ir::Value& v = graph_.value(node().outputs[i]);
  if (!ir::is_static(v.shape) || int64_t(elements.size()) > kMaxContents) return;
  size_t count = 1;
  for (Dim d : v.shape)
    if (__builtin_mul_overflow(count, size_t(d.constant()), &count)) return;
  if (count == elements.size()) v.contents = std::move(elements);
}

void InferContext::output_unranked(size_t i, DType dtype) {
  if (i >= node().outputs.size() || node().outputs[i] == ir::kNone) return;
  ir::Value& v = graph_.value(node().outputs[i]);
  v.dtype = dtype;
  v.shape.clear();
  v.ranked = false;
  v.contents.reset();
}

size_t InferContext::axis(int64_t axis, size_t rank) const {
  const int64_t r = int64_t(rank);
  expect(axis >= -r && axis < r, "axis ", axis, " lies outside a tensor of rank ", rank);
  return size_t(axis < 0 ? axis + r : axis);
}

Shape InferContext::broadcast(const Shape& a, const Shape& b) {
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  Shape out = longer;
  const size_t offset = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    Dim x = longer[offset + i], y = shorter[i];
    if (x == y || y == 1) continue;
    if (x == 1)
      out[offset + i] = y;
    else if (x.is_const() && y.is_const())
      fail("shapes ", text(a), " and ", text(b), " do not broadcast");
    else
      out[offset + i] = x.is_const() ? x : y.is_const() ? y : dims().max(x, y);
  }
  return out;
}

std::string InferContext::text(const Shape& shape) {
  std::string s = "[";
  for (size_t i = 0; i < shape.size(); ++i) s += cat(i ? ", " : "", dims().text(shape[i]));
  return s + "]";
}

Error as_error(const std::exception& e, std::string_view place) {
  if (dynamic_cast<const std::bad_alloc*>(&e) || dynamic_cast<const std::length_error*>(&e))
    return {ErrorCode::kOutOfMemory, cat("there is not enough memory (", e.what(), ")"), std::string(place)};
  return {ErrorCode::kInvalidModel, cat("an operand or attribute has too few entries (", e.what(), ")"),
          std::string(place)};
}

void infer_node(ir::Graph& graph, ir::NodeId id) {
  const ir::Node& node = graph.node(id);
  const std::string place = cat("node '", node.name, "' (", node.op, ")");
  const OpDef* op = find_op_or_null(node.op);
  require(op != nullptr, ErrorCode::kUnsupported, place, ": there is no such operator");
  try {
    require(node.inputs.size() >= op->min_inputs && node.inputs.size() <= op->max_inputs, ErrorCode::kInvalidModel,
            "has ", node.inputs.size(), " inputs, accepted are ", op->min_inputs, " to ", op->max_inputs);
    InferContext context(graph, id);
    op->infer(context);
  } catch (const Error& e) {
    throw e.at(place);
  } catch (const std::exception& e) {
    throw as_error(e, place);
  }
}

void infer(ir::Graph& graph) {
  for (ir::NodeId n : graph.topological_order()) infer_node(graph, n);
}

ir::ValueId ImportContext::required(size_t i) const {
  require(has(i), ErrorCode::kInvalidModel, "input ", i, " is required");
  return input(i);
}

const Shape& ImportContext::shape(ir::ValueId v) {
  const ir::Value& value = graph().value(v);
  require(value.ranked, ErrorCode::kShapeMismatch, "the shape of '", value.name, "' is not known");
  return value.shape;
}

std::optional<std::vector<int64_t>> ImportContext::constant_ints(size_t i) {
  if (!has(i)) return std::nullopt;
  const Tensor* t = graph().constant(input(i));
  if (!t) return std::nullopt;
  return t->to_ints();
}

}  // namespace tenon::ops
