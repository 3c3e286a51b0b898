// NonMaxSuppression.
#include "backends/cuda/device/suppress.h"

#include <algorithm>
#include <cmath>

#include "backends/cuda/elem.h"
#include "backends/cuda/kernels/found.h"
#include "backends/cuda/kernels/plain.h"
#include "ops/detect/non_max_suppression.h"

namespace tenon::cuda {
namespace {

/// Scalar operand `i`: as a constant, where it is one, or of its type.
Number number(const Problem& p, size_t i, double fallback) {
  Number n;
  n.value = fallback;
  if (!p.has_input(i)) return n;
  n.type = *plain_of(p.inputs[i].dtype);
  if (p.constants[i]) n.value = p.constants[i]->get(0);
  return n;
}

/// The most boxes of a class that are taken.
int64_t room(const Problem& p) {
  const int64_t boxes = p.inputs[0].dims[1];
  if (!p.has_input(2)) return 0;
  return p.constants[2] ? std::clamp<int64_t>(p.constants[2]->get_int(0), 0, boxes) : boxes;
}
int64_t rows(const Problem& p) { return p.inputs[1].dims[0] * p.inputs[1].dims[1]; }

/// Sizes and scalars; operands are what the host's reference accepts too.
bool is_sound(const Problem& p) {
  const ir::Dims &boxes = p.inputs[0].dims, &scores = p.inputs[1].dims;
  if (boxes[0] != scores[0] || boxes[1] != scores[2] || boxes[2] != 4) return false;
  for (size_t i = 2; i < p.inputs.size(); ++i)
    if (p.has_input(i) && (p.inputs[i].count() != 1 || !plain_of(p.inputs[i].dtype))) return false;
  return true;
}

SuppressParams suppress_params(const Problem& p) {
  SuppressParams params;
  params.box_type = *plain_of(p.inputs[0].dtype);
  params.score_type = *plain_of(p.inputs[1].dtype);
  params.center = p.attrs<ops::NonMaxSuppressionAttrs>().center_point_box;
  params.most = number(p, 2, 0);
  params.overlap = number(p, 3, 0);
  params.least = number(p, 4, -INFINITY);
  params.rows = int(rows(p));
  params.count = int(p.inputs[0].dims[1]);
  params.classes = Divisor(p.inputs[1].dims[1]);
  params.room = int(room(p));
  return params;
}

class Suppress final : public Kernel {
 public:
  explicit Suppress(const Problem& p) : params_(suppress_params(p)) {
    for (size_t i = 0; i < p.inputs.size(); ++i) computed_.push_back(p.has_input(i) && !p.constants[i]);
    computed_.resize(5);
  }
  int64_t workspace_bytes() const override { return suppress_space(params_); }
  bool reads_constant(size_t input) const override { return input < 2; }
  void run(const RunArgs& args) const override {
    SuppressParams p = params_;
    p.boxes = args.inputs[0];
    p.scores = args.inputs[1];
    if (computed_[2]) p.most.data = args.inputs[2];
    if (computed_[3]) p.overlap.data = args.inputs[3];
    if (computed_[4]) p.least.data = args.inputs[4];
    p.y = static_cast<int64_t*>(args.outputs[0]);
    p.found = args.found;
    p.space = args.workspace;
    TENON_CUDA(suppress(p, stream_of(args)));
  }

 private:
  SuppressParams params_;
  std::vector<bool> computed_;
};

Support supports(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  for (size_t i = 0; i < 2; ++i)
    if (!is_elem(p.inputs[i].dtype))
      return Support::no("operand ", i, " is of ", p.inputs[i].dtype, ", accepted are f32, bf16 and f16");
  if (!is_sound(p)) return Support::no("the operands do not fit");
  const int64_t boxes = p.inputs[0].dims[1];
  if (rows(p) > kMostSuppressRows || boxes > kMostSuppressBoxes)
    return Support::no(rows(p), " classes of ", boxes, " boxes, accepted are ", kMostSuppressRows, " of ",
                       kMostSuppressBoxes);
  const SuppressParams params = suppress_params(p);
  if (p.has_input(3) && p.constants[3] && !(params.overlap.value >= 0 && params.overlap.value <= 1))
    return Support::no("the IoU threshold is ", params.overlap.value, ", accepted are 0 to 1");
  return supports_with_room(p, suppress_space(params));
}

}  // namespace

std::vector<KernelDef> suppression() {
  KernelDef def{"suppress_tiles", "NonMaxSuppression", supports,
                [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<Suppress>(p); }};
  def.most = [](const Problem& p) { return is_sound(p) ? rows(p) * room(p) : 0; };
  return {def};
}

}  // namespace tenon::cuda
