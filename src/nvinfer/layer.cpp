#include "nvinfer/layer.h"

#include "nvinfer/network.h"

namespace tenon::nvinfer {

using nvinfer1::DataType;

ir::Node& Layer::node() const { return network_.graph().node(node_); }
const Reports& Layer::reports() const { return network_.reports(); }

void Layer::setName(const char* name) noexcept {
  guard(reports(), "ILayer::setName", [&] { node().name = need(name, "name"); });
}
const char* Layer::getName() const noexcept { return network_.keep(node().name); }

int32_t Layer::getNbInputs() const noexcept { return static_cast<int32_t>(node().inputs.size()); }
int32_t Layer::getNbOutputs() const noexcept { return static_cast<int32_t>(node().outputs.size()); }

nvinfer1::ITensor* Layer::getInput(int32_t index) const noexcept {
  if (index < 0 || index >= getNbInputs()) return nullptr;
  return guard(reports(), "ILayer::getInput", [&] { return network_.tensor(node().inputs[size_t(index)]); });
}

nvinfer1::ITensor* Layer::getOutput(int32_t index) const noexcept {
  if (index < 0 || index >= getNbOutputs()) return nullptr;
  return guard(reports(), "ILayer::getOutput", [&] { return network_.tensor(node().outputs[size_t(index)]); });
}

void Layer::setInput(int32_t index, nvinfer1::ITensor& tensor) noexcept {
  guard(reports(), "ILayer::setInput", [&] { network_.set_input(node_, index, tensor); });
}

DataType Layer::getOutputType(int32_t index) const noexcept {
  nvinfer1::ITensor* output = getOutput(index);
  return output ? output->getType() : DataType::kFLOAT;
}

void Layer::setMetadata(const char* metadata) noexcept {
  guard(reports(), "ILayer::setMetadata", [&] { node().metadata = need(metadata, "metadata"); });
}
const char* Layer::getMetadata() const noexcept { return network_.keep(node().metadata); }

void Layer::setPrecision(DataType type) noexcept { has_precision_ = true, precision_ = type; }

void Layer::setOutputType(int32_t index, DataType type) noexcept {
  guard(reports(), "ILayer::setOutputType", [&] {
    require(index >= 0 && index < getNbOutputs(), ErrorCode::kInvalidArgument, "output ", index, " of ",
            getNbOutputs());
    network_.force_type(node().outputs[size_t(index)], to_core(type));
  });
}

bool Layer::outputTypeIsSet(int32_t index) const noexcept {
  return index >= 0 && index < getNbOutputs() && network_.forced_type(node().outputs[size_t(index)]).has_value();
}

void Layer::resetOutputType(int32_t index) noexcept {
  if (index >= 0 && index < getNbOutputs()) network_.force_type(node().outputs[size_t(index)], std::nullopt);
}

const void* Layer::read_field(const char* field) const {
  const ir::Attrs& attrs = node().attrs;
  const ir::Field* found = attrs.find(field);
  require(found != nullptr, ErrorCode::kInternal, node().op, " has no field '", field, "'");
  return found->get(const_cast<void*>(attrs.data()));
}

void* Layer::edit_field(const char* field) {
  ir::Attrs& attrs = node().attrs;
  const ir::Field* found = attrs.find(field);
  require(found != nullptr, ErrorCode::kInternal, node().op, " has no field '", field, "'");
  network_.touch(node_);
  return found->get(attrs.edit_data());
}

bool Layer::set_dims(const char* field, const nvinfer1::Dims& value) noexcept {
  return guard(reports(), field, [&] {
    const ir::Dims dims = to_core(value);
    if (std::string_view(field) == "padding") {  // symmetric padding is both of its sides
      edit<ir::Dims>("pre_padding") = dims;
      edit<ir::Dims>("post_padding") = dims;
    } else {
      edit<ir::Dims>(field) = dims;
    }
    return true;
  });
}

nvinfer1::Dims Layer::get_dims(const char* field) const noexcept {
  return guard(
      reports(), field,
      [&] { return to_api(read<ir::Dims>(std::string_view(field) == "padding" ? "pre_padding" : field)); },
      invalid_dims());
}

bool Layer::set_weights(const char* field, const nvinfer1::Weights& value) noexcept {
  return guard(reports(), field, [&] { return edit<ir::Tensor>(field) = to_core(value), true; });
}
nvinfer1::Weights Layer::get_weights(const char* field) const noexcept {
  return guard(reports(), field, [&] { return to_api(read<ir::Tensor>(field)); });
}
bool Layer::set_type(const char* field, DataType value) noexcept {
  return guard(reports(), field, [&] { return edit<ir::DType>(field) = to_core(value), true; });
}
DataType Layer::get_type(const char* field) const noexcept {
  return guard(reports(), field, [&] { return to_api(read<ir::DType>(field)); });
}
bool Layer::set_text(const char* field, const char* value) noexcept {
  return guard(reports(), field, [&] { return edit<std::string>(field) = need(value, field), true; });
}
const char* Layer::get_text(const char* field) const noexcept {
  return guard(reports(), field, [&] { return read<std::string>(field).c_str(); });
}
bool Layer::set_float(const char* field, float value) noexcept {
  return guard(reports(), field, [&] { return edit<float>(field) = value, true; });
}
float Layer::get_float(const char* field) const noexcept {
  return guard(reports(), field, [&] { return read<float>(field); });
}
bool Layer::set_bool(const char* field, bool value) noexcept {
  return guard(reports(), field, [&] { return edit<bool>(field) = value, true; });
}
bool Layer::get_bool(const char* field) const noexcept {
  return guard(reports(), field, [&] { return read<bool>(field); });
}
bool Layer::set_int(const char* field, int64_t value) noexcept {
  return guard(reports(), field, [&] { return edit<int64_t>(field) = value, true; });
}
int64_t Layer::get_int(const char* field) const noexcept {
  return guard(reports(), field, [&] { return read<int64_t>(field); });
}

}  // namespace tenon::nvinfer
