// Steps of LSTM, GRU and RNN. A step is a product of the state with the recurrent weights and the cells' functions on
// its sums, in one kernel: a warp does one unit of the state for some rows of the batch, so a sum has the same order
// whatever the batch.
#pragma once
#include <cuda_runtime_api.h>

#include <cstdint>

#include "backends/cuda/dtype.h"

namespace tenon::cuda {

/// In the order of ops::RnnFn.
struct RnnFunction {
  int kind = 1;
  float alpha = 0, beta = 0;
};

/// What a kernel computes of a step. A GRU that resets before it multiplies takes two kernels: the gates, which leave
/// the update gate and the state after the reset, and the mix of candidate and state.
enum class RnnPart : int { kRnn, kLstm, kGruLinear, kGruGates, kGruMix };

/// Gates lie `hidden` apart; directions of x_sums and of the states follow each other. States are f32.
struct RnnStep {
  const float* x_sums = nullptr;      ///< [batch, gates * hidden] of this step, with the biases
  int64_t x_direction = 0;            ///< elements from the first direction's rows to the second's
  const void* r = nullptr;            ///< [directions, gates * hidden, hidden]
  const float* reset_bias = nullptr;  ///< [directions, hidden], for kGruLinear, or null
  const float* peephole = nullptr;    ///< [directions, 3 * hidden], for kLstm, or null
  const int* lengths = nullptr;       ///< [batch] or null
  const float* state = nullptr;       ///< [directions, batch, hidden]
  float *next = nullptr, *cell = nullptr;
  float *update = nullptr, *after_reset = nullptr;  ///< of a GRU in two kernels
  void* y = nullptr;                                ///< [steps, directions, batch, hidden] or null
  int time[2] = {0, 0};                             ///< of each direction's element of x
  int batch = 0, hidden = 0, directions = 1, gates = 1;
  RnnFunction f[2][3];
  float clip = 0;  ///< 0: none
  bool input_forget = false;
};
cudaError_t rnn_step(const RnnStep& step, RnnPart part, Elem type, cudaStream_t stream);

/// to[i] = from[i], or 0 where `from` is null; between f32 states and tensors of `type`.
cudaError_t rnn_read_state(const void* from, float* to, int64_t count, Elem type, cudaStream_t stream);
cudaError_t rnn_write_state(const float* from, void* to, int64_t count, Elem type, cudaStream_t stream);

}  // namespace tenon::cuda
