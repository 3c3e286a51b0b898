// Loops and conditionals of the TensorRT dialect: boundary nodes among the nodes of one flat graph.
//
//   trt.Recurrence  x_i: the input at first, then what its trt.Next (an input, no output) took in the iteration before
//   trt.Iterator    slice i of the input along an axis
//   trt.TripLimit   no output; a count, or a condition that holds while iterations go on
//   trt.LoopOutput  the last state, or the elements of all iterations along a new axis as long as the second input says
//   trt.Condition   no output; chooses the branch
//   trt.IfInput     the input, inside the conditional
//   trt.IfOutput    the first input where the condition holds, else the second
//
// What depends on a loop's recurrences and iterators, or on a conditional's inputs, and is needed by its outputs, is
// its body. Lowering makes Loop and If of them, innermost first.
#pragma once
#include "ir/graph.h"

namespace tenon::ops::trt {

enum LoopOutputKind : int64_t { kLastValue = 0, kConcatenate = 1, kReverse = 2 };
enum TripLimitKind : int64_t { kCount = 0, kWhile = 1 };

struct BoundaryAttrs {
  int64_t region = 0;  ///< number of the loop or conditional, unlike any other's in the graph
  int64_t kind = 0;    ///< LoopOutputKind or TripLimitKind; of trt.Next the recurrence's node
  int64_t axis = 0;
  bool reverse = false;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&BoundaryAttrs::region>("region"), ir::field<&BoundaryAttrs::kind>("kind"),
                                  ir::field<&BoundaryAttrs::axis>("axis"),
                                  ir::field<&BoundaryAttrs::reverse>("reverse")};
    return f;
  }
};

// For other libraries, where attribute structs cannot be told by their type.
ir::Attrs to_attrs(const BoundaryAttrs& attrs);
const BoundaryAttrs& boundary_attrs(const ir::Attrs& attrs);
/// Whether a node stands at the border of the loop or conditional of that number.
bool is_boundary_of(const ir::Node& node, int64_t region);

/// Replaces every region of a graph whose other dialect nodes are lowered. Errors name the loop's or conditional's
/// layers.
void lower_regions(ir::Graph& graph);

}  // namespace tenon::ops::trt
