// A parsed network that is looked at and edited, layer by layer, at every release: getters tell what the model says,
// setters change what the engine computes. Then models that are supported in part.
#include <cstring>
#include <utility>

#include "parsed.h"

using namespace nvinfer1;

namespace {

KeepingLogger logger;
std::vector<char> model;

constexpr int kBatch = 2, kPixels = 64, kClasses = 10;

struct Parsed : ParsedModel {
  Parsed() : ParsedModel(logger, model, kBatch) {}
  std::vector<float> run(std::vector<float> const& x) const { return BuiltEngine(*this).run(x, kBatch * kClasses); }
};

std::vector<float> scan(float factor) {
  std::vector<float> x(kBatch * kPixels);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = factor * static_cast<float>((i * 37) % 17);
  }
  return x;
}

void getters() {
  Parsed p;
  std::vector<std::pair<char const*, LayerType>> const expected{{"white", LayerType::kCONSTANT},
                                                                {"/Div", LayerType::kELEMENTWISE},
                                                                {"/conv1/Conv", LayerType::kCONVOLUTION},
                                                                {"/relu1/Relu", LayerType::kACTIVATION},
                                                                {"/conv2/Conv", LayerType::kCONVOLUTION},
                                                                {"/relu2/Relu", LayerType::kACTIVATION},
                                                                {"/pool/MaxPool", LayerType::kPOOLING},
                                                                {"/Flatten", LayerType::kSHUFFLE},
                                                                {"fc1.weight", LayerType::kCONSTANT},
                                                                {"fc1.bias", LayerType::kCONSTANT},
                                                                {"/fc1/Gemm", LayerType::kMATRIX_MULTIPLY},
                                                                {"/relu3/Relu", LayerType::kACTIVATION},
                                                                {"fc2.weight", LayerType::kCONSTANT},
                                                                {"fc2.bias", LayerType::kCONSTANT},
                                                                {"/fc2/Gemm", LayerType::kMATRIX_MULTIPLY}};
  EXPECT(p.network->getNbLayers() == static_cast<int>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i) {
    ILayer* layer = p.network->getLayer(static_cast<int>(i));
    EXPECT(std::strcmp(layer->getName(), expected[i].first) == 0 && layer->getType() == expected[i].second);
    EXPECT(layer->getNbOutputs() == 1 && layer->getOutput(0)->getDimensions().nbDims >= 0);
  }
  IConvolutionLayer& conv = p.as<IConvolutionLayer>("/conv2/Conv", LayerType::kCONVOLUTION);
  EXPECT(conv.getNbOutputMaps() == 32 && conv.getNbGroups() == 1 && conv.getNbInputs() == 1);
  EXPECT(is(conv.getKernelSizeNd(), {3, 3}) && is(conv.getStrideNd(), {1, 1}) && is(conv.getPaddingNd(), {1, 1}));
  EXPECT(conv.getKernelWeights().count == 32 * 16 * 9 && conv.getKernelWeights().values != nullptr);
  EXPECT(conv.getBiasWeights().count == 32 && conv.getBiasWeights().type == DataType::kFLOAT);
  EXPECT(conv.getInput(0) == p.layer("/relu1/Relu")->getOutput(0));
  EXPECT(is(conv.getOutput(0)->getDimensions(), {kBatch, 32, 8, 8}));
  IPoolingLayer& pool = p.as<IPoolingLayer>("/pool/MaxPool", LayerType::kPOOLING);
  EXPECT(pool.getPoolingType() == PoolingType::kMAX && is(pool.getWindowSizeNd(), {2, 2}));
  EXPECT(is(pool.getStrideNd(), {2, 2}) && pool.getPaddingMode() == PaddingMode::kEXPLICIT_ROUND_DOWN);
  EXPECT(p.as<IActivationLayer>("/relu1/Relu", LayerType::kACTIVATION).getActivationType() == ActivationType::kRELU);
  EXPECT(p.as<IElementWiseLayer>("/Div", LayerType::kELEMENTWISE).getOperation() == ElementWiseOperation::kDIV);
  EXPECT(is(p.as<IShuffleLayer>("/Flatten", LayerType::kSHUFFLE).getReshapeDimensions(), {0, -1}));
  EXPECT(p.as<IShuffleLayer>("/Flatten", LayerType::kSHUFFLE).getFirstTranspose().order[1] == 1);
  IMatrixMultiplyLayer& product = p.as<IMatrixMultiplyLayer>("/fc1/Gemm", LayerType::kMATRIX_MULTIPLY);
  EXPECT(product.getOperation(0) == MatrixOperation::kNONE && product.getOperation(1) == MatrixOperation::kTRANSPOSE);
  IConstantLayer& white = p.as<IConstantLayer>("white", LayerType::kCONSTANT);
  EXPECT(white.getWeights().count == 1 && white.getDimensions().nbDims == 0);
  EXPECT(white.getOutput(0) == p.layer("/Div")->getInput(1));
}

