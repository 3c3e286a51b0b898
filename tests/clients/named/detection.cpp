// Boxes and scores through non-maximum suppression, compared with the plain greedy algorithm.
#include <algorithm>

#include "common.h"

using namespace nvinfer1;

namespace {

constexpr int kBoxes = 12, kClasses = 2, kMost = 4;

double overlap(float const* a, float const* b) {
  double const w = std::fmin(a[2], b[2]) - std::fmax(a[0], b[0]);
  double const h = std::fmin(a[3], b[3]) - std::fmax(a[1], b[1]);
  double const both = std::fmax(w, 0.0) * std::fmax(h, 0.0);
  double const areas =
      static_cast<double>(a[2] - a[0]) * (a[3] - a[1]) + static_cast<double>(b[2] - b[0]) * (b[3] - b[1]);
  return both / (areas - both);
}

std::vector<std::vector<int>> greedy(std::vector<float> const& boxes, std::vector<float> const& scores) {
  std::vector<std::vector<int>> kept;
  for (int c = 0; c < kClasses; ++c) {
    std::vector<int> order;
    for (int i = 0; i < kBoxes; ++i) {
      if (scores[i * kClasses + c] > 0.1F) {
        order.push_back(i);
      }
    }
    std::sort(order.begin(), order.end(),
              [&](int a, int b) { return scores[a * kClasses + c] > scores[b * kClasses + c]; });
    int count = 0;
    std::vector<int> chosen;
    for (int i : order) {
      bool clear = true;
      for (int other : chosen) {
        clear = clear && overlap(&boxes[i * 4], &boxes[other * 4]) <= 0.4;
      }
      if (clear && count++ < kMost) {
        chosen.push_back(i);
        kept.push_back({0, c, i});
      }
    }
  }
  return kept;
}

}  // namespace

int main() {
  Project p;
  ITensor* boxes = p.network->addInput("boxes", DataType::kFLOAT, Dims3{1, kBoxes, 4});
  ITensor* scores = p.network->addInput("scores", DataType::kFLOAT, Dims3{1, kBoxes, kClasses});
  int32_t static const most = kMost;
  ITensor& limit = *p.network->addConstant(Dims{}, Weights{DataType::kINT32, &most, 1})->getOutput(0);
#if NV_TENSORRT_MAJOR >= 11
  INMSLayer* nms = p.network->addNMS(*boxes, *scores, limit, DataType::kINT32);
#else
  INMSLayer* nms = p.network->addNMS(*boxes, *scores, limit);
#endif
  nms->setBoundingBoxFormat(BoundingBoxFormat::kCORNER_PAIRS);
  std::vector<float> const iou(1, 0.4F), least(1, 0.1F);
  nms->setInput(3, *p.network->addConstant(Dims{}, weights_of(iou))->getOutput(0));
  nms->setInput(4, *p.network->addConstant(Dims{}, weights_of(least))->getOutput(0));
  output(*p.network, *nms->getOutput(0), "kept");
  output(*p.network, *nms->getOutput(1), "count");
  Owned<ICudaEngine> engine = p.engine();
  EXPECT(engine != nullptr && engine->getTensorDataType("kept") == DataType::kINT32);
  Session s(*engine);
  std::vector<float> b(kBoxes * 4), sc(kBoxes * kClasses);
  std::vector<float> const random = noise(kBoxes * 6, 11);
  for (int i = 0; i < kBoxes; ++i) {
    for (int side = 0; side < 2; ++side) {
      b[i * 4 + side] = std::floor(2.0F * random[i * 6 + side]) * 0.3F;
      b[i * 4 + 2 + side] = b[i * 4 + side] + 1.0F + 0.2F * random[i * 6 + 2 + side];
      sc[i * kClasses + side] = 0.5F + 0.5F * random[i * 6 + 4 + side];
    }
  }
  s.set("boxes", b);
  s.set("scores", sc);
  s.expect("kept", static_cast<size_t>(kBoxes) * kClasses * 3 * sizeof(int32_t));
  s.expect("count", sizeof(int32_t));
  EXPECT(s.run());
  std::vector<std::vector<int>> const expected = greedy(b, sc);
  EXPECT(s.get<int32_t>("count")[0] == static_cast<int32_t>(expected.size()));
  EXPECT(engine->getTensorShape("kept").d[0] == -1 && engine->getTensorShape("kept").d[1] == 3);
  std::vector<int32_t> const kept = s.get<int32_t>("kept", expected.size() * 3);
  std::vector<std::vector<int>> found;
  for (size_t i = 0; i + 2 < kept.size(); i += 3) {
    found.push_back({kept[i], kept[i + 1], kept[i + 2]});
  }
  std::vector<std::vector<int>> sorted = expected;
  std::sort(sorted.begin(), sorted.end());
  std::sort(found.begin(), found.end());
  EXPECT(found == sorted);
  return p.finish();
}
