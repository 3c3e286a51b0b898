// The part of cuBLASLt that this backend calls, declared here because its headers need not be installed.
#pragma once
#include <cuda_runtime_api.h>
#include <library_types.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace tenon::cuda::cublaslt {

using Status = int;  ///< 0 is success
using Handle = void*;
using Description = void*;  ///< of a product
using Layout = void*;       ///< of a column-major matrix, or of a batch of them
using Preference = void*;   ///< of a search for algorithms

struct Algorithm {
  uint64_t data[8];
};
/// One answer of a search.
struct Candidate {
  Algorithm algorithm;
  size_t workspace;
  Status status;
  float waves;
  int reserved[4];
};

inline constexpr int kCompute32F = 68;       ///< sums in f32; f32 operands are not rounded
inline constexpr int kComputeFastTf32 = 77;  ///< f32 operands are rounded to TF32
inline constexpr int32_t kTransposed = 1;

enum DescriptionAttribute : int {
  kTransposeA = 3,   // int32_t
  kTransposeB = 4,   // int32_t
  kEpilogue = 7,     // uint32_t
  kBiasPointer = 8,  // const void*, one element a row of D
  kBiasType = 26,    // int32_t
};
enum LayoutAttribute : int {
  kBatchCount = 5,   // int32_t
  kBatchStride = 6,  // int64_t, elements
};
enum PreferenceAttribute : int {
  kMaxWorkspace = 1,      // uint64_t
  kReductionSchemes = 3,  // uint32_t
  kAlignmentA = 5,        // uint32_t, like the next three
  kAlignmentB = 6,
  kAlignmentC = 7,
  kAlignmentD = 8,
};
/// Bits of an epilogue.
inline constexpr uint32_t kEpilogueNone = 1, kEpilogueRelu = 2, kEpilogueBias = 4, kEpilogueGeluTanh = 32;
/// Partial sums of a split K are added in f32, in a fixed order.
inline constexpr uint32_t kReduceInComputeType = 2;

struct Api {
  Status (*create)(Handle*);
  Status (*create_description)(Description*, int compute, cudaDataType scale);
  Status (*destroy_description)(Description);
  Status (*set_description)(Description, int attribute, const void* value, size_t bytes);
  Status (*create_layout)(Layout*, cudaDataType type, uint64_t rows, uint64_t columns, int64_t leading);
  Status (*destroy_layout)(Layout);
  Status (*set_layout)(Layout, int attribute, const void* value, size_t bytes);
  Status (*create_preference)(Preference*);
  Status (*destroy_preference)(Preference);
  Status (*set_preference)(Preference, int attribute, const void* value, size_t bytes);
  Status (*search)(Handle, Description, Layout a, Layout b, Layout c, Layout d, Preference, int wanted,
                   Candidate* found, int* count);
  /// Whether an algorithm fits a product, and the workspace that it needs there.
  Status (*confirm)(Handle, Description, Layout a, Layout b, Layout c, Layout d, const Algorithm*, Candidate* result);
  Status (*multiply)(Handle, Description, const void* alpha, const void* a, Layout, const void* b, Layout,
                     const void* beta, const void* c, Layout, void* d, Layout, const Algorithm*, void* workspace,
                     size_t workspace_bytes, cudaStream_t);
  const char* (*status_name)(Status);
};

/// The library's functions; null and the reason where it is missing. Thread-safe.
const Api* api(std::string* why = nullptr);
/// The handle of GPU `ordinal`, which must be current. Throws Error. Thread-safe, and so is the handle.
Handle handle(int ordinal);
/// Throws Error kUnsupported, which makes a build try another kernel, unless `status` is success.
void check(Status status, const char* call);

}  // namespace tenon::cuda::cublaslt
