// Rows of f32, bf16 or f16 as rows of f32: what kernels that work row by row share.
#pragma once
#include <optional>

#include "backends/cpu/isa/loops.h"
#include "backends/strides.h"

namespace tenon::cpu {

/// The strip type of f32, bf16 and f16; nullopt for others.
std::optional<isa::PwType> float_type(ir::DType type);

/// Converts at a row's edges.
struct RowType {
  RowType() = default;
  RowType(ir::DType type, const isa::PointwiseLoops& loops);
  bool f32 = true;
  int64_t size = 4;
  void (*load)(const void*, float*, int64_t) = nullptr;
  void (*store)(const float*, void*, int64_t) = nullptr;
  /// The row itself where it is f32, else `buffer` with its values.
  const float* in(const void* row, float* buffer, int64_t n) const {
    if (f32) return static_cast<const float*>(row);
    load(row, buffer, n);
    return buffer;
  }
  /// Where to compute a row before done() puts it at `row`.
  float* out(void* row, float* buffer) const { return f32 ? static_cast<float*>(row) : buffer; }
  void done(const float* values, void* row, int64_t n) const {
    if (!f32) store(values, row, n);
  }
};

/// A constant or run-time vector of parameters as f32: `buffer` is used where it is stored otherwise.
const float* as_f32(const TensorDesc& desc, const void* data, float* buffer, const isa::PointwiseLoops& loops);

}  // namespace tenon::cpu
