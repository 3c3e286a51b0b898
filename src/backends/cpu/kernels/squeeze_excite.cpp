// Squeeze and excitation, one image a task.
#include "ops/fused/squeeze_excite.h"

#include <algorithm>

#include "backends/cpu/kernels/product.h"
#include "backends/cpu/kernels/rows.h"

namespace tenon::cpu {
namespace {

constexpr size_t kInputs = 5;
constexpr int64_t kBlock = 64;  ///< positions that are added before their sum joins the others

/// y = f(w v + bias), w being [bias.count(), n].
struct Product {
  ir::Tensor w, bias;
  ops::PointwiseProgram program;
  bool has_program = false;

  Product(const Problem& p, size_t input, const std::string& text)
      : w(as_f32(*p.constants[input])), bias(as_f32(*p.constants[input + 1])), has_program(!text.empty()) {
    if (has_program) program = ops::parse_pointwise(text);
  }
  int64_t count() const { return bias.count(); }
  void operator()(const float* v, int64_t n, float* y) const {
    std::vector<double> temps(program.instrs.size());
    for (int64_t r = 0; r < count(); ++r) {
      const float* row = w.as<float>() + r * n;
      float lanes[16] = {};
      int64_t k = 0;
      for (; k + 16 <= n; k += 16)
        for (int64_t j = 0; j < 16; ++j) lanes[j] += row[k + j] * v[k + j];
      double sum = double(bias.as<float>()[r]);
      for (; k < n; ++k) sum += double(row[k] * v[k]);
      for (float lane : lanes) sum += double(lane);
      if (has_program) {
        const double in = sum;
        ops::eval_pointwise(program, &in, temps.data(), &sum);
      }
      y[r] = float(sum);
    }
  }
};

class SqueezeExcite final : public Kernel {
 public:
  explicit SqueezeExcite(const Problem& p)
      : loops_(isa::loop_table()),
        type_(p.inputs[0].dtype, loops_.pointwise),
        first_(p, 1, p.attrs<ops::SqueezeExciteAttrs>().inner),
        second_(p, 3, p.attrs<ops::SqueezeExciteAttrs>().outer),
        images_(p.inputs[0].dims[0]),
        channels_(p.inputs[0].dims.back()),
        pitch_(p.inputs[0].pitch),
        threads_(p.threads) {
    positions_ = p.inputs[0].count() / images_ / channels_;
  }
  int64_t workspace_bytes() const override { return floats() * 4 * threads_; }
  bool reads_constant(size_t input) const override { return input == 0; }
  void run(const RunArgs& args) const override {
    args.pool.parallel_for(images_, [&](int64_t image, int worker) {
      float* sums = static_cast<float*>(args.workspace) + floats() * worker;
      float *block = sums + channels_, *row = block + channels_, *hidden = row + channels_;
      const char* x = static_cast<const char*>(args.inputs[0]) + image * positions_ * pitch_ * type_.size;
      add_positions(x, sums, block, row);
      for (int64_t c = 0; c < channels_; ++c) sums[c] /= float(positions_);
      first_(sums, channels_, hidden);
      char* y = static_cast<char*>(args.outputs[0]) + image * channels_ * type_.size;
      float* out = type_.out(y, block);
      second_(hidden, first_.count(), out);
      type_.done(out, y, channels_);
    });
  }

 private:
  int64_t floats() const { return (3 * channels_ + first_.count() + 15) / 16 * 16; }
  void add_positions(const char* x, float* sums, float* block, float* row) const {
    const auto add = loops_.pointwise.loops[int(isa::PwOp::kAdd)][0];
    std::fill(sums, sums + channels_, 0.f);
    for (int64_t p = 0; p < positions_; p += kBlock) {
      std::fill(block, block + channels_, 0.f);
      for (int64_t q = p; q < std::min(p + kBlock, positions_); ++q)
        add(block, block, type_.in(x + q * pitch_ * type_.size, row, channels_), nullptr, channels_);
      add(sums, sums, block, nullptr, channels_);
    }
  }

  const isa::LoopTable& loops_;
  RowType type_;
  Product first_, second_;
  int64_t images_, channels_, pitch_, positions_ = 0;
  int threads_;
};

Support supports(const Problem& p) {
  const TensorDesc& x = p.inputs[0];
  if (!float_type(x.dtype) || p.outputs[0].dtype != x.dtype)
    return Support::no("elements are ", x.dtype, ", accepted are f32, bf16 and f16");
  for (size_t i = 1; i < kInputs; ++i)
    if (!p.constants[i]) return Support::no("operand ", i, " is not constant");
  if (x.count() == 0) return Support::no("there are no elements");
  return Support::yes(double(x.count()) * 5e-4);
}

std::unique_ptr<Kernel> prepare(const Problem& p) { return std::make_unique<SqueezeExcite>(p); }

}  // namespace

std::vector<KernelDef> squeeze_excite() { return {{"squeeze_excite", "SqueezeExcite", supports, prepare, 1u}}; }

}  // namespace tenon::cpu
