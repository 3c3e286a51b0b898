// Reduce along any axes. Neighbouring axes that are all kept or all combined become one; then either the innermost one
// is combined (rows), or it is kept and strips of its columns are combined together. The order of additions depends on
// the shape alone.
#include "ops/math/reduce.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "backends/cpu/kernels/rows.h"
#include "backends/cpu/kernels/strides.h"
#include "backends/reduce_layout.h"
#include "base/thread_pool.h"

namespace tenon::cpu {
namespace {

using ir::Dims;
using isa::PwOp;
using isa::RowReduce;
using ops::ReduceKind;

constexpr int64_t kColumns = 256;    // columns of a strip
constexpr int64_t kRowsAtOnce = 64;  // rows whose sum is taken before it joins the total
constexpr int64_t kStackRow = 8192;  // elements of a narrow row converted at once

int64_t offset_of(const std::vector<ReduceAxis>& axes, int64_t index) {
  int64_t at = 0;
  for (size_t i = axes.size(); i-- > 0; index /= axes[i].size) at += index % axes[i].size * axes[i].stride;
  return at;
}

RowReduce row_kind(ReduceKind k) {
  switch (k) {
    case ReduceKind::kMax:
    case ReduceKind::kLogSumExp:
      return RowReduce::kMax;
    case ReduceKind::kMin:
      return RowReduce::kMin;
    case ReduceKind::kProd:
      return RowReduce::kProduct;
    case ReduceKind::kL1:
      return RowReduce::kSumAbs;
    case ReduceKind::kL2:
    case ReduceKind::kSumSquare:
      return RowReduce::kSumSquares;
    default:
      return RowReduce::kSum;
  }
}

double finish(ReduceKind k, double v, int64_t count) {
  if (k == ReduceKind::kMean) return v / double(count);
  if (k == ReduceKind::kL2) return std::sqrt(v);
  if (k == ReduceKind::kLogSum) return std::log(v);
  return v;
}

class Reduce final : public Kernel {
 public:
  explicit Reduce(const Problem& p)
      : pw_(isa::loop_table().pointwise),
        rows_(isa::loop_table().rows),
        l_(reduce_layout_of(p)),
        kind_(p.attrs<ops::ReduceAttrs>().kind),
        x_(p.inputs[0].dtype, pw_),
        y_(p.outputs[0].dtype, pw_) {
    strips_ = l_.inner_combined ? 1 : (l_.inner.size + kColumns - 1) / kColumns;
    tasks_ = task_count(double(p.inputs[0].count()) * 0.1, l_.results * strips_, p.threads);
  }
  void run(const RunArgs& args) const override {
    const int64_t pieces = l_.results * strips_;
    args.pool.parallel_for(tasks_, [&](int64_t task, int) {
      for (int64_t i = pieces * task / tasks_, end = pieces * (task + 1) / tasks_; i < end; ++i) {
        if (l_.inner_combined)
          one_result(args, i);
        else
          strip(args, i / strips_, i % strips_ * kColumns);
      }
    });
  }

 private:
  const char* at(const RunArgs& args, int64_t element) const {
    return static_cast<const char*>(args.inputs[0]) + element * x_.size;
  }

  /// fn(values, n) for each contiguous piece of what goes into result `i`.
  template <class F>
  void each_piece(const RunArgs& args, int64_t i, F fn) const {
    alignas(64) float buffer[kStackRow];
    const int64_t base = offset_of(l_.kept, i), step = x_.f32 ? l_.inner.size : kStackRow;
    for (int64_t r = 0; r < l_.repeats; ++r) {
      const int64_t begin = base + offset_of(l_.combined, r);
      for (int64_t k = 0; k < l_.inner.size; k += step) {
        const int64_t n = std::min(step, l_.inner.size - k);
        fn(x_.in(at(args, begin + k), buffer, n), n);
      }
    }
  }
  void one_result(const RunArgs& args, int64_t i) const {
    const RowReduce kind = row_kind(kind_);
    const auto reduce = rows_.reduce[int(kind)];
    double v = 0;
    bool first = true;
    each_piece(args, i, [&](const float* x, int64_t n) {
      const double part = reduce(x, n);
      if (first)
        v = part;
      else if (kind == RowReduce::kProduct)
        v *= part;
      else if (kind == RowReduce::kMax)
        v = std::isnan(v) || part <= v ? v : part;
      else if (kind == RowReduce::kMin)
        v = std::isnan(v) || part >= v ? v : part;
      else
        v += part;
      first = false;
    });
    if (kind_ == ReduceKind::kLogSumExp) {
      const float top = std::isinf(v) ? 0.f : float(v);
      double sum = 0;
      each_piece(args, i, [&](const float* x, int64_t n) { sum += rows_.exp_sum(x, 1, top, nullptr, n); });
      v = std::log(sum) + top;
    }
    const float result = float(finish(kind_, v, l_.count));
    y_.store(&result, static_cast<char*>(args.outputs[0]) + i * y_.size, 1);
  }

