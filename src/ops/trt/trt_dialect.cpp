// The dialect's operators, as the registry sees them.
#include "ops/trt/lower.h"

namespace tenon::ops {
namespace trt {

#define TENON_TRT_LAYERS(family) std::vector<Layer> family##_layers();
#include "ops/trt/layers.inc"
#undef TENON_TRT_LAYERS

void infer_by_rule(InferContext& c);

namespace {

const std::vector<Layer>& all_layers() {
  static const std::vector<Layer> layers = [] {
    std::vector<Layer> all;
#define TENON_TRT_LAYERS(family) \
  for (const Layer& layer : family##_layers()) all.push_back(layer);
#include "ops/trt/layers.inc"
#undef TENON_TRT_LAYERS
    return all;
  }();
  return layers;
}

}  // namespace

const Layer* find_layer(std::string_view op) {
  if (op.substr(0, 4) != "trt.") return nullptr;
  for (const Layer& layer : all_layers()) {
    if (layer.name == op) return &layer;
  }
  return nullptr;
}

}  // namespace trt

OpSet trt_dialect() {
  OpSet set;
  for (const trt::Layer& layer : trt::all_layers()) {
    set.ops.push_back({.name = layer.name,
                       .attrs = layer.attrs,
                       .min_inputs = layer.min_inputs,
                       .max_inputs = layer.max_inputs,
                       .infer = trt::infer_by_rule});
  }
  return set;
}

}  // namespace tenon::ops
