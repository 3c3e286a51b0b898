#include "backends/cuda/made_once.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

namespace tenon::cuda {
namespace {

TEST_CASE("values are made by whoever asks first, others wait for them") {
  MadeOnce<int> values;
  std::atomic<int> made{0}, wrong{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      const int key = i % 2;
      const int got = values.get(std::to_string(key), [&] {
        ++made;
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
        return key + 10;
      });
      wrong += got != key + 10;
    });
  for (std::thread& t : threads) t.join();
  CHECK(made == 2);
  CHECK(wrong == 0);
}

TEST_CASE("a value may need another of the same kind; a failure is forgotten") {
  MadeOnce<int> values;
  CHECK(values.get("outer", [&] { return values.get("inner", [] { return 1; }) + 1; }) == 2);
  CHECK_THROWS_AS(values.get("bad", []() -> int { throw std::runtime_error("not now"); }), std::runtime_error);
  CHECK(values.get("bad", [] { return 3; }) == 3);
}

TEST_CASE("the values used last are kept") {
  MadeOnce<int> values(2);
  int made = 0;
  const auto ask = [&](const char* key) { return values.get(key, [&] { return ++made; }); };
  CHECK(ask("a") == 1);
  CHECK(ask("b") == 2);
  CHECK(ask("a") == 1);
  CHECK(ask("c") == 3);  // in the place of b
  CHECK(ask("a") == 1);
  CHECK(ask("b") == 4);
}

}  // namespace
}  // namespace tenon::cuda
