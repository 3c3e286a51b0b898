// The parts of the ONNX reader. Internal to this folder: load.h is the way in.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "onnx/model.h"
#include "onnx/wire.h"

namespace tenon::onnx {

class ExternalData;

inline constexpr int kMaxNesting = 64;           ///< graphs in attributes, types in types
inline constexpr int64_t kMaxNodes = 1'000'000;  ///< of a whole model, bodies and functions included

/// What all parts of one file's reading share.
class Parser {
 public:
  Parser(std::shared_ptr<const void> owner, ExternalData* external, bool later)
      : owner_(std::move(owner)), external_(external), later_(later) {}

  Model model(WireReader r);

 private:
  struct RawAttribute;
  struct RawTensor;
  struct Nesting;

  // parser.cpp
  OpsetImport opset_import(WireReader r);
  std::pair<std::string, std::string> entry(WireReader r);
  void graph_field(WireReader& r, Graph& g);
  Graph graph(WireReader r);
  Node node(WireReader r);
  void function_field(WireReader& r, Function& f);
  Function function(WireReader r);
  template <class T, class Read>
  void append(std::vector<T>& list, std::string_view what, Read read);

  // parser_attribute.cpp
  Attribute attribute(WireReader r);
  void attribute_field(WireReader& r, RawAttribute& a);
  void attribute_message(WireReader& r, RawAttribute& a);

  // parser_tensor.cpp
  NamedTensor tensor(WireReader r);
  SparseTensor sparse_tensor(WireReader r);
  RawTensor raw_tensor(WireReader r);
  ir::Tensor tensor_value(RawTensor& t);
  ir::Tensor external_value(const RawTensor& t, int64_t size);

  // parser_type.cpp
  ValueInfo value_info(WireReader r);
  Type type(WireReader r);
  Type tensor_type(WireReader r, Type::Kind kind);
  std::shared_ptr<const Type> element_type(WireReader r, uint32_t field);
  Type map_type(WireReader r);
  std::vector<Dimension> shape(WireReader r);

  std::shared_ptr<const void> owner_;
  ExternalData* external_;
  bool later_, may_await_ = false;              // of the tensor at hand
  std::map<std::string, std::string> awaited_;  // as Model has them
  int64_t node_count_ = 0;
  int nesting_ = 0;
};

/// Counts one level for the life of the object; throws when there are too many.
struct Parser::Nesting {
  explicit Nesting(int& level) : level_(level) {
    require(level < kMaxNesting, ErrorCode::kInvalidModel, "nested deeper than ", kMaxNesting, " levels");
    ++level_;
  }
  ~Nesting() { --level_; }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  int& level_;
};

/// Runs `read`, putting `what[index]` in front of the place of an error.
template <class Read>
auto at_place(std::string_view what, size_t index, Read read) {
  try {
    return read();
  } catch (const Error& e) {
    throw e.at(cat(what, "[", index, "]"));
  }
}

template <class T, class Read>
void Parser::append(std::vector<T>& list, std::string_view what, Read read) {
  at_place(what, list.size(), [&] { list.push_back(read()); });
}

}  // namespace tenon::onnx