  /// total = fold(total, f(row)) for `rows` rows from combined index `r` on; rows are `n` wide.
  void fold(const RunArgs& args, int64_t base, int64_t r, int64_t rows, int64_t n, float* total) const {
    alignas(64) float row[kColumns];
    const bool plain = kind_ == ReduceKind::kSum || kind_ == ReduceKind::kMean || kind_ == ReduceKind::kLogSum;
    if (x_.f32 && l_.combined.size() == 1 && (plain || kind_ == ReduceKind::kMax)) {
      const float* x = reinterpret_cast<const float*>(at(args, base + r * l_.combined[0].stride));
      (plain ? rows_.add_rows : rows_.max_rows)(total, x, l_.combined[0].stride, rows, n);
      return;
    }
    for (int64_t k = r; k < r + rows; ++k) {
      const float* x = x_.in(at(args, base + offset_of(l_.combined, k)), row, n);
      switch (kind_) {
        case ReduceKind::kMax:
        case ReduceKind::kLogSumExp:
          pw_.loops[int(PwOp::kMax)][0](total, total, x, nullptr, n);
          break;
        case ReduceKind::kMin:
          pw_.loops[int(PwOp::kMin)][0](total, total, x, nullptr, n);
          break;
        case ReduceKind::kProd:
          pw_.loops[int(PwOp::kMul)][0](total, total, x, nullptr, n);
          break;
        case ReduceKind::kL1:
          pw_.loops[int(PwOp::kAbs)][0](row, x, nullptr, nullptr, n);
          pw_.loops[int(PwOp::kAdd)][0](total, total, row, nullptr, n);
          break;
        case ReduceKind::kL2:
        case ReduceKind::kSumSquare:
          pw_.loops[int(PwOp::kFma)][0](total, x, x, total, n);
          break;
        default:
          pw_.loops[int(PwOp::kAdd)][0](total, total, x, nullptr, n);
      }
    }
  }
  float neutral() const {
    switch (kind_) {
      case ReduceKind::kMax:
      case ReduceKind::kLogSumExp:
        return -std::numeric_limits<float>::infinity();
      case ReduceKind::kMin:
        return std::numeric_limits<float>::infinity();
      case ReduceKind::kProd:
        return 1;
      default:
        return 0;
    }
  }
  void strip(const RunArgs& args, int64_t result, int64_t column) const {
    const int64_t n = std::min(kColumns, l_.inner.size - column), base = offset_of(l_.kept, result) + column;
    alignas(64) float total[kColumns], part[kColumns];
    const float first = neutral(), zero = 0;
    const auto fill = pw_.loops[int(PwOp::kCopy)][1];
    const bool adds = first == 0;
    fill(total, &first, nullptr, nullptr, n);
    for (int64_t r = 0; r < l_.repeats; r += kRowsAtOnce) {
      const int64_t rows = std::min(kRowsAtOnce, l_.repeats - r);
      if (!adds || l_.repeats <= kRowsAtOnce) {
        fold(args, base, r, rows, n, total);
        continue;
      }
      fill(part, &zero, nullptr, nullptr, n);
      fold(args, base, r, rows, n, part);
      pw_.loops[int(PwOp::kAdd)][0](total, total, part, nullptr, n);
    }
    if (kind_ == ReduceKind::kLogSumExp) log_sum_exp(args, base, n, total);
    const float count = float(l_.count);
    if (kind_ == ReduceKind::kMean) pw_.loops[int(PwOp::kDiv)][2](total, total, &count, nullptr, n);
    if (kind_ == ReduceKind::kL2) pw_.loops[int(PwOp::kSqrt)][0](total, total, nullptr, nullptr, n);
    if (kind_ == ReduceKind::kLogSum) pw_.loops[int(PwOp::kLog)][0](total, total, nullptr, nullptr, n);
    y_.store(total, static_cast<char*>(args.outputs[0]) + (result * l_.inner.size + column) * y_.size, n);
  }
  /// total holds the columns' maxima, and takes log(sum(exp(x - max))) + max.
  void log_sum_exp(const RunArgs& args, int64_t base, int64_t n, float* total) const {
    alignas(64) float row[kColumns], sum[kColumns];
    std::fill(sum, sum + n, 0.f);
    for (int64_t j = 0; j < n; ++j)
      if (std::isinf(total[j])) total[j] = 0;
    for (int64_t r = 0; r < l_.repeats; ++r) {
      const float* x = x_.in(at(args, base + offset_of(l_.combined, r)), row, n);
      pw_.loops[int(PwOp::kSub)][0](row, x, total, nullptr, n);
      pw_.loops[int(PwOp::kExp)][0](row, row, nullptr, nullptr, n);
      pw_.loops[int(PwOp::kAdd)][0](sum, sum, row, nullptr, n);
    }
    pw_.loops[int(PwOp::kLog)][0](sum, sum, nullptr, nullptr, n);
    pw_.loops[int(PwOp::kAdd)][0](total, total, sum, nullptr, n);
  }

  const isa::PointwiseLoops& pw_;
  const isa::RowLoops& rows_;
  ReduceLayout l_;
  ReduceKind kind_;
  RowType x_, y_;
  int64_t strips_ = 1, tasks_ = 1;
};

Support supports(const Problem& p) {
  for (const TensorDesc* d : {&p.inputs[0], &p.outputs[0]})
    if (!float_type(d->dtype)) return Support::no("elements are ", d->dtype, ", accepted are f32, bf16 and f16");
  if (!p.outputs[0].dense()) return Support::no("the result must be dense");
  const Dims& x = p.inputs[0].dims;
  if (!p.inputs[0].dense() && !x.empty() && x.back() == 1) return Support::no("an operand of one column must be dense");
  const double n = double(p.inputs[0].count());
  return Support::yes(streaming_us(n * ir::bits(p.inputs[0].dtype) / 8, n * 0.08, p.threads));
}

}  // namespace

std::vector<KernelDef> reduce() {
  return {{"reduce_rows", "Reduce", supports,
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<Reduce>(p); }, 1}};
}

}  // namespace tenon::cpu
