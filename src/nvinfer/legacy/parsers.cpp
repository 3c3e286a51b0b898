// libnvparsers: the Caffe and UFF parsers' interface. Neither format is read: every parse answers an error that says
// so.
#include <NvCaffeParser.h>
#include <NvInfer.h>
#include <NvUffParser.h>

#include <string>

#include "nvinfer/convert.h"

namespace tenon::nvinfer {
namespace {
using namespace nvinfer1;  // NOLINT: signatures as in the description

/// Where both parsers report, and what they say.
class Refusals {
 public:
  explicit Refusals(const char* format) : format_(format), reports_(::getLogger()) {}
  void set_recorder(IErrorRecorder* recorder) noexcept { reports_.set_recorder(recorder); }
  IErrorRecorder* recorder() const noexcept { return reports_.recorder(); }
  void refuse(const char* where, const char* what) const noexcept {
    guard(reports_, where, [&] {
      fail(ErrorCode::kUnsupported, format_, " files are not read by this version, '", what ? what : "",
           "' is left alone; a model in the ONNX format is read by nvonnxparser");
    });
  }
  /// True unless `check` throws.
  template <class Check>
  bool takes(const char* where, Check check) const noexcept {
    return guard(reports_, where, [&] { return check(), true; });
  }

 private:
  const char* format_;
  Reports reports_;
};

class CaffeParser final : public nvcaffeparser1::ICaffeParser {
 public:
  const nvcaffeparser1::IBlobNameToTensor* parse(const char* deploy, const char*, INetworkDefinition&, DataType) {
    return refusals_.refuse("ICaffeParser::parse", deploy), nullptr;
  }
#if NV_TENSORRT_MAJOR >= 8
  const nvcaffeparser1::IBlobNameToTensor* parseBuffers(const uint8_t*, size_t, const uint8_t*, size_t,
                                                        INetworkDefinition&, DataType) {
    return refusals_.refuse("ICaffeParser::parseBuffers", "a buffer"), nullptr;
  }
#endif
#if TRT_UNTIL(7)
  const nvcaffeparser1::IBlobNameToTensor* parseBuffers(const char*, size_t, const char*, size_t, INetworkDefinition&,
                                                        DataType) {
    return refusals_.refuse("ICaffeParser::parseBuffers", "a buffer"), nullptr;
  }
  void setPluginFactory(nvcaffeparser1::IPluginFactory*) {}
  void setPluginFactoryExt(nvcaffeparser1::IPluginFactoryExt*) {}
#endif
  nvcaffeparser1::IBinaryProtoBlob* parseBinaryProto(const char* file) {
    return refusals_.refuse("ICaffeParser::parseBinaryProto", file), nullptr;
  }
  void setProtobufBufferSize(size_t) {}
  void setPluginFactoryV2(nvcaffeparser1::IPluginFactoryV2*) {}
  void setPluginNamespace(const char*) {}
  void setErrorRecorder(IErrorRecorder* recorder) { refusals_.set_recorder(recorder); }
  IErrorRecorder* getErrorRecorder() const { return refusals_.recorder(); }
  void destroy() { delete this; }

 private:
  Refusals refusals_{"Caffe"};
};

class UffParser final : public nvuffparser::IUffParser {
 public:
  bool registerInput(const char* name, Dims dims, nvuffparser::UffInputOrder order) {
    return refusals_.takes("IUffParser::registerInput", [&] {
      need(name, "inputName"), to_core(dims);
      require(static_cast<int32_t>(order) >= 0 && static_cast<int32_t>(order) <= 2, ErrorCode::kInvalidArgument,
              "input order ", static_cast<int32_t>(order), " does not exist");
    });
  }
  bool registerOutput(const char* name) {
    return refusals_.takes("IUffParser::registerOutput", [&] { need(name, "outputName"); });
  }
  bool parse(const char* file, INetworkDefinition&, DataType) {
    return refusals_.refuse("IUffParser::parse", file), false;
  }
  bool parseBuffer(const char*, size_t, INetworkDefinition&, DataType) {
    return refusals_.refuse("IUffParser::parseBuffer", "a buffer"), false;
  }
  // The release of the uff package whose files TensorRT 7 and 8 read.
  int32_t getUffRequiredVersionMajor() { return 0; }
  int32_t getUffRequiredVersionMinor() { return 6; }
  int32_t getUffRequiredVersionPatch() { return 9; }
  void setPluginNamespace(const char*) {}
#if TRT_UNTIL(7)
  void setPluginFactory(nvuffparser::IPluginFactory*) {}
  void setPluginFactoryExt(nvuffparser::IPluginFactoryExt*) {}
#endif
  void setErrorRecorder(IErrorRecorder* recorder) { refusals_.set_recorder(recorder); }
  IErrorRecorder* getErrorRecorder() const { return refusals_.recorder(); }
  void destroy() { delete this; }

 private:
  Refusals refusals_{"UFF"};
};

template <class Parser>
Parser* create(const char* where) noexcept {
  return guard(Reports(::getLogger()), where, [] { return new Parser; });
}

}  // namespace
}  // namespace tenon::nvinfer

using tenon::nvinfer::create;

extern "C" {
TENSORRTAPI void* createNvCaffeParser_INTERNAL() { return nvcaffeparser1::createCaffeParser(); }
TENSORRTAPI void* createNvUffParser_INTERNAL() { return nvuffparser::createUffParser(); }
}

namespace nvcaffeparser1 {
TENSORRTAPI ICaffeParser* createCaffeParser() { return create<tenon::nvinfer::CaffeParser>("createCaffeParser"); }
TENSORRTAPI void shutdownProtobufLibrary() {}  // there is no such library to shut down
}  // namespace nvcaffeparser1

namespace nvuffparser {
FieldMap::FieldMap(const char* name_, const void* data_, FieldType type_, int32_t length_)
    : name(name_), data(data_), type(type_), length(length_) {}
TENSORRTAPI IUffParser* createUffParser() { return create<tenon::nvinfer::UffParser>("createUffParser"); }
TENSORRTAPI void shutdownProtobufLibrary() {}
}  // namespace nvuffparser
