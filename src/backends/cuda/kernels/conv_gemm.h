// What the kernels share that do convolutions, also transposed ones, as matrix products.
#pragma once
#include <memory>
#include <string>

#include "backends/cuda/device/gemm_simt.h"
#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/conv_shape.h"
#include "backends/cuda/kernels/gemm_plan.h"
#include "backends/cuda/kernels/product_epilogue.h"

namespace tenon::cuda {

/// The weights of a convolution of one group as ConvGemm takes them: rows of packed_pitch() of their length.
std::shared_ptr<const void> weights_by_taps(const Problem& p, const ConvShape& s);
/// Reads a convolution for a kernel whose left operand is weights and whose tiles end in finish_turned(). Returns why
/// there is none, or an empty string.
std::string read_turned(const Problem& p, ConvShape& s);

class ConvGemm : public Kernel {
 public:
  /// `weights` has a row for each channel of the result, k running through the taps and then the channels of a group.
  ConvGemm(const Problem& p, const ConvShape& s, const std::string& epilogue, std::shared_ptr<const void> weights);
  int64_t workspace_bytes() const override { return epilogue_.sums_bytes(); }
  bool reads_constant(size_t input) const override { return input != 1 && epilogue_.reads_constant(input); }

 protected:
  int64_t depth() const { return shape_.c / shape_.group * shape_.taps(); }
  /// Whether the copy engine takes what lies at the addresses of x, y and the epilogue's operand.
  static bool aligned_for_copies(const RunArgs& args, const Epilogue& epilogue);
  /// For the product on vector units, which takes any strides and alignment.
  SimtGemmArgs simt_args(const RunArgs& args) const;

  ConvShape shape_;
  Elem type_;
  ProductEpilogue epilogue_;
  std::shared_ptr<const void> weights_;
};

}  // namespace tenon::cuda
