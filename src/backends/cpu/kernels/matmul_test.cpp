#include <doctest/doctest.h>

#include <iterator>
#include <limits>

#include "backends/cpu/kernels/kernel_test_util.h"
#include "ops/nn/matmul.h"

namespace tenon::cpu::testing {
namespace {

using ir::DType;

KernelCase product(ir::Dims a, ir::Dims b, ops::MatMulAttrs attrs = {}, DType type = DType::kF32) {
  KernelCase c{.op = "MatMul", .attrs = ir::Attrs(attrs)};
  c.inputs = {of_type(type, std::move(a)), of_type(type, std::move(b), -1, 1)};
  c.batched = c.inputs[0].dims.size() > 2;
  return c;
}

TEST_CASE("matmul: shapes, batches, transposition") {
  struct {
    ir::Dims a, b;
  } const shapes[] = {{{5, 7}, {7, 3}},        {{1, 300}, {300, 100}},          {{49, 33}, {33, 70}},
                      {{2, 17, 40}, {40, 65}}, {{3, 2, 18, 20}, {3, 2, 20, 9}}, {{2, 3, 4, 8}, {3, 8, 35}},
                      {{4, 5}, {6, 5, 16}},    {{2, 1, 6, 10}, {1, 3, 10, 4}},  {{3, 16, 1}, {3, 1, 40}}};
  for (const auto& s : shapes)
    for (int transposed = 0; transposed < 4; ++transposed)
      for (DType type : {DType::kF32, DType::kBF16}) {
        ops::MatMulAttrs t{.transpose_a = bool(transposed & 1), .transpose_b = bool(transposed & 2)};
        ir::Dims a = s.a, b = s.b;
        if (t.transpose_a) std::swap(a[a.size() - 1], a[a.size() - 2]);
        if (t.transpose_b) std::swap(b[b.size() - 1], b[b.size() - 2]);
        if (transposed == 3) t.alpha = 0.125f;
        KernelCase c = product(a, b, t, type);
        c.batched = c.batched && s.a.size() > s.b.size();
        check_kernel(c);
        c.inputs[1].constant = true;
        check_kernel(c);
      }
}

TEST_CASE("matmul: long sums are cut alike for a row alone and for many") {
  struct {
    ir::Dims a, b;
  } const shapes[] = {{{150, 2600}, {2600, 70}}, {{40, 4096}, {4096, 300}}, {{5, 9000}, {9000, 33}}};
  for (const auto& s : shapes)
    for (DType type : {DType::kF32, DType::kBF16}) {
      KernelCase c = product(s.a, s.b, {}, type);
      c.inputs[1].constant = true;
      c.batched = true;
      c.kernel = "matmul_packed";
      c.deep = true;
      if (type == DType::kF32) c.norm = 3e-6;
      check_kernel(c);
    }
}

TEST_CASE("matmul: bias, epilogues, rows with a pitch") {
  for (const char* program : {"", "gelu_erf(i0)", "add(i0, i1)", "t0 = mul(i0, i1); t1 = abs(t0); sqrt(t1)"})
    for (bool constant_b : {false, true}) {
      ops::MatMulAttrs t;
      t.epilogue = program;
      KernelCase c = product({2, 19, 24}, {24, 37}, t);
      c.norm = 2e-6;
      c.inputs[1].constant = constant_b;
      c.inputs.push_back(f32({37}));
      if (std::string(program).find("i1") != std::string::npos) c.inputs.push_back(f32({2, 19, 37}));
      check_kernel(c);
      c.inputs[0] = pitched(c.inputs[0], 30);
      c.output_pitch = {40};
      if (c.inputs.size() > 3) c.inputs[3] = pitched(c.inputs[3], 39);
      check_kernel(c);
    }
}

TEST_CASE("matmul: an epilogue of many operands") {
  std::string text = "t0 = add(i0, i1)";
  for (int i = 2; i <= 61; ++i) text += cat("; t", i - 1, " = add(t", i - 2, ", i", i, ")");
  KernelCase c = product({9, 16}, {16, 24}, {.epilogue = text + "; t60"});
  c.inputs.push_back(absent());
  for (int i = 0; i < 61; ++i) c.inputs.push_back(f32({24}, -0.1, 0.1));
  c.must_accept = false;
  check_kernel(c);
}

TEST_CASE("matmul: residuals, constant biases and functions of libraries' epilogues") {
  struct {
    ir::Dims a, b, residual;
  } const shapes[] = {{{3, 16, 64}, {64, 48}, {3, 16, 48}},  // one product
                      {{3, 16, 64}, {64, 48}, {1, 16, 48}},  // the residual is the same for all rows of the batch
                      {{2, 3, 8, 24}, {3, 24, 16}, {2, 3, 8, 16}},  // two axes of batch
                      {{33, 100}, {100, 7}, {33, 7}}};
  for (DType type : {DType::kF32, DType::kBF16, DType::kF16})
    for (const auto& s : shapes)
      for (const char* program : {"add(i0, i1)", "t0 = add(i1, i0); relu(t0)", "t0 = add(i0, i1); gelu_tanh(t0)"}) {
        ops::MatMulAttrs t;
        t.epilogue = program;
        KernelCase c = product(s.a, s.b, t, type);
        c.batched = false;
        c.must_accept = type != DType::kF16;
        c.inputs[1].constant = s.b.size() == 2;
        c.inputs.push_back(constant(f32({s.b.back()})));
        c.inputs.push_back(of_type(type, s.residual));
        c.norm = type == DType::kF32 ? 2e-6 : type == DType::kBF16 ? 6e-3 : 1e-3;
        check_kernel(c);
      }
}

TEST_CASE("matmul: tiles, ragged and many") {
  struct {
    ir::Dims a, b;
  } const shapes[] = {{{1, 64}, {64, 8}},      {{129, 72}, {72, 200}},          {{193, 65}, {65, 392}},
                      {{64, 776}, {776, 256}}, {{3, 130, 40}, {3, 40, 136}},    {{3, 70, 64}, {64, 192}},
                      {{4300, 24}, {24, 264}}, {{2, 3, 33, 64}, {2, 3, 64, 80}}};
  const char* const programs[] = {"",
                                  "relu(i0)",
                                  "clip(i0, 0, 6)",
                                  "silu(i0)",
                                  "gelu_erf(i0)",
                                  "gelu_tanh(i0)",
                                  "add(i0, i1)",
                                  "t0 = add(i0, i1); relu(t0)"};
  size_t next = 0;  // two programs a shape, in turn
  for (DType type : {DType::kF16, DType::kBF16, DType::kF32})
    for (const auto& s : shapes)
      for (size_t turn = 0; turn < 2; ++turn) {
        const char* const program = programs[(next++ * 3 + (type == DType::kF16)) % std::size(programs)];
        ops::MatMulAttrs t;
        t.epilogue = program;
        t.alpha = 0.125f;
        t.transpose_b = s.b.size() > 2;
        ir::Dims b = s.b, y = s.a;
        y.back() = s.b.back();
        if (t.transpose_b) std::swap(b[b.size() - 1], b[b.size() - 2]);
        KernelCase c = product(s.a, b, t, type);
        c.batched = s.a.size() == 3;
        c.inputs[0] = pitched(c.inputs[0], (s.a.back() + 7) / 8 * 8 + 8);
        c.inputs[1].constant = s.b.size() == 2;
        c.inputs.push_back(constant(f32({y.back()})));
        if (std::string(program).find("i1") != std::string::npos)
          c.inputs.push_back(pitched(of_type(type, y), y.back() + 8));
        c.output_pitch = {y.back() + 16};
        c.must_accept = false;
        c.norm = type == DType::kBF16 ? 6e-3 : type == DType::kF16 ? 1e-3 : 4e-6;
        check_kernel(c);
      }
}

TEST_CASE("matmul: few tiles and long rows") {
  for (DType type : {DType::kF16, DType::kBF16, DType::kF32})
    for (int64_t depth : {328, 1000, 4612})
      for (const char* program : {"", "gelu_erf(i0)", "add(i0, i1)", "t0 = add(i0, i1); relu(t0)"}) {
        ops::MatMulAttrs t;
        t.epilogue = program;
        t.alpha = 0.125f;
        KernelCase c = product({65, depth}, {depth, 104}, t, type);
        c.inputs[0] = pitched(c.inputs[0], depth + 8);
        c.inputs[1].constant = true;
        c.inputs.push_back(constant(f32({104})));
        if (std::string(program).find("i1") != std::string::npos)
          c.inputs.push_back(pitched(of_type(type, {65, 104}), 112));
        c.output_pitch = {120};
        c.deep = depth > 4000;
        c.must_accept = false;
        c.norm = type == DType::kBF16 ? 6e-3 : type == DType::kF16 ? 1e-3 : 4e-6;
        check_kernel(c);
      }
}

TEST_CASE("matmul: large tiles of f32, whole and ragged") {
  struct {
    ir::Dims a, b;
  } const shapes[] = {
      {{255, 28}, {28, 258}}, {{257, 132}, {132, 254}}, {{128, 96}, {96, 256}}, {{2, 65, 64}, {64, 66}}};
  for (const auto& s : shapes)
    for (const char* program : {"", "gelu_erf(i0)", "t0 = add(i0, i1); relu(t0)", "t0 = abs(i0); div(t0, 3)"}) {
      ops::MatMulAttrs t;
      t.epilogue = program;
      t.alpha = 0.5f;
      KernelCase c = product(s.a, s.b, t);
      c.inputs[0] = pitched(c.inputs[0], s.a.back() + 4);
      c.inputs[1].constant = true;
      c.inputs.push_back(constant(f32({s.b.back()})));
      ir::Dims y = s.a;
      y.back() = s.b.back();
      if (std::string(program).find("i1") != std::string::npos) c.inputs.push_back(pitched(f32(y), y.back() + 2));
      c.output_pitch = {y.back() + 6};
      c.norm = 2e-6;
      check_kernel(c);
    }
}

TEST_CASE("matmul: pieces of f32 at the edges of tiles") {
  struct {
    ir::Dims a, b;
  } const shapes[] = {{{127, 36}, {36, 132}}, {{129, 4}, {4, 60}},         {{17, 100}, {100, 33}},
                      {{65, 68}, {68, 127}},  {{3, 33, 28}, {3, 28, 100}}, {{2, 2, 15, 32}, {2, 2, 32, 68}}};
  for (const auto& s : shapes)
    for (bool transposed : {false, true})
      for (bool constant_b : {false, true}) {
        ops::MatMulAttrs t{.transpose_b = transposed};
        t.epilogue = "silu(i0)";
        ir::Dims b = s.b;
        if (transposed) std::swap(b[b.size() - 1], b[b.size() - 2]);
        KernelCase c = product(s.a, b, t);
        c.inputs[0] = pitched(c.inputs[0], s.a.back() + 4);
        c.inputs[1].constant = constant_b;
        c.batched = c.batched && !constant_b;
        check_kernel(c);
      }
}

/// a with rows that hold an infinity, its opposite, no number, both infinities, numbers below the normal ones, all.
ir::Tensor special_rows(int64_t rows, int64_t depth) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  ir::Tensor a(DType::kF32, {rows, depth});
  float* const to = a.mutable_as<float>();
  for (int64_t i = 0; i < rows * depth; ++i) to[i] = float((i * 37 + i / depth) % 101 - 50) / 25;
  const auto at = [&](int64_t row, int64_t k) -> float& { return to[row * depth + k]; };
  at(3, depth - 1) = kInf;
  at(5, 0) = -kInf;
  at(7, depth / 2) = std::numeric_limits<float>::quiet_NaN();
  at(9, 1) = kInf;
  at(9, 2) = -kInf;
  for (int64_t k = 0; k < depth; ++k) at(11, k) = 1e-41f * float(k);
  return a;
}

TEST_CASE("matmul: infinite operands, none and the smallest") {
  for (int64_t depth : {100, 2048}) {
    ir::Tensor b(DType::kF32, {depth, 72});
    for (int64_t i = 0; i < depth * 72; ++i)
      b.mutable_as<float>()[i] = float(i % 7 - 3) / 2;  // exact, zeros among them
    for (bool constant_b : {false, true}) {
      KernelCase c = product({70, depth}, {depth, 72});
      c.inputs[0].value = special_rows(70, depth);
      c.inputs[1].value = b;
      c.inputs[1].constant = constant_b;
      c.deep = depth > 1000;
      c.norm = 3e-6;
      check_kernel(c);
    }
  }
}

TEST_CASE("matmul: the largest numbers") {
  for (int64_t depth : {64, 1000}) {
    KernelCase c = product({33, depth}, {depth, 40});
    ir::Tensor a(DType::kF32, {33, depth});
    for (int64_t i = 0; i < 33 * depth; ++i)
      a.mutable_as<float>()[i] = i % depth == i / depth ? std::numeric_limits<float>::max() : 1e30f * float(i % 11 - 5);
    c.inputs[0].value = a;
    c.inputs[1].constant = true;
    c.kernel = "matmul_packed";
    c.own_only = true;  // rounded to TF32 they may be infinite
    c.norm = 3e-6;
    check_kernel(c);
  }
}

TEST_CASE("matmul: f32 results of narrow operands") {
  for (DType type : {DType::kBF16, DType::kF16}) {
    KernelCase c = product({2, 17, 40}, {40, 24}, {}, type);
    c.inputs[1].constant = true;
    c.output_types = {DType::kF32};
    c.must_accept = type != DType::kF16;
    check_kernel(c);
  }
}

}  // namespace
}  // namespace tenon::cpu::testing
