// Recurrent layers of TensorRT 7 and 8: stacks of LSTM, GRU or plain cells with weights gate by gate.
#include <algorithm>
#include <optional>

#include "ops/trt/lower.h"

namespace tenon::ops::trt {
namespace {

/// RNNOperation's numbers.
enum Cell : int64_t { kRelu = 0, kTanh = 1, kLstm = 2, kGru = 3 };

/// Inputs: sequence, initial hidden state, initial cell state, sequence lengths; then constants, for each cell (a layer
/// has two where it runs in both directions), each of RNNGateType's seven gates: W, R and their biases. Or all weights
/// in two tensors: for each cell W of its gates, then R; the biases likewise.
struct RecurrentAttrs {
  int64_t layer_count = 1, hidden_size = 0, operation = 0, input_mode = 0, direction = 0;
  int64_t sequence_axis = -2;  ///< of the input; in states, of the layers
  Tensor weights, bias;
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {
        TENON_TRT_FIELD(RecurrentAttrs, layer_count), TENON_TRT_FIELD(RecurrentAttrs, hidden_size),
        TENON_TRT_FIELD(RecurrentAttrs, operation),   TENON_TRT_FIELD(RecurrentAttrs, input_mode),
        TENON_TRT_FIELD(RecurrentAttrs, direction),   TENON_TRT_FIELD(RecurrentAttrs, sequence_axis),
        TENON_TRT_FIELD(RecurrentAttrs, weights),     TENON_TRT_FIELD(RecurrentAttrs, bias)};
    return f;
  }
};

constexpr size_t kFirstWeights = 4, kGates = 7;
enum Part : size_t { kW = 0, kR = 1, kWBias = 2, kRBias = 3 };

/// Gates in ONNX's order, by RNNGateType's numbers.
std::vector<size_t> gates_of(int64_t operation) {
  if (operation == kLstm) return {0, 1, 2, 5};  // input, output, forget, cell
  if (operation == kGru) return {3, 4, 6};      // update, reset, hidden
  return {0};
}

/// Gates in the order of IRNNLayer's weights.
std::vector<size_t> packed_gates_of(int64_t operation) {
  if (operation == kLstm) return {0, 5, 2, 1};  // input, cell, forget, output
  return gates_of(operation);
}

class Stack {
 public:
  explicit Stack(LowerContext& c) : c_(c), a_(c.attrs<RecurrentAttrs>()), type_(c.dtype(c.input(0))) {
    require(a_.operation >= kRelu && a_.operation <= kGru && a_.hidden_size > 0 && a_.layer_count > 0,
            ErrorCode::kInvalidModel, a_.layer_count, " layers of ", a_.hidden_size, " hidden numbers, operation ",
            a_.operation);
    rank_ = c.rank(c.input(0));
    require(rank_ >= 3, ErrorCode::kShapeMismatch, "the input has rank ", rank_,
            " with the batch, 3 or more is needed");
  }

  void run() {
    ValueId x = sequence();
    std::vector<ValueId> hidden, cells;
    for (int64_t layer = 0; layer < a_.layer_count; ++layer) {
      const std::vector<ValueId> made = one_layer(x, layer);
      const ValueId rows = c_.onnx("Transpose", {made[0]}, {{"perm", Ints{0, 2, 1, 3}}});
      x = c_.onnx("Reshape", {rows, c_.ints({0, 0, directions() * a_.hidden_size})});
      hidden.push_back(made[1]);
      if (a_.operation == kLstm) cells.push_back(made[2]);
    }
    c_.output(0, back(x));
    c_.output(1, back(c_.onnx("Concat", hidden, {{"axis", int64_t{0}}})));
    if (a_.operation == kLstm) c_.output(2, back(c_.onnx("Concat", cells, {{"axis", int64_t{0}}})));
  }

 private:
  int64_t directions() const { return a_.direction == 1 ? 2 : 1; }

  /// The axis of the sequence, or of the layers in a state.
  int64_t sequence_axis() const { return a_.sequence_axis < 0 ? a_.sequence_axis + int64_t(rank_) : a_.sequence_axis; }

