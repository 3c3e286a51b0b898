// One transformer block by hand, as model ports write it: embedding, layer norm, heads split by shuffles, scaled dot
// products, softmax, residual sums, a GELU feed-forward. Batch and length are dynamic.
#include "common.h"

using namespace nvinfer1;

namespace {

constexpr int kWords = 20, kWidth = 8, kHeads = 2, kInner = 16;

struct Model {
  std::vector<float> table = noise(kWords * kWidth, 1), gamma = noise(kWidth, 2), beta = noise(kWidth, 3);
  std::vector<float> q = noise(kWidth * kWidth, 4), k = noise(kWidth * kWidth, 5), v = noise(kWidth * kWidth, 6);
  std::vector<float> o = noise(kWidth * kWidth, 7), up = noise(kInner * kWidth, 8), down = noise(kWidth * kInner, 9);
};

class Net {
 public:
  Net(INetworkDefinition& network, Model const& m) : n_(network), m_(m) {}

  void describe() {
    ITensor& tokens = *n_.addInput("tokens", DataType::kINT32, Dims2{-1, -1});
    ITensor& x = *n_.addGather(constant(n_, {kWords, kWidth}, m_.table), tokens, 0)->getOutput(0);
    ITensor& normed = norm(x);
    ITensor& q = heads(linear(normed, m_.q, kWidth, kWidth));
    ITensor& k = heads(linear(normed, m_.k, kWidth, kWidth));
    ITensor& v = heads(linear(normed, m_.v, kWidth, kWidth));
    ITensor& raw = product(q, k, MatrixOperation::kTRANSPOSE);
    std::vector<float> static const scale(1, 0.5F);  // 1 / sqrt(width of a head)
    ITensor& scaled = binary(raw, constant(n_, {1, 1, 1, 1}, scale), ElementWiseOperation::kPROD);
    ISoftMaxLayer* soft = n_.addSoftMax(scaled);
    soft->setAxes(1U << 3);
    IShuffleLayer* joined = n_.addShuffle(product(*soft->getOutput(0), v, MatrixOperation::kNONE));
    joined->setFirstTranspose(Permutation{{0, 2, 1, 3}});
    joined->setReshapeDimensions(Dims3{0, 0, kWidth});
    ITensor& attended = binary(x, linear(*joined->getOutput(0), m_.o, kWidth, kWidth), ElementWiseOperation::kSUM);
    ITensor& wide = linear(norm(attended), m_.up, kInner, kWidth);
    ITensor& active = *n_.addActivation(wide, ActivationType::kGELU_TANH)->getOutput(0);
    output(n_, binary(attended, linear(active, m_.down, kWidth, kInner), ElementWiseOperation::kSUM), "y");
  }

