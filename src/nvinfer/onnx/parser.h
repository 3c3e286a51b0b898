// nvonnxparser::IParser over the core's ONNX import.
#pragma once
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <NvOnnxConfig.h>
#include <NvOnnxParser.h>

#include "import/onnx/import.h"
#include "nvinfer/network.h"

namespace tenon::nvinfer {

class ParserError final : public nvonnxparser::IParserError {
 public:
  ParserError(nvonnxparser::ErrorCode code, const importer::ImportError& error)
      : code_(code), error_(error), text_(error.text()) {
    for (const std::string& function : error_.functions) functions_.push_back(function.c_str());
  }
  ParserError(const ParserError&) = delete;
  ParserError& operator=(const ParserError&) = delete;
  nvonnxparser::ErrorCode code() const override { return code_; }
  const char* desc() const override { return text_.c_str(); }
  const char* file() const override { return "model"; }
  int32_t line() const override { return 0; }
  const char* func() const override { return error_.op_type.c_str(); }
  int32_t node() const override { return static_cast<int32_t>(error_.node); }
  const char* nodeName() const { return error_.node_name.c_str(); }
  const char* nodeOperator() const { return error_.op_type.c_str(); }
  const char* const* localFunctionStack() const { return functions_.empty() ? nullptr : functions_.data(); }
  int32_t localFunctionStackSize() const { return static_cast<int32_t>(functions_.size()); }

 private:
  nvonnxparser::ErrorCode code_;
  importer::ImportError error_;
  std::string text_;
  std::vector<const char*> functions_;
};

/// A model in memory; external data lies beside the file `path`, which may be null, or comes `later`.
onnx::Model onnx_model(const void* model, size_t size, const char* path, bool later = false);
/// Throws kInvalidModel naming the first initializer that still has no data.
void need_data(const onnx::Model& model);
/// Lets an initializer read the caller's memory. Throws if the model has none of that name and size.
void set_initializer(onnx::Model& model, const char* name, const void* data, size_t size);

class Parser final : public nvonnxparser::IParser {
 public:
  /// `implicit`: the network has an implicit batch dimension, which ONNX models lack.
  Parser(GraphOwner& network, bool implicit, ILogger* logger)
      : known_(network), alive_(network.alive()), implicit_(implicit), reports_(logger) {}

#if NV_TENSORRT_MAJOR >= 8
  bool parse(const void* model, size_t size, const char* path) override;
#else
  bool parse(const void* model, size_t size) override;
#endif
  bool parseFromFile(const char* file, int32_t verbosity) override;
  bool supportsOperator(const char* op) const override;
  int32_t getNbErrors() const override { return static_cast<int32_t>(errors_.size()); }
  const nvonnxparser::IParserError* getError(int32_t index) const override;
  void clearErrors() override { errors_.clear(); }
  void destroy() { delete this; }
#if TRT_UNTIL(7)
  bool parseWithWeightDescriptors(const void* model, size_t size, uint32_t count,
                                  const onnxTensorDescriptorV1* weights) override;
#endif
#if NV_TENSORRT_MAJOR == 7
  bool supportsModel(const void* model, size_t size, SubGraphCollection_t& parts) override {
    return supports(model, size, nullptr, parts);
  }
#elif TRT_UNTIL(10)
  bool parseWithWeightDescriptors(const void* model, size_t size) override { return parse(model, size, nullptr); }
  bool supportsModel(const void* model, size_t size, SubGraphCollection_t& parts, const char* path) override {
    return supports(model, size, path, parts);
  }
#endif
#if NV_TENSORRT_MAJOR >= 8
  const char* const* getUsedVCPluginLibraries(int64_t& count) const override { return count = 0, nullptr; }
  void setFlags(nvonnxparser::OnnxParserFlags flags) override { flags_ = flags; }
  nvonnxparser::OnnxParserFlags getFlags() const override { return flags_; }
  void setFlag(nvonnxparser::OnnxParserFlag flag) override { flags_ |= bit_of(reports_, "IParser::setFlag", flag); }
  void clearFlag(nvonnxparser::OnnxParserFlag flag) override {
    flags_ &= ~bit_of(reports_, "IParser::clearFlag", flag);
  }
  bool getFlag(nvonnxparser::OnnxParserFlag flag) const override {
    return (flags_ & bit_of(reports_, "IParser::getFlag", flag)) != 0;
  }
#endif
#if NV_TENSORRT_MAJOR >= 10
  const ITensor* getLayerOutputTensor(const char* name, int64_t index) override;
  bool supportsModelV2(const void* model, size_t size, const char* path) override;
  int64_t getNbSubgraphs() override { return static_cast<int64_t>(parts_.size()); }
  bool isSubgraphSupported(int64_t index) override;
  int64_t* getSubgraphNodes(int64_t index, int64_t& length) override;
#endif
#if NV_TENSORRT_MAJOR >= 10
  bool loadModelProto(const void* model, size_t size, const char* path) override;
  bool loadInitializer(const char* name, const void* data, size_t size) override;
  bool parseModelProto() override;
  bool setBuilderConfig(const IBuilderConfig* config) override {  // its settings change nothing that is parsed
    return guard(reports_, "IParser::setBuilderConfig", [&] { return need(config, "builderConfig") != nullptr; });
  }
#endif

 private:
  using Code = nvonnxparser::ErrorCode;
  using Part = std::pair<std::vector<size_t>, bool>;
  /// Logs a warning for every flag that changes nothing.
  void report_flags() const;
  /// Imports into the network; errors are kept and logged.
  bool take(const onnx::Model& model);
  bool supports(const void* model, size_t size, const char* path, std::vector<Part>& parts);
  void keep(const importer::ImportError& error, nvonnxparser::ErrorCode code);
  /// Runs `body`; an exception becomes a parser error of code `code`.
  template <class Body>
  bool attempt(nvonnxparser::ErrorCode code, Body body);

  /// Throws kInvalidArgument if the network was deleted.
  GraphOwner& network() const {
    require(*alive_, ErrorCode::kInvalidArgument, "the parser's network was deleted");
    return known_;
  }

  GraphOwner& known_;
  std::shared_ptr<const bool> alive_;
  bool implicit_;
  Reports reports_;
  std::deque<ParserError> errors_;
  uint32_t flags_ = 0;
  std::vector<Part> parts_;
  std::vector<std::vector<int64_t>> part_nodes_;
#if NV_TENSORRT_MAJOR >= 10
  std::unique_ptr<onnx::Model> loaded_;
#endif
};

template <class Body>
bool Parser::attempt(nvonnxparser::ErrorCode code, Body body) {
  importer::ImportError error;
  try {
    return body();
  } catch (const Error& e) {
    error.code = e.code();
    error.message = e.what();
  } catch (const std::bad_alloc&) {
    code = Code::kMEM_ALLOC_FAILED;
    error.message = "out of memory";
  } catch (const std::exception& e) {
    code = Code::kINTERNAL_ERROR;
    error.message = e.what();
  }
  keep(error, code);
  return false;
}

}  // namespace tenon::nvinfer
