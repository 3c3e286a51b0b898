#include "base/thread_pool.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>
#include <atomic>
#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/interrupt.h"

namespace tenon {
namespace {

TEST_CASE("every task runs once, whatever the number of tasks and threads") {
  for (int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    CHECK(pool.size() == threads);
    for (int64_t tasks : {0, 1, 2, 7, 100, 1001}) {
      std::vector<std::atomic<int>> count(tasks);
      pool.parallel_for(tasks, [&](int64_t t, int worker) {
        CHECK(worker >= 0);
        CHECK(worker < threads);
        count[t].fetch_add(1);
      });
      for (auto& c : count) CHECK(c.load() == 1);
    }
  }
}

TEST_CASE("loops follow each other closely and after a pause") {
  ThreadPool pool(2);
  std::atomic<int64_t> sum{0};
  for (int round = 0; round < 2000; ++round) {
    pool.parallel_for(4, [&](int64_t t, int) { sum += t; });
    if (round % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  CHECK(sum.load() == 2000 * 6);
}

TEST_CASE("a loop inside a task stays on its worker") {
  ThreadPool pool(3);
  std::atomic<int> inner{0};
  pool.parallel_for(6, [&](int64_t, int outer) {
    pool.parallel_for(5, [&](int64_t, int worker) {
      CHECK(worker == outer);
      ++inner;
    });
  });
  CHECK(inner.load() == 30);
}

TEST_CASE("several threads share one pool") {
  ThreadPool pool(2);
  std::atomic<int> total{0};
  std::vector<std::thread> users;
  for (int u = 0; u < 3; ++u)
    users.emplace_back([&] {
      for (int i = 0; i < 200; ++i) pool.parallel_for(8, [&](int64_t, int) { ++total; });
    });
  for (auto& u : users) u.join();
  CHECK(total.load() == 3 * 200 * 8);
}

TEST_CASE("an exception reaches the caller and the pool stays usable") {
  ThreadPool pool(2);
  auto bad = [&] {
    pool.parallel_for(10, [](int64_t t, int) {
      if (t == 7) throw std::runtime_error("seven");
    });
  };
  CHECK_THROWS_WITH(bad(), "seven");
  std::atomic<int> n{0};
  pool.parallel_for(10, [&](int64_t, int) { ++n; });
  CHECK(n.load() == 10);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they reserve more than any limit
TEST_CASE("a process that may have few threads does with those it gets") {
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    long pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    const rlim_t room = rlim_t(pages) * rlim_t(sysconf(_SC_PAGESIZE)) + (rlim_t(48) << 20);  // for a few stacks
    const rlimit limit{room, room};
    if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(2);
    try {
      ThreadPool pool(200);
      std::atomic<int64_t> sum{0};
      for (int round = 0; round < 20; ++round) pool.parallel_for(1000, [&](int64_t t, int) { sum += t; });
      _exit(sum == 20 * 999 * 500 ? 0 : 1);
    } catch (...) {
      _exit(3);
    }
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}
#endif

TEST_CASE("a forked child has workers again") {
  ThreadPool pool(2);
  pool.parallel_for(4, [](int64_t, int) {});
  pid_t child = fork();
  if (child == 0) {
    std::atomic<int> n{0};
    for (int i = 0; i < 50; ++i) pool.parallel_for(4, [&](int64_t, int) { ++n; });
    _exit(n.load() == 200 ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("an interrupted thread's loops end with kCancelled, others go on") {
  for (int threads : {1, 2}) {
    ThreadPool pool(threads);
    std::atomic<bool> flag{false};
    std::atomic<int> done{0};
    const Interruptible scope(flag);
    pool.parallel_for(100, [&](int64_t, int) { ++done; });
    CHECK(done == 100);
    try {
      pool.parallel_for(1000, [&](int64_t, int) {
        if (++done == 120) flag = true;
      });
      FAIL("the loop went on");
    } catch (const Error& e) {
      CHECK(e.code() == ErrorCode::kCancelled);
    }
    CHECK(done < 1000);
    CHECK_THROWS_AS(pool.parallel_for(1, [](int64_t, int) {}), Error);
    std::thread other([&] { pool.parallel_for(50, [&](int64_t, int) { ++done; }); });
    other.join();
    flag = false;
    CHECK_NOTHROW(pool.parallel_for(3, [](int64_t, int) {}));
  }
}

}  // namespace
}  // namespace tenon
