#include "ops/fused/epilogue.h"

#include "base/checked.h"
#include "ops/fused/pointwise_program.h"
#include "ops/support.h"

namespace tenon::ops {

void store_with_epilogue(EvalContext& c, const std::string& program, size_t first_extra,
                         const std::vector<double>& sums, const Dims& dims) {
  Tensor& y = c.output(0, dims);
  if (program.empty()) {
    for (int64_t i = 0; i < y.count(); ++i) y.set(i, sums[size_t(i)]);
    return;
  }
  const PointwiseProgram p = parse_pointwise(program);
  require(p.results.size() == 1, ErrorCode::kInvalidModel, "an epilogue has one result, this one has ",
          p.results.size());
  std::vector<std::vector<double>> extras;
  std::vector<BroadcastIndex> at;
  for (int k = 1; k < p.input_count; ++k) {
    const Tensor& t = c.input(first_extra + size_t(k) - 1);
    extras.push_back(t.to_doubles());
    at.emplace_back(t.dims(), dims);
  }
  std::vector<double> inputs(size_t(std::max(p.input_count, 1))), temps(p.instrs.size());
  for (int64_t i = 0; i < y.count(); ++i) {
    inputs[0] = sums[size_t(i)];
    for (size_t k = 0; k < extras.size(); ++k) inputs[k + 1] = extras[k][size_t(at[k](i))];
    double result;
    eval_pointwise(p, inputs.data(), temps.data(), &result);
    y.set(i, result);
  }
}

}  // namespace tenon::ops