 private:
  ITensor& binary(ITensor& a, ITensor& b, ElementWiseOperation op) {
    return *n_.addElementWise(a, b, op)->getOutput(0);
  }
  ITensor& product(ITensor& a, ITensor& b, MatrixOperation op) {
    return *n_.addMatrixMultiply(a, MatrixOperation::kNONE, b, op)->getOutput(0);
  }
  ITensor& linear(ITensor& x, std::vector<float> const& w, int64_t out, int64_t in) {
    return product(x, constant(n_, {1, out, in}, w), MatrixOperation::kTRANSPOSE);
  }
  ITensor& norm(ITensor& x) {
    INormalizationLayer* layer =
        n_.addNormalization(x, constant(n_, {1, 1, kWidth}, m_.gamma), constant(n_, {1, 1, kWidth}, m_.beta), 1U << 2);
    layer->setEpsilon(1e-5F);
    return *layer->getOutput(0);
  }
  ITensor& heads(ITensor& x) {
    IShuffleLayer* split = n_.addShuffle(x);
    split->setReshapeDimensions(Dims4{0, 0, kHeads, kWidth / kHeads});
    split->setSecondTranspose(Permutation{{0, 2, 1, 3}});
    return *split->getOutput(0);
  }
  INetworkDefinition& n_;
  Model const& m_;
};

using Rows = std::vector<double>;

Rows norm(Model const& m, Rows x) {
  for (size_t r = 0; r < x.size() / kWidth; ++r) {
    double mean = 0.0, var = 0.0;
    for (int i = 0; i < kWidth; ++i) {
      mean += x[r * kWidth + i] / kWidth;
    }
    for (int i = 0; i < kWidth; ++i) {
      var += (x[r * kWidth + i] - mean) * (x[r * kWidth + i] - mean) / kWidth;
    }
    for (int i = 0; i < kWidth; ++i) {
      double& v = x[r * kWidth + i];
      v = (v - mean) / std::sqrt(var + 1e-5) * m.gamma[i] + m.beta[i];
    }
  }
  return x;
}

/// One sentence.
Rows reference(Model const& m, std::vector<int32_t> const& tokens) {
  int const length = static_cast<int>(tokens.size());
  int const head = kWidth / kHeads;
  Rows x;
  for (int32_t t : tokens) {
    x.insert(x.end(), m.table.begin() + t * kWidth, m.table.begin() + (t + 1) * kWidth);
  }
  Rows const normed = norm(m, x);
  Rows const q = dense(normed, length, m.q, {}, kWidth), k = dense(normed, length, m.k, {}, kWidth);
  Rows const v = dense(normed, length, m.v, {}, kWidth);
  Rows mixed(x.size());
  for (int h = 0; h < kHeads; ++h) {
    Rows scores(static_cast<size_t>(length) * length);
    for (int i = 0; i < length; ++i) {
      for (int j = 0; j < length; ++j) {
        for (int d = h * head; d < (h + 1) * head; ++d) {
          scores[i * length + j] += 0.5 * q[i * kWidth + d] * k[j * kWidth + d];
        }
      }
    }
    scores = softmax(scores, length);
    for (int i = 0; i < length; ++i) {
      for (int j = 0; j < length; ++j) {
        for (int d = h * head; d < (h + 1) * head; ++d) {
          mixed[i * kWidth + d] += scores[i * length + j] * v[j * kWidth + d];
        }
      }
    }
  }
  Rows const projected = dense(mixed, length, m.o, {}, kWidth);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] += projected[i];
  }
  Rows wide = dense(norm(m, x), length, m.up, {}, kInner);
  for (double& u : wide) {
    u = 0.5 * u * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (u + 0.044715 * u * u * u)));
  }
  Rows const folded = dense(wide, length, m.down, {}, kWidth);
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] += folded[i];
  }
  return x;
}

}  // namespace

int main() {
  Project p;
  Model const model;
  Net(*p.network, model).describe();
  IOptimizationProfile* profile = p.builder->createOptimizationProfile();
  profile->setDimensions("tokens", OptProfileSelector::kMIN, Dims2{1, 1});
  profile->setDimensions("tokens", OptProfileSelector::kOPT, Dims2{2, 6});
  profile->setDimensions("tokens", OptProfileSelector::kMAX, Dims2{4, 16});
  EXPECT(p.config->addOptimizationProfile(profile) == 0);
  Owned<ICudaEngine> engine = p.engine();
  EXPECT(engine != nullptr && engine->getTensorShape("y").nbDims == 3);
  Session s(*engine);
  for (int length : {1, 6, 13}) {
    std::vector<int32_t> tokens;
    for (int i = 0; i < 2 * length; ++i) {
      tokens.push_back((i * 7 + length) % kWords);
    }
    s.set("tokens", {2, length}, tokens);
    EXPECT(s.context->inferShapes(0, nullptr) == 0);
    s.expect("y", static_cast<size_t>(2) * length * kWidth * sizeof(float));
    EXPECT(s.run());
    std::vector<float> const y = s.get<float>("y");
    for (int b = 0; b < 2; ++b) {
      std::vector<int32_t> const sentence(tokens.begin() + b * length, tokens.begin() + (b + 1) * length);
      std::vector<float> const row(y.begin() + b * length * kWidth, y.begin() + (b + 1) * length * kWidth);
      EXPECT(error(row, reference(model, sentence)) < 1e-5);
    }
  }
  return p.finish();
}
