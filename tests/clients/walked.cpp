// Parsed networks whose operators are other layers in TensorRT: a split is slices, a batch normalization a scale, and
// so on. Looking changes neither results nor the engine; setters take effect; the layers can be rewired.
#include <cstring>
#include <utility>

#include "parsed.h"

using namespace nvinfer1;

namespace {

KeepingLogger logger;
std::vector<char> branches, suppression;

constexpr int kBatch = 2;
constexpr size_t kInputs = kBatch * 3 * 5 * 6, kOutputs = kBatch * 2 * 10 * 12;

std::vector<float> image() {
  std::vector<float> x(kInputs);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = static_cast<float>((i * 29) % 23) / 11.0F - 1.0F;
  }
  return x;
}

struct Branches : ParsedModel {
  Branches() : ParsedModel(logger, branches, kBatch) {}
  std::vector<float> run() const { return BuiltEngine(*this).run(image(), kOutputs); }
};

using Layers = std::vector<std::pair<std::string, LayerType>>;

void expect_layers(INetworkDefinition const& network, Layers const& expected) {
  EXPECT(network.getNbLayers() == static_cast<int>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i) {
    ILayer* layer = network.getLayer(static_cast<int>(i));
    if (!layer || layer->getName() != expected[i].first || layer->getType() != expected[i].second) {
      std::fprintf(stderr, "layer %zu is '%s' of type %d, '%s' is expected\n", i, layer ? layer->getName() : "null",
                   layer ? static_cast<int>(layer->getType()) : -1, expected[i].first.c_str());
      ++failures();
    }
  }
}

void walk() {
  Branches p;
  Layers expected{{"conv", LayerType::kCONVOLUTION}, {"bn", LayerType::kSCALE},
                  {"split", LayerType::kSLICE},      {"split_1", LayerType::kSLICE},
                  {"swish", LayerType::kACTIVATION}, {"swish_1", LayerType::kELEMENTWISE}};
#if NV_TENSORRT_MAJOR >= 8
  for (char const* name : {"scale", "bias"}) {
    expected.push_back({name, LayerType::kCONSTANT});
  }
  expected.insert(
      expected.end(),
      {{"norm", LayerType::kSHUFFLE}, {"norm_1", LayerType::kSHUFFLE}, {"norm_2", LayerType::kNORMALIZATION}});
#else
  for (char const* name : {"scale", "bias"}) {
    expected.push_back({name, LayerType::kCONSTANT});
  }
  expected.push_back({"norm", LayerType::kPLUGIN_V2});  // the release has no such layer
#endif
  expected.insert(
      expected.end(),
      {{"concat", LayerType::kCONCATENATION}, {"shuffle", LayerType::kSHUFFLE}, {"shuffle_1", LayerType::kSHUFFLE}});
  expect_layers(*p.network, expected);
  IScaleLayer& scale = p.as<IScaleLayer>("bn", LayerType::kSCALE);
  EXPECT(scale.getMode() == ScaleMode::kCHANNEL && scale.getNbInputs() == 1 && scale.getNbOutputs() == 1);
  EXPECT(scale.getScale().count == 8 && scale.getShift().count == 8 && scale.getPower().count == 0);
  EXPECT(scale.getChannelAxis() == 1 && scale.getInput(0) == p.layer("conv")->getOutput(0));
  EXPECT(scale.getInput(1) == nullptr);
  ISliceLayer& left = p.as<ISliceLayer>("split", LayerType::kSLICE);
  ISliceLayer& right = p.as<ISliceLayer>("split_1", LayerType::kSLICE);
  EXPECT(is(left.getStart(), {0, 0, 0, 0}) && is(left.getSize(), {kBatch, 3, 5, 6}));
  EXPECT(is(right.getStart(), {0, 3, 0, 0}) && is(right.getSize(), {kBatch, 5, 5, 6}));
  EXPECT(is(right.getStride(), {1, 1, 1, 1}));
  EXPECT(std::strcmp(left.getOutput(0)->getName(), "left") == 0);
  EXPECT(left.getInput(0) == scale.getOutput(0) && right.getInput(0) == scale.getOutput(0));
  EXPECT(is(right.getOutput(0)->getDimensions(), {kBatch, 5, 5, 6}));
  EXPECT(p.layer("concat")->getInput(0) == p.layer("swish_1")->getOutput(0));
}

