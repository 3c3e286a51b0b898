#include "nvinfer/onnx/parser.h"

#include <set>

#include "nvinfer/onnx/plugins.h"
#include "onnx/load.h"

namespace tenon::nvinfer {
namespace {

using Code = nvonnxparser::ErrorCode;

Code code_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUnsupported:
      return Code::kUNSUPPORTED_NODE;
    case ErrorCode::kShapeMismatch:
      return Code::kINVALID_NODE;
    case ErrorCode::kInvalidModel:
      return Code::kINVALID_GRAPH;
    case ErrorCode::kOutOfMemory:
      return Code::kMEM_ALLOC_FAILED;
    case ErrorCode::kInternal:
      return Code::kINTERNAL_ERROR;
    default:
      return Code::kINVALID_VALUE;
  }
}

std::string folder_of(const char* path) {
  if (!path) return {};
  const std::string text = path;
  const size_t slash = text.rfind('/');
  return slash == std::string::npos ? std::string(".") : text.substr(0, slash + 1);
}

}  // namespace

void Parser::keep(const importer::ImportError& error, Code code) {
  errors_.emplace_back(code, error);
  reports_.log(ILogger::Severity::kERROR, cat("ModelImporter: ", errors_.back().desc()));
}

onnx::Model onnx_model(const void* model, size_t size, const char* path, bool later) {
  onnx::LoadOptions options;
  options.later = later;
  return onnx::load_bytes({static_cast<const std::byte*>(need(model, "serialized_onnx_model")), size}, folder_of(path),
                          options);
}

void need_data(const onnx::Model& model) {
  for (const auto& [name, why] : model.awaited)
    fail(ErrorCode::kInvalidModel, "initializer '", name, "' has no data, none was given for it and its own ", why);
}

void Parser::report_flags() const {
#if NV_TENSORRT_MAJOR >= 10
  using Flag = nvonnxparser::OnnxParserFlag;
  static constexpr std::pair<Flag, const char*> kIgnored[] = {
      {Flag::kENABLE_UINT8_AND_ASYMMETRIC_QUANTIZATION_DLA, "kENABLE_UINT8_AND_ASYMMETRIC_QUANTIZATION_DLA"},
      {Flag::kREPORT_CAPABILITY_DLA, "kREPORT_CAPABILITY_DLA"},
      {Flag::kADJUST_FOR_DLA, "kADJUST_FOR_DLA"}};
  for (const auto& [flag, name] : kIgnored) {
    if (!getFlag(flag)) continue;
    reports_.log(nvinfer1::ILogger::Severity::kWARNING,
                 cat("IParser: ", name, " has no effect: there is no DLA on this machine"));
  }
#endif
}

void set_initializer(onnx::Model& model, const char* name, const void* data, size_t size) {
  need(name, "name");
  need(data, "data");
  for (onnx::NamedTensor& known : model.graph.initializers) {
    if (known.name != name) continue;
    require(static_cast<size_t>(known.tensor.bytes()) == size, ErrorCode::kShapeMismatch, "initializer '", name,
            "' has ", known.tensor.bytes(), " bytes, ", size, " are given");
    const auto* bytes = static_cast<const std::byte*>(data);
    known.tensor = ir::Tensor(known.tensor.dtype(), known.tensor.dims(), std::shared_ptr<const void>(), {bytes, size});
    model.awaited.erase(known.name);
    return;
  }
  fail(ErrorCode::kInvalidArgument, "the model has no initializer '", name, "'");
}

bool Parser::take(const onnx::Model& model) {
  need_data(model);
  require(
      !implicit_, ErrorCode::kInvalidArgument,
      "the network has an implicit batch dimension; ONNX models need NetworkDefinitionCreationFlag::kEXPLICIT_BATCH");
  report_flags();
  std::vector<importer::ImportError> found =
      importer::import_onnx_into(model, network().graph_to_extend(), with_plugins(network()));
  for (const importer::ImportError& error : found) keep(error, code_of(error.code));
  network().adopt_new_nodes();
  return found.empty();
}

bool Parser::parseFromFile(const char* file, int32_t) {
  return attempt(Code::kMODEL_DESERIALIZE_FAILED, [&] { return take(onnx::load(need(file, "onnxModelFile"))); });
}

#if NV_TENSORRT_MAJOR >= 8
bool Parser::parse(const void* model, size_t size, const char* path) {
  return attempt(Code::kMODEL_DESERIALIZE_FAILED, [&] { return take(onnx_model(model, size, path)); });
}
#else
bool Parser::parse(const void* model, size_t size) {
  return attempt(Code::kMODEL_DESERIALIZE_FAILED, [&] { return take(onnx_model(model, size, nullptr)); });
}
#endif

