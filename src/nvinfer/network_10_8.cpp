#include "nvinfer/network_10_8.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#if NV_TENSORRT_MAJOR == 10
namespace tenon::nvinfer {
namespace {

/// The slot of a virtual method; a pointer to one holds its offset, plus 1 (Itanium C++ ABI).
template <class Method>
size_t slot_of(Method method) {
  std::ptrdiff_t offset = 0;
  static_assert(sizeof(method) >= sizeof(offset));
  std::memcpy(&offset, &method, sizeof(offset));
  return static_cast<size_t>(offset - 1) / sizeof(void*);
}

constexpr size_t kBefore = 2;  ///< offset to top and type information lie in front of slot 0
constexpr size_t kMost = 128;
using Table = std::array<const void*, kBefore + kMost>;

Table reordered(const void* const* slots) {
  using V = nvinfer1::apiv::VNetworkDefinition;
  const size_t from = slot_of(&V::addCumulative), to = slot_of(&V::getBuilder), last = slot_of(&V::addDistCollective);
  Table table{};
  std::copy(slots - kBefore, slots + last + 1, table.begin());
  const auto first = table.begin() + kBefore;
  std::rotate(first + std::ptrdiff_t(to), first + std::ptrdiff_t(from), first + std::ptrdiff_t(from) + 1);
  return table;
}

}  // namespace

void take_order_of_10_8(nvinfer1::apiv::VNetworkDefinition& network) {
  const void* const* slots = nullptr;
  std::memcpy(&slots, static_cast<const void*>(&network), sizeof(slots));
  static const Table table = reordered(slots);  // every network is of one class
  slots = table.data() + kBefore;
  std::memcpy(static_cast<void*>(&network), &slots, sizeof(slots));
}

}  // namespace tenon::nvinfer
#endif
