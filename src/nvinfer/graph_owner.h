// What a parser needs of a network. A table of functions, because the parser library cannot link to libnvinfer's
// inside.
#pragma once
#include <NvInfer.h>

#include "ir/graph.h"
#include "nvinfer/plugin_op.h"

namespace tenon::nvinfer {

class GraphOwner {
 public:
  virtual ir::Graph& graph_to_extend() = 0;
  /// False once the network is deleted, for parsers that outlive it.
  virtual std::shared_ptr<const bool> alive() const = 0;
  /// After nodes were added: finds them.
  virtual void adopt_new_nodes() = 0;
  virtual nvinfer1::ITensor* tensor(ir::ValueId value) = 0;
  /// A registered creator's plugin, or null.
  virtual std::shared_ptr<const ops::trt::PluginSource> make_plugin(const PluginRequest& request) = 0;

 protected:
  ~GraphOwner() = default;
};

}  // namespace tenon::nvinfer
