// Operators that compare or accumulate along one axis of floating-point numbers: ArgMax, ArgMin, TopK, CumSum. Lines
// are gathered to f32 and treated one by one.
#include "ops/math/ordering.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "backends/cpu/kernels/rows.h"
#include "backends/cpu/kernels/strides.h"
#include "base/thread_pool.h"

namespace tenon::cpu {
namespace {

/// Lines along one axis, one task a range of lines.
class Lines : public Kernel {
 public:
  Lines(const Problem& p, int64_t axis, double ns_an_element)
      : loops_(isa::loop_table()),
        x_(p.inputs[0].dtype, loops_.pointwise),
        s_(split_at(p.inputs[0].dims, axis)),
        threads_(p.threads),
        tasks_(task_count(double(p.inputs[0].count()) * ns_an_element, s_.outer * s_.inner, p.threads)) {}
  int64_t workspace_bytes() const override { return worker_bytes() * threads_; }
  void run(const RunArgs& args) const override {
    const int64_t lines = s_.outer * s_.inner;
    args.pool.parallel_for(tasks_, [&](int64_t task, int worker) {
      char* space = static_cast<char*>(args.workspace) + worker_bytes() * worker;
      float* row = reinterpret_cast<float*>(space);
      for (int64_t l = lines * task / tasks_, end = lines * (task + 1) / tasks_; l < end; ++l) {
        const int64_t o = l / s_.inner, i = l % s_.inner;
        const char* from = static_cast<const char*>(args.inputs[0]) + (o * s_.size * s_.inner + i) * x_.size;
        const float* x = row;
        if (s_.inner == 1)
          x = x_.in(from, row, s_.size);
        else
          for (int64_t k = 0; k < s_.size; ++k) x_.load(from + k * s_.inner * x_.size, row + k, 1);
        line(args, x, o, i, space + row_bytes());
      }
    });
  }

 protected:
  virtual void line(const RunArgs& args, const float* x, int64_t o, int64_t i, char* space) const = 0;
  virtual int64_t extra_bytes() const { return 0; }
  int64_t row_bytes() const { return (s_.size * 4 + 63) / 64 * 64; }
  int64_t worker_bytes() const { return row_bytes() + (extra_bytes() + 63) / 64 * 64; }

  const isa::LoopTable& loops_;
  RowType x_;
  AxisSplit s_;
  int threads_;
  int64_t tasks_;
};

class ArgExtreme final : public Lines {
 public:
  explicit ArgExtreme(const Problem& p)
      : Lines(p, p.attrs<ops::ArgAttrs>().axis, 0.5),
        max_(p.node->op == "ArgMax"),
        last_(p.attrs<ops::ArgAttrs>().select_last_index) {}

 private:
  void line(const RunArgs& args, const float* x, int64_t o, int64_t i, char*) const override {
    const float best = float(loops_.rows.reduce[int(max_ ? isa::RowReduce::kMax : isa::RowReduce::kMin)](x, s_.size));
    const int64_t step = last_ ? -1 : 1;
    int64_t at = last_ ? s_.size - 1 : 0;
    if (std::isnan(best))
      while (!std::isnan(x[at])) at += step;
    else
      while (x[at] != best) at += step;
    static_cast<int64_t*>(args.outputs[0])[o * s_.inner + i] = at;
  }
  bool max_, last_;
};

class TopK final : public Lines {
 public:
  explicit TopK(const Problem& p)
      : Lines(p, p.attrs<ops::TopKAttrs>().axis, 4),
        k_(p.outputs[0].count() / (s_.outer * s_.inner)),
        largest_(p.attrs<ops::TopKAttrs>().largest),
        indices_(p.outputs[1].dtype != ir::DType::kUndefined) {}

 private:
  int64_t extra_bytes() const override { return s_.size * 8; }
  void line(const RunArgs& args, const float* x, int64_t o, int64_t i, char* space) const override {
    int64_t* order = reinterpret_cast<int64_t*>(space);
    std::iota(order, order + s_.size, int64_t(0));
    auto precedes = [&](int64_t a, int64_t b) {
      const float p = x[a], q = x[b];
      if (std::isnan(p) || std::isnan(q)) {
        if (std::isnan(p) == std::isnan(q)) return a < b;
        return std::isnan(p) == largest_;
      }
      return p == q ? a < b : largest_ ? p > q : p < q;
    };
    if (k_ < s_.size) std::nth_element(order, order + k_, order + s_.size, precedes);
    std::sort(order, order + k_, precedes);
    for (int64_t n = 0; n < k_; ++n) {
      const int64_t to = (o * k_ + n) * s_.inner + i;
      x_.store(x + order[n], static_cast<char*>(args.outputs[0]) + to * x_.size, 1);
      if (indices_) static_cast<int64_t*>(args.outputs[1])[to] = order[n];
    }
  }
  int64_t k_;
  bool largest_, indices_;
};

class CumSum final : public Lines {
 public:
  CumSum(const Problem& p, int64_t axis) : Lines(p, axis, 2), a_(p.attrs<ops::CumulativeAttrs>()) {}

 private:
  void line(const RunArgs& args, const float* x, int64_t o, int64_t i, char*) const override {
    char* y = static_cast<char*>(args.outputs[0]) + (o * s_.size * s_.inner + i) * x_.size;
    double sum = 0;
    for (int64_t n = 0; n < s_.size; ++n) {
      const int64_t k = a_.reverse ? s_.size - 1 - n : n;
      const double with = sum + double(x[k]);
      const float v = float(a_.exclusive ? sum : with);
      x_.store(&v, y + k * s_.inner * x_.size, 1);
      sum = with;
    }
  }
  ops::CumulativeAttrs a_;
};

Support supports_lines(const Problem& p) {
  if (!p.all_dense()) return Support::no("operands must be dense");
  if (!float_type(p.inputs[0].dtype))
    return Support::no("elements are ", p.inputs[0].dtype, ", accepted are f32, bf16 and f16");
  const double n = double(p.inputs[0].count());
  return Support::yes(streaming_us(n * 4, n * 2, p.threads));
}
Support supports_top_k(const Problem& p) {
  if (p.outputs[0].dtype == ir::DType::kUndefined || p.outputs.size() < 2)
    return Support::no("the values are not wanted");
  if (p.outputs[0].count() == 0) return Support::no("nothing is selected");
  return supports_lines(p);
}
Support supports_cum_sum(const Problem& p) {
  if (p.has_input(1) && !p.constants[1]) return Support::no("the axis is not known before running");
  return supports_lines(p);
}

}  // namespace

std::vector<KernelDef> ordering() {
  auto arg = [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<ArgExtreme>(p); };
  return {{"arg_lines", "ArgMax", supports_lines, arg},
          {"arg_lines", "ArgMin", supports_lines, arg},
          {"top_k_lines", "TopK", supports_top_k,
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<TopK>(p); }},
          {"cum_sum_lines", "CumSum", supports_cum_sum, [](const Problem& p) -> std::unique_ptr<Kernel> {
             return std::make_unique<CumSum>(
                 p, p.has_input(1) ? p.constants[1]->get_int(0) : p.attrs<ops::CumulativeAttrs>().axis);
           }}};
}

}  // namespace tenon::cpu
