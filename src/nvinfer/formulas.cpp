// Output dims of windows by a formula of the user's: level 7.
#include <algorithm>

#include "nvinfer/network.h"

#if TRT_UNTIL(7)
namespace tenon::nvinfer {
namespace {

/// What TensorRT's own formulas say.
class DefaultFormula final : public IOutputDimensionsFormula {
 public:
  explicit DefaultFormula(bool transposed) : transposed_(transposed) {}
  DimsHW compute(DimsHW input, DimsHW kernel, DimsHW stride, DimsHW padding, DimsHW dilation,
                 const char*) const override {
    DimsHW out;
    for (int32_t i = 0; i < 2; ++i) {
      const auto reach = (kernel.d[i] - 1) * dilation.d[i] + 1;
      out.d[i] = transposed_ ? (input.d[i] - 1) * stride.d[i] + reach - 2 * padding.d[i]
                             : (input.d[i] + 2 * padding.d[i] - reach) / stride.d[i] + 1;
    }
    return out;
  }

 private:
  bool transposed_;
};

const ir::Dims& ints(const ir::Node& node, const char* field) {
  return node.attrs.find(field)->of<ir::Dims>(node.attrs.data());
}

DimsHW height_width(const ir::Dims& dims, int32_t otherwise) {
  require(dims.empty() || dims.size() == 2, ErrorCode::kUnsupported, "a formula gives dims of layers with two spatial ",
          "dimensions, this one has ", dims.size());
  const nvinfer1::Dims given = to_api(dims);
  return dims.empty() ? DimsHW(otherwise, otherwise) : DimsHW(given.d[0], given.d[1]);
}

}  // namespace

IOutputDimensionsFormula& Network::formula(Windows kind) const noexcept {
  static DefaultFormula windows(false), transposed(true);
  if (formulas_[kind]) return *formulas_[kind];
  return kind == kDeconvolutions ? transposed : windows;
}

void Network::set_formula(Windows kind, IOutputDimensionsFormula* formula) noexcept {
  formulas_[kind] = formula;
  touch(0);
}

void Network::apply_formula(ir::NodeId id) {
  static constexpr const char* kOps[] = {"trt.Convolution", "trt.Deconvolution", "trt.Pooling"};
  const auto kind =
      static_cast<size_t>(std::find(std::begin(kOps), std::end(kOps), graph_.node(id).op) - std::begin(kOps));
  if (kind == std::size(kOps)) return;
  ir::Node& node = graph_.node(id);
  if (!formulas_[kind]) {
    if (!ints(node, "output_size").empty())
      node.attrs.find("output_size")->of<ir::Dims>(node.attrs.edit_data()).clear();
    return;
  }
  const bool pools = kind == kPoolings;
  const ir::Value& x = graph_.value(node.inputs.at(0));
  require(x.ranked && x.shape.size() == 4 && x.shape[2].is_const() && x.shape[3].is_const(), ErrorCode::kUnsupported,
          "the formula for the output dims of layer '", node.name,
          "' needs an input with two known spatial dimensions");
  const DimsHW window = height_width(ints(node, pools ? "window_size" : "kernel_size"), 1);
  const DimsHW stride = pools && ints(node, "stride").empty() ? window : height_width(ints(node, "stride"), 1);
  const DimsHW out =
      formulas_[kind]->compute(height_width({x.shape[2].constant(), x.shape[3].constant()}, 1), window, stride,
                               height_width(ints(node, "pre_padding"), 0),
                               pools ? DimsHW(1, 1) : height_width(ints(node, "dilation"), 1), node.name.c_str());
  node.attrs.find("output_size")->of<ir::Dims>(node.attrs.edit_data()) = {out.d[0], out.d[1]};
}

}  // namespace tenon::nvinfer
#endif
