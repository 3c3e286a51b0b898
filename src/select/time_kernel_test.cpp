#include <doctest/doctest.h>

#include <ctime>

#include "base/error.h"
#include "base/thread_pool.h"
#include "select/select.h"

using namespace tenon;

namespace {

double own_us() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return double(t.tv_sec) * 1e6 + double(t.tv_nsec) * 1e-3;
}

/// Takes its times in turn, over and over, of the thread's processor time.
class Paced final : public Kernel {
 public:
  explicit Paced(std::vector<int> us) : us_(std::move(us)) {}
  void run(const RunArgs&) const override {
    const double end = own_us() + us_[runs++ % us_.size()];
    while (own_us() < end) continue;
  }
  mutable size_t runs = 0;

 private:
  std::vector<int> us_;
};

}  // namespace

TEST_CASE("kernels take turns; of each the least time counts") {
  ThreadPool pool(1);
  const Problem problem;
  const Paced disturbed({300, 900, 100, 900, 900, 900}), steady({200}), slow({2000});
  const Kernel* const kernels[] = {&disturbed, &steady, &slow};
  const std::vector<float> times = select::time_kernels(kernels, problem, pool, 10);
  REQUIRE(times.size() == 3);
  CHECK(times[0] >= 100);
  CHECK(times[0] < times[1]);
  CHECK(times[1] >= 200);
  CHECK(times[2] >= 2000);
  CHECK(slow.runs <= steady.runs);
  CHECK(select::time_kernels({}, problem, pool, 2).empty());
}

TEST_CASE("timing can be stopped between two runs") {
  ThreadPool pool(1);
  const Problem problem;
  const Paced kernel({10});
  const Kernel* const kernels[] = {&kernel};
  int calls = 0;
  CHECK_THROWS_AS(select::time_kernels(kernels, problem, pool, 1000, 0,
                                       [&] {
                                         if (++calls == 3) fail(ErrorCode::kCancelled, "enough");
                                       }),
                  Error);
  CHECK(kernel.runs == 2);
}
