#include "trtexec/precision.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "trtexec/device.h"
#include "trtexec/engine.h"
#include "trtexec/values.h"
#include "trtexec/words.h"

namespace trtexec {
namespace {

using namespace nvinfer1;

DataType type_of(const std::string& name) {
  static const std::map<std::string, DataType> types = {
      {"fp32", DataType::kFLOAT},  {"fp16", DataType::kHALF}, {"bf16", DataType::kBF16}, {"int32", DataType::kINT32},
      {"int64", DataType::kINT64}, {"int8", DataType::kINT8}, {"bool", DataType::kBOOL}, {"uint8", DataType::kUINT8}};
  return known(types, name, "type");
}

/// "layer:type+type,layer:type" as types by layer.
std::map<std::string, std::vector<DataType>> parse(const std::string& text) {
  std::map<std::string, std::vector<DataType>> out;
  std::istringstream entries(text);
  for (std::string entry; std::getline(entries, entry, ',');) {
    const size_t colon = entry.rfind(':');
    if (colon == std::string::npos || colon == 0)
      throw std::runtime_error("'" + entry + "' is not of the form layer:type");
    std::istringstream types(entry.substr(colon + 1));
    for (std::string type; std::getline(types, type, '+');) out[entry.substr(0, colon)].push_back(type_of(type));
  }
  return out;
}

/// Calls `give` with each layer and the types that are meant for it.
template <class Give>
void apply(const std::string& text, INetworkDefinition& network, Give give) {
  auto wanted = parse(text);
  const auto rest = wanted.extract("*");
  for (int32_t i = 0; i < network.getNbLayers(); ++i) {
    ILayer& layer = *network.getLayer(i);
    if (const auto named = wanted.extract(layer.getName()))
      give(layer, named.mapped());
    else if (rest)
      give(layer, rest.mapped());
  }
  if (!wanted.empty()) throw std::runtime_error("the network has no layer '" + wanted.begin()->first + "'");
}

TensorFormat format_of(const std::string& name) {
  static const std::map<std::string, TensorFormat> formats = {
      {"chw", TensorFormat::kLINEAR},       {"chw2", TensorFormat::kCHW2},
      {"chw4", TensorFormat::kCHW4},        {"chw16", TensorFormat::kCHW16},
      {"chw32", TensorFormat::kCHW32},      {"hwc", TensorFormat::kHWC},
      {"hwc8", TensorFormat::kHWC8},        {"hwc16", TensorFormat::kHWC16},
      {"dhwc", TensorFormat::kDHWC},        {"dhwc8", TensorFormat::kDHWC8},
      {"cdhw32", TensorFormat::kCDHW32},    {"dla_linear", TensorFormat::kDLA_LINEAR},
      {"dla_hwc4", TensorFormat::kDLA_HWC4}};
  return known(formats, name, "format");
}

/// A tensor's type and formats by "type:format+format".
void set_io_format(ITensor& tensor, const std::string& entry) {
  const size_t colon = entry.find(':');
  if (colon == std::string::npos) throw std::runtime_error("'" + entry + "' is not of the form type:format");
  TensorFormats allowed = 0;
  std::istringstream formats(entry.substr(colon + 1));
  for (std::string format; std::getline(formats, format, '+');) allowed |= 1U << uint32_t(format_of(format));
  tensor.setType(type_of(entry.substr(0, colon)));
  tensor.setAllowedFormats(allowed);
}

template <class Get>
void apply_formats(const std::string& text, const char* option, int32_t count, Get get) {
  if (text.empty()) return;
  std::vector<std::string> entries;
  std::istringstream list(text);
  for (std::string entry; std::getline(list, entry, ',');) entries.push_back(entry);
  if (entries.size() != 1 && entries.size() != size_t(count))
    throw std::runtime_error(std::string(option) + " has " + std::to_string(entries.size()) + " entries, the network " +
                             std::to_string(count) + " such tensors; accepted is one for each, or one for all");
  for (int32_t i = 0; i < count; ++i) set_io_format(*get(i), entries[entries.size() == 1 ? 0 : size_t(i)]);
}

class CachedCalibration final : public IInt8EntropyCalibrator2 {
 public:
  explicit CachedCalibration(std::vector<char> cache) : cache_(std::move(cache)) {}
  int32_t getBatchSize() const noexcept override { return 1; }
  bool getBatch(void*[], const char*[], int32_t) noexcept override { return false; }
  const void* readCalibrationCache(size_t& length) noexcept override { return length = cache_.size(), cache_.data(); }
  void writeCalibrationCache(const void*, size_t) noexcept override {}

