// A TensorRT 8 program with control flow inside control flow: a conditional in a loop whose number of turns is a shape
// input, rows that vary, a profile of shape values, an error recorder that collects what the caller did wrong.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "NvInfer.h"
#include "bindings/common.h"

using namespace nvinfer1;

namespace {

constexpr int kColumns = 3, kMostRows = 4, kMostTurns = 5;

class Recorder : public IErrorRecorder {
 public:
  int32_t getNbErrors() const noexcept override { return static_cast<int32_t>(errors_.size()); }
  ErrorCode getErrorCode(int32_t i) const noexcept override { return errors_[i].first; }
  ErrorDesc getErrorDesc(int32_t i) const noexcept override { return errors_[i].second.c_str(); }
  bool hasOverflowed() const noexcept override { return false; }
  void clear() noexcept override { errors_.clear(); }
  bool reportError(ErrorCode code, ErrorDesc text) noexcept override {
    errors_.emplace_back(code, text);
    return true;
  }
  RefCount incRefCount() noexcept override { return ++references; }
  RefCount decRefCount() noexcept override { return --references; }
  int32_t references = 0;

 private:
  std::vector<std::pair<ErrorCode, std::string>> errors_;
};

Dims scalar() { return Dims{}; }

/// h = x; for i in 0..turns-1: h = i < 2 ? h + x : h / 2. Outputs: the last h, and the sums of rows after each turn.
void describe(INetworkDefinition& network) {
  static int32_t const zero = 0, one = 1, two = 2;
  static float const half = 0.5F;
  auto integer = [&](int32_t const& v) {
    return network.addConstant(scalar(), Weights{DataType::kINT32, &v, 1})->getOutput(0);
  };
  ITensor* x = network.addInput("x", DataType::kFLOAT, Dims2(-1, kColumns));
  ITensor* turns = network.addInput("turns", DataType::kINT32, scalar());
  ILoop* loop = network.addLoop();
  EXPECT(loop->addTripLimit(*turns, TripLimit::kCOUNT) != nullptr);
  IRecurrenceLayer* i = loop->addRecurrence(*integer(zero));
  IRecurrenceLayer* h = loop->addRecurrence(*x);
  ITensor* early = network.addElementWise(*i->getOutput(0), *integer(two), ElementWiseOperation::kLESS)->getOutput(0);
  i->setInput(1, *network.addElementWise(*i->getOutput(0), *integer(one), ElementWiseOperation::kSUM)->getOutput(0));
  IIfConditional* choice = network.addIfConditional();
  EXPECT(choice->setCondition(*early) != nullptr);
  ITensor* now = choice->addInput(*h->getOutput(0))->getOutput(0);
  ITensor* given = choice->addInput(*x)->getOutput(0);
  ITensor* more = network.addElementWise(*now, *given, ElementWiseOperation::kSUM)->getOutput(0);
  ITensor* factor = network.addConstant(Dims2(1, 1), Weights{DataType::kFLOAT, &half, 1})->getOutput(0);
  ITensor* less = network.addElementWise(*now, *factor, ElementWiseOperation::kPROD)->getOutput(0);
  ITensor* next = choice->addOutput(*more, *less)->getOutput(0);
  h->setInput(1, *next);
  ITensor* last = loop->addLoopOutput(*h->getOutput(0), LoopOutput::kLAST_VALUE)->getOutput(0);
  last->setName("last");
  network.markOutput(*last);
  ITensor* sums = network.addReduce(*next, ReduceOperation::kSUM, 2U, false)->getOutput(0);
  ILoopOutputLayer* all = loop->addLoopOutput(*sums, LoopOutput::kCONCATENATE, 0);
  all->setInput(1, *turns);
  all->getOutput(0)->setName("sums");
  network.markOutput(*all->getOutput(0));
}

void check(IExecutionContext& context, ICudaEngine const& engine, int rows, int32_t turns) {
  int const at[4] = {engine.getBindingIndex("x"), engine.getBindingIndex("turns"), engine.getBindingIndex("last"),
                     engine.getBindingIndex("sums")};
  std::vector<float> const x = noise(static_cast<size_t>(rows * kColumns), static_cast<uint32_t>(10 * rows + turns));
  EXPECT(context.setBindingDimensions(at[0], Dims2(rows, kColumns)));
  EXPECT(context.setInputShapeBinding(at[1], &turns));
  EXPECT(context.allInputDimensionsSpecified() && context.allInputShapesSpecified());
  Dims const told = context.getBindingDimensions(at[3]);
  EXPECT(told.nbDims == 2 && told.d[0] == turns && told.d[1] == rows);
  std::vector<size_t> counts(4, 1);
  counts[at[0]] = counts[at[2]] = x.size();
  counts[at[3]] = static_cast<size_t>(turns * rows);
  Buffers buffers(counts);
  buffers.upload(static_cast<size_t>(at[0]), x);
  void* bindings[4];
  std::memcpy(bindings, buffers.bindings(), sizeof(bindings));
  if (engine.isShapeBinding(at[1]) && !engine.isExecutionBinding(at[1])) {
    bindings[at[1]] = nullptr;  // its value was told
  } else {
    std::memcpy(bindings[at[1]], &turns, sizeof(turns));
  }
  EXPECT(context.enqueueV2(bindings, buffers.stream(), nullptr));
  std::vector<double> h(x.begin(), x.end()), sums;
  for (int turn = 0; turn < turns; ++turn) {
    for (size_t i = 0; i < h.size(); ++i) {
      h[i] = turn < 2 ? h[i] + x[i] : h[i] / 2;
    }
    for (int r = 0; r < rows; ++r) {
      sums.push_back(h[r * kColumns] + h[r * kColumns + 1] + h[r * kColumns + 2]);
    }
  }
  EXPECT(error(buffers.download(static_cast<size_t>(at[2])), h) < 1e-5);
  EXPECT(error(buffers.download(static_cast<size_t>(at[3])), sums) < 1e-5);
}

}  // namespace

