#include <doctest/doctest.h>

#include <limits>

#include "backends/cpu/kernels/kernel_test_util.h"
#include "ops/fused/fused_attention.h"

using namespace tenon;
using namespace tenon::cpu::testing;
using ir::DType;
using ops::FusedAttentionAttrs;
using ops::HeadLayout;

namespace {

struct Sizes {
  int64_t batch = 2, heads = 2, kv_heads = 2, queries = 9, keys = 9, size = 8, value_size = 8;
};
Operand operand(DType t, HeadLayout layout, int64_t batch, int64_t heads, int64_t length, int64_t size) {
  return layout == HeadLayout::kRows ? of_type(t, {batch, length, heads * size})
                                     : of_type(t, {batch, heads, length, size});
}
KernelCase attention_case(const Sizes& s, FusedAttentionAttrs a, DType t = DType::kF32) {
  a.heads = s.heads;
  a.kv_heads = s.kv_heads;
  KernelCase c;
  c.op = "FusedAttention";
  c.attrs = a;
  c.inputs = {operand(t, a.q, s.batch, s.heads, s.queries, s.size),
              operand(t, a.k, s.batch, s.kv_heads, s.keys, s.size),
              operand(t, a.v, s.batch, s.kv_heads, s.keys, s.value_size)};
  c.batched = a.q == a.k && a.k == a.v && a.v == a.y;
  c.norm = t == DType::kF32 ? 2e-6 : t == DType::kBF16 ? 8e-3 : 1e-3;
  return c;
}

}  // namespace

TEST_CASE("attention: sizes and layouts") {
  const HeadLayout layouts[][4] = {{HeadLayout::kRows, HeadLayout::kRows, HeadLayout::kRows, HeadLayout::kRows},
                                   {HeadLayout::kHeads, HeadLayout::kHeads, HeadLayout::kHeads, HeadLayout::kRows},
                                   {HeadLayout::kRows, HeadLayout::kHeads, HeadLayout::kRows, HeadLayout::kHeads}};
  const Sizes sizes[] = {
      {}, {1, 3, 1, 70, 33, 24, 17}, {2, 1, 1, 1, 50, 64, 64}, {1, 2, 2, 130, 197, 16, 32}, {3, 4, 2, 5, 1, 3, 1}};
  for (DType t : {DType::kF32, DType::kBF16, DType::kF16})
    for (const auto& l : layouts)
      for (const Sizes& s : sizes) {
        CAPTURE(cat(t, " heads ", s.heads, " queries ", s.queries, " keys ", s.keys, " size ", s.size));
        check_kernel(attention_case(s, {.scale = 0.3f, .q = l[0], .k = l[1], .v = l[2], .y = l[3]}, t));
      }
}

TEST_CASE("attention: masks and pitches") {
  const Sizes s{2, 2, 2, 20, 33, 16, 16};
  for (ir::Dims mask : {ir::Dims{2, 1, 1, 33}, ir::Dims{20, 33}, ir::Dims{2, 2, 20, 33}, ir::Dims{1, 1, 20, 1}}) {
    KernelCase c = attention_case(s, {.scale = 0.5f});
    c.inputs.push_back(f32(mask, -3, 3));
    c.batched = false;
    check_kernel(c);
    if (mask.back() == 33) {
      c.inputs[3] = of_type(DType::kBool, mask);
      check_kernel(c);
    }
  }
  check_kernel(attention_case(s, {.scale = 0.5f, .causal = true}));
  KernelCase c = attention_case(s, {.scale = 0.5f});
  for (size_t i = 0; i < 3; ++i) c.inputs[i] = pitched(c.inputs[i], 96);
  c.output_pitch = {40};
  check_kernel(c);
  CHECK(refusal(attention_case({.queries = 5, .keys = 3}, {.causal = true}), "attention_blocks").find("causal") !=
        std::string::npos);
}

