// A user's plugin of whichever interface, as the engine sees it: one set of calls on dense tensors.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "nvinfer/convert.h"
#include "ops/trt/plugin.h"

namespace tenon::nvinfer {
using namespace nvinfer1;  // NOLINT: signatures as in the description

/// Operands of one run. Dims include the batch, also where the user does not see it.
struct PluginDescs {
  std::vector<PluginTensorDesc> in, out;
};
/// Operands of all runs: -1 in `desc.dims` where they differ, their bounds beside it.
struct PluginRanges {
  std::vector<DynamicPluginTensorDesc> in, out;
};

/// Outputs count after inputs.
inline const PluginTensorDesc& desc_at(const PluginRanges& ranges, size_t position) {
  return position < ranges.in.size() ? ranges.in[position].desc : ranges.out.at(position - ranges.in.size()).desc;
}

/// What contexts give to their plugins.
struct PluginResources {
  IGpuAllocator* allocator = nullptr;
  IErrorRecorder* recorder = nullptr;
  cudnnContext* cudnn = nullptr;
  cublasContext* cublas = nullptr;
};

/// How a network treats its batch: `implicit` hides the leading dimension from plugins of the first interfaces.
struct BatchRule {
  bool implicit = false;
  int32_t most = 1;
};

class PluginObject {
 public:
  virtual ~PluginObject() = default;
  virtual const char* kind() const = 0;  ///< the interface's name, kept in plans
  virtual const char* name() const = 0;
  virtual const char* version() const = 0;
  virtual const char* space() const = 0;
  virtual int32_t outputs() const = 0;
  /// Whether one input may stand for every element of an implicit batch.
  virtual bool takes_once(int32_t) const { return true; }
  virtual void limit_batch(int32_t) {}  ///< the largest batch, where it is implicit
  /// Throws if the plugin gives null.
  virtual std::unique_ptr<PluginObject> clone() const = 0;
  virtual ops::trt::PluginOutputs describe(const std::vector<ops::trt::PluginOperand>& inputs, size_t shape_inputs,
                                           ir::SymbolTable& symbols) = 0;
  /// Whether it takes the type and format of the operand at `position`, outputs after inputs, with those before it.
  virtual bool supports(const PluginRanges& ranges, size_t position) = 0;
  virtual void configure(const PluginRanges& ranges) = 0;
  /// nullopt: it can tell only while an engine is built.
  virtual std::optional<size_t> workspace(const PluginDescs& descs) = 0;
  virtual std::vector<std::byte> state() = 0;
  virtual void initialize() {}
  /// The object that one execution context runs.
  virtual std::unique_ptr<PluginObject> for_context(const PluginResources& resources) = 0;
  virtual std::vector<int32_t> tactics() { return {}; }
  virtual void set_tactic(int32_t) {}
  virtual std::vector<int64_t> aliases() { return {}; }
  /// Before the first run, and whenever operands change.
  virtual void shapes_changed(const PluginDescs&) {}
  /// Memory of the device whose stream is given; host memory with a null stream.
  virtual void enqueue(const PluginDescs& descs, const void* const* inputs, void* const* outputs, void* workspace,
                       cudaStream_t stream) = 0;
  virtual std::string metadata() { return {}; }
  /// Whether for_context passes on handles of cuDNN and cuBLAS.
  virtual bool takes_libraries() const { return false; }

 protected:
  /// 'plugin Name (version 1)'; the start of every message about it.
  std::string place() const { return cat("plugin '", name(), "' version '", version(), "'"); }
  void check(int32_t status, const char* call) const {
    require(status == 0, ErrorCode::kInternal, place(), ": ", call, " answered ", status);
  }
};

/// `plugin` is owned from here on.
std::unique_ptr<PluginObject> wrap(IPluginV2* plugin, const BatchRule& batch);
IPluginV2* v2_of(const PluginObject& object);  ///< null if it is another interface
#if NV_TENSORRT_MAJOR >= 10
std::unique_ptr<PluginObject> wrap(IPluginV3* plugin);
IPluginV3* v3_of(const PluginObject& object);
/// What getFieldsToSerialize gave, as bytes, and back. The collection points into `bytes` and `fields`.
std::vector<std::byte> write_fields(const PluginFieldCollection& fields);
PluginFieldCollection read_fields(std::span<const std::byte> bytes, std::vector<PluginField>& fields);
#endif
#if TRT_UNTIL(7)
/// The user keeps the plugin and must let it live as long as networks and engines with it. `ext` may be null.
std::unique_ptr<PluginObject> wrap(IPlugin* plugin, IPluginExt* ext, const BatchRule& batch);
IPlugin* old_of(const PluginObject& object);
#endif

/// Both ends of a shape expression: ours, and the ones that plugins compute with.
class ExprBuilder final : public IExprBuilder, public apiv::VExprBuilder {
 public:
  explicit ExprBuilder(ir::SymbolTable& symbols);
  ~ExprBuilder();
  const IDimensionExpr* expression(ir::Dim dim, bool is_size = false);
  DimsExprs expressions(const ir::Shape& shape);
  /// Throws kInvalidArgument if the plugin gave an impossible rank, or a dimension that was not made here.
  ir::Shape shape(const DimsExprs& dims) const;
  const std::vector<ir::Dim>& limits() const { return limits_; }  ///< by output; -1 where it is no size

  const IDimensionExpr* constant(DimInt value) noexcept;
  const IDimensionExpr* operation(DimensionOperation op, const IDimensionExpr& first,
                                  const IDimensionExpr& second) noexcept;
  const IDimensionExpr* declareSizeTensor(int32_t output, const IDimensionExpr& opt,
                                          const IDimensionExpr& upper) noexcept;

 private:
  class Expr;
  ir::SymbolTable& symbols_;
  std::vector<std::unique_ptr<Expr>> made_;
  std::vector<ir::Dim> limits_;
};

}  // namespace tenon::nvinfer
