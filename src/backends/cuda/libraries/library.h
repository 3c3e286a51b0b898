// Shared libraries of other vendors, opened at run time.
#pragma once
#include <initializer_list>
#include <string>

namespace tenon::cuda {

/// Opens the first library of `names` that is found: already in the process or on the loader's path; in the folders of
/// TENON_CUDA_LIBRARY_PATH or in the folders nvidia/*/lib below them, as Python packages lay libraries out; in the
/// toolkit's folder. Stays open until the process ends.
class Library {
 public:
  explicit Library(std::initializer_list<const char*> names);
  /// Why nothing could be opened or a symbol is missing; empty while everything was found.
  const std::string& error() const { return error_; }
  /// Sets `fn` to the function `symbol`.
  template <class Fn>
  void find(const char* symbol, Fn*& fn) {
    fn = reinterpret_cast<Fn*>(address(symbol));
  }

 private:
  void* address(const char* symbol);
  void* handle_ = nullptr;
  std::string error_;
};

}  // namespace tenon::cuda