int main() {
  KeepingLogger logger;
  Recorder recorder;
  std::unique_ptr<IBuilder> builder(createInferBuilder(logger));
  std::unique_ptr<INetworkDefinition> network(builder->createNetworkV2(explicit_batch()));
  describe(*network);
  std::unique_ptr<IBuilderConfig> config(builder->createBuilderConfig());
  IOptimizationProfile* profile = builder->createOptimizationProfile();
  int32_t const turns[3] = {1, 3, kMostTurns};
  int const rows[3] = {1, 2, kMostRows};
  OptProfileSelector const which[3] = {OptProfileSelector::kMIN, OptProfileSelector::kOPT, OptProfileSelector::kMAX};
  for (int i = 0; i < 3; ++i) {
    EXPECT(profile->setDimensions("x", which[i], Dims2(rows[i], kColumns)));
    EXPECT(profile->setDimensions("turns", which[i], scalar()));
    EXPECT(profile->setShapeValues("turns", which[i], &turns[i], 1));
  }
  EXPECT(profile->isValid() && config->addOptimizationProfile(profile) == 0);
  std::unique_ptr<IHostMemory> plan(builder->buildSerializedNetwork(*network, *config));
  EXPECT(plan != nullptr);
  std::unique_ptr<IRuntime> runtime(createInferRuntime(logger));
  std::unique_ptr<ICudaEngine> engine(runtime->deserializeCudaEngine(plan->data(), plan->size()));
  EXPECT(engine != nullptr && engine->getNbBindings() == 4);
  engine->setErrorRecorder(&recorder);
  std::unique_ptr<IExecutionContext> context(engine->createExecutionContext());
  context->setErrorRecorder(&recorder);
  EXPECT(recorder.references >= 2 && context->getErrorRecorder() == &recorder);
  for (int r : {1, 4, 2}) {
    for (int32_t t : {1, 5, 2, 3}) {
      check(*context, *engine, r, t);
    }
  }
  EXPECT(recorder.getNbErrors() == 0);
  EXPECT(!context->setBindingDimensions(engine->getBindingIndex("x"), Dims2(kMostRows + 1, kColumns)));
  EXPECT(recorder.getNbErrors() == 1 && logger.errors.size() == 1);
  EXPECT(std::strstr(recorder.getErrorDesc(0), "'x'") != nullptr);
  EXPECT(!context->setBindingDimensions(7, Dims2(1, kColumns)) && recorder.getNbErrors() == 2);
  recorder.clear();
  check(*context, *engine, 3, 4);  // what was refused changed nothing
  EXPECT(recorder.getNbErrors() == 0);
  context.reset();
  engine.reset();
  EXPECT(recorder.references == 0);
  return finish(logger, 2);
}