bool Parser::supportsOperator(const char* op) const { return op && !ops::known_onnx_opsets("", op).empty(); }

const nvonnxparser::IParserError* Parser::getError(int32_t index) const {
  return index >= 0 && index < getNbErrors() ? &errors_[size_t(index)] : nullptr;
}

/// Splits the model's nodes into runs that import and single nodes that do not.
bool Parser::supports(const void* bytes, size_t size, const char* path, std::vector<Part>& parts) {
  parts.clear();
  return attempt(Code::kMODEL_DESERIALIZE_FAILED, [&] {
    const onnx::Model model = onnx_model(bytes, size, path);
    ir::Graph aside;
    std::set<int64_t> failed;
    bool whole = true;
    importer::OnnxOptions options = with_plugins(network());
    options.assume_declared = true;
    for (const importer::ImportError& error : importer::import_onnx_into(model, aside, options)) {
      keep(error, code_of(error.code));
      failed.insert(error.node);
      whole = false;
    }
    for (size_t i = 0; i < model.graph.nodes.size(); ++i) {
      const bool good = !failed.count(static_cast<int64_t>(i));
      if (parts.empty() || !good || !parts.back().second) parts.emplace_back(std::vector<size_t>{}, good);
      parts.back().first.push_back(i);
    }
    return whole;
  });
}

#if NV_TENSORRT_MAJOR >= 10
const ITensor* Parser::getLayerOutputTensor(const char* name, int64_t index) {
  if (!*alive_ || !name || index < 0) return nullptr;
  return known_.output_of(name, static_cast<size_t>(index));
}

bool Parser::supportsModelV2(const void* model, size_t size, const char* path) {
  const bool whole = supports(model, size, path, parts_);
  part_nodes_.clear();
  for (const Part& part : parts_) part_nodes_.emplace_back(part.first.begin(), part.first.end());
  return whole;
}

bool Parser::isSubgraphSupported(int64_t index) {
  return index >= 0 && index < getNbSubgraphs() && parts_[size_t(index)].second;
}

int64_t* Parser::getSubgraphNodes(int64_t index, int64_t& length) {
  length = 0;
  if (index < 0 || index >= getNbSubgraphs()) return nullptr;
  length = static_cast<int64_t>(part_nodes_[size_t(index)].size());
  return part_nodes_[size_t(index)].data();
}
#endif

#if NV_TENSORRT_MAJOR >= 10
bool Parser::loadModelProto(const void* model, size_t size, const char* path) {
  return attempt(Code::kMODEL_DESERIALIZE_FAILED,
                 [&] { return loaded_ = std::make_unique<onnx::Model>(onnx_model(model, size, path, true)), true; });
}

bool Parser::loadInitializer(const char* name, const void* data, size_t size) {
  return attempt(Code::kINVALID_VALUE, [&] {
    require(loaded_ != nullptr, ErrorCode::kInvalidArgument, "no model is loaded");
    return set_initializer(*loaded_, name, data, size), true;
  });
}

bool Parser::parseModelProto() {
  return attempt(Code::kINVALID_GRAPH, [&] {
    require(loaded_ != nullptr, ErrorCode::kInvalidArgument, "no model is loaded");
    return take(*loaded_);
  });
}
#endif

}  // namespace tenon::nvinfer

extern "C" {

TENSORRTAPI void* createNvOnnxParser_INTERNAL(void* network, void* logger, int32_t) TRT_PARSER_NOEXCEPT {
  using namespace tenon::nvinfer;
  auto* user = static_cast<nvinfer1::ILogger*>(logger);
  return guard(Reports(user), "createParser", [&]() -> void* {
    auto& definition = *need(static_cast<nvinfer1::INetworkDefinition*>(network), "network");
    const bool implicit = definition.hasImplicitBatchDimension();
    return static_cast<nvonnxparser::IParser*>(new Parser(own(definition), implicit, need(user, "logger")));
  });
}

TENSORRTAPI int32_t getNvOnnxParserVersion() TRT_PARSER_NOEXCEPT { return NV_ONNX_PARSER_VERSION; }
#ifdef TENON_TRT_ALL
TENSORRTAPI int32_t tenonOnnxParserall(int32_t version) { return version; }
#else
TENSORRTAPI void TRT_LEVEL_NAME(__start_tenonOnnxParser)() {}
#endif

}  // extern "C"
