// Bodies of control flow: closed graphs whose last inputs are what they capture.
#pragma once
#include <span>
#include <vector>

#include "ir/graph.h"
#include "ops/import.h"
#include "ops/op.h"

namespace tenon::ops {

/// The type of a value, as a body's input takes it.
BodyInput type_of(const ir::Value& v);

/// Gives the body's first inputs the types `types`, the rest those of the node's inputs from `first_capture` on, and
/// infers the body. Throws kInvalidModel if the counts do not fit.
void infer_body(InferContext& c, ir::Graph& body, std::span<const BodyInput> types, size_t first_capture,
                size_t capture_count);

/// A state that a loop carries: the type at the first iteration, made wider until an iteration keeps it.
class LoopState {
 public:
  explicit LoopState(BodyInput first) : type(std::move(first)), open_(type.shape.size(), false) {}
  /// Widens to what `next`, the state after an iteration, needs: a dimension that changes becomes a symbol of its own,
  /// a changing rank is not known. True if the type changed. A change of element type throws.
  bool widen(const ir::Value& next, ir::SymbolTable& symbols);
  BodyInput type;

 private:
  std::vector<bool> open_;  // dimensions that may be anything
};

/// Writes the type of output `i`: that of `type`, with symbols made after `first_symbol` replaced by fresh ones, since
/// those belong to one iteration.
void output_type(InferContext& c, size_t i, BodyInput type, size_t first_symbol);

/// Runs the body's references. Computes in f64 where the caller does: an argument or wanted output is f64 and the
/// body's own type is another floating-point type.
std::vector<Tensor> run_body(const ir::Graph& body, const std::vector<Tensor>& inputs,
                             std::span<const DType> output_types);

/// Element `index` along `axis`, which is dropped.
Tensor take(const Tensor& t, size_t axis, int64_t index);
/// Tensors of one type side by side along a new axis. `element` gives type and dims when there are none.
Tensor stack(const std::vector<Tensor>& parts, size_t axis, DType dtype, const Dims& element);
/// The static dims of a body's output; unknown ones are 0. For empty stacks.
Dims known_dims(const ir::Value& v);

}  // namespace tenon::ops