  /// [sequence, batch, data] of the input, all other axes in the batch.
  ValueId sequence() { return to_front(c_.input(0)); }
  ValueId to_front(ValueId v) {
    const auto rank = int64_t(c_.rank(v)), axis = sequence_axis();
    require(size_t(rank) == rank_, ErrorCode::kShapeMismatch, "'", c_.graph().value(v).name, "' has rank ", rank,
            ", the input ", rank_);
    Ints order{axis};
    for (int64_t i = 0; i < rank; ++i)
      if (i != axis) order.push_back(i);
    const ValueId moved = c_.onnx("Transpose", {v}, {{"perm", order}});
    if (rank == 3) return moved;
    const ValueId last = c_.onnx("Shape", {moved}, {{"start", int64_t{-1}}});
    const ValueId first = c_.onnx("Shape", {moved}, {{"end", int64_t{1}}});
    const ValueId dims = c_.onnx("Concat", {first, c_.ints({-1}), last}, {{"axis", int64_t{0}}});
    return c_.onnx("Reshape", {moved, dims});
  }
  /// A result [sequence or layers, batch, data] with the input's axes again.
  ValueId back(ValueId v) {
    const auto rank = int64_t(rank_), axis = sequence_axis();
    if (rank > 3) {
      std::vector<ValueId> dims{c_.onnx("Shape", {v}, {{"end", int64_t{1}}})};
      for (int64_t i = 0; i + 1 < rank; ++i)
        if (i != axis) dims.push_back(c_.onnx("Shape", {c_.input(0)}, {{"start", i}, {"end", i + 1}}));
      dims.push_back(c_.onnx("Shape", {v}, {{"start", int64_t{-1}}}));
      v = c_.onnx("Reshape", {v, c_.onnx("Concat", dims, {{"axis", int64_t{0}}})});
    }
    Ints order;
    for (int64_t i = 1; i < rank; ++i) order.push_back(i);
    order.insert(order.begin() + axis, 0);
    return c_.onnx("Transpose", {v}, {{"perm", order}});
  }

  /// Columns of a cell's W.
  int64_t data_of(int64_t cell) const {
    return cell < directions() ? c_.number(c_.input(0), rank_ - 1) : directions() * a_.hidden_size;
  }
  bool skips(int64_t cell) const { return a_.input_mode == 1 && cell < directions(); }

  std::optional<Tensor> weights(int64_t cell, size_t gate, Part part) const {
    if (a_.weights.defined()) return packed_weights(cell, gate, part);
    const size_t at = kFirstWeights + (size_t(cell) * kGates + gate) * 4 + part;
    if (!c_.has(at)) return std::nullopt;
    const Tensor* t = c_.graph().constant(c_.input(at));
    require(t != nullptr, ErrorCode::kInvalidModel, "weights of cell ", cell, " are no constant");
    return *t;
  }

  std::optional<Tensor> packed_weights(int64_t cell, size_t gate, Part part) const {
    const std::vector<size_t> order = packed_gates_of(a_.operation);
    const auto gates = int64_t(order.size()), h = a_.hidden_size;
    const int64_t place = std::find(order.begin(), order.end(), gate) - order.begin();
    const bool bias = part == kWBias || part == kRBias;
    const Tensor& all = bias ? a_.bias : a_.weights;
    if (!all.defined() || (part == kW && skips(cell))) return std::nullopt;
    int64_t at = 0;
    for (int64_t before = 0; before < cell; ++before)
      at += gates * h * (bias ? 2 : (skips(before) ? 0 : data_of(before)) + h);
    const int64_t w = bias ? 1 : skips(cell) ? 0 : data_of(cell), r = bias ? 1 : h;
    const bool second = part == kR || part == kRBias;
    at += second ? gates * h * w + place * h * r : place * h * w;
    const int64_t count = h * (second ? r : w);
    require(at + count <= all.count(), ErrorCode::kShapeMismatch, bias ? "biases" : "weights", " have ", all.count(),
            " elements, at least ", at + count, " are needed");
    Tensor out(all.dtype(), {count});
    for (int64_t i = 0; i < count; ++i) out.set(i, all.get(at + i));
    return out;
  }

