// How Network adds a layer; for the files that define its add methods.
#pragma once
#include "nvinfer/custom_layers.h"
#include "nvinfer/network.h"

namespace tenon::nvinfer {

template <class L>
L* Network::add(const char* op, LayerType type, const std::vector<ir::ValueId>& inputs, size_t outputs) {
  const ir::NodeId n = new_node(op, type, inputs, outputs);
  auto layer = std::make_unique<L>(*this, n, type);
  L* result = layer.get();
  layers_[n] = std::move(layer);
  return result;
}

template <class L>
L* Network::add(const char* op, LayerType type, std::initializer_list<const ITensor*> inputs, size_t outputs) {
  std::vector<ir::ValueId> ids;
  for (const ITensor* input : inputs) ids.push_back(id_of(*input));
  return add<L>(op, type, ids, outputs);
}

template <class Body>
std::invoke_result_t<Body> Network::adding(const char* where, Body body) noexcept {
  const size_t layers = order_.size();
  const int refusals = refusals_;
  auto* layer = guard(reports_, where, body);
  if (layer && refusals == refusals_) return layer;
  while (order_.size() > layers) take_back_layer();
  return nullptr;
}

}  // namespace tenon::nvinfer
