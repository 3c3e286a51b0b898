// Element-wise programs, and single element-wise operators as programs: compiled at run time for the types and the
// broadcasting at hand, or, without a run-time compiler, interpreted.
#include <algorithm>

#include "backends/cuda/cuda.h"
#include "backends/cuda/kernels/pointwise_run.h"
#include "ops/fused/pointwise.h"

namespace tenon::cuda {
namespace {

std::optional<ops::PointwiseProgram> program_of(const Problem& p) {
  return ops::pointwise_program_of(*p.node,
                                   [&](size_t i) { return i < p.constants.size() ? p.constants[i] : nullptr; });
}

template <std::string (*Refusal)(const Problem&, const ops::PointwiseProgram&, const std::vector<TensorDesc>&,
                                 const std::vector<TensorDesc>&)>
Support supports(const Problem& p, double slowdown) {
  const auto program = program_of(p);
  if (!program) return Support::no("operator ", p.node->op, " has no element-wise program for these inputs");
  if (std::string reason = Refusal(p, *program, p.inputs, p.outputs); !reason.empty()) return Support::no(reason);
  return Support::yes(estimate_us(p, 0, 1) * slowdown);
}

class Pointwise final : public Kernel {
 public:
  explicit Pointwise(std::unique_ptr<PointwiseRun> run) : run_(std::move(run)) {}
  void run(const RunArgs& args) const override { run_->run(args.inputs, args.outputs, stream_of(args)); }

 private:
  std::unique_ptr<PointwiseRun> run_;
};

KernelDef compiled(std::string_view op) {
  return {"pointwise_nvrtc", op, [](const Problem& p) { return supports<refuse_compiled>(p, 1.2); },
          [](const Problem& p) -> std::unique_ptr<Kernel> {
            return std::make_unique<Pointwise>(compile_pointwise(p, *program_of(p), p.inputs, p.outputs));
          },
          0x1ffff};
}
KernelDef interpreted(std::string_view op) {
  return {"pointwise_interpreter", op, [](const Problem& p) { return supports<refuse_interpreted>(p, 10); },
          [](const Problem& p) -> std::unique_ptr<Kernel> {
            return std::make_unique<Pointwise>(interpret_pointwise(p, *program_of(p), p.inputs, p.outputs));
          },
          0x1ffff};
}

}  // namespace

std::vector<KernelDef> pointwise() {
  std::vector<KernelDef> defs;
  for (std::string_view op : ops::pointwise_operators()) {
    defs.push_back(compiled(op));
    defs.push_back(interpreted(op));
  }
  return defs;
}

}  // namespace tenon::cuda
