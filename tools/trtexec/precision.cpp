#include "trtexec/precision.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "trtexec/engine.h"

namespace trtexec {
namespace {

using namespace nvinfer1;

DataType type_of(const std::string& name) {
  static const std::map<std::string, DataType> types = {
      {"fp32", DataType::kFLOAT},  {"fp16", DataType::kHALF}, {"bf16", DataType::kBF16}, {"int32", DataType::kINT32},
      {"int64", DataType::kINT64}, {"int8", DataType::kINT8}, {"bool", DataType::kBOOL}, {"uint8", DataType::kUINT8}};
  const auto it = types.find(name);
  if (it != types.end()) return it->second;
  std::string known;
  for (const auto& [other, type] : types) known += (known.empty() ? "" : ", ") + other;
  throw std::runtime_error("there is no type '" + name + "', accepted are " + known);
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

}  // namespace

void set_layer_types(const Options& o, INetworkDefinition& network) {
  apply(o.layer_precisions, network,
        [](ILayer& layer, const std::vector<DataType>& types) { layer.setPrecision(types.at(0)); });
  apply(o.layer_output_types, network, [](ILayer& layer, const std::vector<DataType>& types) {
    for (int32_t i = 0; i < layer.getNbOutputs(); ++i)
      layer.setOutputType(i, types[std::min(size_t(i), types.size() - 1)]);
  });
}

std::unique_ptr<IInt8Calibrator> read_calibration(const Options& o) {
  if (o.calib.empty()) return nullptr;
  return std::make_unique<CachedCalibration>(read_file(o.calib));
}

}  // namespace trtexec
