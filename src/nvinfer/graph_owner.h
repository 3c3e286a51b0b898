// What a parser needs of a network. A table of functions, because the parser library cannot link to libnvinfer's
// inside.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include <NvInfer.h>

#include "ir/graph.h"
#include "ops/trt/plugin.h"

namespace tenon::nvinfer {

/// A parser's operator that a registered creator may make. `value` is asked for each field that the creator names and
/// may leave it out.
struct PluginRequest {
  std::string layer, name, version, space;
  std::function<bool(const char* field, nvinfer1::PluginFieldType type, nvinfer1::PluginField& out)> value;
};

class GraphOwner {
 public:
  virtual ir::Graph& graph_to_extend() = 0;
  /// False once the network is deleted, for parsers that outlive it.
  virtual std::shared_ptr<const bool> alive() const = 0;
  /// After nodes were added: finds them.
  virtual void adopt_new_nodes() = 0;
  virtual nvinfer1::ITensor* tensor(ir::ValueId value) = 0;
  /// Output `index` of a parser's node of that name, or null.
  virtual nvinfer1::ITensor* output_of(const std::string& node, size_t index) = 0;
  /// A registered creator's plugin, or null.
  virtual std::shared_ptr<const ops::trt::PluginSource> make_plugin(const PluginRequest& request) = 0;

 protected:
  ~GraphOwner() = default;
};

}  // namespace tenon::nvinfer
