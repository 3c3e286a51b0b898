#include "message.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "onnx/fields.h"

namespace tenon::fuzz {
namespace {

constexpr uint32_t kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;

/// What the field `number` of a message of type `parent` holds.
MessageType child_type(MessageType parent, uint32_t number) {
  using T = MessageType;
  struct Row {
    T parent;
    uint32_t number;
    T child;
  };
  static const Row rows[] = {
      {T::kModel, onnx::model_field::kGraph, T::kGraph},
      {T::kModel, onnx::model_field::kOpsetImport, T::kOpset},
      {T::kModel, onnx::model_field::kFunctions, T::kFunction},
      {T::kGraph, onnx::graph_field::kNode, T::kNode},
      {T::kGraph, onnx::graph_field::kInitializer, T::kTensor},
      {T::kGraph, onnx::graph_field::kSparseInitializer, T::kSparse},
      {T::kGraph, onnx::graph_field::kInput, T::kValueInfo},
      {T::kGraph, onnx::graph_field::kOutput, T::kValueInfo},
      {T::kGraph, onnx::graph_field::kValueInfo, T::kValueInfo},
      {T::kFunction, onnx::function_field::kNode, T::kNode},
      {T::kFunction, onnx::function_field::kAttributeProto, T::kAttribute},
      {T::kFunction, onnx::function_field::kOpsetImport, T::kOpset},
      {T::kNode, onnx::node_field::kAttribute, T::kAttribute},
      {T::kAttribute, onnx::attribute_field::kTensor, T::kTensor},
      {T::kAttribute, onnx::attribute_field::kTensors, T::kTensor},
      {T::kAttribute, onnx::attribute_field::kGraph, T::kGraph},
      {T::kAttribute, onnx::attribute_field::kGraphs, T::kGraph},
      {T::kAttribute, onnx::attribute_field::kSparseTensor, T::kSparse},
      {T::kTensor, onnx::tensor_field::kExternalData, T::kEntry},
      {T::kSparse, onnx::sparse_field::kValues, T::kTensor},
      {T::kSparse, onnx::sparse_field::kIndices, T::kTensor},
      {T::kValueInfo, onnx::value_info_field::kType, T::kType},
      {T::kType, onnx::type_field::kTensor, T::kTensorType},
      {T::kType, onnx::type_field::kSparseTensor, T::kTensorType},
      {T::kType, onnx::type_field::kSequence, T::kElementType},
      {T::kType, onnx::type_field::kOptional, T::kElementType},
      {T::kType, onnx::type_field::kMap, T::kMapType},
      {T::kElementType, 1, T::kType},
      {T::kMapType, onnx::map_type_field::kValue, T::kType},
      {T::kTensorType, onnx::tensor_type_field::kShape, T::kShape},
      {T::kShape, onnx::shape_field::kDim, T::kDim},
  };
  for (const Row& r : rows)
    if (r.parent == parent && r.number == number) return r.child;
  return T::kNone;
}

bool packed_integers(const Field& f) {
  using T = MessageType;
  return (f.parent == T::kTensor &&
          (f.number == onnx::tensor_field::kDims || f.number == onnx::tensor_field::kInt32Data ||
           f.number == onnx::tensor_field::kInt64Data || f.number == onnx::tensor_field::kUint64Data)) ||
         (f.parent == T::kAttribute && f.number == onnx::attribute_field::kInts) ||
         (f.parent == T::kSparse && f.number == onnx::sparse_field::kDims);
}

bool numbers_in_bytes(const Field& f) {
  return (f.parent == MessageType::kTensor &&
          (f.number == onnx::tensor_field::kRawData || f.number == onnx::tensor_field::kFloatData ||
           f.number == onnx::tensor_field::kDoubleData)) ||
         (f.parent == MessageType::kAttribute && f.number == onnx::attribute_field::kFloats);
}

uint64_t take_varint(std::string_view& s) {
  uint64_t v = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    require(!s.empty(), ErrorCode::kInvalidModel, "a model for the fuzzer ends inside a number");
    const auto byte = uint8_t(s.front());
    s.remove_prefix(1);
    if (shift < 64) v |= uint64_t(byte & 127) << shift;
    if (byte < 128) break;
  }
  return v;
}

void put_varint(std::string& out, uint64_t v) {
  for (; v >= 128; v >>= 7) out += char(v | 128);
  out += char(v);
}

std::string_view take(std::string_view& s, size_t n) {
  require(n <= s.size(), ErrorCode::kInvalidModel, "a model for the fuzzer ends inside a field");
  const std::string_view head = s.substr(0, n);
  s.remove_prefix(n);
  return head;
}

/// A field and the list that it stands in.
struct Spot {
  std::vector<Field>* list;
  size_t index;
  Field& field() const { return (*list)[index]; }
};

void collect(std::vector<Field>& fields, std::vector<Spot>& spots) {
  for (size_t i = 0; i < fields.size(); ++i) {
    spots.push_back({&fields, i});
    collect(fields[i].children, spots);
  }
}

/// Fields of `message` that may stand in the place of `field`.
void alike(const std::vector<Field>& message, const Field& field, std::vector<const Field*>& found) {
  for (const Field& f : message) {
    if (f.parent == field.parent && f.number == field.number && f.wire == field.wire) found.push_back(&f);
    alike(f.children, field, found);
  }
}

void change_integers(std::string& bytes, Random& random) {
  std::vector<uint64_t> items;
  for (std::string_view s = bytes; !s.empty();) items.push_back(take_varint(s));
  const size_t what = random.below(6);
  if (what == 0)
    items.insert(items.begin() + int64_t(random.below(items.size() + 1)), uint64_t(random.odd_int()));
  else if (!items.empty() && what == 1)
    items.erase(items.begin() + int64_t(random.below(items.size())));
  else if (!items.empty() && what == 2)
    std::swap(items[random.below(items.size())], items[random.below(items.size())]);
  else if (!items.empty())
    items[random.below(items.size())] = uint64_t(random.odd_int());
  bytes.clear();
  for (uint64_t v : items) put_varint(bytes, v);
}

void change_numbers(std::string& bytes, Random& random) {
  if (bytes.empty() || random.one_in(5)) {
    bytes.resize(random.one_in(2) ? random.below(bytes.size() + 9) : bytes.size() / 2);
    return;
  }
  const int64_t i = random.odd_int();
  const float f = random.odd_float();
  const size_t width = std::min<size_t>(random.one_in(2) ? 8 : 4, bytes.size());
  const size_t at = random.below(bytes.size() / width) * width;
  if (width == 4 && random.one_in(2))
    std::memcpy(bytes.data() + at, &f, 4);
  else
    std::memcpy(bytes.data() + at, &i, width);
}

void change_text(std::string& text, Random& random) {
  if (random.one_in(3))
    text.clear();
  else if (text.empty() || random.one_in(3))
    text += char(random.below(256));
  else
    text[random.below(text.size())] = char(random.below(256));
}

void change_value(Field& f, Random& random) {
  const float number = random.odd_float();
  uint32_t bits;
  switch (f.wire) {
    case kVarint:
      f.value = random.one_in(3) ? f.value + (random.one_in(2) ? 1 : -1) : uint64_t(random.odd_int());
      if (random.one_in(4)) f.value = random.below(28);  // element types and kinds
      return;
    case kFixed32:
      std::memcpy(&bits, &number, 4);
      f.value = bits;
      return;
    case kFixed64:
      f.value = uint64_t(random.odd_int());
      return;
    default:
      packed_integers(f)    ? change_integers(f.bytes, random)
      : numbers_in_bytes(f) ? change_numbers(f.bytes, random)
                            : change_text(f.bytes, random);
  }
}

}  // namespace

