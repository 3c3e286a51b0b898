// The way back from lower.h: core nodes, which a parser made, as layers of the TensorRT dialect.
#pragma once
#include <string_view>
#include <vector>

#include "ops/trt/lower.h"

namespace tenon::ops::trt {

/// Makes of a core node the dialect node with the same meaning, in place: id, name and outputs stay, and so do the
/// outputs' types. Weights of convolutions move from constant inputs into attributes, numbers of shapes too. False, and
/// nothing changed, if no layer means exactly the same, or `has` is given and knows of none.
bool raise_node(ir::Graph& graph, ir::NodeId node, bool (*has)(const ir::Node& layer) = nullptr);

/// Whether there is a rule that makes one layer of this operator, or several (expand.h).
bool has_layers(std::string_view op);

/// True if `now` has the type of `before`; with `by_data`, dims that depend on data may have other names.
bool same_type(const ir::Value& now, const ir::Value& before, bool by_data);

/// What the rule of one operator sees and makes.
class RaiseContext {
 public:
  RaiseContext(const ir::Graph& graph, const ir::Node& node) : inputs(node.inputs), graph_(graph), node_(node) {}

  template <class T>
  const T& attrs() const {
    return node_.attrs.as<T>();
  }
  std::string_view op() const { return node_.op; }
  size_t output_count() const { return node_.outputs.size(); }
  bool has(size_t i) const { return i < node_.inputs.size() && node_.inputs[i] != ir::kNone; }
  ValueId input(size_t i) const { return node_.inputs.at(i); }
  const Tensor* constant(size_t i) const { return has(i) ? graph_.constant(node_.inputs[i]) : nullptr; }
  /// A constant input's whole numbers; empty if it is none.
  Ints ints(size_t i) const;
  const Shape& shape(size_t i) const;  ///< of an input; throws if its rank is not known
  const Shape& result() const;         ///< shape of output 0
  DType dtype(size_t i) const { return graph_.value(node_.inputs.at(i)).dtype; }
  size_t axis(int64_t axis) const;  ///< of input 0, counted from the front

  void become(std::string_view layer);  ///< before the first set
  template <class T>
  void set(std::string_view field, T value) {
    const ir::Field* found = made.find(field);
    require(found && found->kind == ir::detail::KindOf<T>::value, ErrorCode::kInternal, layer, " has no field '", field,
            "' of this kind");
    found->of<T>(made.edit_data()) = std::move(value);
  }
  void number(std::string_view field, size_t value) { set(field, static_cast<int64_t>(value)); }

  std::string_view layer;  ///< empty until become()
  ir::Attrs made;
  std::vector<ValueId> inputs;  ///< of the dialect node; at first those of the core node

 private:
  const ir::Graph& graph_;
  const ir::Node& node_;
};

/// How a core operator becomes a layer: calls become() if the node at hand can.
struct RaiseRule {
  std::string_view op;
  void (*raise)(RaiseContext&);
};
std::vector<RaiseRule> raise_compute_rules();   // raise_compute.cpp
std::vector<RaiseRule> raise_movement_rules();  // raise_movement.cpp

}  // namespace tenon::ops::trt
