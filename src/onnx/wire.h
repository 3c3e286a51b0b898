// Bounded reading of protobuf messages. The one place that includes protozero's reader; its assertions and exceptions
// become tenon::Error with the byte offset in the file.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

#define protozero_assert(condition) \
  ::tenon::require(bool(condition), ::tenon::ErrorCode::kInternal, "protobuf reader misuse: " #condition)
#include <protozero/pbf_reader.hpp>

namespace tenon::onnx {

/// Iterates over the fields of one message: `while (r.next()) switch (r.field()) …; default: r.skip();`.
/// Each value accessor checks the wire type first. Views point into the message.
class WireReader {
 public:
  /// `file_begin` is where offsets in errors count from.
  WireReader(std::string_view message, const char* file_begin)
      : reader_(message.data(), message.size()), begin_(file_begin), end_(message.data() + message.size()) {}

  bool next();
  uint32_t field() const { return reader_.tag(); }
  size_t offset() const { return size_t(reader_.data().data() - begin_); }
  /// "field 7 at byte 12"
  std::string place() const;

  int64_t int64();
  float float32();
  std::string_view view();
  std::string text() { return std::string(view()); }
  WireReader message() { return WireReader(view(), begin_); }
  /// Repeated scalars, packed or not: appends what this occurrence holds.
  void append_int64(std::vector<int64_t>& out);
  template <class T>
  void append_fixed(std::vector<T>& out);
  void skip();

 private:
  void need(protozero::pbf_wire_type type);
  [[noreturn]] void fail_malformed(std::string_view what);
  protozero::pbf_reader reader_;
  const char* begin_;
  const char* end_;
};

template <class T>
void WireReader::append_fixed(std::vector<T>& out) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  if (reader_.wire_type() == protozero::pbf_wire_type::length_delimited) {
    const std::string_view bytes = view();
    if (bytes.empty()) return;
    if (bytes.size() % sizeof(T)) fail_malformed("a packed list is not a whole number of elements");
    const size_t old = out.size();
    out.resize(old + bytes.size() / sizeof(T));
    std::memcpy(out.data() + old, bytes.data(), bytes.size());
    return;
  }
  need(sizeof(T) == 4 ? protozero::pbf_wire_type::fixed32 : protozero::pbf_wire_type::fixed64);
  const size_t left = reader_.length();
  if (left < sizeof(T)) fail_malformed("the message ends inside a number");
  T value;
  std::memcpy(&value, reader_.data().data(), sizeof(T));
  out.push_back(value);
  skip();
}

}  // namespace tenon::onnx
