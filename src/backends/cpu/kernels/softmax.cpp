// Softmax and LogSoftmax: y = exp(x - max) / sum, and x - max - log(sum). Rows along the last axis are done one by one;
// along another axis, strips of neighbouring columns are done together.
#include <algorithm>
#include <cmath>

#include "backends/cpu/kernels/rows.h"
#include "backends/cpu/kernels/strides.h"
#include "base/thread_pool.h"
#include "ops/shape/axis_attrs.h"

namespace tenon::cpu {
namespace {

using isa::PwOp;
using isa::RowReduce;

constexpr int64_t kColumns = 256;  // columns of a strip

class Softmax final : public Kernel {
 public:
  explicit Softmax(const Problem& p)
      : pw_(isa::loop_table().pointwise),
        rows_(isa::loop_table().rows),
        log_(p.node->op == "LogSoftmax"),
        x_(p.inputs[0].dtype, pw_),
        y_(p.outputs[0].dtype, pw_),
        s_(split_at(p.inputs[0].dims, p.attrs<ops::AxisAttrs>().axis)),
        threads_(p.threads) {
    const double ns = double(s_.outer * s_.size) * double(s_.inner) * 0.4;
    if (s_.inner == 1)
      pieces_ = s_.outer;
    else
      pieces_ = s_.outer * ((s_.inner + kColumns - 1) / kColumns);
    tasks_ = task_count(ns, pieces_, p.threads);
  }
  int64_t workspace_bytes() const override { return floats_a_worker() * 4 * threads_; }

  void run(const RunArgs& args) const override {
    args.pool.parallel_for(tasks_, [&](int64_t task, int worker) {
      float* buffer = static_cast<float*>(args.workspace) + floats_a_worker() * worker;
      for (int64_t i = pieces_ * task / tasks_, end = pieces_ * (task + 1) / tasks_; i < end; ++i) {
        if (s_.inner == 1)
          row(args, i, buffer);
        else
          strip(args, i, buffer);
      }
    });
  }

 private:
  int64_t floats_a_worker() const {
    if (s_.inner == 1) return (s_.size + 15) / 16 * 16;
    return s_.size * kColumns;
  }
  void row(const RunArgs& args, int64_t i, float* buffer) const {
    const int64_t n = s_.size;
    const float* x = x_.in(static_cast<const char*>(args.inputs[0]) + i * n * x_.size, buffer, n);
    char* to = static_cast<char*>(args.outputs[0]) + i * n * y_.size;
    float* y = y_.out(to, buffer);
    const float top = float(rows_.reduce[int(RowReduce::kMax)](x, n));
    if (log_) {
      const float shift = float(std::log(rows_.exp_sum(x, 1, top, nullptr, n)));
      pw_.loops[int(PwOp::kSub)][2](y, x, &top, nullptr, n);
      pw_.loops[int(PwOp::kSub)][2](y, y, &shift, nullptr, n);
    } else {
      const float factor = float(1 / rows_.exp_sum(x, 1, top, y, n));
      pw_.loops[int(PwOp::kMul)][2](y, y, &factor, nullptr, n);
    }
    y_.done(y, to, n);
  }
  /// Columns [c, c + width) of one outer index.
  void strip(const RunArgs& args, int64_t piece, float* e) const {
    const int64_t strips = (s_.inner + kColumns - 1) / kColumns, outer = piece / strips, c = piece % strips * kColumns;
    const int64_t width = std::min(kColumns, s_.inner - c), at = outer * s_.size * s_.inner + c;
    const char* from = static_cast<const char*>(args.inputs[0]) + at * x_.size;
    char* to = static_cast<char*>(args.outputs[0]) + at * y_.size;
    alignas(64) float top[kColumns], sum[kColumns];
    const float zero = 0;
    pw_.loops[int(PwOp::kCopy)][1](sum, &zero, nullptr, nullptr, width);
    for (int64_t k = 0; k < s_.size; ++k) x_.load(from + k * s_.inner * x_.size, e + k * width, width);
    std::copy(e, e + width, top);
    for (int64_t k = 1; k < s_.size; ++k) pw_.loops[int(PwOp::kMax)][0](top, top, e + k * width, nullptr, width);
    float t[kColumns];
    for (int64_t k = 0; k < s_.size; ++k) {
      float* row = e + k * width;
      pw_.loops[int(PwOp::kSub)][0](row, row, top, nullptr, width);
      float* exponentials = log_ ? t : row;
      pw_.loops[int(PwOp::kExp)][0](exponentials, row, nullptr, nullptr, width);
      pw_.loops[int(PwOp::kAdd)][0](sum, sum, exponentials, nullptr, width);
    }
    pw_.loops[int(log_ ? PwOp::kLog : PwOp::kReciprocal)][0](sum, sum, nullptr, nullptr, width);
    for (int64_t k = 0; k < s_.size; ++k) {
      float* row = e + k * width;
      pw_.loops[int(log_ ? PwOp::kSub : PwOp::kMul)][0](row, row, sum, nullptr, width);
      y_.store(row, to + k * s_.inner * y_.size, width);
    }
  }

  const isa::PointwiseLoops& pw_;
  const isa::RowLoops& rows_;
  bool log_;
  RowType x_, y_;
  AxisSplit s_;
  int threads_;
  int64_t pieces_ = 0, tasks_ = 1;
};

Support supports(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  for (const TensorDesc* d : {&p.inputs[0], &p.outputs[0]})
    if (!float_type(d->dtype)) return Support::no("elements are ", d->dtype, ", accepted are f32, bf16 and f16");
  const double n = double(p.inputs[0].count());
  return Support::yes(streaming_us(n * 8, n * 0.4, p.threads));
}

std::unique_ptr<Kernel> prepare(const Problem& p) { return std::make_unique<Softmax>(p); }

}  // namespace

std::vector<KernelDef> softmax() {
  return {{"softmax_rows", "Softmax", supports, prepare}, {"softmax_rows", "LogSoftmax", supports, prepare}};
}

}  // namespace tenon::cpu