/// The engine of a network that somebody walked is the engine of the others.
void looking_changes_nothing(std::vector<float> const& before) {
  Branches seen, plain;
  for (int i = 0; i < seen.network->getNbLayers(); ++i) {
    EXPECT(seen.network->getLayer(i) != nullptr);
  }
  BuiltEngine const first(plain), second(seen);
  EXPECT(near(second.run(image(), kOutputs), before));
#if NV_TENSORRT_MAJOR >= 8
  for (BuiltEngine const* engine : {&first, &second}) {  // one split, and a convolution that scales
    IEngineInspector* inspector = engine->engine->createEngineInspector();
    std::string const text = inspector->getEngineInformation(LayerInformationFormat::kONELINE);
    EXPECT(text.find("[Split]") != std::string::npos && text.find("[Slice]") == std::string::npos);
    EXPECT(text.find("bn + conv [Conv]") != std::string::npos);
    EXPECT(text.find("[InstanceNormalization]") != std::string::npos);
    delete inspector;
  }
  Branches plain_again, seen_again;
  for (int i = 0; i < seen_again.network->getNbLayers(); ++i) {
    seen_again.network->getLayer(i);
  }
  BuiltEngine const third(plain_again, true), fourth(seen_again, true);
  IRefitter* refitters[] = {createInferRefitter(*third.engine, logger), createInferRefitter(*fourth.engine, logger)};
  EXPECT(names_of(*refitters[0]) == names_of(*refitters[1]) && names_of(*refitters[1]).count("gamma") == 1);
  end(refitters[0]);
  end(refitters[1]);
#endif
}

void edits(std::vector<float> const& before) {
  {  // an input that no user holds yet: the slice's tensor stays the one that was taken before
    Branches p;
    ITensor* output = p.network->getOutput(0);
    EXPECT(p.layer("shuffle_1")->getOutput(0) == output);
    EXPECT(p.layer("shuffle_1")->getOutput(0)->isNetworkOutput());
  }
  {  // scale 0 and shift 0: nothing of the image is left
    Branches p;
    std::vector<float> const zeros(8);
    IScaleLayer& scale = p.as<IScaleLayer>("bn", LayerType::kSCALE);
    scale.setScale(Weights{DataType::kFLOAT, zeros.data(), 8});
    EXPECT(scale.getShift().count == 8 && scale.getMode() == ScaleMode::kCHANNEL && scale.getNbInputs() == 1);
    std::vector<float> const y = BuiltEngine(p).run(image(), kOutputs);
    EXPECT(!near(y, before) && near(y, BuiltEngine(p).run(std::vector<float>(kInputs), kOutputs)));
  }
  {  // what it was, written anew
    Branches p;
    IScaleLayer& scale = p.as<IScaleLayer>("bn", LayerType::kSCALE);
    Weights const given = scale.getShift();
    std::vector<float> const shift(static_cast<float const*>(given.values),
                                   static_cast<float const*>(given.values) + given.count);
    scale.setShift(Weights{DataType::kFLOAT, shift.data(), given.count});
    EXPECT(near(p.run(), before));
  }
  {  // both slices take what the left one took: 3 and 3 of 8 channels
    Branches p;
    ISliceLayer& right = p.as<ISliceLayer>("split_1", LayerType::kSLICE);
    Dims start = right.getStart();
    start.d[1] = 2;
    right.setStart(start);
    EXPECT(right.getStart().d[1] == 2);
    std::vector<float> const y = p.run();
    EXPECT(!near(y, before));
    start.d[1] = 3;
    right.setStart(start);
    EXPECT(near(p.run(), before));
  }
  {  // one of the two slices reads something else
    Branches p;
    ILayer* left = p.layer("split");
    IActivationLayer* half = p.network->addActivation(*left->getInput(0), ActivationType::kRELU);
    left->setInput(0, *half->getOutput(0));
    EXPECT(!near(p.run(), before));
    left->setName("first");
    EXPECT(std::strcmp(p.layer("first")->getName(), "first") == 0);
  }
  {  // a part that becomes an output keeps its name
    Branches p;
    ITensor* part = p.layer("split_1")->getOutput(0);
    p.network->unmarkOutput(*p.network->getOutput(0));
    p.network->markOutput(*part);
    BuiltEngine const engine(p);
    EXPECT(engine.output == "right");
    engine.run(image(), kBatch * 5 * 5 * 6);
  }
}

