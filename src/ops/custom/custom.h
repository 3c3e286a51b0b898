// Operators that the application implements. A node carries what can be saved: which implementation, its own state, and
// types and shapes of the outputs as expressions. The implementation itself travels beside them, in memory only.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ir/attrs.h"
#include "ops/op.h"

namespace tenon::ops {

struct CustomTensor {
  DType dtype = DType::kUndefined;  ///< kUndefined: absent
  Dims dims;
  friend bool operator==(const CustomTensor&, const CustomTensor&) = default;
};

/// Elements of [outer, channels, inner] that are not row-major: channels last, or in groups that follow each other.
struct CustomPacking {
  int64_t outer = 1, channels = 1, inner = 1;
  int64_t vector = 1;  ///< channels are filled up to a multiple of it
  bool channels_last = false;
  int64_t groups() const { return (channels + vector - 1) / vector; }
};

/// An implementation prepared for operands of fixed shape. Thread-safe.
class CustomRun {
 public:
  virtual ~CustomRun() = default;
  virtual int64_t workspace_bytes() const { return 0; }
  /// Dense row-major operands in host memory, null where absent. Throws Error if the implementation fails.
  virtual void run(const void* const* inputs, void* const* outputs, void* workspace) const = 0;

  /// On a GPU: how enqueue() wants an operand, outputs counting after inputs; nullopt: row-major.
  virtual std::optional<CustomPacking> packing(size_t /*operand*/) const { return std::nullopt; }
  virtual int64_t device_workspace_bytes() const { return 0; }
  /// Operands and workspace in the GPU's memory; puts its work on `stream`. Whoever calls packs operands, and lets
  /// those that CustomAttrs::aliases names share memory.
  virtual void enqueue(const void* const* inputs, void* const* outputs, void* workspace, void* stream) const;
};

class CustomOp {
 public:
  virtual ~CustomOp() = default;
  virtual std::unique_ptr<CustomRun> prepare(const std::vector<CustomTensor>& inputs,
                                             const std::vector<CustomTensor>& outputs) const = 0;
};

/// Expressions are over these symbols: i<k>_<d> is dimension d of input k, e<k>_<j> element j of the integer input k,
/// s<k> the number that output k holds once the node has run.
struct CustomAttrs {
  std::string kind;                  ///< the interface that the implementation has; the application's own word
  std::string name, version, space;  ///< which implementation
  Tensor state;                      ///< bytes that the implementation wrote of itself
  int64_t tactic = 0;                ///< the implementation's own choice, made while building
  int64_t workspace = 0;             ///< bytes, where the implementation can tell only while building
  int64_t shape_inputs = 0;          ///< so many inputs at the end decide shapes alone: run() does not get them
  std::vector<int64_t> types;        ///< DType of each output
  std::vector<std::string> shapes;   ///< of each output, dimensions separated by ';'
  std::vector<std::string> limits;   ///< one an output: the most that it can hold as a size, else ""
  std::vector<int64_t> aliases;  ///< one an output or none: the input that the implementation updates in place, or -1
  /// One an operand of run(), or none: the application's own words for how the implementation wants its elements placed
  /// and scaled.
  std::vector<int64_t> formats;
  std::vector<float> scales;
  /// The implementation; null until the application has put it there.
  std::shared_ptr<const CustomOp> live;
  static std::span<const ir::Field> fields();
};

// For other libraries, where attribute structs cannot be told by their type.
const CustomAttrs& custom_attrs(const ir::Attrs& attrs);
CustomAttrs& edit_custom_attrs(ir::Attrs& attrs);

/// A symbolic shape as CustomAttrs::shapes holds it.
std::string shape_text(const ir::SymbolTable& symbols, const Shape& shape);

/// Throws kUnsupported naming the implementation if there is none.
const CustomOp& live_of(const CustomAttrs& attrs);

}  // namespace tenon::ops
