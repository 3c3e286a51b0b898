// Networks with loops by boundary layers, as they were written from TensorRT 7 on, against double references.
#pragma once
#include <cmath>

#include "NvInferRuntime.h"
#include "client.h"

namespace loops {
using namespace nvinfer1;

inline Dims dims(std::initializer_list<int> sizes) {
  Dims d{};
  d.nbDims = 0;
  for (int size : sizes) {
    d.d[d.nbDims++] = size;
  }
  return d;
}

inline ITensor* constant(INetworkDefinition& network, Dims const& d, std::vector<float> const& values) {
  Weights const weights{DataType::kFLOAT, values.data(), static_cast<int64_t>(values.size())};
  return network.addConstant(d, weights)->getOutput(0);
}

inline ITensor* number(INetworkDefinition& network, int32_t const& value) {
  return network.addConstant(dims({}), Weights{DataType::kINT32, &value, 1})->getOutput(0);
}

inline void output(INetworkDefinition& network, ITensor* tensor, char const* name) {
  tensor->setName(name);
  network.markOutput(*tensor);
}

/// Values that outlive the networks below.
struct Values {
  int32_t trips = 4, longer = 6, zero = 0, one = 1, three = 3, two = 2;
  std::vector<float> decay = std::vector<float>(3, 0.5F), start = std::vector<float>(3, 1.0F),
                     limit = std::vector<float>(1, 20.0F), first = std::vector<float>(1, 1.5F),
                     double_it = std::vector<float>(1, 2.0F), unit = std::vector<float>(1, 1.0F);
};

/// x: [3, 4]. h = 0.5 h + x[:, i] for i = 0..3; outputs: last [3], all [3, 4] along axis 1, reversed [4, 3], the
/// columns backwards [6, 3] with two rows of zeros.
inline void recur(INetworkDefinition& network, Values const& v) {
  ITensor* x = network.addInput("x", DataType::kFLOAT, dims({3, 4}));
  ILoop* loop = network.addLoop();
  loop->setName("recur");
  ITripLimitLayer* limit = loop->addTripLimit(*number(network, v.trips), TripLimit::kCOUNT);
  EXPECT(limit->getTripLimit() == TripLimit::kCOUNT && limit->getLoop() == loop);
  IRecurrenceLayer* h = loop->addRecurrence(*constant(network, dims({3}), v.start));
  EXPECT(h->getType() == LayerType::kRECURRENCE && h->getNbInputs() == 1);
  IIteratorLayer* column = loop->addIterator(*x, 1);
  IIteratorLayer* backwards = loop->addIterator(*x, 1, true);
  EXPECT(column->getAxis() == 1 && !column->getReverse() && backwards->getReverse());
  EXPECT(column->getOutput(0)->getDimensions().nbDims == 1);
  ITensor* decayed =
      network.addElementWise(*h->getOutput(0), *constant(network, dims({3}), v.decay), ElementWiseOperation::kPROD)
          ->getOutput(0);
  ITensor* next = network.addElementWise(*decayed, *column->getOutput(0), ElementWiseOperation::kSUM)->getOutput(0);
  h->setInput(1, *next);
  EXPECT(h->getNbInputs() == 2 && h->getInput(1) == next);
  output(network, loop->addLoopOutput(*h->getOutput(0), LoopOutput::kLAST_VALUE)->getOutput(0), "last");
  ILoopOutputLayer* all = loop->addLoopOutput(*next, LoopOutput::kCONCATENATE, 1);
  all->setInput(1, *number(network, v.trips));
  EXPECT(all->getLoopOutput() == LoopOutput::kCONCATENATE && all->getAxis() == 1);
  output(network, all->getOutput(0), "all");
  EXPECT(all->getOutput(0)->getDimensions().d[1] == 4);
  ILoopOutputLayer* reversed = loop->addLoopOutput(*next, LoopOutput::kREVERSE);
  reversed->setInput(1, *number(network, v.trips));
  output(network, reversed->getOutput(0), "reversed");
  ILoopOutputLayer* longer = loop->addLoopOutput(*backwards->getOutput(0), LoopOutput::kCONCATENATE);
  longer->setInput(1, *number(network, v.longer));
  output(network, longer->getOutput(0), "longer");
}

inline std::vector<std::vector<double>> recur_expected(std::vector<float> const& x) {
  std::vector<double> h(3, 1.0), all(12), reversed(12), longer(18, 0.0);
  for (int i = 0; i < 4; ++i) {
    for (int c = 0; c < 3; ++c) {
      h[c] = 0.5 * h[c] + x[c * 4 + i];
      all[c * 4 + i] = h[c];
      reversed[(3 - i) * 3 + c] = h[c];
      longer[i * 3 + c] = x[c * 4 + 3 - i];
    }
  }
  return {h, all, reversed, longer};
}

/// s doubles while it is below x[0], and an inner loop of three trips adds s to the sum each time.
inline void nested(INetworkDefinition& network, Values const& v) {
  ITensor* x = network.addInput("x", DataType::kFLOAT, dims({1}));
  ILoop* outer = network.addLoop();
  IRecurrenceLayer* s = outer->addRecurrence(*constant(network, dims({1}), v.first));
  IRecurrenceLayer* sum = outer->addRecurrence(*constant(network, dims({1}), v.unit));
  ITensor* below = network.addElementWise(*s->getOutput(0), *x, ElementWiseOperation::kLESS)->getOutput(0);
  IShuffleLayer* flag = network.addShuffle(*below);
  flag->setReshapeDimensions(dims({}));
  outer->addTripLimit(*flag->getOutput(0), TripLimit::kWHILE);
  ILoop* inner = network.addLoop();
  inner->addTripLimit(*number(network, v.three), TripLimit::kCOUNT);
  IRecurrenceLayer* part = inner->addRecurrence(*sum->getOutput(0));
  part->setInput(
      1, *network.addElementWise(*part->getOutput(0), *s->getOutput(0), ElementWiseOperation::kSUM)->getOutput(0));
  ITensor* added = inner->addLoopOutput(*part->getOutput(0), LoopOutput::kLAST_VALUE)->getOutput(0);
  sum->setInput(1, *added);
  s->setInput(
      1, *network
              .addElementWise(*s->getOutput(0), *constant(network, dims({1}), v.double_it), ElementWiseOperation::kPROD)
              ->getOutput(0));
  output(network, outer->addLoopOutput(*s->getOutput(0), LoopOutput::kLAST_VALUE)->getOutput(0), "s");
  output(network, outer->addLoopOutput(*sum->getOutput(0), LoopOutput::kLAST_VALUE)->getOutput(0), "sum");
}

inline std::vector<std::vector<double>> nested_expected(double x) {
  double s = 1.5, sum = 1.0;
  while (s < x) {
    for (int i = 0; i < 3; ++i) {
      sum += s;
    }
    s *= 2.0;
  }
  return {{s}, {sum}};
}

inline void expect_near(std::vector<std::vector<float>> const& got, std::vector<std::vector<double>> const& wanted) {
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT(got[i].size() == wanted[i].size());
    for (size_t k = 0; k < wanted[i].size(); ++k) {
      EXPECT(std::fabs(got[i][k] - wanted[i][k]) <= 1e-5 * (1.0 + std::fabs(wanted[i][k])));
    }
  }
}

}  // namespace loops
