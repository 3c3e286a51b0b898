// A reduction of one operand, however its parameters were found.
#pragma once
#include "backends/cuda/cuda.h"
#include "backends/cuda/device/reduce.h"
#include "backends/cuda/elem.h"

namespace tenon::cuda {

class PreparedReduce final : public Kernel {
 public:
  /// `params` without addresses; elements are those of operand 0 of `p`.
  PreparedReduce(const Problem& p, const ReduceParams& params) : type_(elem_of(p.inputs[0].dtype)), params_(params) {}
  int64_t workspace_bytes() const override {
    const int splits = reduce_splits(params_);
    return splits > 1 ? int64_t(splits) * params_.results * 8 : 0;
  }
  void run(const RunArgs& args) const override {
    ReduceParams p = params_;
    p.x = args.inputs[0];
    p.y = args.outputs[0];
    p.partial = static_cast<float*>(args.workspace);
    TENON_CUDA(reduce(p, type_, stream_of(args)));
  }

 private:
  Elem type_;
  ReduceParams params_;
};

}  // namespace tenon::cuda
