// Names of kernels that are variants of one form.
#pragma once
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "base/text.h"

namespace tenon::cuda {

/// "<stem><number>", which lives as long as the process.
inline std::string_view variant_name(std::string_view stem, size_t number) {
  static std::mutex mutex;
  static std::set<std::string>* const names = new std::set<std::string>;
  std::lock_guard lock(mutex);
  return *names->insert(cat(stem, number)).first;
}

}  // namespace tenon::cuda
