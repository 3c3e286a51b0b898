// A TensorRT 7 program with recurrent layers: a two-layer LSTM, a bidirectional GRU with lengths, an old-style LSTM.
#include <cmath>

#include "client.h"

using namespace nvinfer1;

namespace {

float next_number(unsigned& state) {
  state = state * 1103515245U + 12345U;
  return static_cast<float>((state >> 16) % 200) / 200.0F - 0.5F;
}

std::vector<float> numbers(size_t count, unsigned seed) {
  std::vector<float> out(count);
  for (float& v : out) {
    v = next_number(seed);
  }
  return out;
}

Weights weights(std::vector<float> const& values) {
  return {DataType::kFLOAT, values.data(), static_cast<int64_t>(values.size())};
}

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

/// One gate of one cell: W [h, e], R [h, h] and two biases.
struct Gate {
  std::vector<float> w, r, wb, rb;
  Gate() = default;
  Gate(int hidden, int data, unsigned seed)
      : w(numbers(static_cast<size_t>(hidden) * data, seed)),
        r(numbers(static_cast<size_t>(hidden) * hidden, seed + 1)),
        wb(numbers(static_cast<size_t>(hidden), seed + 2)),
        rb(numbers(static_cast<size_t>(hidden), seed + 3)) {}
  /// Without W the input is added as it is.
  double input(std::vector<double> const& x, int i) const { return (w.empty() ? x[i] : dot(w, x, i)) + wb[i]; }
  double state(std::vector<double> const& h, int i) const { return dot(r, h, i) + rb[i]; }
  double all(std::vector<double> const& x, std::vector<double> const& h, int i) const {
    return input(x, i) + state(h, i);
  }

