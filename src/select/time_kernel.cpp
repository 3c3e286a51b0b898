// Timing kernels on random operands.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <ctime>

#include "backends/device.h"
#include "base/random.h"
#include "base/thread_pool.h"
#include "select/select.h"

namespace tenon::select {
namespace {

// Fills memory with values of moderate size, so that no kernel runs on zeros, denormals or wild indices.
void fill(const TensorDesc& d, std::byte* p, uint64_t seed) {
  Xorshift random(seed);
  const int64_t n = d.count();
  if (d.dtype == ir::DType::kF32) {
    auto* f = reinterpret_cast<float*>(p);
    for (int64_t i = 0; i < n; ++i) f[i] = float(int32_t(random.next())) * 0x1p-31f;
  } else if (d.dtype == ir::DType::kBF16 || d.dtype == ir::DType::kF16) {
    auto* h = reinterpret_cast<uint16_t*>(p);
    const uint16_t one = d.dtype == ir::DType::kBF16 ? 0x3f00 : 0x3800;  // ±0.5 … ±1
    for (int64_t i = 0; i < n; ++i) {
      const uint64_t r = random.next();
      h[i] = uint16_t(one | (r & 0x7f) | ((r >> 8 & 1) << 15));
    }
  } else {
    std::memset(p, 0, size_t(ir::storage_bytes(d.dtype, n)));
  }
}

struct Buffers {
  std::vector<ir::Tensor> in, out;
  std::vector<const void*> in_pointers;
  std::vector<void*> out_pointers;

  explicit Buffers(const Problem& p) {
    for (size_t i = 0; i < p.inputs.size(); ++i) {
      const TensorDesc& d = p.inputs[i];
      if (d.dtype == ir::DType::kUndefined) {
        in.emplace_back();
      } else if (p.constants[i]) {
        in.push_back(*p.constants[i]);
      } else {
        in.emplace_back(d.dtype, d.dims);
        fill(d, in.back().mutable_data(), i + 1);
      }
      in_pointers.push_back(in.back().data().data());
    }
    for (const TensorDesc& d : p.outputs) {
      out.push_back(d.dtype == ir::DType::kUndefined ? ir::Tensor() : ir::Tensor(d.dtype, d.dims));
      out_pointers.push_back(out.back().mutable_data());
    }
  }
};

// Operands in the memory of a device, for all candidates of a problem. Large tensors repeat a pattern, which is made
// once on the host and multiplied on the device.
class DeviceBuffers {
 public:
  DeviceBuffers(std::span<const Kernel* const> kernels, const Problem& p, const Device& device) : device_(device) {
    for (size_t i = 0; i < p.inputs.size(); ++i) {
      const TensorDesc& d = p.inputs[i];
      const bool read = d.dtype != ir::DType::kUndefined &&
                        (!p.constants[i] || std::any_of(kernels.begin(), kernels.end(),
                                                        [&](const Kernel* k) { return k->reads_constant(i); }));
      in_.push_back(!read ? nullptr : p.constants[i] ? constant(*p.constants[i]) : random(d, i + 1));
    }
    for (const TensorDesc& d : p.outputs)
      out_.push_back(d.dtype == ir::DType::kUndefined ? nullptr : keep(device_memory(device, room(d))));
    int64_t workspace = 1, host_workspace = 0;
    for (const Kernel* k : kernels) {
      workspace = std::max(workspace, k->workspace_bytes());
      host_workspace = std::max(host_workspace, k->host_workspace_bytes());
    }
    workspace_ = keep(device_memory(device, size_t(workspace)));
    if (host_workspace > 0) host_workspace_ = keep(page_locked_memory(device, size_t(host_workspace)));
    device.synchronize(device.own_stream());
  }
  RunArgs args(ThreadPool& pool, void* stream) const {
    RunArgs a{in_.data(), out_.data(), workspace_, pool, nullptr};
    a.stream = stream;
    a.host_workspace = host_workspace_;
    return a;
  }

 private:
  static constexpr int64_t kPattern = int64_t(1) << 20;  // elements

