#include "backends/cuda/kernels/pointwise_space.h"

#include <algorithm>

#include "backends/strides.h"

namespace tenon::cuda {
namespace {

std::vector<bool> inputs_read(const ops::PointwiseProgram& program) {
  std::vector<bool> read(size_t(program.input_count), false);
  auto note = [&](const ops::PointwiseArg& a) {
    if (a.kind == ops::PointwiseArg::Kind::kInput) read[size_t(a.index)] = true;
  };
  for (const auto& i : program.instrs) std::for_each(i.args.begin(), i.args.end(), note);
  std::for_each(program.results.begin(), program.results.end(), note);
  return read;
}

std::string refuse_operands(const ops::PointwiseProgram& program, const std::vector<bool>& read,
                            const std::vector<TensorDesc>& inputs, const std::vector<TensorDesc>& outputs) {
  if (read.size() > inputs.size()) return cat("the program reads operand ", read.size() - 1);
  for (size_t i = 0; i < read.size(); ++i)
    if (read[i] && inputs[i].dtype == ir::DType::kUndefined) return cat("operand ", i, " is absent");
  if (program.results.size() != outputs.size()) return cat("the program has ", program.results.size(), " results");
  for (const TensorDesc& d : outputs) {
    if (d.dtype == ir::DType::kUndefined) return "every result must be wanted";
    if (d.dims != outputs[0].dims) return "results differ in shape";
  }
  return {};
}

}  // namespace

PointwiseSpace pointwise_space(const ops::PointwiseProgram& program, const std::vector<TensorDesc>& inputs,
                               const std::vector<TensorDesc>& outputs, std::string& reason) {
  PointwiseSpace space;
  const std::vector<bool> read = inputs_read(program);
  reason = refuse_operands(program, read, inputs, outputs);
  if (!reason.empty()) return space;
  space.dims = outputs[0].dims;
  std::vector<ir::Dims> strides;
  for (size_t i = 0; i < read.size(); ++i)
    if (read[i]) strides.push_back(broadcast_strides(inputs[i], space.dims));
  for (const TensorDesc& d : outputs) strides.push_back(broadcast_strides(d, space.dims));
  collapse(space.dims, strides);
  if (space.dims.empty()) {
    space.dims = {1};
    for (auto& s : strides) s = {0};
  }
  size_t at = 0;
  space.inputs.resize(inputs.size());
  for (size_t i = 0; i < read.size(); ++i)
    if (read[i]) space.inputs[i] = {inputs[i].dtype, strides[at++]};
  for (const TensorDesc& d : outputs) space.outputs.push_back({d.dtype, strides[at++]});
  return space;
}

}  // namespace tenon::cuda
