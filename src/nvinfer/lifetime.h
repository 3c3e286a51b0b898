// Use after the end: objects that refer to another one notice when it is gone.
#pragma once
#include <atomic>
#include <memory>
#include <utility>

#include "base/error.h"

namespace tenon::nvinfer {

/// A member of what others refer to; ends with it.
class Lifetime {
 public:
  Lifetime() : alive_(std::make_shared<std::atomic<bool>>(true)) {}
  Lifetime(const Lifetime&) : Lifetime() {}  // a copy is an object of its own
  Lifetime& operator=(const Lifetime&) { return *this; }
  ~Lifetime() { *alive_ = false; }
  std::shared_ptr<const std::atomic<bool>> watch() const { return alive_; }

 private:
  std::shared_ptr<std::atomic<bool>> alive_;
};

/// A reference to an object with a `lifetime()`.
template <class T>
class Ref {
 public:
  /// `what`: the object in messages, e.g. "the refitter's engine"; a literal.
  Ref(T& object, const char* what) : object_(&object), alive_(object.lifetime().watch()), what_(what) {}
  Ref(T& object, std::shared_ptr<const std::atomic<bool>> alive, const char* what)
      : object_(&object), alive_(std::move(alive)), what_(what) {}
  bool alive() const { return *alive_; }
  /// Throws kInvalidArgument once the object has been deleted.
  T& get() const {
    require(alive(), ErrorCode::kInvalidArgument, what_, " has been deleted");
    return *object_;
  }

 private:
  T* object_;
  std::shared_ptr<const std::atomic<bool>> alive_;
  const char* what_;
};

/// A member of objects that users hand in again: remembers the address of the public object while it lives.
class Registered {
 public:
  explicit Registered(const void* object);
  Registered(const Registered&) = delete;
  Registered& operator=(const Registered&) = delete;
  ~Registered();

 private:
  const void* object_;
};

/// Whether a Registered object lives at this address.
bool is_registered(const void* object) noexcept;

/// Throws kInvalidArgument, naming the parameter, unless `object` lives; it is not touched.
template <class T>
T& need_alive(T& object, const char* parameter) {
  require(is_registered(&object), ErrorCode::kInvalidArgument, "parameter '", parameter,
          "' is no object of this library, or has been deleted");
  return object;
}

}  // namespace tenon::nvinfer
