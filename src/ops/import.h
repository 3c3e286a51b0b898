// What an ONNX import rule sees of a node, and how it adds core nodes. Implemented by src/import/onnx.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "ops/op.h"

namespace tenon::ops {

/// What is known of a body graph's input before the body is imported.
struct BodyInput {
  DType dtype = DType::kUndefined;  ///< kUndefined: not known
  bool ranked = false;
  Shape shape;
};

class ImportContext {
 public:
  virtual ~ImportContext() = default;
  virtual const onnx::Node& node() const = 0;
  virtual std::string_view node_op() const = 0;  ///< the ONNX operator type
  /// Version of the operator set that the node's domain has in this model.
  virtual int opset() const = 0;
  virtual ir::Graph& graph() = 0;

  virtual size_t input_count() const = 0;
  virtual size_t output_count() const = 0;
  /// The value at input `i`, or ir::kNone if it is left out.
  virtual ir::ValueId input(size_t i) const = 0;
  bool has(size_t i) const { return i < input_count() && input(i) != ir::kNone; }
  ir::ValueId required(size_t i) const;  ///< throws if left out
  const Tensor* constant(ir::ValueId v) { return graph().constant(v); }
  const Shape& shape(ir::ValueId v);  ///< throws if the rank is not known
  DType dtype(ir::ValueId v) { return graph().value(v).dtype; }
  /// All integers of a constant input; nullopt if the input is not constant.
  std::optional<std::vector<int64_t>> constant_ints(size_t i);

  // Attributes. An attribute of another kind than asked for throws.
  virtual bool has_attr(std::string_view name) const = 0;
  virtual int64_t attr_int(std::string_view name, int64_t fallback) const = 0;
  virtual float attr_float(std::string_view name, float fallback) const = 0;
  virtual std::string attr_string(std::string_view name, std::string_view fallback) const = 0;
  virtual std::vector<int64_t> attr_ints(std::string_view name, std::vector<int64_t> fallback = {}) const = 0;
  virtual std::vector<float> attr_floats(std::string_view name, std::vector<float> fallback = {}) const = 0;
  virtual std::vector<std::string> attr_strings(std::string_view name) const = 0;
  virtual std::optional<Tensor> attr_tensor(std::string_view name) const = 0;
  /// ONNX data type number of an attribute such as Cast's `to`.
  virtual DType attr_dtype(std::string_view name, DType fallback) const = 0;
  /// A body graph. `captures` receives outer values it uses, which become its last inputs. `input_types` tell more of
  /// its first inputs than the model declares.
  virtual std::shared_ptr<ir::Graph> attr_graph(std::string_view name, std::vector<ir::ValueId>& captures,
                                                std::span<const BodyInput> input_types = {}) = 0;

  /// Adds a core node, infers its types, and returns its outputs.
  virtual std::vector<ir::ValueId> add_n(std::string_view op, std::vector<ir::ValueId> inputs, ir::Attrs attrs,
                                         size_t outputs) = 0;
  ir::ValueId add(std::string_view op, std::vector<ir::ValueId> inputs, ir::Attrs attrs = {}) {
    return add_n(op, std::move(inputs), std::move(attrs), 1)[0];
  }
  ir::ValueId constant(Tensor t) { return graph().add_constant(std::move(t)); }
  /// Binds the node's output `i`.
  virtual void output(size_t i, ir::ValueId v) = 0;
  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    tenon::fail(ErrorCode::kUnsupported, parts...);
  }
};

}  // namespace tenon::ops
