#include "backends/cuda/device/widen.h"

#include "backends/cuda/launch.h"

namespace tenon::cuda {
namespace {

constexpr int kThreads = 256;

__global__ void __launch_bounds__(kThreads) widen_kernel(const __grid_constant__ WidenParams p) {
  begin();
  finish_early();
  const uint32_t number = blockIdx.x * kThreads + threadIdx.x;
  if (number >= p.count) return;
  uint32_t piece = number;
  uint32_t column = p.pieces.split(piece), row = p.columns.split(column);
  const uint32_t image = p.rows.split(row);
  const int first = int(piece) * 4;
  const float* const from = p.x + image * p.image + row * p.row + column * p.column + first * p.channel;
  float v[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) v[i] = first + i < p.channels ? from[i * p.channel] : 0.f;
  reinterpret_cast<float4*>(p.y)[number] = {v[0], v[1], v[2], v[3]};
}

}  // namespace

cudaError_t widen(const WidenParams& p, cudaStream_t stream) {
  return launch(widen_kernel, dim3((p.count + kThreads - 1) / kThreads), dim3(kThreads), 0, stream, p);
}

}  // namespace tenon::cuda
