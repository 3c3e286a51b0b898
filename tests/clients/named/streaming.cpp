// A model whose weights are to take less device memory than they need: budgets, what they cost, two contexts in two
// threads, a recorded stream, a profile. Without a GPU every budget is right and none saves anything.
#include <algorithm>
#include <thread>

#include "common.h"

using namespace nvinfer1;

namespace {

constexpr int kLayers = 6;

/// relu(... relu(x * W0) * W1 ...) of matrices [width, width].
void build(Project& p, int64_t width) {
  ITensor* x = p.network->addInput("x", DataType::kFLOAT, dims_of({4, width}));
  static std::vector<std::vector<float>> weights;
  weights.assign(kLayers, std::vector<float>(static_cast<size_t>(width * width)));
  for (int l = 0; l < kLayers; ++l) {
    for (size_t i = 0; i < weights[l].size(); ++i) {
      weights[l][i] = static_cast<float>((i * 31 + static_cast<size_t>(l) * 7) % 17) / static_cast<float>(3 * width);
    }
    ITensor& matrix = constant(*p.network, {width, width}, weights[l]);
    x = p.network->addMatrixMultiply(*x, MatrixOperation::kNONE, matrix, MatrixOperation::kNONE)->getOutput(0);
    x = p.network->addActivation(*x, ActivationType::kRELU)->getOutput(0);
  }
  output(*p.network, *x, "y");
  p.config->setFlag(BuilderFlag::kWEIGHT_STREAMING);
}

uint32_t strongly_typed() { return 1U << static_cast<uint32_t>(NetworkDefinitionCreationFlag::kSTRONGLY_TYPED); }

struct Model {
  explicit Model(int64_t width) : project(strongly_typed()), width(width) {
    build(project, width);
    plan.reset(project.builder->buildSerializedNetwork(*project.network, *project.config));
    EXPECT(plan != nullptr);
  }
  Owned<ICudaEngine> engine() {
    return Owned<ICudaEngine>(project.runtime->deserializeCudaEngine(plan->data(), plan->size()));
  }
  std::vector<float> input(uint32_t seed) const { return noise(static_cast<size_t>(4 * width), seed); }
  std::vector<float> run(Session& session, uint32_t seed) const {
    session.set("x", input(seed));
    session.expect("y", static_cast<size_t>(4 * width) * sizeof(float));
    EXPECT(session.run());
    return session.get<float>("y");
  }
  Project project;
  int64_t width;
  Owned<IHostMemory> plan;
};

void budgets(Model& model) {
  Owned<ICudaEngine> engine = model.engine();
  int64_t const all = engine->getStreamableWeightsSize();
  EXPECT(all == kLayers * model.width * model.width * 4);
  EXPECT(engine->getWeightStreamingBudgetV2() == all && engine->getWeightStreamingScratchMemorySize() == 0);
  int64_t const automatic = engine->getWeightStreamingAutomaticBudget();
  EXPECT(automatic >= 0 && automatic <= all);
  std::vector<float> wanted;
  {
    Session session(*engine);
    wanted = model.run(session, 1);
  }
  for (int64_t budget : {all / 2, int64_t{0}, all / 3, all}) {
    EXPECT(engine->setWeightStreamingBudgetV2(budget) && engine->getWeightStreamingBudgetV2() == budget);
    Session session(*engine);
    for (int turn = 0; turn < 4; ++turn) {
      EXPECT(model.run(session, 1) == wanted);
    }
  }
}

void contexts(Model& model) {
  Owned<ICudaEngine> engine = model.engine();
  std::vector<float> wanted[2];
  for (uint32_t seed : {0U, 1U}) {
    Session session(*engine);
    wanted[seed] = model.run(session, seed + 1);
  }
  EXPECT(engine->setWeightStreamingBudgetV2(0));
  Session first(*engine), second(*engine);
  Session* sessions[] = {&first, &second};
  std::vector<std::thread> threads;
  int wrong[2] = {};
  for (uint32_t seed : {0U, 1U}) {
    threads.emplace_back([&, seed] {
      for (int turn = 0; turn < 20; ++turn) {
        wrong[seed] += model.run(*sessions[seed], seed + 1) != wanted[seed];
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT(wrong[0] == 0 && wrong[1] == 0);
  // The user records a run: weights travel in the recording.
  Session& session = first;
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t recorded = nullptr;
  EXPECT(cudaStreamBeginCapture(session.stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
  EXPECT(session.run());
  EXPECT(cudaStreamEndCapture(session.stream, &graph) == cudaSuccess);
  EXPECT(cudaGraphInstantiate(&recorded, graph, 0) == cudaSuccess);
  std::vector<float> const zeros(wanted[0].size());
  EXPECT(cudaMemcpyAsync(const_cast<void*>(session.context->getTensorAddress("y")), zeros.data(),
                         zeros.size() * sizeof(float), cudaMemcpyHostToDevice, session.stream) == cudaSuccess);
  EXPECT(cudaGraphLaunch(recorded, session.stream) == cudaSuccess);
  EXPECT(session.get<float>("y") == wanted[0]);
  cudaGraphExecDestroy(recorded);
  cudaGraphDestroy(graph);
}

size_t free_bytes() {
  size_t free = 0, total = 0;
  EXPECT(cudaDeviceSynchronize() == cudaSuccess && cudaMemGetInfo(&free, &total) == cudaSuccess);
  return free;
}

/// Device memory that an engine and a context hold after a run, at a budget.
int64_t held_once(Model& model, int64_t budget, std::vector<float>& y, int64_t& scratch) {
  size_t const before = free_bytes();
  Owned<ICudaEngine> engine = model.engine();
  EXPECT(engine->setWeightStreamingBudgetV2(budget));
  scratch = engine->getWeightStreamingScratchMemorySize();
  Session session(*engine);
  y = model.run(session, 3);
  EXPECT(model.run(session, 3) == y);
  return static_cast<int64_t>(before) - static_cast<int64_t>(free_bytes());
}

/// The least of three times, for other programs use the device too.
int64_t held(Model& model, int64_t budget, std::vector<float>& y, int64_t& scratch) {
  int64_t least = held_once(model, budget, y, scratch);
  for (int turn = 0; turn < 2; ++turn) {
    least = std::min(least, held_once(model, budget, y, scratch));
  }
  return least;
}

/// On a GPU: what a budget saves, as the driver counts it.
void savings() {
  Model model(2048);
  std::vector<float> whole, half, none;
  int64_t const all = kLayers * model.width * model.width * 4, slack = 8 << 20;
  int64_t scratch = 0;
  held(model, all, whole, scratch);  // loads what is loaded once
  int64_t const most = held(model, all, whole, scratch);
  EXPECT(scratch == 0 && most >= all);
  int64_t const middle = held(model, all / 2, half, scratch);
  EXPECT(half == whole && middle <= most - all / 2 + scratch + slack);
  int64_t const least = held(model, 0, none, scratch);
  EXPECT(none == whole && least <= most - all + scratch + slack);
  std::printf("device memory at budgets of %lld, %lld and 0 bytes: %lld, %lld, %lld; scratch %lld\n",
              static_cast<long long>(all), static_cast<long long>(all / 2), static_cast<long long>(most),
              static_cast<long long>(middle), static_cast<long long>(least), static_cast<long long>(scratch));
  EXPECT(model.project.logger.errors.empty());
}

}  // namespace

int main() {
  Model model(96);
  budgets(model);
  contexts(model);
  Owned<ICudaEngine> engine = model.engine();
  EXPECT(engine->setWeightStreamingBudgetV2(0));
  if (engine->getWeightStreamingScratchMemorySize() > 0) {
    savings();
  }
  return model.project.finish();
}
