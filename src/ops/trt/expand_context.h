// How rules make several layers of one core node. Internal to this folder.
#pragma once
#include <algorithm>
#include <optional>
#include <variant>
#include <vector>

#include "ops/support.h"
#include "ops/trt/boundary.h"
#include "ops/trt/lower.h"
#include "ops/trt/names.h"

namespace tenon::ops::trt {

using Setting = std::variant<bool, int64_t, float, Ints, DType, Tensor>;
using Settings = std::vector<std::pair<std::string_view, Setting>>;

/// ActivationType's numbers.
enum ActivationKind : int64_t {
  kReluKind = 0,
  kSigmoid = 1,
  kTanh = 2,
  kLeakyReluKind = 3,
  kEluKind = 4,
  kSoftsignKind = 6,
  kSoftplus = 7,
  kClipKind = 8,
  kHardSigmoid = 9,
  kScaledTanhKind = 10,
  kThresholdedKind = 11
};
constexpr int64_t kFloorDivision = 7;  ///< ElementWiseOperation's number
enum FillKind : int64_t { kLinspace = 0, kUniform = 1, kNormal = 2 };
enum ReduceNumber : int64_t { kSumOf = 0, kProductOf = 1, kMaximumOf = 2, kMeanOf = 4 };

/// What a rule sees and makes. Everything that it makes is a layer, but for the nodes of bodies that it copies.
class ExpandContext : public LowerContext {
 public:
  /// `release`: whose layers there are. `regions`: numbers of loops and conditionals that are taken.
  ExpandContext(ir::Graph& graph, const ir::Node& node, std::vector<ValueId> inputs, int release, int64_t& regions)
      : LowerContext(graph, node, std::move(inputs)), level(release), regions_(regions) {}

  std::vector<ValueId> layer_n(std::string_view op, std::vector<ValueId> inputs, const Settings& settings,
                               size_t count);
  ValueId layer(std::string_view op, std::vector<ValueId> inputs, const Settings& settings = {}) {
    return layer_n(op, std::move(inputs), settings, 1)[0];
  }
  ValueId activation(ValueId x, int64_t type, float alpha = 0, float beta = 0) {
    return layer("trt.Activation", {x}, {{"activation_type", type}, {"alpha", alpha}, {"beta", beta}});
  }
  ValueId elementwise(int64_t operation, ValueId a, ValueId b) {
    return layer("trt.ElementWise", {a, b}, {{"operation", operation}, {"mixed_ranks", rank(a) != rank(b)}});
  }
  ValueId elementwise(std::string_view op, ValueId a, ValueId b) {
    return elementwise(int64_t(number_of(kElementWiseOps, op)), a, b);
  }
  ValueId unary(std::string_view op, ValueId x) {
    return layer("trt.Unary", {x}, {{"operation", int64_t(number_of(kUnaryOps, op))}});
  }
  ValueId select(ValueId condition, ValueId then, ValueId otherwise) {
    return layer("trt.Select", {condition, then, otherwise});
  }
  ValueId reduce(ValueId x, int64_t operation, int64_t axes, bool keep = true) {
    return layer("trt.Reduce", {x}, {{"operation", operation}, {"reduce_axes", axes}, {"keep_dimensions", keep}});
  }
  ValueId matmul(ValueId a, ValueId b, bool transpose_b) {
    return layer("trt.MatrixMultiply", {a, b}, {{"operation1", int64_t{transpose_b}}});
  }
  ValueId reshape(ValueId x, Ints dims, Ints order_after = {}) {
    return layer(
        "trt.Shuffle", {x},
        {{"reshape_dimensions", std::move(dims)}, {"reshapes", true}, {"second_transpose", std::move(order_after)}});
  }
  /// Part of one axis.
  ValueId slice(ValueId x, int64_t axis, int64_t start, int64_t size) {
    return layer("trt.Slice", {x},
                 {{"start", Ints{start}}, {"size", Ints{size}}, {"stride", Ints{1}}, {"axes", Ints{axis}}});
  }
  ValueId concat(std::vector<ValueId> parts, int64_t axis) {
    return parts.size() == 1 ? parts[0] : layer("trt.Concatenation", std::move(parts), {{"axis", axis}});
  }
  ValueId converted(ValueId x, DType type) {
    if (dtype(x) == type) return x;
    return layer(level >= 8 ? "trt.Cast" : "trt.Identity", {x}, {{"to_type", type}});
  }
  /// A number of x's type and rank.
  ValueId number_like(ValueId x, double value) { return number_of_rank(dtype(x), rank(x), value); }
  ValueId number_of_rank(DType type, size_t rank, double value) {
    Tensor t(type, ir::Dims(rank, 1));
    t.set(0, value);
    return constant(std::move(t));
  }
  // Numbers of shapes: vectors of i64.
  ValueId dims_of(ValueId x) {
    const auto known = numbers(x);
    return known ? ints(*known) : layer("trt.Shape", {x});
  }
  ValueId picked(ValueId vector, const Ints& places) {
    if (const Tensor* known = graph().constant(vector)) {
      Ints entries;
      for (int64_t place : places) entries.push_back(known->get_int(place));
      return ints(entries);
    }
    return layer("trt.Gather", {vector, ints(places)}, {{"gather_axis", int64_t{0}}});
  }
  /// y[i, j, …] = first + i * steps[0] + j * steps[1] + …, in i64. `first` has one element.
  ValueId linspace(ValueId dims, ValueId first, const Ints& steps) {
    return layer("trt.Fill", {dims, first, ints(steps)}, {{"operation", int64_t{kLinspace}}, {"to_type", DType::kI64}});
  }

  // Loops and conditionals.
  int64_t new_region() { return regions_++; }
  std::vector<ValueId> boundary(std::string_view op, std::vector<ValueId> inputs, const BoundaryAttrs& attrs,
                                size_t count);
  ValueId recurrence(int64_t region, ValueId initial) {
    return boundary("trt.Recurrence", {initial}, {.region = region}, 1)[0];
  }
  /// Says what a recurrence is in the next iteration. Throws kUnsupported if its type is another one.
  void set_next(ValueId recurrence, ValueId value);

  /// Dims of a value, if they are numbers.
  std::optional<Ints> numbers(ValueId v) const {
    if (!ir::is_static(shape(v))) return std::nullopt;
    return ir::static_dims(shape(v));
  }
  size_t axis(int64_t given) const { return normalized_axis(given, rank(input(0))); }
  const Tensor* constant_input(size_t i) { return has(i) ? graph().constant(input(i)) : nullptr; }
  bool wants(size_t i) const { return i < node().outputs.size() && node().outputs[i] != ir::kNone; }
  using LowerContext::constant;

  const int level;  ///< the release
  std::vector<ir::NodeId> layers;

 private:
  int64_t& regions_;
};

/// How a core operator becomes layers: sets the outputs if the node at hand can.
struct ExpandRule {
  std::string_view op;
  void (*expand)(ExpandContext&);
  bool other_symbols = false;  ///< layers may call dims that are no numbers otherwise
};
std::vector<ExpandRule> expand_layout_rules();     // expand_layout.cpp
std::vector<ExpandRule> expand_compute_rules();    // expand_compute.cpp
std::vector<ExpandRule> expand_generate_rules();   // expand_generate.cpp
std::vector<ExpandRule> expand_window_rules();     // expand_window.cpp
std::vector<ExpandRule> expand_norm_rules();       // expand_norm.cpp
std::vector<ExpandRule> expand_region_rules();     // expand_region.cpp
std::vector<ExpandRule> expand_recurrent_rules();  // expand_recurrent.cpp

}  // namespace tenon::ops::trt
