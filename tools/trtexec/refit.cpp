#include "trtexec/refit.h"

#include <NvInfer.h>
#include <NvOnnxParser.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <vector>

namespace trtexec {
namespace {

using namespace nvinfer1;
using Clock = std::chrono::steady_clock;

void dump(IRefitter& refitter, Log& log) {
  const int32_t n = refitter.getAllWeights(0, nullptr);
  std::vector<const char*> names(size_t(n), nullptr);
  refitter.getAllWeights(n, names.data());
  log.info("Refittable weights:");
  for (const char* name : names) log.info(name);
}

void refit_once(IRefitter& refitter, const std::string& model, Log& log) {
  std::unique_ptr<nvonnxparser::IParserRefitter> parser(nvonnxparser::createParserRefitter(refitter, log));
  if (!parser || !parser->refitFromFile(model.c_str())) throw std::runtime_error("cannot take weights from " + model);
  if (!refitter.refitCudaEngine()) throw std::runtime_error("the engine cannot be refitted from " + model);
}

}  // namespace

void refit(const Options& o, ICudaEngine& engine, Log& log) {
  const bool stripped = o.strip_weights && !o.onnx.empty() && !o.skip_inference;
  if (o.refit_from_onnx.empty() && !o.time_refit && !o.dump_refit && !stripped) return;
  std::unique_ptr<IRefitter> refitter(createInferRefitter(engine, log));
  if (!refitter) throw std::runtime_error("the engine cannot be refitted; --refit at the build makes one that can");
  if (o.dump_refit) dump(*refitter, log);
  const std::string& model = o.refit_from_onnx.empty() ? o.onnx : o.refit_from_onnx;
  if (o.refit_from_onnx.empty() && !o.time_refit && !stripped) return;
  if (model.empty()) throw std::runtime_error("--timeRefit takes its weights from --onnx or --refitFromOnnx");
  const int runs = o.time_refit ? 10 : 1;
  const auto begin = Clock::now();
  for (int i = 0; i < runs; ++i) refit_once(*refitter, model, log);
  char text[80];
  std::snprintf(text, sizeof text, "Engine refitted in %.4g ms, average over %d runs",
                std::chrono::duration<double, std::milli>(Clock::now() - begin).count() / runs, runs);
  log.info(text);
}

}  // namespace trtexec