 private:
  std::vector<char> cache_;
};

/// One batch of random values.
class RandomCalibration final : public IInt8EntropyCalibrator2 {
 public:
  RandomCalibration(std::unique_ptr<Device> device, const INetworkDefinition& network,
                    const IOptimizationProfile& profile)
      : device_(std::move(device)) {
    for (int32_t i = 0; i < network.getNbInputs(); ++i) {
      const ITensor& input = *network.getInput(i);
      nvinfer1::Dims dims = input.getDimensions();
      for (int32_t k = 0; k < dims.nbDims; ++k)
        if (dims.d[k] < 0) dims = profile.getDimensions(input.getName(), OptProfileSelector::kOPT);
      std::vector<char> values(bytes_of(input.getType(), trtexec::Dims(dims.d, dims.d + dims.nbDims)));
      fill_random(values, input.getType(), static_cast<uint32_t>(i) + 1);
      void* memory = memory_[input.getName()] = device_->allocate(std::max<size_t>(values.size(), 1));
      device_->to_device(memory, values.data(), values.size(), nullptr);
    }
    device_->synchronize(nullptr);
  }
  ~RandomCalibration() {
    for (const auto& [name, memory] : memory_) device_->release(memory);
  }
  int32_t getBatchSize() const noexcept override { return 1; }
  bool getBatch(void* bindings[], const char* names[], int32_t count) noexcept override {
    for (int32_t i = 0; i < count; ++i) {
      const auto known = memory_.find(names[i]);
      if (given_ || known == memory_.end()) return false;
      bindings[i] = known->second;
    }
    return given_ = true;
  }
  const void* readCalibrationCache(size_t& length) noexcept override { return length = 0, nullptr; }
  void writeCalibrationCache(const void*, size_t) noexcept override {}

 private:
  std::unique_ptr<Device> device_;
  std::map<std::string, void*> memory_;
  bool given_ = false;
};

/// Whether the network says itself what its 8-bit values stand for.
bool has_scales(const INetworkDefinition& network) {
  for (int32_t i = 0; i < network.getNbLayers(); ++i) {
    const ILayer& layer = *network.getLayer(i);
    if (layer.getType() == LayerType::kQUANTIZE || layer.getType() == LayerType::kDEQUANTIZE) return true;
    for (int32_t k = 0; k < layer.getNbOutputs(); ++k)
      if (layer.getOutput(k) && layer.getOutput(k)->dynamicRangeIsSet()) return true;
  }
  return false;
}

}  // namespace

void set_layer_types(const Options& o, INetworkDefinition& network) {
  apply(o.layer_precisions, network,
        [](ILayer& layer, const std::vector<DataType>& types) { layer.setPrecision(types.at(0)); });
  apply(o.layer_output_types, network, [](ILayer& layer, const std::vector<DataType>& types) {
    for (int32_t i = 0; i < layer.getNbOutputs(); ++i)
      layer.setOutputType(i, types[std::min(size_t(i), types.size() - 1)]);
  });
}

void set_io_formats(const Options& o, INetworkDefinition& network) {
  apply_formats(o.input_formats, "--inputIOFormats", network.getNbInputs(),
                [&](int32_t i) { return network.getInput(i); });
  apply_formats(o.output_formats, "--outputIOFormats", network.getNbOutputs(),
                [&](int32_t i) { return network.getOutput(i); });
}

std::unique_ptr<IInt8Calibrator> make_calibrator(const Options& o, const INetworkDefinition& network,
                                                 const IOptimizationProfile& profile, Log& log) {
  if (!o.calib.empty()) return std::make_unique<CachedCalibration>(read_file(o.calib));
  if (!(o.int8 || o.best) || o.strongly_typed || has_scales(network)) return nullptr;
  log.warning(
      "Int8 without --calib: ranges come from random inputs. The engine's time means something, its results do not.");
  return std::make_unique<RandomCalibration>(Device::open(o.device), network, profile);
}

}  // namespace trtexec
