#include "nvinfer/memory.h"

#include "nvinfer/level.h"

namespace tenon::nvinfer {
namespace {

constexpr uint64_t kAlignment = 256;       ///< what allocators are asked for, and what a GPU's kernels need
constexpr uintptr_t kLeastAlignment = 64;  ///< what the processor's kernels need

void give_back(nvinfer1::IGpuAllocator& allocator, void* memory, const Reports& reports) noexcept {
  guard(reports, "IGpuAllocator::deallocate", [&] {
#if NV_TENSORRT_MAJOR >= 8
    require(allocator.deallocate(memory), ErrorCode::kInvalidArgument, "the allocator did not take memory back");
#else
    allocator.free(memory);
#endif
  });
}

}  // namespace

runtime::MemoryAllocator memory_from(nvinfer1::IGpuAllocator* allocator, const Reports& reports) {
  if (!allocator) return {};
  return [allocator, reports](size_t bytes) {
    void* memory = allocator->allocate(bytes, kAlignment, 0);
    require(memory != nullptr, ErrorCode::kOutOfMemory, "the GPU allocator gave no memory for ", bytes, " bytes");
    std::shared_ptr<void> owned(memory, [allocator, reports](void* p) { give_back(*allocator, p, reports); });
    require(reinterpret_cast<uintptr_t>(memory) % kLeastAlignment == 0, ErrorCode::kInvalidArgument,
            "the GPU allocator was asked for memory aligned to ", kAlignment, " bytes and gave less than ",
            kLeastAlignment);
    return owned;
  };
}

int64_t with_room_to_align(int64_t bytes) { return bytes == 0 ? 0 : bytes + int64_t(kAlignment); }

void use_memory(runtime::Context& context, void* memory, int64_t bytes) {
  require(bytes >= 0, ErrorCode::kInvalidArgument, "device memory of ", bytes, " bytes");
  const uintptr_t begin = reinterpret_cast<uintptr_t>(memory);
  const uintptr_t skipped = (kAlignment - begin % kAlignment) % kAlignment;
  const int64_t left = bytes - static_cast<int64_t>(skipped);
  if (!memory || left <= 0) return context.use_memory(nullptr, 0);
  context.use_memory(static_cast<std::byte*>(memory) + skipped, left);
}

}  // namespace tenon::nvinfer
