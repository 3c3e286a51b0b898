// A plugin layer of the TensorRT dialect: the application is asked for types and shapes while the network is made.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ops/custom/custom.h"

namespace tenon::ops::trt {

struct PluginOperand {
  DType dtype = DType::kUndefined;
  Shape shape;
  std::vector<Dim> elements;  ///< of an input that decides shapes
};

/// What a plugin says of its outputs, in the symbols that it was asked with.
struct PluginOutputs {
  std::vector<DType> types;
  std::vector<Shape> shapes;
  std::vector<Dim> limits;  ///< one an output: the most that it can hold as a size; -1: it is no size
};

class PluginSource {
 public:
  virtual ~PluginSource() = default;
  /// Identity: kind, name, version, space, and `live` if it can run as it is.
  virtual CustomAttrs identity() const = 0;
  virtual size_t output_count() const = 0;
  /// `shape_inputs` operands at the end have elements. Throws Error if the plugin refuses. Size symbols are s<k>.
  virtual PluginOutputs describe(const std::vector<PluginOperand>& inputs, size_t shape_inputs,
                                 ir::SymbolTable& symbols) const = 0;
};

struct PluginAttrs {
  int64_t shape_inputs = 0;
  std::shared_ptr<const PluginSource> source;  ///< never null in a network
  static std::span<const ir::Field> fields() {
    static const ir::Field f[] = {ir::field<&PluginAttrs::shape_inputs>("shape_inputs")};
    return f;
  }
};

// For other libraries, where attribute structs cannot be told by their type.
ir::Attrs to_attrs(PluginAttrs attrs);
const PluginAttrs& plugin_attrs(const ir::Attrs& attrs);

/// Asks `source` about operands of these types: constant dims as they are, others as symbols of CustomAttrs.
CustomAttrs describe_plugin(const PluginSource& source, std::vector<PluginOperand> operands, size_t shape_inputs);

}  // namespace tenon::ops::trt