  /// Gates under each other: [1, gates * hidden, columns] of one cell, in the input's type.
  void append(Tensor& out, int64_t& row, const std::optional<Tensor>& given, int64_t cell, Part part,
              int64_t columns) const {
    const int64_t count = a_.hidden_size * columns;
    if (given) {
      require(given->count() == count, ErrorCode::kShapeMismatch, "weights of cell ", cell, " have ", given->count(),
              " elements, ", count, " are needed");
      for (int64_t i = 0; i < count; ++i) out.set(row + i, given->get(i));
    } else if (part == kW && skips(cell)) {
      require(columns == a_.hidden_size, ErrorCode::kShapeMismatch, "inputs that skip their weights have ", columns,
              " elements, ", a_.hidden_size, " are needed");
      for (int64_t i = 0; i < a_.hidden_size; ++i) out.set(row + i * columns + i, 1);  // kSKIP: the input as it is
    } else {
      require(part == kWBias || part == kRBias, ErrorCode::kInvalidModel, "weights of cell ", cell, " are not set");
    }
    row += count;
  }

  Tensor packed(int64_t layer, std::initializer_list<Part> parts, int64_t columns) const {
    const std::vector<size_t> gates = gates_of(a_.operation);
    const int64_t rows = int64_t(gates.size() * parts.size()) * a_.hidden_size;
    const bool bias = *parts.begin() == kWBias;
    Tensor out(type_, bias ? Dims{directions(), rows} : Dims{directions(), rows, columns});
    int64_t at = 0;
    for (int64_t d = 0; d < directions(); ++d) {
      const int64_t cell = layer * directions() + d;
      for (Part part : parts)
        for (size_t gate : gates) append(out, at, weights(cell, gate, part), cell, part, columns);
    }
    return out;
  }

  /// Rows of this layer of an initial state [layers, batch, hidden], or none.
  ValueId initial(size_t input, int64_t layer) {
    if (!c_.has(input)) return ir::kNone;
    const ValueId all = to_front(c_.input(input));
    const int64_t first = layer * directions();
    return c_.onnx("Slice", {all, c_.ints({first}), c_.ints({first + directions()}), c_.ints({0})});
  }

  std::vector<ValueId> one_layer(ValueId x, int64_t layer) {
    const int64_t data = c_.number(x, 2);
    Values values{{"hidden_size", a_.hidden_size},
                  {"direction", std::string(directions() == 2 ? "bidirectional" : "forward")}};
    std::vector<ValueId> inputs{x,
                                c_.constant(packed(layer, {kW}, data)),
                                c_.constant(packed(layer, {kR}, a_.hidden_size)),
                                c_.constant(packed(layer, {kWBias, kRBias}, 1)),
                                lengths(),
                                initial(1, layer)};
    if (a_.operation == kLstm) {
      inputs.push_back(initial(2, layer));
      return c_.onnx_n("LSTM", inputs, values, 3);
    }
    if (a_.operation == kGru) {
      values["linear_before_reset"] = int64_t{1};
      return c_.onnx_n("GRU", inputs, values, 2);
    }
    values["activations"] = std::vector<std::string>(size_t(directions()), a_.operation == kRelu ? "Relu" : "Tanh");
    return c_.onnx_n("RNN", inputs, values, 2);
  }

  ValueId lengths() {
    if (!c_.has(3)) return ir::kNone;
    return c_.onnx("Reshape", {c_.cast(c_.input(3), DType::kI32), c_.ints({-1})});
  }

  LowerContext& c_;
  const RecurrentAttrs& a_;
  DType type_;
  size_t rank_ = 0;
};

void lower_recurrent(LowerContext& c) { Stack(c).run(); }

}  // namespace

std::vector<Layer> recurrent_layers() {
  return {{"trt.RNNv2", ir::schema_of<RecurrentAttrs>(), 1, SIZE_MAX, lower_recurrent}};
}

}  // namespace tenon::ops::trt
