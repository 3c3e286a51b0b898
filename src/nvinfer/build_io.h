// A network's inputs, outputs and debug tensors, on their way into a build.
#pragma once
#include <string>
#include <vector>

#include "builder/builder.h"
#include "nvinfer/config.h"
#include "nvinfer/io_format.h"
#include "nvinfer/network.h"

namespace tenon::nvinfer {

/// Debug tensors that are neither inputs nor outputs become outputs behind those of the network.
void set_debug_tensors(const Network& network, const Reports& reports, ir::Graph& graph,
                       builder::BuildOptions& options);

/// Inputs and outputs take the formats that they are allowed. Throws kUnsupported where there is none.
IoFormats set_formats(const Network& network, const Reports& reports, ir::Graph& graph, builder::BuildOptions& options);

/// With kDIRECT_IO nothing may move the elements of inputs and outputs that the network itself does not move.
class DirectIo {
 public:
  /// `network`: lowered, before it has formats.
  DirectIo(const BuilderConfig& config, const ir::Graph& network);
  /// Where no tensor has its channels last outside, none has inside.
  bool channels_last(const IoFormats& formats) const { return !asked_ || formats.any_channels_last(); }
  /// Throws kUnsupported naming a tensor that is moved.
  void check(const ir::Graph& built) const;

 private:
  bool asked_ = false;
  std::vector<std::string> moved_;
};

}  // namespace tenon::nvinfer
