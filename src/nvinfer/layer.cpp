#include "nvinfer/layer.h"

#include <optional>

#include "nvinfer/network.h"

namespace tenon::nvinfer {

using nvinfer1::DataType;

namespace {

// With an implicit batch dimension the node's axes count that dimension, the user's do not.
bool is_axis(std::string_view field) {
  return field == "axis" || field == "channel_axis" || field == "gather_axis" || field == "batch_axis" ||
         field == "sequence_axis";
}
bool is_axis_mask(std::string_view field) { return field == "axes" || field == "reduce_axes"; }
/// Dims of a whole tensor, and what stands for the batch in them: 0 copies it, 1 broadcasts over it.
std::optional<int64_t> batch_entry(std::string_view field) {
  if (field == "reshape_dimensions") return 0;
  if (field == "dimensions") return 1;
  return std::nullopt;
}

}  // namespace

ir::Node& Layer::node() const { return network_.graph().node(node_); }
const Reports& Layer::reports() const { return network_.reports(); }

void Layer::setName(const char* name) noexcept {
  guard(reports(), "ILayer::setName", [&] { node().name = node().origin = need(name, "name"); });
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

void Layer::setPrecision(DataType type) noexcept {
  guard(reports(), "ILayer::setPrecision", [&] {
    require(!network_.usingStronglyTyped(), ErrorCode::kInvalidArgument,
            "a strongly typed network takes its types from its tensors, layer '", node().name, "' cannot be given one");
    require(!node().name.empty(), ErrorCode::kInvalidArgument,
            "a layer is told apart by its name, this one has none; call setName first");
    to_core(type);  // refuses what is no type
    has_precision_ = true;
    precision_ = type;
  });
}

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
    ir::Dims dims = to_core(value);
    if (auto batch = batch_entry(field); batch && network_.implicit()) dims.insert(dims.begin(), *batch);
    if (network_.implicit() && std::string_view(field) == "start") {  // slices leave the batch alone
      ir::Dims& axes = edit<ir::Dims>("axes");
      axes.resize(dims.size());
      for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int64_t>(i + 1);
    }
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
      [&] {
        const auto& dims = read<ir::Dims>(std::string_view(field) == "padding" ? "pre_padding" : field);
        return batch_entry(field) ? network_.shown(dims) : to_api(dims);
      },
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
  return guard(reports(), field, [&] {
    if (network_.implicit() && is_axis(field) && value >= 0) ++value;
    if (network_.implicit() && is_axis_mask(field)) value <<= 1;
    return edit<int64_t>(field) = value, true;
  });
}
int64_t Layer::get_int(const char* field) const noexcept {
  return guard(reports(), field, [&] {
    const auto value = read<int64_t>(field);
    if (network_.implicit() && is_axis(field) && value > 0) return value - 1;
    return network_.implicit() && is_axis_mask(field) ? value >> 1 : value;
  });
}

}  // namespace tenon::nvinfer
