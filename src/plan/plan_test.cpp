#include <doctest/doctest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <random>

#include "base/crc32c.h"
#include "base/mmap.h"
#include "ops/nn/conv.h"
#include "ops/op.h"
#include "plan/memory.h"
#include "plan/plan.h"

using namespace tenon;
using plan::Plan;

namespace {

Plan sample() {
  Plan p;
  ir::Graph& g = p.graph;
  g.name = "net";
  const ir::Dim batch = g.symbols->named("batch");
  const auto x = g.add_input("x", ir::DType::kF32, {batch, 3, 8, g.symbols->add(g.symbols->mul(batch, 2), 1)});
  ir::Tensor w(ir::DType::kF32, {4, 3, 3, 3});
  for (int64_t i = 0; i < w.count(); ++i) w.set(i, double(i) * 0.01);
  ops::ConvAttrs a;
  a.strides = {1, 1};
  a.dilations = {1, 1};
  a.pads = {1, 1, 1, 1};
  const auto conv =
      g.add_node("Conv", {x, g.add_constant(w, "w"), g.add_constant(w.reshaped({4, 27}).reshaped({108}), "same bytes")},
                 a, 1, "c");
  g.set_inputs(conv, {x, g.find("w")});
  g.outputs = {g.node(conv).outputs[0]};
  ops::infer(g);
  g.compact();
  p.profiles = {{{{{1, 3, 8, 3}, {2, 3, 8, 5}, {4, 3, 8, 9}}}, {}}};
  p.choices = {{{"reference", 12.5f}}};
  p.device = "test device";
  p.info["builder"] = "0.1";
  return p;
}

ErrorCode refusal(std::span<const std::byte> bytes) {
  try {
    plan::deserialize(nullptr, bytes);
  } catch (const Error& e) {
    CHECK(std::string_view(e.what()).find("offset") != std::string_view::npos);
    return e.code();
  }
  return ErrorCode::kInternal;
}

}  // namespace

TEST_CASE("a plan survives saving and loading") {
  const Plan p = sample();
  const auto bytes = plan::serialize(p);
  const Plan q = plan::deserialize(nullptr, bytes);
  CHECK(q.graph.hash() == p.graph.hash());
  CHECK(q.device == p.device);
  CHECK(q.info == p.info);
  CHECK(q.profiles[0].inputs[0].max == p.profiles[0].inputs[0].max);
  CHECK(q.choices[0][0].kernel == "reference");
  CHECK(q.choices[0][0].time_us == 12.5f);
  CHECK(plan::serialize(q) == bytes);
  CHECK(reinterpret_cast<uintptr_t>(q.graph.constant(q.graph.node(0).inputs[1])->data().data()) % 4 == 0);
}

TEST_CASE("a plan cut off anywhere is refused") {
  const auto bytes = plan::serialize(sample());
  for (size_t n = 0; n < bytes.size(); n += n < 300 ? 1 : 37)
    CHECK(refusal(std::span(bytes).first(n)) == ErrorCode::kCorruptFile);
}

TEST_CASE("10,000 random corruptions are all refused") {
  const auto good = plan::serialize(sample());
  std::mt19937_64 random(7);
  int refused = 0;
  for (int i = 0; i < 10000; ++i) {
    auto bad = good;
    for (int k = 0, n = 1 + int(random() % 4); k < n; ++k) bad[random() % bad.size()] ^= std::byte(1 + random() % 255);
    if (bad == good) bad[0] ^= std::byte{1};
    const ErrorCode code = refusal(bad);
    refused += code == ErrorCode::kCorruptFile || code == ErrorCode::kUnsupported;
  }
  CHECK(refused == 10000);
}

TEST_CASE("corruptions with repaired checksums never crash") {
  const auto good = plan::serialize(sample());
  std::mt19937_64 random(11);
  for (int i = 0; i < 3000; ++i) {
    auto bad = good;
    uint32_t sections;
    std::memcpy(&sections, bad.data() + 12, 4);
    for (int k = 0, n = 1 + int(random() % 3); k < n; ++k) {
      const size_t first = 32 + sections * 24;
      bad[first + random() % (bad.size() - first)] = std::byte(random());
    }
    for (uint32_t s = 0; s < sections; ++s) {
      uint64_t where[2];
      std::memcpy(where, bad.data() + 32 + s * 24 + 8, 16);
      const uint32_t crc = crc32c(std::span(bad).subspan(where[0], where[1]));
      std::memcpy(bad.data() + 32 + s * 24 + 4, &crc, 4);
    }
    uint32_t crc = crc32c(std::span(bad).subspan(32, sections * 24));
    std::memcpy(bad.data() + 24, &crc, 4);
    crc = crc32c(std::span(bad).first(28));
    std::memcpy(bad.data() + 28, &crc, 4);
    try {
      plan::deserialize(nullptr, bad);
    } catch (const Error&) {
    }
  }
}

