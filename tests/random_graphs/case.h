// A network drawn at random with inputs to try it on, as ONNX's structs; its file, its text, and helpers to write
// nodes.
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "onnx/model.h"

namespace tenon::random_graphs {

using ir::Dims;
using ir::DType;
using ir::Tensor;

/// Everything random of a case comes out of one of these.
class Draw {
 public:
  explicit Draw(uint64_t seed) : numbers_(seed) {
    for (int i = 0; i < 8; ++i) numbers_.next();
  }
  int64_t below(int64_t n) { return int64_t((numbers_.next() >> 33) % uint64_t(n)); }
  int64_t between(int64_t first, int64_t last) { return first + below(last - first + 1); }
  bool one_in(int64_t n) { return below(n) == 0; }
  double unit() { return numbers_.unit(); }
  double normal();
  template <class T>
  const T& pick(const std::vector<T>& list) {
    return list[size_t(below(int64_t(list.size())))];
  }
  uint64_t seed() { return numbers_.next(); }

 private:
  Xorshift numbers_;
};

struct Case {
  uint64_t seed = 0;
  onnx::Model model;
  std::vector<std::vector<Tensor>> inputs;  ///< [binding][input]; sizes that differ among bindings are symbols
  bool rows = false;                        ///< the first axis is one of independent rows, in every binding of its size
};

onnx::Attribute attribute(std::string name, int64_t value);
onnx::Attribute attribute(std::string name, double value);
onnx::Attribute attribute(std::string name, std::string value);
onnx::Attribute attribute(std::string name, Dims value);
onnx::Attribute attribute(std::string name, std::vector<float> value);
onnx::Attribute attribute(std::string name, std::vector<std::string> value);
onnx::Attribute attribute(std::string name, Tensor value);
onnx::Attribute attribute(std::string name, onnx::Graph value);

onnx::Node make_node(std::string op, std::vector<std::string> inputs, std::vector<std::string> outputs,
                     std::vector<onnx::Attribute> attributes = {}, std::string domain = {});
/// A declared tensor; without dims its rank is open.
onnx::ValueInfo declare(std::string name, DType dtype);
onnx::ValueInfo declare(std::string name, DType dtype, const std::vector<onnx::Dimension>& dims);

/// The names that a node reads, those that its bodies capture included; "" left out.
std::set<std::string> reads(const onnx::Node& node);

/// The model file.
std::string bytes_of(const onnx::Model& model);
/// A file of initializers alone: tests/onnx_cases reads such as data.
std::string bytes_of(const std::vector<onnx::NamedTensor>& tensors);
/// A line a node, small constants with their numbers.
std::string text_of(const Case& c);

}  // namespace tenon::random_graphs