void edits(std::vector<float> const& before) {
  std::vector<float> const x = scan(1.0F);
  {  // looking changes nothing
    Parsed p;
    for (int i = 0; i < p.network->getNbLayers(); ++i) {
      EXPECT(p.network->getLayer(i) != nullptr);
    }
    EXPECT(near(p.run(x), before));
  }
  {  // half of a constant divisor is twice the input
    Parsed p;
    IConstantLayer& white = p.as<IConstantLayer>("white", LayerType::kCONSTANT);
    float const half = *static_cast<float const*>(white.getWeights().values) / 2.0F;
    white.setWeights(Weights{DataType::kFLOAT, &half, 1});
    EXPECT(near(p.run(x), Parsed().run(scan(2.0F))));
  }
  {  // no weights: the input no longer matters
    Parsed p;
    std::vector<float> const zeros(16 * 9);
    p.as<IConvolutionLayer>("/conv1/Conv", LayerType::kCONVOLUTION)
        .setKernelWeights(Weights{DataType::kFLOAT, zeros.data(), 16 * 9});
    EXPECT(near(p.run(x), p.run(scan(3.0F))) && !near(p.run(x), before));
  }
  {  // the same convolution written anew: kernel, padding and stride take effect
    Parsed p;
    IConvolutionLayer& conv = p.as<IConvolutionLayer>("/conv1/Conv", LayerType::kCONVOLUTION);
    conv.setPaddingNd(Dims2(0, 0));
    EXPECT(is(conv.getOutput(0)->getDimensions(), {kBatch, 16, 6, 6}));
    conv.setStrideNd(Dims2(2, 2));
    EXPECT(is(conv.getOutput(0)->getDimensions(), {kBatch, 16, 3, 3}));
    conv.setStrideNd(Dims2(1, 1));
    conv.setPaddingNd(Dims2(1, 1));
    EXPECT(near(p.run(x), before));
  }
  {  // other operations
    Parsed p;
    p.as<IPoolingLayer>("/pool/MaxPool", LayerType::kPOOLING).setPoolingType(PoolingType::kAVERAGE);
    EXPECT(!near(p.run(x), before));
    Parsed q;
    q.as<IActivationLayer>("/relu3/Relu", LayerType::kACTIVATION).setActivationType(ActivationType::kSIGMOID);
    EXPECT(!near(q.run(x), before));
  }
  {  // a new layer in the middle
    Parsed p;
    ILayer* pool = p.layer("/pool/MaxPool");
    IActivationLayer* twice = p.network->addActivation(*pool->getInput(0), ActivationType::kRELU);
    pool->setInput(0, *twice->getOutput(0));
    EXPECT(near(p.run(x), before));
    IElementWiseLayer* sum =
        p.network->addElementWise(*twice->getOutput(0), *twice->getOutput(0), ElementWiseOperation::kSUM);
    pool->setInput(0, *sum->getOutput(0));
    EXPECT(!near(p.run(x), before));
  }
}

