// kSTRICT_NANS: what is no number reaches the outputs of every layer that compares, by every kernel that a build may
// choose.
#include <cmath>

#include "common.h"

using namespace nvinfer1;

namespace {

constexpr int32_t kChannels = 16, kSide = 12, kChannel = 3, kRow = 5, kColumn = 7;

#if NV_TENSORRT_MAJOR < 11
/// Takes the turn-th kernel of every layer.
class InTurn : public IAlgorithmSelector {
 public:
  int32_t selectAlgorithms(IAlgorithmContext const&, IAlgorithm const* const*, int32_t count,
                           int32_t* selection) noexcept override {
    most = std::max(most, count);
    selection[0] = turn % count;
    return 1;
  }
  void reportAlgorithms(IAlgorithmContext const* const*, IAlgorithm const* const*, int32_t) noexcept override {}
  int32_t turn = 0, most = 1;
};
#endif

/// Outputs, and where each must be no number: rows and columns from first to last, in one channel or in all.
struct Expected {
  std::string name;
  int32_t channels, side, channel, first_row, last_row, first_column, last_column;
};

struct Model {
  Project project;
  std::vector<float> kernel3, kernel1, depthwise, transposed, product, half;
  std::vector<Expected> expected;
  ITensor* x = nullptr;

  Model() {
    auto fill = [](std::vector<float>& w, size_t n) {
      w.resize(n);
      for (size_t i = 0; i < n; ++i) {
        w[i] = 0.05F * static_cast<float>(static_cast<int>(i % 7) - 3) + 0.01F;
      }
    };
    fill(kernel3, 24 * kChannels * 9), fill(kernel1, 24 * kChannels), fill(depthwise, kChannels * 9);
    fill(transposed, kChannels * 8 * 4), fill(product, 24 * kChannels);
    half.assign(1, 0.5F);
    x = project.network->addInput("x", DataType::kFLOAT, dims_of({1, kChannels, kSide, kSide}));
    windows();
    products();
    points();
    project.config->setFlag(BuilderFlag::kSTRICT_NANS);
    project.config->setProfilingVerbosity(ProfilingVerbosity::kDETAILED);
  }
  ITensor& activation(ITensor& t, ActivationType type, float alpha = 0, float beta = 0) {
    IActivationLayer* a = project.network->addActivation(t, type);
    a->setAlpha(alpha);
    a->setBeta(beta);
    return *a->getOutput(0);
  }
  void expect(ITensor& t, Expected const& e) {
    output(*project.network, t, e.name.c_str());
    expected.push_back(e);
  }
  void windows() {
    INetworkDefinition& n = *project.network;
    IConvolutionLayer* conv = n.addConvolutionNd(*x, 24, DimsHW{3, 3}, weights_of(kernel3), no_weights());
    conv->setPaddingNd(DimsHW{1, 1});
    expect(activation(*conv->getOutput(0), ActivationType::kRELU), {"conv3_relu", 24, kSide, -1, 4, 6, 6, 8});
    conv = n.addConvolutionNd(*x, 24, DimsHW{1, 1}, weights_of(kernel1), no_weights());
    expect(activation(*conv->getOutput(0), ActivationType::kCLIP, 0, 6), {"conv1_clip", 24, kSide, -1, 5, 5, 7, 7});
    conv = n.addConvolutionNd(*x, kChannels, DimsHW{3, 3}, weights_of(depthwise), no_weights());
    conv->setNbGroups(kChannels);
    conv->setPaddingNd(DimsHW{1, 1});
    expect(activation(*conv->getOutput(0), ActivationType::kCLIP, 0, 6),
           {"depthwise_clip", kChannels, kSide, kChannel, 4, 6, 6, 8});
    IDeconvolutionLayer* up = n.addDeconvolutionNd(*x, 8, DimsHW{2, 2}, weights_of(transposed), no_weights());
    up->setStrideNd(DimsHW{2, 2});
    expect(activation(*up->getOutput(0), ActivationType::kRELU), {"deconv_relu", 8, 2 * kSide, -1, 10, 11, 14, 15});
    IPoolingLayer* pool = n.addPoolingNd(*x, PoolingType::kMAX, DimsHW{3, 3});
    pool->setPaddingNd(DimsHW{1, 1});
    pool->setStrideNd(DimsHW{1, 1});
    expect(*pool->getOutput(0), {"pool", kChannels, kSide, kChannel, 4, 6, 6, 8});
  }
  void products() {
    INetworkDefinition& n = *project.network;
    IShuffleLayer* flat = n.addShuffle(*x);
    flat->setReshapeDimensions(dims_of({1, kChannels, kSide * kSide}));
    ITensor& w = constant(n, {1, 24, kChannels}, product);
    ITensor* y =
        n.addMatrixMultiply(w, MatrixOperation::kNONE, *flat->getOutput(0), MatrixOperation::kNONE)->getOutput(0);
    IShuffleLayer* back = n.addShuffle(activation(*y, ActivationType::kRELU));
    back->setReshapeDimensions(dims_of({1, 24, kSide, kSide}));
    expect(*back->getOutput(0), {"product_relu", 24, kSide, -1, 5, 5, 7, 7});
    expect(*n.addReduce(*x, ReduceOperation::kMAX, 2, true)->getOutput(0), {"reduce", 1, kSide, -1, 5, 5, 7, 7});
  }
  void points() {
    INetworkDefinition& n = *project.network;
    Expected e{"", kChannels, kSide, kChannel, 5, 5, 7, 7};
    ITensor& c = constant(n, {1, 1, 1, 1}, half);
    e.name = "max";
    expect(*n.addElementWise(*x, c, ElementWiseOperation::kMAX)->getOutput(0), e);
    e.name = "min";
    expect(*n.addElementWise(c, *x, ElementWiseOperation::kMIN)->getOutput(0), e);
    struct Case {
      char const* name;
      ActivationType type;
      float alpha, beta;
    };
    Case const cases[] = {{"relu", ActivationType::kRELU, 0, 0},
                          {"leaky_relu", ActivationType::kLEAKY_RELU, 0.1F, 0},
                          {"clip", ActivationType::kCLIP, -1, 1},
                          {"elu", ActivationType::kELU, 1, 0},
                          {"selu", ActivationType::kSELU, 1.67F, 1.05F},
                          {"softplus", ActivationType::kSOFTPLUS, 1, 1},
                          {"hard_sigmoid", ActivationType::kHARD_SIGMOID, 0.2F, 0.5F},
                          {"sigmoid", ActivationType::kSIGMOID, 0, 0},
                          {"tanh", ActivationType::kTANH, 0, 0},
                          {"gelu", ActivationType::kGELU_ERF, 0, 0}};
    for (Case const& a : cases) {
      e.name = a.name;
      expect(activation(*x, a.type, a.alpha, a.beta), e);
    }
  }
};

void check(Expected const& e, std::vector<float> const& y) {
  size_t lost = 0, strange = 0, at = 0;
  EXPECT(y.size() == static_cast<size_t>(e.channels) * e.side * e.side);
  for (int32_t c = 0; c < e.channels; ++c) {
    for (int32_t row = 0; row < e.side; ++row) {
      for (int32_t column = 0; column < e.side; ++column, ++at) {
        bool const must = (e.channel < 0 || c == e.channel) && row >= e.first_row && row <= e.last_row &&
                          column >= e.first_column && column <= e.last_column;
        // Kernels that compute tiles at once may spread it over theirs.
        bool const far =
            row < e.first_row - 5 || row > e.last_row + 5 || column < e.first_column - 5 || column > e.last_column + 5;
        lost += must && !std::isnan(y[at]);
        strange += far && !std::isfinite(y[at]);
      }
    }
  }
  if (lost + strange > 0) {
    std::fprintf(stderr, "%s: %zu lost, %zu far away\n", e.name.c_str(), lost, strange);
    ++failures();
  }
}

void build_and_check(Model& m) {
  Owned<ICudaEngine> const engine = m.project.engine();
  if (!engine) {
    return;
  }
  Owned<IEngineInspector> const inspector(engine->createEngineInspector());
  std::string const layers = inspector->getEngineInformation(LayerInformationFormat::kJSON);
  for (char const* library : {"cudnn_", "cublaslt_", "onednn_"}) {
    EXPECT(layers.find(std::string("\"TacticName\": \"") + library) == std::string::npos);
  }
  std::vector<float> x(kChannels * kSide * kSide);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = std::sin(static_cast<float>(i));
  }
  x[(kChannel * kSide + kRow) * kSide + kColumn] = std::nanf("");
  Session session(*engine);
  session.set("x", x);
  for (Expected const& e : m.expected) {
    session.expect(e.name.c_str(), sizeof(float) * e.channels * e.side * e.side);
  }
  EXPECT(session.run());
  for (Expected const& e : m.expected) {
    check(e, session.get<float>(e.name.c_str()));
  }
}

}  // namespace

int main() {
  Model m;
#if NV_TENSORRT_MAJOR < 11
  InTurn in_turn;
  m.project.config->setAlgorithmSelector(&in_turn);
  constexpr int32_t kMostTurns = 12;
  for (; in_turn.turn < std::min(in_turn.most, kMostTurns); ++in_turn.turn) {
    build_and_check(m);
  }
  std::printf("%d kernels in turn\n", in_turn.turn);
#else
  build_and_check(m);
#endif
  return m.project.finish();
}