 private:
  static double dot(std::vector<float> const& m, std::vector<double> const& v, int row) {
    double sum = 0.0;
    for (size_t k = 0; k < v.size(); ++k) {
      sum += static_cast<double>(m[static_cast<size_t>(row) * v.size() + k]) * v[k];
    }
    return sum;
  }
};

struct Lstm {
  Gate i, f, c, o;
  explicit Lstm(std::vector<Gate> const& gates) : i(gates[0]), f(gates[1]), c(gates[2]), o(gates[3]) {}
  Lstm(int hidden, int data, unsigned seed)
      : i(hidden, data, seed), f(hidden, data, seed + 10), c(hidden, data, seed + 20), o(hidden, data, seed + 30) {}
  void step(std::vector<double> const& x, std::vector<double>& h, std::vector<double>& cell) const {
    std::vector<double> const before = h;
    for (int k = 0; k < static_cast<int>(h.size()); ++k) {
      cell[k] = sigmoid(f.all(x, before, k)) * cell[k] + sigmoid(i.all(x, before, k)) * std::tanh(c.all(x, before, k));
      h[k] = sigmoid(o.all(x, before, k)) * std::tanh(cell[k]);
    }
  }
};

struct Gru {
  Gate z, r, h;
  explicit Gru(std::vector<Gate> const& gates) : z(gates[0]), r(gates[1]), h(gates[2]) {}
  Gru(int hidden, int data, unsigned seed)
      : z(hidden, data, seed), r(hidden, data, seed + 10), h(hidden, data, seed + 20) {}
  void step(std::vector<double> const& x, std::vector<double>& state) const {
    std::vector<double> const before = state;
    for (int k = 0; k < static_cast<int>(state.size()); ++k) {
      double const update = sigmoid(z.all(x, before, k)), reset = sigmoid(r.all(x, before, k));
      double const fresh = std::tanh(h.input(x, k) + reset * h.state(before, k));
      state[k] = (1.0 - update) * fresh + update * before[k];
    }
  }
};

void set(IRNNv2Layer& rnn, int cell, RNNGateType type, Gate const& gate) {
  rnn.setWeightsForGate(cell, type, true, weights(gate.w));
  rnn.setWeightsForGate(cell, type, false, weights(gate.r));
  rnn.setBiasForGate(cell, type, true, weights(gate.wb));
  rnn.setBiasForGate(cell, type, false, weights(gate.rb));
}

std::vector<double> row(std::vector<float> const& x, size_t at, int count) {
  return std::vector<double>(x.begin() + static_cast<long>(at), x.begin() + static_cast<long>(at) + count);
}

void expect_near(std::vector<float> const& got, std::vector<double> const& wanted) {
  EXPECT(got.size() == wanted.size());
  for (size_t i = 0; i < wanted.size() && i < got.size(); ++i) {
    EXPECT(std::fabs(got[i] - wanted[i]) < 1e-5);
  }
}

std::vector<std::vector<float>> run(IBuilder& builder, INetworkDefinition& network, int batch,
                                    std::vector<void*> bindings, std::vector<size_t> const& sizes) {
  std::vector<std::vector<float>> outputs;
  for (size_t size : sizes) {
    outputs.emplace_back(size, -9.0F);
  }
  for (std::vector<float>& output : outputs) {
    bindings.push_back(output.data());
  }
  builder.setMaxBatchSize(4);
  ICudaEngine* engine = builder.buildCudaEngine(network);
  EXPECT(engine != nullptr);
  if (engine) {
    IExecutionContext* context = engine->createExecutionContext();
    EXPECT(context->execute(batch, bindings.data()));
    context->destroy();
    engine->destroy();
  }
  return outputs;
}

constexpr int kSteps = 3, kData = 2, kHidden = 4, kBatch = 2;

void test_lstm(IBuilder& builder) {
  Lstm const first(kHidden, kData, 1), second(kHidden, kHidden, 100);
  INetworkDefinition* network = builder.createNetwork();
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2{kSteps, kData});
  ITensor* h0 = network->addInput("h0", DataType::kFLOAT, Dims2{2, kHidden});
  IRNNv2Layer* rnn = network->addRNNv2(*x, 2, kHidden, kSteps, RNNOperation::kLSTM);
  EXPECT(rnn != nullptr && rnn->getLayerCount() == 2 && rnn->getHiddenSize() == kHidden &&
         rnn->getDataLength() == kData);
  int cell = 0;
  for (Lstm const* l : {&first, &second}) {
    set(*rnn, cell, RNNGateType::kINPUT, l->i);
    set(*rnn, cell, RNNGateType::kFORGET, l->f);
    set(*rnn, cell, RNNGateType::kCELL, l->c);
    set(*rnn, cell++, RNNGateType::kOUTPUT, l->o);
  }
  EXPECT(rnn->getWeightsForGate(1, RNNGateType::kCELL, false).values == second.c.r.data());
  rnn->setHiddenState(*h0);
  EXPECT(rnn->getHiddenState() == h0 && rnn->getNbOutputs() == 3 && rnn->getOutput(0)->getDimensions().d[1] == kHidden);
  for (int i = 0; i < 3; ++i) {
    network->markOutput(*rnn->getOutput(i));
  }
  std::vector<float> data = numbers(kBatch * kSteps * kData, 7), start = numbers(kBatch * 2 * kHidden, 8);
  auto const got = run(builder, *network, kBatch, {data.data(), start.data()},
                       {kBatch * kSteps * kHidden, kBatch * 2 * kHidden, kBatch * 2 * kHidden});
  std::vector<double> y, h, c;
  for (int n = 0; n < kBatch; ++n) {
    std::vector<double> ha = row(start, static_cast<size_t>(n) * 2 * kHidden, kHidden),
                        hb = row(start, (static_cast<size_t>(n) * 2 + 1) * kHidden, kHidden), ca(kHidden), cb(kHidden);
    for (int t = 0; t < kSteps; ++t) {
      first.step(row(data, static_cast<size_t>(n * kSteps + t) * kData, kData), ha, ca);
      second.step(ha, hb, cb);
      y.insert(y.end(), hb.begin(), hb.end());
    }
    h.insert(h.end(), ha.begin(), ha.end());
    h.insert(h.end(), hb.begin(), hb.end());
    c.insert(c.end(), ca.begin(), ca.end());
    c.insert(c.end(), cb.begin(), cb.end());
  }
  expect_near(got[0], y);
  expect_near(got[1], h);
  expect_near(got[2], c);
  network->destroy();
}

