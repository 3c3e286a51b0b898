#include "backends/cuda/device/rnn.h"

#include "backends/cuda/device/types.h"
#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kWarps = 8, kLanes = 32, kRows = 4;  // units and rows of the batch that a block does

__device__ float softplus(float x) { return x > 0 ? x + log1pf(expf(-x)) : log1pf(expf(x)); }

__device__ float apply(const RnnFunction& f, float x) {
  switch (f.kind) {
    case 0:
      return x <= 0 ? 0.f : x;
    case 1:
      return tanhf(x);
    case 2:
      return 1 / (1 + expf(-x));
    case 3:
      return f.alpha * x + f.beta;
    case 4:
      return x >= 0 ? x : f.alpha * x;
    case 5:
      return x >= f.alpha ? x : 0.f;
    case 6:
      return f.alpha * tanhf(f.beta * x);
    case 7:
      return fminf(fmaxf(f.alpha * x + f.beta, 0.f), 1.f);
    case 8:
      return x >= 0 ? x : f.alpha * expm1f(x);
    case 9:
      return x / (1 + fabsf(x));
    default:
      return softplus(x);
  }
}

/// One unit of one row: its sums with the state in `r`, from the first gate that the part multiplies.
template <class T, RnnPart kPart>
struct Unit {
  const RnnStep& s;
  int d, n, k;
  int64_t at;  // of the unit in states

  __device__ float activate(int i, float v) const {
    if (s.clip > 0) v = fminf(fmaxf(v, -s.clip), s.clip);
    return apply(s.f[d][i], v);
  }
  __device__ float x(int gate) const {
    return s.x_sums[d * s.x_direction + (int64_t(n) * s.gates + gate) * s.hidden + k];
  }
  __device__ void put(float h, bool on) const {
    s.next[at] = h;
    if (!s.y) return;
    const int64_t row = (int64_t(s.time[d]) * s.directions + d) * s.batch + n;
    static_cast<T*>(s.y)[row * s.hidden + k] = from_float<T>(on ? h : 0.f);
  }
  __device__ void mix(float update, float candidate, bool on) const {
    put(on ? (1 - update) * candidate + update * s.state[at] : s.state[at], on);
  }

  __device__ void finish(const float* r, bool on) const {
    if constexpr (kPart == RnnPart::kRnn) {
      put(on ? activate(0, x(0) + r[0]) : s.state[at], on);
    } else if constexpr (kPart == RnnPart::kGruLinear) {
      const float reset = activate(0, x(1) + r[1]);
      const float bias = s.reset_bias ? s.reset_bias[int64_t(d) * s.hidden + k] : 0.f;
      mix(activate(0, x(0) + r[0]), activate(1, x(2) + reset * (r[2] + bias)), on);
    } else if constexpr (kPart == RnnPart::kGruGates) {
      s.update[at] = activate(0, x(0) + r[0]);
      s.after_reset[at] = activate(0, x(1) + r[1]) * s.state[at];
    } else if constexpr (kPart == RnnPart::kGruMix) {
      mix(s.update[at], activate(1, x(2) + r[0]), on);
    } else {
      lstm(r, on);
    }
  }
  __device__ void lstm(const float* r, bool on) const {
    if (!on) return put(s.state[at], false);
    const float* const p = s.peephole ? s.peephole + int64_t(d) * 3 * s.hidden + k : nullptr;
    float memory = s.cell[at];
    const float in = activate(0, x(0) + r[0] + (p ? p[0] * memory : 0.f));
    const float forget = s.input_forget ? 1 - in : activate(0, x(2) + r[2] + (p ? p[2 * s.hidden] * memory : 0.f));
    memory = forget * memory + in * activate(1, x(3) + r[3]);
    const float out = activate(0, x(1) + r[1] + (p ? p[s.hidden] * memory : 0.f));
    s.cell[at] = memory;
    put(out * apply(s.f[d][2], memory), true);
  }
};

__host__ __device__ constexpr int gates_of(RnnPart part) {
  return part == RnnPart::kLstm ? 4 : part == RnnPart::kGruLinear ? 3 : part == RnnPart::kGruGates ? 2 : 1;
}