  /// Bytes with room for the pitch of every row.
  static size_t room(const TensorDesc& d) {
    const int64_t rows = d.dims.empty() || d.dims.back() == 0 ? 1 : d.count() / d.dims.back();
    return size_t(std::max(ir::storage_bytes(d.dtype, rows * std::max<int64_t>(d.pitch, 1)),
                           ir::storage_bytes(d.dtype, d.count())));
  }
  void* constant(const ir::Tensor& t) {
    void* memory = keep(device_memory(device_, size_t(t.bytes())));
    device_.copy(memory, t.data().data(), size_t(t.bytes()), device_.own_stream());
    return memory;
  }
  void* random(const TensorDesc& d, uint64_t seed) {
    const size_t bytes = room(d);
    const int64_t count = std::min(kPattern, int64_t(bytes) * 8 / ir::bits(d.dtype));
    ir::Tensor pattern(d.dtype, {count});
    fill({d.dtype, {count}, count}, pattern.mutable_data(), seed);
    auto* memory = static_cast<std::byte*>(keep(device_memory(device_, bytes)));
    void* stream = device_.own_stream();
    size_t done = std::min(bytes, size_t(pattern.bytes()));
    device_.copy(memory, pattern.data().data(), done, stream);
    device_.synchronize(stream);
    for (size_t more; done < bytes; done += more) {
      more = std::min(done, bytes - done);
      device_.copy(memory + done, memory, more, stream);
    }
    return memory;
  }
  void* keep(std::shared_ptr<void> memory) {
    memory_.push_back(std::move(memory));
    return memory_.back().get();
  }
  const Device& device_;
  std::vector<std::shared_ptr<void>> memory_;
  std::vector<const void*> in_;
  std::vector<void*> out_;
  void *workspace_ = nullptr, *host_workspace_ = nullptr;
};

std::vector<float> time_on_device(std::span<const Kernel* const> kernels, const Problem& p, ThreadPool& pool,
                                  double budget_ms, const std::function<void()>& between) {
  const Device& device = *p.backend->device();
  const DeviceBuffers buffers(kernels, p, device);
  std::vector<float> times;
  for (const Kernel* k : kernels) {
    if (between) between();
    const auto work = [&](void* stream) { k->run(buffers.args(pool, stream)); };
    if (p.node->op == "Custom") {  // code of the application may not be recorded
      work(device.own_stream());
      times.push_back(device.milliseconds(device.own_stream(), work) * 1000);
      continue;
    }
    const float best = times.empty() ? 0 : *std::min_element(times.begin(), times.end());
    times.push_back(device.time_us(work, budget_ms, best * 2));
  }
  return times;
}

/// A kernel on the host and its runs so far.
struct Contender {
  const Kernel* kernel = nullptr;
  double least = 0, second = 0, spent = 0;
  int runs = 0;
  bool done = false;

  /// The first run touches memory: it counts only while it is the only one.
  void add(double us, double waited) {
    if (++runs <= 2) {
      least = us, second = runs == 1 ? us : HUGE_VAL;
    } else if (us < second) {
      second = std::max(least, us), least = std::min(least, us);
    }
    if (runs > 1) spent += waited;
  }
  /// Whether two runs agree on the least time: on a busy machine one alone may be far off.
  bool confirmed() const { return second <= 1.04 * least; }
};

constexpr int kLeastRuns = 8, kMostRuns = 80;
constexpr int kHopelessRuns = 6;  // after which kernels that are this many times slower than the fastest drop out
constexpr double kHopeless = 1.5;
constexpr double kSlow = 250e3;  // microseconds: not to be repeated
constexpr double kPatience = 4;  // budgets spent in hope of a confirmed time

double microseconds(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return double(t.tv_sec) * 1e6 + double(t.tv_nsec) * 1e-3;
}
/// Processor time since it was made: of the calling thread, or the pool's threads' share of the process's where others
/// did more. A thread computes, or waits actively for the others, as long as a kernel runs: on a quiet machine this is
/// the kernel's time, and on a busy one other processes' turns do not count.
class Stopwatch {
 public:
  explicit Stopwatch(int threads) : threads_(threads), own_(microseconds(CLOCK_THREAD_CPUTIME_ID)), all_(read_all()) {}
  double us() const {
    const double all = (read_all() - all_) / threads_;
    return std::max(microseconds(CLOCK_THREAD_CPUTIME_ID) - own_, all);
  }

 private:
  double read_all() const { return threads_ > 1 ? microseconds(CLOCK_PROCESS_CPUTIME_ID) : 0; }
  int threads_;
  double own_, all_;
};

std::vector<float> time_on_host(std::span<const Kernel* const> kernels, const Problem& p, ThreadPool& pool,
                                double budget_us, int least_runs, const std::function<void()>& between) {
  using Clock = std::chrono::steady_clock;
  Buffers buffers(p);
  int64_t workspace_bytes = 0;
  std::vector<Contender> all;
  for (const Kernel* k : kernels) {
    workspace_bytes = std::max(workspace_bytes, k->workspace_bytes());
    all.push_back({k});
  }
  ir::Tensor workspace(ir::DType::kU8, {workspace_bytes});
  const RunArgs args{buffers.in_pointers.data(), buffers.out_pointers.data(), workspace.mutable_data(), pool, nullptr};
  for (bool more = true; more;) {
    more = false;
    for (Contender& c : all) {
      if (c.done) continue;
      if (between) between();
      const auto begin = Clock::now();
      const Stopwatch watch(pool.size());
      c.kernel->run(args);
      const double us = watch.us();
      c.add(us, std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
    }
    double fastest = all[0].least;
    for (const Contender& c : all) fastest = std::min(fastest, c.least);
    for (Contender& c : all) {
      const bool hopeless =
          c.least > kHopeless * fastest && (c.runs > kHopelessRuns || (c.runs > 3 && c.spent > budget_us));
      const bool enough = c.runs > kLeastRuns && c.spent >= budget_us && c.confirmed();
      const bool tired = c.runs > kMostRuns || (c.runs > 3 && c.spent >= kPatience * budget_us);
      c.done = c.done || hopeless || c.least > kSlow || (c.runs > least_runs && (enough || tired));
      more = more || !c.done;
    }
  }
  std::vector<float> times;
  for (const Contender& c : all) times.push_back(float(c.least));
  return times;
}

}  // namespace

std::vector<float> time_kernels(std::span<const Kernel* const> kernels, const Problem& p, ThreadPool& pool,
                                double budget_ms, int least_runs, const std::function<void()>& between) {
  if (kernels.empty()) return {};
  if (!p.backend || !p.backend->device()) return time_on_host(kernels, p, pool, budget_ms * 1000, least_runs, between);
  return time_on_device(kernels, p, pool, std::min(budget_ms, 4.0), between);
}

}  // namespace tenon::select
