// What oneDNN's tactics share: the engine, types, and epilogues as post-ops.
//
// Primitives are made for one thread and run on fixed slices by our own pool, so that there is one pool and results do
// not depend on its size. A slice is a part of one image's output rows, never several images: bits do not depend on
// the batch either.
#pragma once
#include <dnnl.hpp>
#include <optional>
#include <string>
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

/// What a slice of output rows [first, end) reads along an axis, and the padding that it sees.
struct RowSlice {
  int64_t in_first, in_end, before;
};
RowSlice slice_rows(int64_t first, int64_t end, int64_t in, int64_t window, int64_t stride, int64_t pad);
/// Padding behind `in` elements that `out` windows reach.
int64_t padding_after(int64_t out, int64_t in, int64_t window, int64_t stride, int64_t before);

/// A kernel of primitives that each compute a slice of an image: input 0 is read, constant weights are in the packed
/// form, input 2 is the bias, and the operands of post-ops follow it.
class SliceKernel : public Kernel {
 public:
  int64_t workspace_bytes() const override { return scratch_ * images_ * int64_t(slices_.size()); }
  void run(const RunArgs& args) const override;

 protected:
  /// `images` images lie one after the other in input 0 and the output.
  SliceKernel(const Problem& p, int64_t images);
  /// Offsets in bytes from the start of an image.
  void add(int64_t input_offset, int64_t output_offset, dnnl::primitive_desc_base desc, dnnl::primitive primitive);
  /// Packs the weights for the first slice; throws kUnsupported where a later one wants another form.
  void set_weights(const Problem& p, const dnnl::memory::desc& given, const dnnl::memory::desc& wanted,
                   const std::string& format);
  /// Reads the epilogue for slices of dims `slice`.
  dnnl::primitive_attr read_epilogue(const Problem& p, const std::string& epilogue, const dnnl::memory::dims& slice,
                                     dnnl::memory::format_tag channels_last);

  int64_t images_, image_in_, image_out_;  ///< count; bytes of one
  bool has_bias_ = false;

 private:
  struct Slice {
    int64_t input_offset, output_offset;
    dnnl::primitive_desc_base desc;
    dnnl::primitive primitive;
  };
  std::vector<Slice> slices_;
  std::shared_ptr<const void> weights_;
  dnnl::memory::desc weights_desc_;
  PostOps post_;
  std::vector<int64_t> extra_bytes_;
  int64_t scratch_ = 0, out_bytes_;
};

/// The extra operands of a node's epilogue: what follows the bias.
std::vector<TensorDesc> extras_of(const Problem& p);
/// A kernel made by K(p), or kUnsupported where oneDNN has none.
template <class K>
std::unique_ptr<Kernel> prepare(const Problem& p) {
  const OneThread alone;
  try {
    return std::make_unique<K>(p);
  } catch (const dnnl::error& e) {
    fail(ErrorCode::kUnsupported, "oneDNN: ", e.what());
  }
}

}  // namespace tenon::cpu::onednn
