// A strongly typed perceptron, its plan through memory, run by tensor names.
#include "common.h"

using namespace nvinfer1;

int main() {
  Project p(1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kSTRONGLY_TYPED));
  EXPECT(p.network->getFlag(NetworkDefinitionCreationFlag::kSTRONGLY_TYPED));
  std::vector<float> const w1 = noise(16 * 8, 1), b1 = noise(16, 2), w2 = noise(4 * 16, 3), b2 = noise(4, 4);
  ITensor* x = p.network->addInput("x", DataType::kFLOAT, Dims2{5, 8});
  auto dense_layer = [&](ITensor& in, std::vector<float> const& w, std::vector<float> const& b, int64_t out,
                         int64_t width) -> ITensor& {
    ITensor& weights = constant(*p.network, {out, width}, w);
    ILayer* product = p.network->addMatrixMultiply(in, MatrixOperation::kNONE, weights, MatrixOperation::kTRANSPOSE);
    ITensor& bias = constant(*p.network, {1, out}, b);
    return *p.network->addElementWise(*product->getOutput(0), bias, ElementWiseOperation::kSUM)->getOutput(0);
  };
  ITensor& hidden = dense_layer(*x, w1, b1, 16, 8);
  ITensor& active = *p.network->addActivation(hidden, ActivationType::kGELU_ERF)->getOutput(0);
  ILayer* soft = p.network->addSoftMax(dense_layer(active, w2, b2, 4, 16));
  static_cast<ISoftMaxLayer*>(soft)->setAxes(1U << 1);
  output(*p.network, *soft->getOutput(0), "y");
  Owned<ICudaEngine> engine = p.engine();
  EXPECT(engine->getNbIOTensors() == 2 && engine->getTensorDataType("y") == DataType::kFLOAT);
  EXPECT(engine->getTensorIOMode("x") == TensorIOMode::kINPUT);
  Session s(*engine);
  std::vector<float> const in = noise(40, 5);
  s.set("x", in);
  s.expect("y", 20 * sizeof(float));
  EXPECT(s.run());
  std::vector<double> h = dense(std::vector<double>(in.begin(), in.end()), 5, w1, b1, 16);
  for (double& v : h) {
    v = 0.5 * v * (1.0 + std::erf(v / std::sqrt(2.0)));
  }
  EXPECT(error(s.get<float>("y"), softmax(dense(h, 5, w2, b2, 4), 5)) < 1e-5);
  return p.finish();
}
