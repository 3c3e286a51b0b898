// ONNX files as trees of protobuf fields, to change them without breaking the form of the rest.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"

namespace tenon::fuzz {

class Random {
 public:
  explicit Random(uint64_t seed) : numbers_(seed) {}
  size_t below(size_t n) { return size_t(numbers_.next() >> 33) % n; }
  bool one_in(size_t n) { return below(n) == 0; }
  template <class T>
  const T& pick(const std::vector<T>& list) {
    return list[below(list.size())];
  }
  /// Small sizes mostly, else the ends of ranges.
  int64_t odd_int();
  float odd_float();

 private:
  Xorshift numbers_;
};

/// The messages of a model that are taken apart; others stay bytes.
enum class MessageType : uint8_t {
  kNone,
  kModel,
  kOpset,
  kEntry,
  kGraph,
  kNode,
  kAttribute,
  kTensor,
  kSparse,
  kValueInfo,
  kType,
  kTensorType,
  kElementType,
  kMapType,
  kShape,
  kDim,
  kFunction
};

struct Field {
  MessageType parent = MessageType::kNone, type = MessageType::kNone;  ///< type: of the message that this field holds
  uint32_t number = 0, wire = 0;                                       ///< wire: the protobuf wire type
  uint64_t value = 0;                                                  ///< of numbers
  std::string bytes;                                                   ///< of text and packed lists
  std::vector<Field> children;                                         ///< of messages
};

/// The fields of a well-formed model.
std::vector<Field> read_message(std::string_view bytes, MessageType type);
std::string write_message(const std::vector<Field>& fields);

/// Changes one field of `model`; parts of `donor`, another model, may come in its place.
void mutate(std::vector<Field>& model, const std::vector<Field>& donor, Random& random);

}  // namespace tenon::fuzz
