// nvonnxparser::IOnnxConfig: plain storage.
#include <string>

#include <NvInfer.h>
#include <NvOnnxConfig.h>

namespace tenon::nvinfer {
namespace {

class OnnxConfig final : public nvonnxparser::IOnnxConfig {
 public:
  void setModelDtype(nvinfer1::DataType type) override { type_ = type; }
  nvinfer1::DataType getModelDtype() const override { return type_; }
  const char* getModelFileName() const override { return model_.c_str(); }
  void setModelFileName(const char* name) override { model_ = name ? name : ""; }
  Verbosity getVerbosityLevel() const override { return verbosity_; }
  void addVerbosity() override { ++verbosity_; }
  void reduceVerbosity() override { --verbosity_; }
  void setVerbosityLevel(Verbosity verbosity) override { verbosity_ = verbosity; }
  const char* getTextFileName() const override { return text_.c_str(); }
  void setTextFileName(const char* name) override { text_ = name ? name : ""; }
  const char* getFullTextFileName() const override { return full_text_.c_str(); }
  void setFullTextFileName(const char* name) override { full_text_ = name ? name : ""; }
  bool getPrintLayerInfo() const override { return print_; }
  void setPrintLayerInfo(bool print) override { print_ = print; }
  void destroy() { delete this; }

 private:
  nvinfer1::DataType type_ = nvinfer1::DataType::kFLOAT;
  std::string model_, text_, full_text_;
  Verbosity verbosity_ = 0;
  bool print_ = false;
};

}  // namespace
}  // namespace tenon::nvinfer

namespace nvonnxparser {
TENSORRTAPI IOnnxConfig* createONNXConfig() { return new tenon::nvinfer::OnnxConfig; }
}  // namespace nvonnxparser
