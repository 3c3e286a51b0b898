// Activation memory through the user's allocator.
#pragma once
#include <NvInfer.h>

#include "nvinfer/guard.h"
#include "runtime/engine.h"

namespace tenon::nvinfer {

/// Memory from `allocator`, which must outlive every piece; empty for null. Throws kOutOfMemory where it gives none and
/// kInvalidArgument where what it gives is not aligned.
runtime::MemoryAllocator memory_from(nvinfer1::IGpuAllocator* allocator, const Reports& reports);

/// Bytes to ask a user for, so that an aligned part of `bytes` lies within, wherever they begin.
int64_t with_room_to_align(int64_t bytes);
/// Lets a context work in memory that the user gives.
void use_memory(runtime::Context& context, void* memory, int64_t bytes);

}  // namespace tenon::nvinfer