#if NV_TENSORRT_MAJOR >= 8
/// Weights keep the model's names, whether somebody looked at their layers or not.
void refits(std::vector<float> const& before) {
  Parsed plain, seen;
  float white = 0.0F;
  for (int i = 0; i < seen.network->getNbLayers(); ++i) {
    ILayer* layer = seen.network->getLayer(i);
    if (std::string(layer->getName()) == "white") {
      white = *static_cast<float const*>(static_cast<IConstantLayer*>(layer)->getWeights().values);
    }
  }
  BuiltEngine const first(plain, true), second(seen, true);
  for (BuiltEngine const* engine : {&first, &second}) {
    EXPECT(near(engine->run(scan(1.0F), kBatch * kClasses), before));
    IRefitter* refitter = createInferRefitter(*engine->engine, logger);
    std::set<std::string> const names = names_of(*refitter);
    EXPECT(names == (std::set<std::string>{"white", "conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias",
                                           "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}));
    float const half = white / 2.0F;
    EXPECT(refitter->setNamedWeights("white", Weights{DataType::kFLOAT, &half, 1}) && refitter->refitCudaEngine());
    EXPECT(near(engine->run(scan(1.0F), kBatch * kClasses), Parsed().run(scan(2.0F))));
    end(refitter);
  }
}
#else
void refits(std::vector<float> const&) {}
#endif

/// The model with `from` replaced where it first stands.
std::vector<char> patched(std::string const& from, std::string const& to) {
  std::string text(model.begin(), model.end());
  size_t const at = text.find(from);
  EXPECT(at != std::string::npos && from.size() == to.size());
  text.replace(at, to.size(), to);
  return std::vector<char>(text.begin(), text.end());
}

/// Sub-graphs as "first-last yes" or "first-last no".
std::string parts(std::vector<char> const& bytes, bool& whole) {
  Parsed p;
  std::string text;
#if NV_TENSORRT_MAJOR >= 10
  whole = p.parser->supportsModelV2(bytes.data(), bytes.size());
  for (int64_t i = 0; i < p.parser->getNbSubgraphs(); ++i) {
    int64_t count = 0;
    int64_t const* nodes = p.parser->getSubgraphNodes(i, count);
    text += std::to_string(nodes[0]) + "-" + std::to_string(nodes[count - 1]);
    text += p.parser->isSubgraphSupported(i) ? " yes," : " no,";
  }
#else
  SubGraphCollection_t found;
  whole = p.parser->supportsModel(bytes.data(), bytes.size(), found);
  for (SubGraph_t const& part : found) {
    text += std::to_string(part.first.front()) + "-" + std::to_string(part.first.back());
    text += part.second ? " yes," : " no,";
  }
#endif
  EXPECT(whole == (p.parser->getNbErrors() == 0));
  return text;
}

void support() {
  bool whole = false;
  EXPECT(parts(model, whole) == "0-9 yes," && whole);
  // An operator that does not exist, then one whose weights do not fit: its name alone is fine.
  EXPECT(parts(patched("\x22\x07MaxPool", "\x22\x07MaxPoop"), whole) == "0-4 yes,5-5 no,6-9 yes," && !whole);
  std::vector<char> const misfit =
      patched(std::string("\x08\x20\x08\x10\x08\x03\x08\x03"), std::string("\x08\x10\x08\x20\x08\x03\x08\x03"));
  EXPECT(parts(misfit, whole) == "0-2 yes,3-3 no,4-9 yes," && !whole);
  logger.errors.clear();  // they are what the parser found
}

#if NV_TENSORRT_MAJOR == 7
/// ONNXIFI's description of a tensor.
struct Descriptor {
  int32_t tag;
  char const* name;
  uint64_t data_type, memory_type;
  uint32_t dimensions;
  uint64_t const* shape;
  uint64_t buffer;
};

/// White at half its level, given beside the model.
void weight_descriptors() {
  Parsed p;
  IConstantLayer& white = p.as<IConstantLayer>("white", LayerType::kCONSTANT);
  float const half = *static_cast<float const*>(white.getWeights().values) / 2.0F;
  Descriptor const given{0x43DFBF69, "white", 1, 0, 0, nullptr, reinterpret_cast<uint64_t>(&half)};
  INetworkDefinition* network = p.builder->createNetworkV2(1U);
  nvonnxparser::IParser* parser = nvonnxparser::createParser(*network, logger);
  EXPECT(parser->parseWithWeightDescriptors(model.data(), model.size(), 1,
                                            reinterpret_cast<onnxTensorDescriptorV1 const*>(&given)));
  Dims dims = network->getInput(0)->getDimensions();
  dims.d[0] = kBatch;
  network->getInput(0)->setDimensions(dims);
  std::swap(p.network, network);
  std::swap(p.parser, parser);
  EXPECT(near(p.run(scan(1.0F)), Parsed().run(scan(2.0F))));
  end(parser);
  end(network);
}
#elif NV_TENSORRT_MAJOR < 11
void weight_descriptors() {
  Parsed p;
  INetworkDefinition* network = p.builder->createNetworkV2(1U);
  nvonnxparser::IParser* parser = nvonnxparser::createParser(*network, logger);
  EXPECT(parser->parseWithWeightDescriptors(model.data(), model.size()));
  EXPECT(network->getNbLayers() == p.network->getNbLayers());
  end(parser);
  end(network);
}
#else
void weight_descriptors() {}
#endif

}  // namespace

int main(int argc, char** argv) {
  EXPECT(argc == 2);
  model = read_file(argv[1]);
  getters();
  std::vector<float> const before = Parsed().run(scan(1.0F));
  edits(before);
  refits(before);
  weight_descriptors();
  support();
  for (std::string const& error : logger.errors) {
    std::fprintf(stderr, "%s\n", error.c_str());
  }
  EXPECT(logger.errors.empty());
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
