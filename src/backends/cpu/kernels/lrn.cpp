// Local response normalization over neighbouring channels, strip by strip of one channel's plane.
#include <algorithm>
#include <cmath>

#include "backends/cpu/kernels/strides.h"
#include "base/thread_pool.h"
#include "ops/nn/norm.h"

namespace tenon::cpu {
namespace {

constexpr int64_t kStrip = 512;

class Lrn final : public Kernel {
 public:
  explicit Lrn(const Problem& p) : a_(p.attrs<ops::LrnAttrs>()), s_(split_at(p.inputs[0].dims, 1)) {
    before_ = std::min((a_.size - 1) / 2, s_.size), after_ = std::min(a_.size / 2, s_.size);
    tasks_ = task_count(cost_ns(p), s_.outer * s_.size, p.threads);
  }
  void run(const RunArgs& args) const override {
    args.pool.parallel_for(tasks_, [&](int64_t task, int) {
      const int64_t all = s_.outer * s_.size;
      for (int64_t i = all * task / tasks_, end = all * (task + 1) / tasks_; i < end; ++i) channel(args, i);
    });
  }
  static double cost_ns(const Problem& p) {
    const auto& a = p.attrs<ops::LrnAttrs>();
    return double(p.inputs[0].count()) * (double(std::min(a.size, p.inputs[0].dims[1])) * 0.2 + 8);
  }

 private:
  void channel(const RunArgs& args, int64_t i) const {
    const int64_t image = i / s_.size * s_.size, k = i % s_.size;
    const int64_t first = std::max<int64_t>(k - before_, 0), last = std::min(k + after_, s_.size - 1);
    const float* x = static_cast<const float*>(args.inputs[0]);
    float* y = static_cast<float*>(args.outputs[0]) + i * s_.inner;
    const double alpha = double(a_.alpha) / double(a_.size), bias = a_.bias, beta = a_.beta;
    for (int64_t at = 0; at < s_.inner; at += kStrip) {
      const int64_t n = std::min(kStrip, s_.inner - at);
      double sums[kStrip] = {};
      for (int64_t c = first; c <= last; ++c) {
        const float* from = x + (image + c) * s_.inner + at;
        for (int64_t j = 0; j < n; ++j) sums[j] += double(from[j]) * double(from[j]);
      }
      const float* own = x + i * s_.inner + at;
      if (a_.beta == 0.75f) {
        for (int64_t j = 0; j < n; ++j) {
          const double root = std::sqrt(bias + alpha * sums[j]);
          y[at + j] = float(double(own[j]) / (root * std::sqrt(root)));
        }
      } else {
        for (int64_t j = 0; j < n; ++j) y[at + j] = float(double(own[j]) / std::pow(bias + alpha * sums[j], beta));
      }
    }
  }

  ops::LrnAttrs a_;
  AxisSplit s_;
  int64_t before_ = 0, after_ = 0, tasks_ = 1;
};

Support supports(const Problem& p) {
  if (p.inputs[0].dtype != ir::DType::kF32)
    return Support::no("elements are ", p.inputs[0].dtype, ", accepted are f32");
  if (!p.all_dense()) return Support::no("operands must be dense");
  return Support::yes(streaming_us(double(p.inputs[0].count()) * 8, Lrn::cost_ns(p), p.threads));
}

}  // namespace

std::vector<KernelDef> lrn() {
  return {{"lrn_planes", "LRN", supports,
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<Lrn>(p); }}};
}

}  // namespace tenon::cpu
