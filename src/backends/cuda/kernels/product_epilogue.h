// The bias and the epilogue program of a convolution or matrix product, as its kernels do them: in the kernel where the
// program is one that device/epilogue.h knows, else by a pointwise kernel over the sums in f32.
#pragma once
#include <memory>
#include <optional>

#include "backends/cuda/cuda.h"
#include "backends/cuda/device/epilogue.h"
#include "backends/cuda/dtype.h"
#include "backends/cuda/kernels/pointwise_run.h"

namespace tenon::cuda {

class ProductEpilogue {
 public:
  /// `bias` and `first_extra` are inputs' numbers; output 0 is the result. `by_rows` says that the kernel's columns are
  /// the last axis of the result. Returns why not, or an empty string.
  std::string read(const Problem& p, const std::string& program, size_t bias, size_t first_extra, bool by_rows = true);
  /// Uploads what run() needs. After a read() that succeeded.
  void prepare(const Problem& p);

  /// Whether the kernel itself finishes; else it writes f32 sums with the bias, dense, to scratch memory.
  bool in_kernel() const { return matched_; }
  /// Join and activation, if the kernel finishes.
  const Epilogue& form() const { return form_; }
  int64_t sums_bytes() const { return matched_ ? 0 : sums_.count() * 4; }
  /// What the kernel does.
  Epilogue bind(const RunArgs& args) const;
  /// Runs the rest of the program, if any, on the sums.
  void finish(const RunArgs& args, const void* sums) const;
  /// Why kernels that read the bias before those ahead of them have ended cannot take it, or an empty string.
  std::string refuse_early_bias() const { return computed_bias_ ? "the bias is not constant" : ""; }
  /// False for a bias that was uploaded in a form of its own.
  bool reads_constant(size_t input) const { return !(bias_input_ && input == *bias_input_ && bias_values_); }

 private:
  bool match(const Problem& p, const ops::PointwiseProgram& program, size_t first_extra, bool by_rows);
  bool match_extra(const Problem& p, size_t input);

  bool matched_ = true, computed_bias_ = false;
  Epilogue form_;
  std::optional<size_t> extra_input_, bias_input_;
  std::shared_ptr<const void> bias_values_;
  ops::PointwiseProgram program_;
  size_t first_extra_ = 0;
  TensorDesc sums_;
  std::unique_ptr<PointwiseRun> rest_;
};

}  // namespace tenon::cuda
