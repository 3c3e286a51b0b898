// A convolution node as a cuDNN operation graph.
#pragma once
#include <string>
#include <vector>

#include "backends/cuda/libraries/cudnn_graph.h"
#include "backends/kernel.h"

namespace tenon::cuda {

struct ConvGraph {
  cudnn::GraphSpec spec;
  int x = -1, w = -1, y = -1, bias = -1;        ///< tensors of the graph; -1 where absent
  std::vector<std::pair<int, size_t>> extras;   ///< tensors of the epilogue's operands and the node's inputs they are
  bool packed_weights = false;                  ///< w is [rows, window…, columns]
  ir::DType bias_type = ir::DType::kUndefined;  ///< type that a constant bias is converted to
  double flops = 0;
  int64_t group = 1;
  bool depthwise = false;

  /// Whether the epilogue is more than the sums and the relu that cuDNN has compiled: others its engines compile when
  /// they are prepared, for half a second or more.
  bool compiled_later() const;
};

/// Reads a Conv or ConvTranspose. Returns why cuDNN cannot do it, or an empty string. Does not call the library.
std::string read_conv_graph(const Problem& p, ConvGraph& g);

}  // namespace tenon::cuda
