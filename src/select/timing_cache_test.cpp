#include "select/timing_cache.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>

#include "base/error.h"

using namespace tenon;
using select::TimingCache;

TEST_CASE("a timing cache survives saving, merging and damage") {
  const std::string path = cat("/tmp/tenon_cache_test_", getpid());
  TimingCache a, b;
  a.put({1, 2, "conv_a"}, 3.5f);
  b.put({1, 2, "conv_a"}, 9);
  b.put({0xffffffffffffffff, 2, "name with spaces"}, 0.25f);
  a.save(path);
  b.save(path);
  CHECK(b.find({1, 2, "conv_a"}) == 9.f);
  TimingCache c;
  c.load(path);
  CHECK(c.size() == 2);
  CHECK(c.find({0xffffffffffffffff, 2, "name with spaces"}) == 0.25f);
  CHECK(!c.find({1, 3, "conv_a"}));

  auto bytes = c.serialize();
  for (size_t i = 0; i < bytes.size(); ++i) {
    auto bad = bytes;
    bad[i] ^= std::byte{4};
    TimingCache d;
    CHECK_THROWS_AS(TimingCache::parse(bad, d), Error);
    CHECK_THROWS_AS(TimingCache::parse(std::span(bytes).first(i), d), Error);
    CHECK(d.size() == 0);
  }
  unlink(path.c_str());
  unlink((path + ".lock").c_str());
  TimingCache none;
  none.load(path);
  CHECK(none.size() == 0);
}
