// Exponentials of scores that lie as the sums of a warpgroup's products do.
#pragma once
#include "backends/cuda/device/mma.h"
#include "backends/cuda/device/wgmma.h"

namespace tenon::cuda {

/// scores = 2^(scores scale + base of their row). All are under way before one is needed: each takes long.
template <int N>
__device__ __forceinline__ void exponentiate(float (&scores)[N][4], float scale, const float (&base)[2]) {
#pragma unroll
  for (int n = 0; n < N; ++n)
#pragma unroll
    for (int e = 0; e < 4; ++e) scores[n][e] = exp2_fast(fmaf(scores[n][e], scale, base[e / 2]));
  pin(scores);
}

/// Adds them up, each row on its own, and makes of them the left operand of a product.
template <class T, int N>
__device__ __forceinline__ void add_and_pack(const float (&scores)[N][4], float (&sum)[2],
                                             uint32_t (&packed)[N / 2][4]) {
  float more[2] = {};  // two chains of additions a row
#pragma unroll
  for (int n = 0; n < N; n += 2)
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      sum[i] += scores[n][2 * i] + scores[n][2 * i + 1];
      more[i] += scores[n + 1][2 * i] + scores[n + 1][2 * i + 1];
      packed[n / 2][i] = pack_pair<T>(scores[n][2 * i], scores[n][2 * i + 1]);
      packed[n / 2][i + 2] = pack_pair<T>(scores[n + 1][2 * i], scores[n + 1][2 * i + 1]);
    }
  sum[0] += more[0];
  sum[1] += more[1];
}

}  // namespace tenon::cuda