int64_t Random::odd_int() {
  static const std::vector<int64_t> kOdd{0,
                                         1,
                                         1,
                                         2,
                                         2,
                                         3,
                                         4,
                                         5,
                                         7,
                                         -1,
                                         -1,
                                         -2,
                                         -3,
                                         16,
                                         100,
                                         255,
                                         INT32_MAX,
                                         INT32_MIN,
                                         int64_t(1) << 31,
                                         int64_t(1) << 32,
                                         int64_t(1) << 40,
                                         INT64_MAX,
                                         INT64_MIN,
                                         INT64_MAX / 2,
                                         -100};
  return pick(kOdd);
}

float Random::odd_float() {
  static const std::vector<float> kOdd{0, 1, -1, 0.5f, 2, 1e-30f, 1e30f, INFINITY, -INFINITY, NAN, 3e9f, -3e9f, 1e19f};
  return pick(kOdd);
}

std::vector<Field> read_message(std::string_view s, MessageType type) {
  std::vector<Field> fields;
  while (!s.empty()) {
    const uint64_t tag = take_varint(s);
    Field f;
    f.parent = type;
    f.number = uint32_t(tag >> 3);
    f.wire = uint32_t(tag & 7);
    if (f.wire == kVarint) {
      f.value = take_varint(s);
    } else if (f.wire == kBytes) {
      const std::string_view body = take(s, take_varint(s));
      f.type = child_type(type, f.number);
      if (f.type == MessageType::kNone)
        f.bytes = body;
      else
        f.children = read_message(body, f.type);
    } else {
      require(f.wire == kFixed32 || f.wire == kFixed64, ErrorCode::kInvalidModel, "wire type ", f.wire);
      std::memcpy(&f.value, take(s, f.wire == kFixed32 ? 4 : 8).data(), f.wire == kFixed32 ? 4 : 8);
    }
    fields.push_back(std::move(f));
  }
  return fields;
}

std::string write_message(const std::vector<Field>& fields) {
  std::string out;
  for (const Field& f : fields) {
    put_varint(out, uint64_t(f.number) << 3 | f.wire);
    if (f.wire == kVarint) {
      put_varint(out, f.value);
    } else if (f.wire == kBytes) {
      const std::string body = f.type == MessageType::kNone ? f.bytes : write_message(f.children);
      put_varint(out, body.size());
      out += body;
    } else {
      out.append(reinterpret_cast<const char*>(&f.value), f.wire == kFixed32 ? 4 : 8);
    }
  }
  return out;
}

void mutate(std::vector<Field>& model, const std::vector<Field>& donor, Random& random) {
  std::vector<Spot> spots;
  collect(model, spots);
  if (spots.empty()) return;
  const Spot spot = random.pick(spots);
  const size_t what = random.below(16);
  if (what == 0) {
    spot.list->erase(spot.list->begin() + int64_t(spot.index));
  } else if (what == 1) {
    const Field copy = spot.field();
    spot.list->insert(spot.list->begin() + int64_t(random.below(spot.list->size() + 1)), copy);
  } else if (what == 2) {
    std::swap(spot.field(), (*spot.list)[random.below(spot.list->size())]);
  } else if (what < 8) {
    std::vector<const Field*> others;
    alike(what < 5 ? donor : model, spot.field(), others);
    if (others.empty()) return;
    const Field other = *random.pick(others);
    spot.field() = other;
  } else if (spot.field().type == MessageType::kNone) {
    change_value(spot.field(), random);
  } else {
    mutate(spot.field().children, donor, random);
  }
}

}  // namespace tenon::fuzz