#if NV_TENSORRT_MAJOR >= 8
void suppressed() {
  ParsedModel p(logger, suppression, 1);
  expect_layers(*p.network, {{"most", LayerType::kCONSTANT},
                             {"overlap", LayerType::kCONSTANT},
                             {"least", LayerType::kCONSTANT},
                             {"nms", LayerType::kSHUFFLE},
                             {"nms_1", LayerType::kNMS}});
  INMSLayer& nms = p.as<INMSLayer>("nms_1", LayerType::kNMS);
  EXPECT(nms.getBoundingBoxFormat() == BoundingBoxFormat::kCORNER_PAIRS && nms.getTopKBoxLimit() >= 6);
  EXPECT(nms.getNbInputs() == 5 && nms.getNbOutputs() == 2);
  EXPECT(nms.getInput(2) == p.layer("most")->getOutput(0) && nms.getInput(1) == p.layer("nms")->getOutput(0));
  EXPECT(is(nms.getInput(1)->getDimensions(), {1, 6, 2}));
  EXPECT(p.network->getOutput(0) == nms.getOutput(0));
  // The count, which ONNX does not give: three boxes a class at most, of three that overlap the best one stays.
  p.network->unmarkOutput(*nms.getOutput(0));
  nms.getOutput(1)->setName("count");
  p.network->markOutput(*nms.getOutput(1));
  BuiltEngine const engine(p);
  IExecutionContext* context = engine.engine->createExecutionContext();
  std::vector<float> const boxes{0, 0, 1, 1, 0, 0.1F, 1, 1.1F, 0, 0.2F, 1, 1.2F, 5, 5, 6, 6, 8, 8, 9, 9, 3, 3, 4, 4};
  std::vector<float> const scores{0.9F, 0.8F, 0.7F, 0.6F, 0.5F, 0.05F, 0.3F, 0, 0, 0.4F, 0, 0};
  int32_t count = -1;
  float *a = nullptr, *b = nullptr;
  int32_t* c = nullptr;
  EXPECT(cudaMalloc(reinterpret_cast<void**>(&a), 96) == cudaSuccess);
  EXPECT(cudaMalloc(reinterpret_cast<void**>(&b), 48) == cudaSuccess);
  EXPECT(cudaMalloc(reinterpret_cast<void**>(&c), 4) == cudaSuccess);
  EXPECT(cudaMemcpy(a, boxes.data(), 96, cudaMemcpyHostToDevice) == cudaSuccess);
  EXPECT(cudaMemcpy(b, scores.data(), 48, cudaMemcpyHostToDevice) == cudaSuccess);
  EXPECT(context->setTensorAddress("boxes", a) && context->setTensorAddress("scores", b));
  EXPECT(context->setTensorAddress("count", c) && context->enqueueV3(nullptr));
  EXPECT(cudaMemcpy(&count, c, 4, cudaMemcpyDeviceToHost) == cudaSuccess && count == 5);
  for (void* memory : {static_cast<void*>(a), static_cast<void*>(b), static_cast<void*>(c)}) {
    cudaFree(memory);
  }
  end(context);
}
#else
void suppressed() {
  ParsedModel p(logger, suppression, 1);
  EXPECT(p.network->getLayer(p.network->getNbLayers() - 1)->getType() == LayerType::kPLUGIN_V2);
}
#endif

}  // namespace

int main(int argc, char** argv) {
  EXPECT(argc == 2);
  branches = read_file(std::string(argv[1]) + "/branches.onnx");
  suppression = read_file(std::string(argv[1]) + "/suppression.onnx");
  walk();
  std::vector<float> const before = Branches().run();
  looking_changes_nothing(before);
  edits(before);
  suppressed();
  for (std::string const& error : logger.errors) {
    std::fprintf(stderr, "%s\n", error.c_str());
  }
  EXPECT(logger.errors.empty());
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
