// IExprBuilder over the core's symbolic dimensions.
#include <algorithm>
#include <limits>

#include "nvinfer/plugin_object.h"

namespace tenon::nvinfer {

class ExprBuilder::Expr final : public IDimensionExpr, public apiv::VDimensionExpr {
 public:
  Expr(ir::Dim value, bool is_size) : dim(value), size_(is_size) { mImpl = this; }
  bool isConstant() const noexcept { return dim.is_const(); }
  DimInt getConstantValue() const noexcept {
    return dim.is_const() ? static_cast<DimInt>(dim.constant()) : std::numeric_limits<DimInt>::min();
  }
  bool isSizeTensor() const noexcept { return size_; }
  const ir::Dim dim;

 private:
  bool size_;
};

ExprBuilder::ExprBuilder(ir::SymbolTable& symbols) : symbols_(symbols) { mImpl = this; }
ExprBuilder::~ExprBuilder() = default;

const IDimensionExpr* ExprBuilder::expression(ir::Dim dim, bool is_size) {
  return made_.emplace_back(std::make_unique<Expr>(dim, is_size)).get();
}

DimsExprs ExprBuilder::expressions(const ir::Shape& shape) {
  require(shape.size() <= 8, ErrorCode::kUnsupported, "plugins take tensors of rank up to 8, not ", shape.size());
  DimsExprs out{};
  out.nbDims = static_cast<int32_t>(shape.size());
  for (size_t i = 0; i < shape.size(); ++i) out.d[i] = expression(shape[i]);
  return out;
}

ir::Shape ExprBuilder::shape(const DimsExprs& dims) const {
  require(dims.nbDims >= 0 && dims.nbDims <= 8, ErrorCode::kInvalidArgument, "an output of rank ", dims.nbDims);
  ir::Shape shape;
  for (int32_t i = 0; i < dims.nbDims; ++i) {
    const auto it = std::find_if(made_.begin(), made_.end(), [&](const auto& e) { return e.get() == dims.d[i]; });
    require(it != made_.end(), ErrorCode::kInvalidArgument, "dimension ", i,
            " of an output is no expression of the given IExprBuilder or of an input");
    shape.push_back((*it)->dim);
  }
  return shape;
}

const IDimensionExpr* ExprBuilder::constant(DimInt value) noexcept {
  return guard(Reports(first_logger()), "IExprBuilder::constant", [&] { return expression(ir::Dim(value)); });
}

const IDimensionExpr* ExprBuilder::operation(DimensionOperation op, const IDimensionExpr& first,
                                             const IDimensionExpr& second) noexcept {
  return guard(Reports(first_logger()), "IExprBuilder::operation", [&] {
    const ir::Dim a = static_cast<const Expr&>(first).dim, b = static_cast<const Expr&>(second).dim;
    ir::SymbolTable& s = symbols_;
    switch (op) {
      case DimensionOperation::kSUM:
        return expression(s.add(a, b));
      case DimensionOperation::kPROD:
        return expression(s.mul(a, b));
      case DimensionOperation::kMAX:
        return expression(s.max(a, b));
      case DimensionOperation::kMIN:
        return expression(s.min(a, b));
      case DimensionOperation::kSUB:
        return expression(s.sub(a, b));
      case DimensionOperation::kEQUAL:  // 1 - min(|a - b|, 1)
        return expression(s.sub(1, s.min(s.max(s.sub(a, b), s.sub(b, a)), 1)));
      case DimensionOperation::kLESS:  // min(max(b - a, 0), 1)
        return expression(s.min(s.max(s.sub(b, a), 0), 1));
      case DimensionOperation::kFLOOR_DIV:
        return expression(s.floor_div(a, b));
      case DimensionOperation::kCEIL_DIV:
        return expression(s.ceil_div(a, b));
    }
    fail(ErrorCode::kInvalidArgument, "dimension operation ", static_cast<int>(op), " does not exist");
  });
}

const IDimensionExpr* ExprBuilder::declareSizeTensor(int32_t output, const IDimensionExpr&,
                                                     const IDimensionExpr& upper) noexcept {
  return guard(Reports(first_logger()), "IExprBuilder::declareSizeTensor", [&] {
    require(output >= 0 && output < 4096, ErrorCode::kInvalidArgument, "output ", output, " as a size");
    if (limits_.size() <= size_t(output)) limits_.resize(size_t(output) + 1, ir::Dim(-1));
    limits_[size_t(output)] = static_cast<const Expr&>(upper).dim;
    return expression(symbols_.named(cat("s", output)), true);
  });
}

}  // namespace tenon::nvinfer
