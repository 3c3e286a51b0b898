// INT8 by explicit quantize and dequantize layers around a convolution.
#include "common.h"

using namespace nvinfer1;

namespace {

ITensor& round_trip(INetworkDefinition& network, ITensor& x, ITensor& scale, int axis) {
#if NV_TENSORRT_MAJOR >= 11
  IQuantizeLayer* q = network.addQuantize(x, scale, DataType::kINT8);
  IDequantizeLayer* dq = network.addDequantize(*q->getOutput(0), scale, DataType::kFLOAT);
#else
  IQuantizeLayer* q = network.addQuantize(x, scale);
  IDequantizeLayer* dq = network.addDequantize(*q->getOutput(0), scale);
#endif
  if (axis >= 0) {
    q->setAxis(axis);
    dq->setAxis(axis);
    EXPECT(q->getAxis() == axis);
  }
  EXPECT(q->getOutput(0)->getType() == DataType::kINT8 && dq->getOutput(0)->getType() == DataType::kFLOAT);
  return *dq->getOutput(0);
}

float rounded(float v, float scale) {
  double const q = std::nearbyint(static_cast<double>(v) / scale);
  return static_cast<float>(std::fmax(-128.0, std::fmin(127.0, q)) * scale);
}

}  // namespace

int main() {
  Project p;
  std::vector<float> const kernel = noise(6 * 4 * 9, 1), image = noise(4 * 36, 2);
  std::vector<float> const x_scale(1, 1.0F / 127.0F);
  std::vector<float> w_scale;
  for (int o = 0; o < 6; ++o) {
    w_scale.push_back(0.004F + 0.001F * static_cast<float>(o));
  }
  ITensor* x = p.network->addInput("x", DataType::kFLOAT, Dims4{1, 4, 6, 6});
  ITensor& xq = round_trip(*p.network, *x, *p.network->addConstant(Dims{}, weights_of(x_scale))->getOutput(0), -1);
  ITensor& wq =
      round_trip(*p.network, constant(*p.network, {6, 4, 3, 3}, kernel), constant(*p.network, {6}, w_scale), 0);
  IConvolutionLayer* layer = p.network->addConvolutionNd(xq, 6, DimsHW{3, 3}, no_weights(), no_weights());
  layer->setInput(1, wq);
  output(*p.network, *layer->getOutput(0), "y");
#if NV_TENSORRT_MAJOR < 11
  p.config->setFlag(BuilderFlag::kINT8);
#endif
  Owned<ICudaEngine> engine = p.engine();
  EXPECT(engine != nullptr);
  Session s(*engine);
  s.set("x", image);
  s.expect("y", 6 * 16 * sizeof(float));
  EXPECT(s.run());
  std::vector<float> rx = image, rw = kernel;
  for (float& v : rx) {
    v = rounded(v, x_scale[0]);
  }
  for (size_t i = 0; i < rw.size(); ++i) {
    rw[i] = rounded(rw[i], w_scale[i / 36]);
  }
  EXPECT(error(s.get<float>("y"), conv(maps_of(rx, 1, 4, 6, 6), rw, {}, 6, 3, 1, 0).v) < 1e-5);
  return p.finish();
}