TEST_CASE("attention: tiles of tensor cores and their edges") {
  const Sizes sizes[] = {{1, 2, 1, 16, 64, 64, 64},    {2, 1, 1, 17, 65, 64, 64}, {1, 1, 1, 65, 127, 80, 96},
                         {1, 1, 1, 33, 129, 128, 128}, {1, 2, 2, 129, 1, 32, 32}, {1, 1, 1, 1, 200, 40, 8}};
  for (DType t : {DType::kF16, DType::kBF16, DType::kF32})
    for (const Sizes& s : sizes) {
      CAPTURE(cat(t, " queries ", s.queries, " keys ", s.keys, " sizes ", s.size, " ", s.value_size));
      FusedAttentionAttrs a{.scale = 0.2f};
      check_kernel(attention_case(s, a, t));
      KernelCase packed = attention_case(s, a, t);
      for (size_t i = 0; i < 3; ++i) packed.inputs[i] = pitched(packed.inputs[i], packed.inputs[i].dims[2] + 24);
      packed.output_pitch = {s.heads * s.value_size + 8};
      packed.inputs.push_back(of_type(t, {s.queries, s.keys}, -3, 3));
      packed.batched = false;
      check_kernel(packed);
      a.causal = s.queries <= s.keys;
      a.q = a.k = a.v = a.y = HeadLayout::kHeads;
      KernelCase heads = attention_case(s, a, t);
      heads.inputs.push_back(of_type(DType::kBool, {s.batch, 1, 1, s.keys}));
      heads.inputs.back().value = ir::Tensor(DType::kBool, {s.batch, 1, 1, s.keys});
      for (int64_t i = 0; i < s.batch * s.keys; ++i) heads.inputs.back().value->set(i, i % s.keys % 3 != 1);
      heads.batched = false;
      check_kernel(heads);
    }
}

TEST_CASE("attention: heads of 64 over few keys") {
  const Sizes sizes[] = {{1, 1, 1, 1, 1, 64, 64},    {2, 4, 2, 65, 129, 64, 64}, {1, 3, 1, 130, 208, 64, 64},
                         {1, 2, 1, 64, 257, 64, 64}, {1, 1, 1, 63, 385, 64, 64}, {3, 5, 5, 63, 17, 64, 64},
                         {2, 2, 1, 127, 63, 64, 64}, {1, 1, 1, 257, 64, 56, 48}};
  for (DType t : {DType::kF16, DType::kBF16, DType::kF32})
    for (const Sizes& s : sizes) {
      CAPTURE(cat(t, " batch ", s.batch, " heads ", s.heads, " queries ", s.queries, " keys ", s.keys));
      FusedAttentionAttrs a{.scale = 0.2f};
      KernelCase packed = attention_case(s, a, t);
      for (size_t i = 0; i < 3; ++i) packed.inputs[i] = pitched(packed.inputs[i], packed.inputs[i].dims[2] + 24);
      packed.output_pitch = {s.heads * s.value_size + 8};
      check_kernel(packed);
      a.q = a.k = a.v = a.y = HeadLayout::kHeads;
      check_kernel(attention_case(s, a, t));
    }
}

TEST_CASE("attention: infinite f32 operands") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const Sizes s{1, 1, 1, 40, 70, 32, 32};
  for (int which = 0; which < 3; ++which) {
    KernelCase c = attention_case(s, {.scale = 0.3f});
    for (size_t i = 0; i < 3; ++i) {
      ir::Tensor t(DType::kF32, c.inputs[i].dims);
      for (int64_t n = 0; n < t.count(); ++n) t.mutable_as<float>()[n] = float(n * (29 + int64_t(i)) % 97 + 1) / 60;
      if (which == 0 && i == 1) t.mutable_as<float>()[5 * 32] = -kInf;  // key 5 weighs nothing
      if (which == 1 && i == 2) t.mutable_as<float>()[7 * 32 + 2] = kInf;
      if (which == 2 && i == 0) t.mutable_as<float>()[9 * 32] = std::numeric_limits<float>::quiet_NaN();
      c.inputs[i].value = t;
    }
    check_kernel(c);
  }
}

TEST_CASE("attention: measurements" * doctest::skip()) {
  for (DType t : {DType::kF32, DType::kBF16})
    for (int64_t length : {128, 197, 384}) {
      const KernelCase c = attention_case({1, 12, 12, length, length, 64, 64}, {.scale = 0.125f}, t);
      const double us = time_kernel(c, "attention_blocks", 1);
      MESSAGE(cat(t, " 12 heads of 64, ", length, " tokens: "), us, " us, ",
              double(length * length) * 12 * 256 / us / 1000,
              " GFLOP/s; 2 threads: ", time_kernel(c, "attention_blocks", 2), " us");
    }
}