void test_gru(IBuilder& builder) {
  Gru const forward(kHidden, kData, 3), backward(kHidden, kData, 50);
  INetworkDefinition* network = builder.createNetwork();
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2{kSteps, kData});
  Dims scalar{};
  scalar.nbDims = 0;
  ITensor* lengths = network->addInput("lengths", DataType::kINT32, scalar);
  IRNNv2Layer* rnn = network->addRNNv2(*x, 1, kHidden, kSteps, RNNOperation::kGRU);
  rnn->setDirection(RNNDirection::kBIDIRECTION);
  int cell = 0;
  for (Gru const* g : {&forward, &backward}) {
    set(*rnn, cell, RNNGateType::kUPDATE, g->z);
    set(*rnn, cell, RNNGateType::kRESET, g->r);
    set(*rnn, cell++, RNNGateType::kHIDDEN, g->h);
  }
  rnn->setSequenceLengths(*lengths);
  EXPECT(rnn->getSequenceLengths() == lengths && rnn->getNbOutputs() == 2);
  network->markOutput(*rnn->getOutput(0));
  network->markOutput(*rnn->getOutput(1));
  std::vector<float> data = numbers(kBatch * kSteps * kData, 17);
  int32_t length[kBatch] = {3, 2};
  auto const got =
      run(builder, *network, kBatch, {data.data(), length}, {kBatch * kSteps * 2 * kHidden, kBatch * 2 * kHidden});
  std::vector<double> y(kBatch * kSteps * 2 * kHidden), h;
  for (int n = 0; n < kBatch; ++n) {
    std::vector<double> there(kHidden), back(kHidden);
    for (int t = 0; t < length[n]; ++t) {
      forward.step(row(data, static_cast<size_t>(n * kSteps + t) * kData, kData), there);
      std::copy(there.begin(), there.end(), y.begin() + ((n * kSteps + t) * 2) * kHidden);
    }
    for (int t = length[n] - 1; t >= 0; --t) {
      backward.step(row(data, static_cast<size_t>(n * kSteps + t) * kData, kData), back);
      std::copy(back.begin(), back.end(), y.begin() + ((n * kSteps + t) * 2 + 1) * kHidden);
    }
    h.insert(h.end(), there.begin(), there.end());
    h.insert(h.end(), back.begin(), back.end());
  }
  expect_near(got[0], y);
  expect_near(got[1], h);
  network->destroy();
}

/// A cell of any operation; `skips`: its input is added without weights.
struct Cell {
  Cell(RNNOperation op, int hidden, int data, bool skips, unsigned seed) : op(op) {
    size_t const count = op == RNNOperation::kLSTM ? 4 : op == RNNOperation::kGRU ? 3 : 1;
    for (size_t g = 0; g < count; ++g) {
      gates.emplace_back(hidden, data, seed + 7 * static_cast<unsigned>(g));
      if (skips) {
        gates.back().w.clear();
      }
    }
  }
  void step(std::vector<double> const& x, std::vector<double>& h, std::vector<double>& c) const {
    if (op == RNNOperation::kLSTM) {
      return Lstm(gates).step(x, h, c);
    }
    if (op == RNNOperation::kGRU) {
      return Gru(gates).step(x, h);
    }
    std::vector<double> const before = h;
    for (int k = 0; k < static_cast<int>(h.size()); ++k) {
      double const sum = gates[0].all(x, before, k);
      h[k] = op == RNNOperation::kRELU ? std::fmax(sum, 0.0) : std::tanh(sum);
    }
  }
  void give_to(IRNNv2Layer& rnn, int index) const {
    static RNNGateType const lstm[] = {RNNGateType::kINPUT, RNNGateType::kFORGET, RNNGateType::kCELL,
                                       RNNGateType::kOUTPUT};
    static RNNGateType const gru[] = {RNNGateType::kUPDATE, RNNGateType::kRESET, RNNGateType::kHIDDEN};
    for (size_t g = 0; g < gates.size(); ++g) {
      RNNGateType const type = op == RNNOperation::kGRU ? gru[g] : lstm[g];
      if (!gates[g].w.empty()) {
        rnn.setWeightsForGate(index, type, true, weights(gates[g].w));
      }
      rnn.setWeightsForGate(index, type, false, weights(gates[g].r));
      rnn.setBiasForGate(index, type, true, weights(gates[g].wb));
      rnn.setBiasForGate(index, type, false, weights(gates[g].rb));
    }
  }
  RNNOperation op;
  std::vector<Gate> gates;
};