TEST_CASE("a plan whose graph does not hold together is refused") {
  CHECK(refusal(plan::serialize(sample())) == ErrorCode::kInternal);  // none
  Plan untyped = sample(), twice = sample(), constant = sample(), other = sample();
  untyped.graph.value(untyped.graph.inputs[0]).dtype = ir::DType::kUndefined;
  twice.graph.inputs.push_back(twice.graph.inputs[0]);
  twice.profiles[0].inputs.push_back(twice.profiles[0].inputs[0]);
  constant.graph.inputs[0] = constant.graph.node(0).inputs[1];
  ir::Value& w = other.graph.value(other.graph.node(0).inputs[1]);
  w.shape.pop_back();
  for (const Plan* p : {&untyped, &twice, &constant, &other})
    CHECK(refusal(plan::serialize(*p)) == ErrorCode::kCorruptFile);
}

TEST_CASE("other files and newer formats are told apart") {
  auto bytes = plan::serialize(sample());
  std::vector<std::byte> nvidia(64);
  std::memcpy(nvidia.data(), "ftrt", 4);
  CHECK(refusal(nvidia) == ErrorCode::kUnsupported);
  bytes[8] = std::byte{2};
  const uint32_t crc = crc32c(std::span(bytes).first(28));
  std::memcpy(bytes.data() + 28, &crc, 4);
  CHECK(refusal(bytes) == ErrorCode::kVersionMismatch);
}

TEST_CASE("a full disk leaves the old plan") {
  const std::string path = cat("/tmp/tenon_plan_test_", getpid(), ".plan");
  Plan p = sample();
  plan::save(p, path);
  p.info["filler"] = std::string(1 << 20, 'x');
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  rlimit small{65536, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  CHECK_THROWS_AS(plan::save(p, path), Error);
  setrlimit(RLIMIT_FSIZE, &old);
  CHECK(plan::load(path).info.count("filler") == 0);
  unlink(path.c_str());
}

TEST_CASE("memory: a chain of buffers takes no more than the two largest neighbours") {
  // An image, two large values, then smaller ones with workspaces beside them.
  const std::vector<plan::Lifetime> items{{4590, 0, 1}, {12250, 1, 2}, {12250, 2, 3}, {6125, 3, 4}, {9190, 4, 5},
                                          {2300, 5, 7}, {650, 4, 4},   {13780, 6, 7}, {2300, 7, 8}, {3450, 8, 9}};
  const auto m = plan::plan_memory(items, 1);
  CHECK(m.peak_live_bytes == 24500);
  CHECK(m.arena_bytes == 24500);
}

TEST_CASE("memory: places of overlapping lifetimes are disjoint, the arena is close to the peak") {
  std::mt19937 random(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<plan::Lifetime> items(1 + random() % 60);
    for (auto& l : items) {
      l.first = int(random() % 40);
      l.last = l.first + int(random() % 5);
      l.bytes = int64_t(random() % 5000);
    }
    const int64_t alignment = round % 2 ? 64 : 256;
    const auto m = plan::plan_memory(items, alignment);
    CHECK(m.arena_bytes >= m.peak_live_bytes);
    CHECK(double(m.arena_bytes) <= 1.10 * double(m.peak_live_bytes) + double(alignment));
    for (size_t i = 0; i < items.size(); ++i)
      for (size_t j = 0; j < i; ++j) {
        if (items[i].last < items[j].first || items[j].last < items[i].first || !items[i].bytes || !items[j].bytes)
          continue;
        const bool apart =
            m.offsets[i] + items[i].bytes <= m.offsets[j] || m.offsets[j] + items[j].bytes <= m.offsets[i];
        CHECK(apart);
      }
    for (size_t i = 0; i < items.size(); ++i) CHECK(m.offsets[i] % alignment == 0);
  }
}
