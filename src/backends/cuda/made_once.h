// Values that are made when somebody first asks for them.
#pragma once
#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <limits>
#include <list>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace tenon::cuda {

/// Values by key, each made by whoever asks first, without holding up makers of other keys; the `capacity` used last
/// are kept. Who asks for one that is being made waits for it. A maker's exception is its own: the next to ask makes
/// anew.
template <class Value>
class MadeOnce {
 public:
  explicit MadeOnce(size_t capacity = std::numeric_limits<size_t>::max()) : capacity_(capacity) {}

  template <class Make>
  Value get(const std::string& key, const Make& make) {
    {
      std::unique_lock lock(mutex_);
      done_.wait(lock, [&] { return std::find(busy_.begin(), busy_.end(), key) == busy_.end(); });
      if (const auto found = index_.find(key); found != index_.end()) {
        order_.splice(order_.begin(), order_, found->second);
        return found->second->second;
      }
      busy_.push_back(key);
    }
    const Busy busy{*this, key};
    Value value = make();
    const std::lock_guard lock(mutex_);
    order_.emplace_front(key, value);
    index_[key] = order_.begin();
    if (order_.size() > capacity_) {
      index_.erase(order_.back().first);
      order_.pop_back();
    }
    return value;
  }

 private:
  using Order = std::list<std::pair<std::string, Value>>;
  /// While it lives, its key is being made.
  struct Busy {
    MadeOnce& all;
    const std::string& key;
    ~Busy() {
      const std::lock_guard lock(all.mutex_);
      all.busy_.remove(key);
      all.done_.notify_all();
    }
  };

  const size_t capacity_;
  std::mutex mutex_;
  std::condition_variable done_;
  std::list<std::string> busy_;
  Order order_;  ///< the one used last first
  std::map<std::string, typename Order::iterator> index_;
};

}  // namespace tenon::cuda