template <class T, RnnPart kPart, int kVector>
__global__ void __launch_bounds__(kWarps* kLanes) step_kernel(const __grid_constant__ RnnStep s) {
  constexpr int kGates = gates_of(kPart);
  begin();
  finish_early();
  const int lane = threadIdx.x % kLanes, k = int(blockIdx.x) * kWarps + int(threadIdx.x) / kLanes;
  const int n0 = int(blockIdx.y) * kRows, d = int(blockIdx.z);
  if (k >= s.hidden) return;
  const int64_t rows_at = (int64_t(d) * s.batch + n0) * s.hidden;
  const float* const state = (kPart == RnnPart::kGruMix ? s.after_reset : s.state) + rows_at;
  const int first = kPart == RnnPart::kGruMix ? 2 : 0;
  const T* const r =
      static_cast<const T*>(s.r) + (int64_t(d) * s.gates + first) * s.hidden * s.hidden + int64_t(k) * s.hidden;
  float sums[kRows][kGates] = {};
  for (int j = lane * kVector; j < s.hidden; j += kLanes * kVector) {
    float w[kGates][kVector];
#pragma unroll
    for (int g = 0; g < kGates; ++g) load_floats<T, kVector>(r + int64_t(g) * s.hidden * s.hidden + j, w[g]);
#pragma unroll
    for (int n = 0; n < kRows; ++n) {
      if (n0 + n >= s.batch) break;
      float h[kVector];
      load_floats<float, kVector>(state + int64_t(n) * s.hidden + j, h);
#pragma unroll
      for (int g = 0; g < kGates; ++g)
#pragma unroll
        for (int v = 0; v < kVector; ++v) sums[n][g] = fmaf(w[g][v], h[v], sums[n][g]);
    }
  }
#pragma unroll
  for (int n = 0; n < kRows; ++n)
#pragma unroll
    for (int g = 0; g < kGates; ++g)
#pragma unroll
      for (int step = kLanes / 2; step > 0; step /= 2) sums[n][g] += __shfl_xor_sync(~0u, sums[n][g], step);
#pragma unroll
  for (int n = 0; n < kRows; ++n) {
    if (lane != n || n0 + n >= s.batch) continue;
    const bool on = !s.lengths || s.time[d] < s.lengths[n0 + n];
    Unit<T, kPart>{s, d, n0 + n, k, rows_at + int64_t(n) * s.hidden + k}.finish(sums[n], on);
  }
}

template <class T, RnnPart kPart>
cudaError_t run_part(const RnnStep& s, cudaStream_t stream) {
  const dim3 grid(unsigned((s.hidden + kWarps - 1) / kWarps), unsigned((s.batch + kRows - 1) / kRows),
                  unsigned(s.directions));
  if (s.hidden % 4 == 0) return launch(step_kernel<T, kPart, 4>, grid, dim3(kWarps * kLanes), 0, stream, s);
  return launch(step_kernel<T, kPart, 1>, grid, dim3(kWarps * kLanes), 0, stream, s);
}

template <class T>
__global__ void read_kernel(const T* from, float* to, int64_t count) {
  begin();
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) to[i] = from ? to_float(from[i]) : 0.f;
}
template <class T>
__global__ void write_kernel(const float* from, T* to, int64_t count) {
  begin();
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) to[i] = from_float<T>(from[i]);
}

constexpr int kThreads = 256;
dim3 blocks(int64_t count) { return dim3(unsigned((count + kThreads - 1) / kThreads)); }

}  // namespace

cudaError_t rnn_step(const RnnStep& s, RnnPart part, Elem type, cudaStream_t stream) {
  return with_elem(type, [&](auto t) {
    using T = decltype(t);
    switch (part) {
      case RnnPart::kRnn:
        return run_part<T, RnnPart::kRnn>(s, stream);
      case RnnPart::kLstm:
        return run_part<T, RnnPart::kLstm>(s, stream);
      case RnnPart::kGruLinear:
        return run_part<T, RnnPart::kGruLinear>(s, stream);
      case RnnPart::kGruGates:
        return run_part<T, RnnPart::kGruGates>(s, stream);
      default:
        return run_part<T, RnnPart::kGruMix>(s, stream);
    }
  });
}

cudaError_t rnn_read_state(const void* from, float* to, int64_t count, Elem type, cudaStream_t stream) {
  return with_elem(type, [&](auto t) {
    using T = decltype(t);
    return launch(read_kernel<T>, blocks(count), dim3(kThreads), 0, stream, static_cast<const T*>(from), to, count);
  });
}
cudaError_t rnn_write_state(const float* from, void* to, int64_t count, Elem type, cudaStream_t stream) {
  return with_elem(type, [&](auto t) {
    using T = decltype(t);
    return launch(write_kernel<T>, blocks(count), dim3(kThreads), 0, stream, from, static_cast<T*>(to), count);
  });
}

}  // namespace tenon::cuda
