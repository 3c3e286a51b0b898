// One engine, contexts of several threads, one of them recording its work into a graph.
#include <thread>

#include "common.h"

using namespace nvinfer1;

namespace {

void work(ICudaEngine* engine, std::vector<float> const* weights, uint32_t thread, int* bad) {
  Session s(*engine);
  s.expect("y", 8 * sizeof(float));
  for (uint32_t round = 0; round < 20; ++round) {
    std::vector<float> const x = noise(16, thread * 100 + round);
    s.set("x", x);
    bool const ran = s.run();
    *bad += !ran || error(s.get<float>("y"), dense(std::vector<double>(x.begin(), x.end()), 1, *weights, {}, 8)) > 1e-5;
  }
}

}  // namespace

int main() {
  Project p;
  std::vector<float> const weights = noise(8 * 16, 1);
  ITensor* x = p.network->addInput("x", DataType::kFLOAT, Dims2{1, 16});
  ITensor& w = constant(*p.network, {8, 16}, weights);
  output(*p.network,
         *p.network->addMatrixMultiply(*x, MatrixOperation::kNONE, w, MatrixOperation::kTRANSPOSE)->getOutput(0), "y");
  Owned<ICudaEngine> engine = p.engine();
  EXPECT(engine != nullptr);
  int bad[4] = {};
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < 4; ++i) {
    threads.emplace_back(work, engine.get(), &weights, i, &bad[i]);
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT(bad[0] + bad[1] + bad[2] + bad[3] == 0);
  // The same through a captured graph.
  Session s(*engine);
  float *in = nullptr, *out = nullptr;
  EXPECT(cudaMalloc(reinterpret_cast<void**>(&in), 64) == cudaSuccess);
  EXPECT(cudaMalloc(reinterpret_cast<void**>(&out), 32) == cudaSuccess);
  EXPECT(s.context->setTensorAddress("x", in) && s.context->setTensorAddress("y", out) && s.run());
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t instance = nullptr;
  EXPECT(cudaStreamBeginCapture(s.stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  EXPECT(s.run());
  EXPECT(cudaStreamEndCapture(s.stream, &graph) == cudaSuccess &&
         cudaGraphInstantiate(&instance, graph, 0) == cudaSuccess);
  // The graph keeps the addresses that it was captured with.
  float *elsewhere = nullptr, *other = nullptr;
  EXPECT(cudaMalloc(reinterpret_cast<void**>(&elsewhere), 64) == cudaSuccess);
  EXPECT(cudaMalloc(reinterpret_cast<void**>(&other), 32) == cudaSuccess);
  EXPECT(s.context->setTensorAddress("x", elsewhere) && s.context->setTensorAddress("y", other) && s.run());
  for (uint32_t round = 0; round < 3; ++round) {
    std::vector<float> const values = noise(16, 1000 + round);
    std::vector<float> y(8);
    EXPECT(cudaMemcpyAsync(in, values.data(), 64, cudaMemcpyHostToDevice, s.stream) == cudaSuccess);
    EXPECT(cudaGraphLaunch(instance, s.stream) == cudaSuccess);
    EXPECT(cudaMemcpyAsync(y.data(), out, 32, cudaMemcpyDeviceToHost, s.stream) == cudaSuccess);
    EXPECT(cudaStreamSynchronize(s.stream) == cudaSuccess);
    EXPECT(error(y, dense(std::vector<double>(values.begin(), values.end()), 1, weights, {}, 8)) < 1e-5);
  }
  EXPECT(s.context->getTensorAddress("x") == elsewhere && s.context->getTensorAddress("y") == other);
  cudaGraphExecDestroy(instance);
  cudaGraphDestroy(graph);
  cudaFree(elsewhere);
  cudaFree(other);
  cudaFree(in);
  cudaFree(out);
  return p.finish();
}
