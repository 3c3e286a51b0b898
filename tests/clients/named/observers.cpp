// A profiler, an error recorder, a progress monitor that may stop a build, and the inspector.
#include <set>

#include "common.h"

using namespace nvinfer1;

namespace {

class Times : public IProfiler {
 public:
  void reportLayerTime(char const* layer, float) noexcept override { layers.insert(layer); }
  std::set<std::string> layers;
};

class Recorder : public IErrorRecorder {
 public:
  int32_t getNbErrors() const noexcept override { return static_cast<int32_t>(errors.size()); }
  ErrorCode getErrorCode(int32_t i) const noexcept override { return errors[static_cast<size_t>(i)].first; }
  ErrorDesc getErrorDesc(int32_t i) const noexcept override { return errors[static_cast<size_t>(i)].second.c_str(); }
  bool hasOverflowed() const noexcept override { return false; }
  void clear() noexcept override { errors.clear(); }
  bool reportError(ErrorCode code, ErrorDesc text) noexcept override { return errors.emplace_back(code, text), false; }
  RefCount incRefCount() noexcept override { return ++references; }
  RefCount decRefCount() noexcept override { return --references; }
  std::vector<std::pair<ErrorCode, std::string>> errors;
  int references = 0;
};

class Monitor : public IProgressMonitor {
 public:
  explicit Monitor(bool go_on) : go_on_(go_on) {}
  void phaseStart(char const* phase, char const*, int32_t) noexcept override { open.insert(phase), ++phases; }
  bool stepComplete(char const*, int32_t) noexcept override { return ++steps, go_on_; }
  void phaseFinish(char const* phase) noexcept override { open.erase(phase); }
  std::set<std::string> open;
  int phases = 0, steps = 0;

 private:
  bool go_on_;
};

}  // namespace

int main() {
  Project p;
  Recorder recorder;
  p.builder->setErrorRecorder(&recorder);
  ITensor* x = p.network->addInput("x", DataType::kFLOAT, Dims2{2, 6});
  IReduceLayer* sum = p.network->addReduce(*x, ReduceOperation::kMAX, 1U << 1, true);
  sum->setName("row maximum");
  ILayer* gap = p.network->addElementWise(*x, *sum->getOutput(0), ElementWiseOperation::kSUB);
  gap->setName("distance");
  gap->setMetadata("made by hand");
  output(*p.network, *gap->getOutput(0), "y");
  p.config->setProfilingVerbosity(ProfilingVerbosity::kDETAILED);
  Monitor stop(false), go(true);
  p.config->setProgressMonitor(&stop);
  EXPECT(p.builder->buildSerializedNetwork(*p.network, *p.config) == nullptr);
  EXPECT(stop.steps >= 1 && stop.open.empty());
  p.logger.errors.clear();
  recorder.clear();
  p.config->setProgressMonitor(&go);
  Owned<ICudaEngine> engine = p.engine();
  EXPECT(engine != nullptr && go.phases > 0 && go.steps > 0 && go.open.empty());
  Session s(*engine);
  Times times;
  s.context->setProfiler(&times);
  std::vector<float> const in = noise(12, 1);
  s.set("x", in);
  s.expect("y", 12 * sizeof(float));
  EXPECT(s.run());
  std::vector<double> expected;
  for (int i = 0; i < 12; ++i) {
    double most = -1e300;
    for (int j = 0; j < 6; ++j) {
      most = std::fmax(most, in[static_cast<size_t>(i / 6 * 6 + j)]);
    }
    expected.push_back(in[static_cast<size_t>(i)] - most);
  }
  EXPECT(error(s.get<float>("y"), expected) < 1e-6 && !times.layers.empty());
  s.context->setEnqueueEmitsProfile(false);
  EXPECT(!s.context->getEnqueueEmitsProfile());
  times.layers.clear();
  EXPECT(s.run() && times.layers.empty() && s.context->reportToProfiler() && !times.layers.empty());
  Owned<IEngineInspector> inspector(engine->createEngineInspector());
  inspector->setExecutionContext(s.context.get());
  std::string const json = inspector->getEngineInformation(LayerInformationFormat::kJSON);
  EXPECT(json.find("row maximum") != std::string::npos && json.find("Bindings") != std::string::npos);
  EXPECT(std::string(inspector->getLayerInformation(0, LayerInformationFormat::kONELINE)).size() > 3);
  // An error goes to the logger and to the recorder of the object.
  s.context->setErrorRecorder(&recorder);
  EXPECT(!s.context->setTensorAddress("nothing", nullptr) && recorder.getNbErrors() == 1);
  EXPECT(recorder.getErrorCode(0) == ErrorCode::kINVALID_ARGUMENT);
  EXPECT(std::string(recorder.getErrorDesc(0)).find("nothing") != std::string::npos);
  EXPECT(p.logger.errors.size() == 1);
  s.context.reset();
  p.builder->setErrorRecorder(nullptr);
  return p.finish(1);
}
