#include "nvinfer/lifetime.h"

#include <mutex>
#include <unordered_set>

namespace tenon::nvinfer {
namespace {

struct Registry {
  std::mutex mutex;
  std::unordered_set<const void*> objects;
};

// Never destroyed: users' static objects may end after ours.
Registry& registry() {
  static Registry& all = *new Registry;
  return all;
}

}  // namespace

Registered::Registered(const void* object) : object_(object) {
  std::lock_guard lock(registry().mutex);
  registry().objects.insert(object_);
}

Registered::~Registered() {
  std::lock_guard lock(registry().mutex);
  registry().objects.erase(object_);
}

bool is_registered(const void* object) noexcept {
  std::lock_guard lock(registry().mutex);
  return registry().objects.count(object) > 0;
}

}  // namespace tenon::nvinfer
