// What gemm_tma's kernel is given: tensors as the copy engine sees them.
#pragma once
#include <cuda.h>

#include "backends/cuda/device/gemm_tensor_core.h"

namespace tenon::cuda {

struct TmaArgs {
  struct {
    CUtensorMap a, b, y, extra;
  } maps;
  int axes = 0;  ///< of a convolution's image, 2 or 3; 0 for a plain matrix
  int steps = 0;
  int rows = 0, columns = 0;                        ///< of one matrix
  int tiles = 0, tiles_across = 0, tiles_down = 0;  ///< of a cluster, of which its blocks do one each
  int cluster = 1;
  bool shares_a = false;  ///< the blocks of a cluster are neighbours along the columns, else along the rows
  bool a_batched = false, b_batched = false, b_constant = false;
  int kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, dilation[3] = {1, 1, 1}, pad[3] = {0, 0, 0};
  Divisor out[3];
  float alpha = 1;
  Epilogue epilogue;
};

/// The driver's function that describes a tensor to the copy engine; null if it has none.
decltype(&cuTensorMapEncodeTiled) tensor_map_encoder();
CUtensorMapDataType tensor_map_type(Elem type);
/// For tiles of `rows` and `columns`. Of f32 the maps are those of a and b alone.
cudaError_t make_tma_args(const GemmArgs& a, Elem type, bool conv, int rows, int columns, int cluster, TmaArgs& to);

}  // namespace tenon::cuda