/// Every operation, in one and in two layers, in one and in both directions, with and without input weights.
void test_modes(IBuilder& builder, RNNOperation op, int layers, bool both, bool skips) {
  int const width = skips ? kHidden : kData, ways = both ? 2 : 1;
  INetworkDefinition* network = builder.createNetwork();
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims2{kSteps, width});
  IRNNv2Layer* rnn = network->addRNNv2(*x, layers, kHidden, kSteps, op);
  rnn->setDirection(both ? RNNDirection::kBIDIRECTION : RNNDirection::kUNIDIRECTION);
  rnn->setInputMode(skips ? RNNInputMode::kSKIP : RNNInputMode::kLINEAR);
  EXPECT(rnn->getInputMode() == (skips ? RNNInputMode::kSKIP : RNNInputMode::kLINEAR) && rnn->getOperation() == op);
  std::vector<Cell> cells;
  for (int i = 0; i < layers * ways; ++i) {
    int const data = i < ways ? width : ways * kHidden;
    cells.emplace_back(op, kHidden, data, skips && i < ways, 11U * static_cast<unsigned>(i) + 5U);
  }
  for (size_t i = 0; i < cells.size(); ++i) {
    cells[i].give_to(*rnn, static_cast<int>(i));
  }
  network->markOutput(*rnn->getOutput(0));
  network->markOutput(*rnn->getOutput(1));
  std::vector<float> data = numbers(static_cast<size_t>(kBatch * kSteps * width), 23);
  auto const got = run(
      builder, *network, kBatch, {data.data()},
      {static_cast<size_t>(kBatch * kSteps * ways * kHidden), static_cast<size_t>(kBatch * layers * ways * kHidden)});
  std::vector<double> y, last;
  for (int n = 0; n < kBatch; ++n) {
    std::vector<std::vector<double>> sequence;
    for (int t = 0; t < kSteps; ++t) {
      sequence.push_back(row(data, static_cast<size_t>((n * kSteps + t) * width), width));
    }
    for (int l = 0; l < layers; ++l) {
      std::vector<std::vector<double>> next(kSteps);
      for (int way = 0; way < ways; ++way) {
        std::vector<double> h(kHidden), c(kHidden);
        std::vector<std::vector<double>> made(kSteps);
        for (int s = 0; s < kSteps; ++s) {
          int const t = way == 0 ? s : kSteps - 1 - s;
          cells[static_cast<size_t>(l * ways + way)].step(sequence[t], h, c);
          made[t] = h;
        }
        for (int t = 0; t < kSteps; ++t) {
          next[t].insert(next[t].end(), made[t].begin(), made[t].end());
        }
        last.insert(last.end(), h.begin(), h.end());
      }
      sequence = next;
    }
    for (std::vector<double> const& step : sequence) {
      y.insert(y.end(), step.begin(), step.end());
    }
  }
  expect_near(got[0], y);
  expect_near(got[1], last);
  network->destroy();
}

/// IRNNLayer takes [steps, sequences, data] and all weights in one piece, gates in the order i, c, f, o.
void test_old(IBuilder& builder) {
  Lstm const cell(kHidden, kData, 30);
  std::vector<float> all, bias;
  for (std::vector<float> Gate::*part : {&Gate::w, &Gate::r}) {
    for (Gate const* gate : {&cell.i, &cell.c, &cell.f, &cell.o}) {
      all.insert(all.end(), (gate->*part).begin(), (gate->*part).end());
    }
  }
  for (std::vector<float> Gate::*part : {&Gate::wb, &Gate::rb}) {
    for (Gate const* gate : {&cell.i, &cell.c, &cell.f, &cell.o}) {
      bias.insert(bias.end(), (gate->*part).begin(), (gate->*part).end());
    }
  }
  INetworkDefinition* network = builder.createNetwork();
  ITensor* x = network->addInput("x", DataType::kFLOAT, Dims3{kSteps, kBatch, kData});
  IRNNLayer* rnn = network->addRNN(*x, 1, kHidden, kSteps, RNNOperation::kLSTM, RNNInputMode::kLINEAR,
                                   RNNDirection::kUNIDIRECTION, weights(all), weights(bias));
  EXPECT(rnn != nullptr && rnn->getHiddenSize() == kHidden && rnn->getSeqLength() == kSteps &&
         rnn->getWeights().count == static_cast<int64_t>(all.size()));
  EXPECT(rnn->getOutput(0)->getDimensions().nbDims == 3 && rnn->getOutput(0)->getDimensions().d[2] == kHidden);
  network->markOutput(*rnn->getOutput(0));
  std::vector<float> data = numbers(kSteps * kBatch * kData, 27);
  auto const got = run(builder, *network, 1, {data.data()}, {kSteps * kBatch * kHidden});
  std::vector<double> y(kSteps * kBatch * kHidden);
  for (int n = 0; n < kBatch; ++n) {
    std::vector<double> h(kHidden), c(kHidden);
    for (int t = 0; t < kSteps; ++t) {
      cell.step(row(data, static_cast<size_t>(t * kBatch + n) * kData, kData), h, c);
      std::copy(h.begin(), h.end(), y.begin() + (t * kBatch + n) * kHidden);
    }
  }
  expect_near(got[0], y);
  network->destroy();
}

}  // namespace

int main() {
  KeepingLogger logger;
  IBuilder* builder = createInferBuilder(logger);
  test_lstm(*builder);
  test_gru(*builder);
  test_old(*builder);
  for (RNNOperation op : {RNNOperation::kRELU, RNNOperation::kTANH, RNNOperation::kLSTM, RNNOperation::kGRU}) {
    for (int layers = 1; layers <= 2; ++layers) {
      for (int mode = 0; mode < 4; ++mode) {
        test_modes(*builder, op, layers, mode % 2 == 1, mode / 2 == 1);
      }
    }
  }
  builder->destroy();
  EXPECT(logger.errors.empty());
  for (std::string const& error : logger.errors) {
    std::printf("error: %s\n", error.c_str());
  }
  std::printf("%d failures\n", failures());
  return failures() != 0;
}
