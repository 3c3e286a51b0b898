// What oneDNN's tactics share: the engine, types, and epilogues as post-ops.
//
// Primitives are made for one thread and run on fixed slices by our own pool, so that there is one pool and results do
// not depend on its size. A slice is a part of one image's output rows, never several images: bits do not depend on
// the batch either.
#pragma once
#include <dnnl.hpp>
#include <optional>
#include <vector>

#include "backends/kernel.h"

namespace tenon::cpu::onednn {

dnnl::engine& engine();
/// The calling thread's stream.
dnnl::stream& stream();

/// While it lives, oneDNN makes and runs primitives on the calling thread alone: a primitive keeps the number of
/// threads that it was made for. The thread's own OpenMP setting comes back after.
class OneThread {
 public:
  OneThread();
  ~OneThread();
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

std::optional<dnnl::memory::data_type> to_type(ir::DType type);
dnnl::memory::dims to_dims(const ir::Dims& dims);

/// An epilogue as oneDNN post-ops: eltwise functions, and additions or products with extra operands.
struct PostOps {
  dnnl::post_ops ops;
  /// Extra operands in the order of the post-ops that read them: k names i<k> of the program.
  struct Operand {
    int post_op, k;
    bool full;  ///< of the output's shape, else one value a channel
  };
  std::vector<Operand> operands;
};

/// Nullopt if the program is not a chain of functions that oneDNN has. `extra(k)` gives the desc of i<k>; dims of the
/// output in oneDNN's order are `dst` (N, C, spatial…), and `slice` those of the slice that a primitive computes.
std::optional<PostOps> to_post_ops(const std::string& program, const dnnl::memory::dims& slice,
                                   dnnl::memory::format_tag channels_last, const std::vector<TensorDesc>& extras,
                                   const TensorDesc& output);

/// Our own attribute for primitives: user-managed scratchpad.
dnnl::primitive_attr attributes(const dnnl::post_ops& ops);

/// The weights in the form `wanted`, packed once for the engine.
std::shared_ptr<const void> pack(const Problem& p, size_t input, const dnnl::memory::desc& given,
                                 const dnnl::memory::desc& wanted, const std::string& format);

}  // namespace tenon::cpu::onednn
