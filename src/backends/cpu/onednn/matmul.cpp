// Products with constant weights. Rows of each leading index are cut into fixed slices.
#include <algorithm>

#include "backends/cpu/onednn/onednn.h"
#include "ops/nn/matmul.h"

namespace tenon::cpu {
namespace {

using namespace onednn;
using Tag = dnnl::memory::format_tag;

constexpr int64_t kPieceRows = 48, kMostPieces = 8;

int64_t images_of(const Problem& p) {
  int64_t images = 1;
  for (size_t i = 0; i + 2 < p.inputs[0].dims.size(); ++i) images *= p.inputs[0].dims[i];
  return images;
}

class MatMul final : public SliceKernel {
 public:
  explicit MatMul(const Problem& p) : SliceKernel(p, images_of(p)) {
    const auto& a = p.attrs<ops::MatMulAttrs>();
    const TensorDesc &x = p.inputs[0], &y = p.outputs[0];
    const int64_t m = x.dims[x.dims.size() - 2], k = x.dims.back(), n = y.dims.back();
    const auto type = *to_type(x.dtype), out_type = *to_type(y.dtype);
    const dnnl::memory::desc bias =
        p.has_input(2) ? dnnl::memory::desc({1, n}, dnnl::memory::data_type::f32, Tag::ab) : dnnl::memory::desc();
    const int64_t pieces = std::clamp<int64_t>(m / kPieceRows, 1, kMostPieces);
    for (int64_t i = 0; i < pieces; ++i) {
      const int64_t first = m * i / pieces, rows = m * (i + 1) / pieces - first;
      const dnnl::matmul::primitive_desc desc(engine(), {{rows, k}, type, Tag::ab}, {{k, n}, type, Tag::any}, bias,
                                              {{rows, n}, out_type, Tag::ab},
                                              read_epilogue(p, a.epilogue, {rows, n}, Tag::ab));
      set_weights(p, {{k, n}, type, a.transpose_b ? Tag::ba : Tag::ab}, desc.weights_desc(),
                  cat("onednn product/", int(type), a.transpose_b));
      add(image_in_ / m * first, image_out_ / m * first, desc, dnnl::matmul(desc));
    }
  }
};

Support supports(const Problem& p) {
  const auto& a = p.attrs<ops::MatMulAttrs>();
  const TensorDesc &x = p.inputs[0], &w = p.inputs[1], &y = p.outputs[0];
  if (!p.all_dense()) return Support::no("operands must be dense");
  if (!p.constants[1]) return Support::no("the right operand is not constant");
  if (a.transpose_a || a.alpha != 1) return Support::no("the left operand is transposed, or the product scaled");
  // Rows of a matrix may be the batch, and a product's order of sums depends on how many there are.
  if (x.dims.size() < 3 || w.dims.size() != 2)
    return Support::no("operands ", x.dims, " and ", w.dims, ", accepted are rank 3 or more and rank 2");
  if (x.count() == 0 || y.count() == 0) return Support::no("an operand is empty");
  const auto type = to_type(x.dtype), w_type = to_type(w.dtype), out_type = to_type(y.dtype);
  if (!type || !w_type || !out_type || *type != *w_type) return Support::no("types must be f32 or bf16");
  if (p.has_input(2) && (p.inputs[2].dtype != ir::DType::kF32 || p.inputs[2].count() != y.dims.back()))
    return Support::no("the bias must be one f32 a column");
  if (!to_post_ops(a.epilogue, {1, 1}, Tag::ab, extras_of(p), y))
    return Support::no("the epilogue '", a.epilogue, "' is not a chain of post-ops");
  const double macs = double(y.count()) * double(x.dims.back());
  const double rate = *type == dnnl::memory::data_type::bf16 ? 120e3 : 60e3;  // MAC a microsecond and thread
  return Support::yes(5 + macs / (rate * p.threads));
}

}  // namespace

std::vector<KernelDef> onednn_matmul() { return {{"onednn_matmul", "MatMul", supports, onednn::prepare<MatMul>}}; }

}  // namespace tenon::cpu
