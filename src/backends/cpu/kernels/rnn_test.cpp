#include "ops/rnn/rnn.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>

#include "backends/cpu/kernels/kernel_test_util.h"

namespace tenon::cpu::testing {
namespace {

using ir::DType;
using ops::RnnAttrs;
using ops::RnnDirection;

struct Net {
  std::string op = "LSTM";
  int64_t steps = 5, batch = 3, in = 7, hidden = 33;
  DType type = DType::kF32;
  bool bias = true, lengths = false, states = false, peephole = false;
};

std::vector<std::string> default_functions(const std::string& op) {
  if (op == "LSTM") return {"Sigmoid", "Tanh", "Tanh"};
  if (op == "GRU") return {"Sigmoid", "Tanh"};
  return {"Tanh"};
}

KernelCase case_of(const Net& net, RnnAttrs a = {}) {
  const int64_t gates = net.op == "LSTM"  ? 4
                        : net.op == "GRU" ? 3
                                          : 1,
                d = a.direction == RnnDirection::kBidirectional ? 2 : 1, rows = gates * net.hidden;
  a.hidden_size = net.hidden;
  if (a.activations.empty())
    for (int64_t i = 0; i < d; ++i)
      for (const std::string& f : default_functions(net.op)) a.activations.push_back(f);
  KernelCase c{.op = net.op, .attrs = ir::Attrs(a)};
  const double scale = 1 / std::sqrt(double(net.hidden));
  const auto weights = [&](ir::Dims dims) { return constant(of_type(net.type, std::move(dims), -scale, scale)); };
  c.inputs = {of_type(net.type, {net.steps, net.batch, net.in}), weights({d, rows, net.in}),
              weights({d, rows, net.hidden})};
  c.inputs.push_back(net.bias ? constant(f32({d, 2 * rows}, -0.5, 0.5)) : absent());
  c.inputs.push_back(absent());
  if (net.lengths) {
    ir::Tensor lengths(DType::kI32, {net.batch});
    for (int64_t n = 0; n < net.batch; ++n) lengths.set_int(n, (net.steps + n * 3) % (net.steps + 1));
    c.inputs.back() = Operand{.dtype = DType::kI32, .dims = {net.batch}, .value = lengths};
  }
  const Operand state = of_type(net.type, {d, net.batch, net.hidden}, -1, 1);
  c.inputs.push_back(net.states ? state : absent());
  if (net.op == "LSTM") {
    c.inputs.push_back(net.states ? state : absent());
    c.inputs.push_back(net.peephole ? constant(f32({d, 3 * net.hidden}, -0.5, 0.5)) : absent());
  }
  c.outputs = net.op == "LSTM" ? 3 : 2;
  c.batched = false;
  c.norm = net.type == DType::kF32 ? 2e-6 : net.type == DType::kF16 ? 1e-3 : 1.5e-2;
  return c;
}

TEST_CASE("recurrent cells: directions, lengths, states, biases, types") {
  for (const char* op : {"LSTM", "GRU", "RNN"})
    for (RnnDirection direction : {RnnDirection::kForward, RnnDirection::kReverse, RnnDirection::kBidirectional})
      for (DType type : {DType::kF32, DType::kBF16, DType::kF16})
        for (bool full : {false, true}) {
          Net net{.op = op, .type = type, .bias = full, .lengths = full, .states = full, .peephole = full};
          check_kernel(case_of(net, {.direction = direction}));
          check_kernel(case_of(net, {.direction = direction, .linear_before_reset = true}));
        }
}

TEST_CASE("recurrent cells: sizes") {
  for (const char* op : {"LSTM", "GRU", "RNN"})
    for (DType type : {DType::kF32, DType::kBF16}) {
      check_kernel(case_of({.op = op, .steps = 1, .batch = 1, .in = 1, .hidden = 1, .type = type}));
      check_kernel(case_of({.op = op, .steps = 4, .batch = 17, .in = 40, .hidden = 64, .type = type}));
      // One sequence whose steps are shared out.
      check_kernel(case_of({.op = op, .steps = 3, .batch = 1, .in = 9, .hidden = 640, .type = type, .lengths = true}));
    }
  // Several blocks of steps, from both ends.
  for (const char* op : {"LSTM", "GRU"})
    check_kernel(case_of({.op = op, .steps = 700, .batch = 3, .in = 5, .hidden = 34, .lengths = true},
                         {.direction = RnnDirection::kBidirectional}));
}

TEST_CASE("recurrent cells: more sequences than a grid of products has rows" *
          doctest::skip(!std::getenv("TENON_TEST_BACKEND"))) {
  Net net{.op = "RNN", .steps = 9, .batch = 4 * 65535, .in = 1, .hidden = 1};
  check_kernel(case_of(net, {.direction = RnnDirection::kReverse}));
}

TEST_CASE("recurrent cells: activations, clip, coupled gates") {
  for (const char* f : {"Relu", "Tanh", "Sigmoid", "Affine", "LeakyRelu", "ThresholdedRelu", "ScaledTanh",
                        "HardSigmoid", "Elu", "Softsign", "Softplus"}) {
    RnnAttrs a{.activations = {f}, .activation_alpha = {0.3f}, .activation_beta = {0.4f}};
    check_kernel(case_of({.op = "RNN", .hidden = 20}, a));
    a.clip = 0.7f;
    check_kernel(case_of({.op = "RNN", .hidden = 20}, a));
  }
  for (bool coupled : {false, true})
    check_kernel(case_of({.op = "LSTM", .peephole = true},
                         {.activations = {"HardSigmoid", "Softsign", "Elu"}, .clip = 0.5f, .input_forget = coupled}));
  check_kernel(case_of({.op = "GRU"}, {.direction = RnnDirection::kBidirectional,
                                       .activations = {"Sigmoid", "Relu", "HardSigmoid", "Tanh"},
                                       .clip = 1.5f}));
}

TEST_CASE("recurrent cells: a sequence alone has the bits it has in a batch") {
  // Identical sequences: every row must come out the same, however rows are shared out.
  Net net{.steps = 6, .batch = 16, .in = 12, .hidden = 48};
  KernelCase c = case_of(net);
  ir::Tensor x(DType::kF32, {net.steps, net.batch, net.in}), alone(DType::kF32, {net.steps, 1, net.in});
  for (int64_t t = 0; t < net.steps; ++t)
    for (int64_t i = 0; i < net.in; ++i) {
      const double v = std::sin(double(t * 31 + i * 7));
      alone.set(t * net.in + i, v);
      for (int64_t n = 0; n < net.batch; ++n) x.set((t * net.batch + n) * net.in + i, v);
    }
  c.inputs[0].value = x;
  KernelCase one = c;
  one.inputs[0] = f32({net.steps, 1, net.in});
  one.inputs[0].value = alone;
  for_each_isa([&](const std::string& level) {
    const std::vector<ir::Tensor> many = run_kernel(c, "lstm_packed", 2), single = run_kernel(one, "lstm_packed", 1);
    int64_t different = 0;
    for (int64_t t = 0; t < net.steps; ++t)
      for (int64_t n = 0; n < net.batch; ++n)
        for (int64_t j = 0; j < net.hidden; ++j)
          different +=
              many[0].as<float>()[(t * net.batch + n) * net.hidden + j] != single[0].as<float>()[t * net.hidden + j];
    CHECK_MESSAGE(different == 0, level, ": ", different, " elements differ");
  });
}

TEST_CASE("recurrent cells: refusals") {
  KernelCase c = case_of({});
  c.inputs[1].constant = false;
  CHECK(refusal(c, "lstm_packed").find("not constant") != std::string::npos);
}

}  // namespace
}  // namespace tenon::cpu::testing
