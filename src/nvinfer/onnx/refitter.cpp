// nvonnxparser::IParserRefitter: a model's weights for an engine that was built of one like it.
#include "nvinfer/onnx/parser.h"
#include "nvinfer/refit.h"

#if NV_TENSORRT_MAJOR >= 10
#include <algorithm>
#include <map>

#include "onnx/load.h"

namespace tenon::nvinfer {
namespace {

using Code = nvonnxparser::ErrorCode;

class ParserRefitter final : public nvonnxparser::IParserRefitter {
 public:
  ParserRefitter(IRefitter& refitter, ILogger* logger)
      : refitter_(refitter, watch(refitter), "the parser refitter's refitter"), reports_(logger) {}

  bool refitFromBytes(const void* model, size_t size, const char* path) override {
    return attempt([&] { return take(onnx_model(model, size, path)); });
  }
  bool refitFromFile(const char* file) override {
    return attempt([&] { return take(onnx::load(need(file, "onnxModelFile"))); });
  }
  int32_t getNbErrors() const override { return static_cast<int32_t>(errors_.size()); }
  const nvonnxparser::IParserError* getError(int32_t index) const override {
    return index >= 0 && index < getNbErrors() ? &errors_[size_t(index)] : nullptr;
  }
  void clearErrors() override { errors_.clear(); }
#if NV_TENSORRT_MAJOR >= 10
  bool loadModelProto(const void* model, size_t size, const char* path) override {
    return attempt([&] { return loaded_ = std::make_unique<onnx::Model>(onnx_model(model, size, path, true)), true; });
  }
  bool loadInitializer(const char* name, const void* data, size_t size) override {
    return attempt([&] {
      require(loaded_ != nullptr, ErrorCode::kInvalidArgument, "no model is loaded");
      return set_initializer(*loaded_, name, data, size), true;
    });
  }
  bool refitModelProto() override {
    return attempt([&] {
      require(loaded_ != nullptr, ErrorCode::kInvalidArgument, "no model is loaded");
      return take(*loaded_);
    });
  }
#endif

 private:
  void keep(const importer::ImportError& error, Code code) {
    errors_.emplace_back(code, error);
    reports_.log(ILogger::Severity::kERROR, cat("ModelRefitter: ", errors_.back().desc()));
  }

  template <class Body>
  bool attempt(Body body) {
    importer::ImportError error;
    try {
      return body();
    } catch (const Error& e) {
      error.code = e.code();
      error.message = e.what();
    } catch (const std::exception& e) {
      error.code = ErrorCode::kInternal;
      error.message = e.what();
    }
    keep(error, Code::kREFIT_FAILED);
    return false;
  }

  /// Whether all weights are among the model's constants, and nothing failed but operators that are plugins.
  static bool can_go_on(const std::vector<importer::ImportError>& found, const ir::Graph& aside,
                        const std::vector<const char*>& names) {
    return std::all_of(found.begin(), found.end(), [](const auto& e) { return e.code == ErrorCode::kUnsupported; }) &&
           std::all_of(names.begin(), names.end(), [&](const char* n) { return aside.constant(aside.find(n)); });
  }

  /// Imports the model aside: constants then have the names that they had when the engine's network was parsed.
  bool take(const onnx::Model& model) {
    need_data(model);
    IRefitter& refitter = refitter_.get();
    ir::Graph aside;
    const std::vector<importer::ImportError> found = importer::import_onnx_into(model, aside);
    std::vector<const char*> names(static_cast<size_t>(refitter.getAllWeights(0, nullptr)));
    refitter.getAllWeights(static_cast<int32_t>(names.size()), names.data());
    if (!found.empty() && !can_go_on(found, aside, names)) {
      for (const importer::ImportError& error : found) keep(error, Code::kREFIT_FAILED);
      return false;
    }
    size_t given = 0;
    for (const char* name : names) {
      const ir::Tensor* constant = aside.constant(aside.find(name));
      if (!constant) continue;
      ir::Tensor& kept = weights_[name];
      kept = ir::Tensor(constant->dtype(), constant->dims());
      std::copy(constant->data().begin(), constant->data().end(), kept.mutable_data());
      require(refitter.setNamedWeights(name, to_api(kept)), ErrorCode::kInvalidModel, "weights '", name,
              "' of the model do not fit the engine's");
      ++given;
    }
    require(given > 0 || names.empty(), ErrorCode::kInvalidModel, "the model has none of the engine's ", names.size(),
            " weights");
    return true;
  }

  Ref<IRefitter> refitter_;
  Reports reports_;
  std::deque<ParserError> errors_;
  std::map<std::string, ir::Tensor> weights_;  ///< the refitter reads them later
#if NV_TENSORRT_MAJOR >= 10
  std::unique_ptr<onnx::Model> loaded_;
#endif
};

}  // namespace
}  // namespace tenon::nvinfer

extern "C" TENSORRTAPI void* createNvOnnxParserRefitter_INTERNAL(void* refitter, void* logger, int32_t) noexcept {
  using namespace tenon::nvinfer;
  auto* user = static_cast<nvinfer1::ILogger*>(logger);
  return guard(Reports(user), "createParserRefitter", [&]() -> void* {
    auto* known = need(static_cast<nvinfer1::IRefitter*>(refitter), "refitter");
    return static_cast<nvonnxparser::IParserRefitter*>(new ParserRefitter(*known, need(user, "logger")));
  });
}
#endif
