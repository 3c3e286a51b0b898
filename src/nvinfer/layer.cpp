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
  if (!has_index("ILayer::getOutputType", index, getNbOutputs())) return DataType::kFLOAT;
  nvinfer1::ITensor* output = getOutput(index);
  return output ? output->getType() : DataType::kFLOAT;
}

void Layer::setMetadata(const char* metadata) noexcept {
  guard(reports(), "ILayer::setMetadata", [&] { node().metadata = need(metadata, "metadata"); });
}
const char* Layer::getMetadata() const noexcept { return network_.keep(node().metadata); }

bool Layer::setNbRanks(int32_t ranks) noexcept {
  return guard(reports(), "ILayer::setNbRanks", [&] {
    require(ranks == 1, ErrorCode::kUnsupported, "layer '", node().name, "' on ", ranks, " devices, there is one");
    return true;
  });
}

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
    network_.name_type(to_core(type));
    network_.force_type(node().outputs[size_t(index)], to_core(type));
  });
}

bool Layer::outputTypeIsSet(int32_t index) const noexcept {
  return has_index("ILayer::outputTypeIsSet", index, getNbOutputs()) &&
         network_.forced_type(node().outputs[size_t(index)]).has_value();
}

void Layer::resetOutputType(int32_t index) noexcept {
  if (!has_index("ILayer::resetOutputType", index, getNbOutputs())) return;
  guard(reports(), "ILayer::resetOutputType",
        [&] { network_.force_type(node().outputs[size_t(index)], std::nullopt); });
}

const void* Layer::read_field(const char* field) const {
  const ir::Attrs& attrs = shown();
  const ir::Field* found = attrs.find(field);
  require(found != nullptr, ErrorCode::kInternal, node().op, " has no field '", field, "'");
  return found->get(const_cast<void*>(attrs.data()));
}

void* Layer::edit_field(const char* field) {
  ir::Attrs& attrs = changed();
  const ir::Field* found = attrs.find(field);
  require(found != nullptr, ErrorCode::kInternal, node().op, " has no field '", field, "'");
  network_.touch(node_);
  network_.mark_edited(node_);
  return found->get(attrs.edit_data());
}

template <class Body>
bool Layer::change(const char* field, Body body) noexcept {
  const bool done = guard(reports(), field, [&] {
    try {
      return body(), true;
    } catch (const Error& e) {
      throw e.at(cat("layer '", node().name, "'"));
    }
  });
  if (!done) network_.count_refusal();
  return done;
}

bool Layer::has_index(const char* where, int32_t index, int32_t count) const noexcept {
  return guard(reports(), where, [&] {
    require(index >= 0 && index < count, ErrorCode::kInvalidArgument, "index ", index, " of layer '", node().name,
            "', 0 to ", count - 1, " are accepted");
    return true;
  });
}

bool Layer::set_dims(const char* field, const nvinfer1::Dims& value) noexcept {
  return change(field, [&] {
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
  return change(field, [&] { edit<ir::Tensor>(field) = to_core(value); });
}
nvinfer1::Weights Layer::get_weights(const char* field) const noexcept {
  return guard(reports(), field, [&] { return to_api(read<ir::Tensor>(field)); });
}
bool Layer::set_type(const char* field, DataType value) noexcept {
  return change(field, [&] { network_.name_type(edit<ir::DType>(field) = to_core(value)); });
}
DataType Layer::get_type(const char* field) const noexcept {
  return guard(reports(), field, [&] { return to_api(read<ir::DType>(field)); });
}
bool Layer::set_text(const char* field, const char* value) noexcept {
  return change(field, [&] { edit<std::string>(field) = need(value, field); });
}
const char* Layer::get_text(const char* field) const noexcept {
  return guard(reports(), field, [&] { return read<std::string>(field).c_str(); });
}
bool Layer::set_float(const char* field, float value) noexcept {
  return change(field, [&] { edit<float>(field) = value; });
}
float Layer::get_float(const char* field) const noexcept {
  return guard(reports(), field, [&] { return read<float>(field); });
}
bool Layer::set_bool(const char* field, bool value) noexcept {
  return change(field, [&] { edit<bool>(field) = value; });
}
bool Layer::get_bool(const char* field) const noexcept {
  return guard(reports(), field, [&] { return read<bool>(field); });
}
bool Layer::set_int(const char* field, int64_t value, bool known) noexcept {
  return change(field, [&] {
    require(known, ErrorCode::kInvalidArgument, field, " is set to ", value, ", which no enumerator is");
    if (network_.implicit() && is_axis(field) && value >= 0) ++value;
    if (network_.implicit() && is_axis_mask(field)) value <<= 1;
    edit<int64_t>(field) = value;
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
