// An ILayer over one node of a network's graph. Its settings are the node's attributes, by the getter's name.
#pragma once
#include <string>
#include <type_traits>

#include <NvInfer.h>

#include "ir/graph.h"
#include "nvinfer/convert.h"

namespace tenon::nvinfer {

class Network;
class Tensor;

/// What every layer has. Reads and writes attributes; a setter that fails reports it and changes nothing.
class Layer : public nvinfer1::apiv::VLayer {
 public:
  Layer(Network& network, ir::NodeId node, nvinfer1::LayerType type) : network_(network), node_(node), type_(type) {}
  virtual nvinfer1::ILayer* api() noexcept = 0;
  ir::NodeId id() const { return node_; }

  nvinfer1::LayerType getType() const noexcept override { return type_; }
  void setName(const char* name) noexcept override;
  const char* getName() const noexcept override;
  int32_t getNbInputs() const noexcept override;
  nvinfer1::ITensor* getInput(int32_t index) const noexcept override;
  int32_t getNbOutputs() const noexcept override;
  nvinfer1::ITensor* getOutput(int32_t index) const noexcept override;
  void setInput(int32_t index, nvinfer1::ITensor& tensor) noexcept override;
  nvinfer1::DataType getOutputType(int32_t index) const noexcept override;
  void setMetadata(const char* metadata) noexcept;
  const char* getMetadata() const noexcept;
  // Weakly typed networks, up to level 10.
  void setPrecision(nvinfer1::DataType type) noexcept;
  nvinfer1::DataType getPrecision() const noexcept { return precision_; }
  bool precisionIsSet() const noexcept { return has_precision_; }
  void resetPrecision() noexcept { has_precision_ = false, precision_ = nvinfer1::DataType::kFLOAT; }
  void setOutputType(int32_t index, nvinfer1::DataType type) noexcept;
  bool outputTypeIsSet(int32_t index) const noexcept;
  void resetOutputType(int32_t index) noexcept;
  // Several devices, from level 11.
  bool setNbRanks(int32_t ranks) noexcept;
  int32_t getNbRanks() const noexcept { return 1; }

 protected:
  template <class T>
  bool set(const char* field, T value) noexcept {
    if constexpr (std::is_base_of_v<nvinfer1::Dims, T>)
      return set_dims(field, value);
    else if constexpr (std::is_same_v<T, nvinfer1::Weights>)
      return set_weights(field, value);
    else if constexpr (std::is_same_v<T, nvinfer1::DataType>)
      return set_type(field, value);
    else if constexpr (std::is_same_v<T, const char*>)
      return set_text(field, value);
    else if constexpr (std::is_floating_point_v<T>)
      return set_float(field, static_cast<float>(value));
    else if constexpr (std::is_same_v<T, bool>)
      return set_bool(field, value);
    else if constexpr (std::is_enum_v<T>)
      return set_int(field, static_cast<int64_t>(value), is_known(value));
    else
      return set_int(field, static_cast<int64_t>(value));
  }
  template <class T>
  T get(const char* field) const noexcept {
    if constexpr (std::is_base_of_v<nvinfer1::Dims, T>) {
      T out;
      static_cast<nvinfer1::Dims&>(out) = get_dims(field);
      return out;
    } else if constexpr (std::is_same_v<T, nvinfer1::Weights>) {
      return get_weights(field);
    } else if constexpr (std::is_same_v<T, nvinfer1::DataType>) {
      return get_type(field);
    } else if constexpr (std::is_same_v<T, const char*>) {
      return get_text(field);
    } else if constexpr (std::is_floating_point_v<T>) {
      return static_cast<T>(get_float(field));
    } else if constexpr (std::is_same_v<T, bool>) {
      return get_bool(field);
    } else {
      return static_cast<T>(get_int(field));
    }
  }
  /// The node's own copy of a field, to be changed; the network is told. Throws kInternal if there is no such field.
  template <class T>
  T& edit(const char* field) {
    return *static_cast<T*>(edit_field(field));
  }
  template <class T>
  const T& read(const char* field) const {
    return *static_cast<const T*>(read_field(field));
  }

  /// The settings that getters tell, and those that setters change; where both are not the node's own, changing makes
  /// them so.
  virtual const ir::Attrs& shown() const { return node().attrs; }
  virtual ir::Attrs& changed() { return node().attrs; }

  const Reports& reports() const;
  ir::Node& node() const;
  /// False, with a report, unless 0 <= index < count.
  bool has_index(const char* where, int32_t index, int32_t count) const noexcept;
  Network& network_;
  ir::NodeId node_;

 private:
  void* edit_field(const char* field);
  const void* read_field(const char* field) const;
  bool set_dims(const char* field, const nvinfer1::Dims& value) noexcept;
  bool set_weights(const char* field, const nvinfer1::Weights& value) noexcept;
  bool set_type(const char* field, nvinfer1::DataType value) noexcept;
  bool set_text(const char* field, const char* value) noexcept;
  bool set_float(const char* field, float value) noexcept;
  bool set_bool(const char* field, bool value) noexcept;
  bool set_int(const char* field, int64_t value, bool known = true) noexcept;
  /// Runs `body`, which writes a field; false, with a report that names the layer, if it throws.
  template <class Body>
  bool change(const char* field, Body body) noexcept;
  nvinfer1::Dims get_dims(const char* field) const noexcept;
  nvinfer1::Weights get_weights(const char* field) const noexcept;
  nvinfer1::DataType get_type(const char* field) const noexcept;
  const char* get_text(const char* field) const noexcept;
  float get_float(const char* field) const noexcept;
  bool get_bool(const char* field) const noexcept;
  int64_t get_int(const char* field) const noexcept;

  nvinfer1::LayerType type_;
  bool has_precision_ = false;
  nvinfer1::DataType precision_ = nvinfer1::DataType::kFLOAT;
};

/// A layer of public type I with settings V.
template <class I, class V>
class LayerObject : public I, public Layer, public V {
 public:
  LayerObject(Network& network, ir::NodeId node, nvinfer1::LayerType type) : Layer(network, node, type) {
    this->mLayer = this;
    if constexpr (requires { this->mImpl; }) this->mImpl = this;
  }
  nvinfer1::ILayer* api() noexcept override { return this; }
};

}  // namespace tenon::nvinfer
