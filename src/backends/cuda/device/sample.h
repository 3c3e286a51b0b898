// Operators that read images at computed places: GridSample, RoiAlign, MaxRoiPool; and AffineGrid, which computes
// places. Images are [N, C, spatial…].
#pragma once
#include "backends/cuda/device/gather.h"
#include "backends/cuda/dtype.h"

namespace tenon::cuda {

enum class SampleRule : int { kLinear, kNearest, kCubic };
enum class SampleEdge : int { kZeros, kBorder, kReflection };

/// y[n][c][p] from x at the place that grid[n][p] names, in [-1, 1] an axis, the last spatial axis first.
struct GridSampleParams {
  const void *x = nullptr, *grid = nullptr;
  void* y = nullptr;
  SampleRule rule = SampleRule::kLinear;
  SampleEdge edge = SampleEdge::kZeros;
  bool align_corners = false;
  int axes = 2;  ///< 1 to 3
  int extent[3] = {1, 1, 1};
  int channels = 1;
  uint32_t points = 0;  ///< positions of the whole batch
  Divisor positions;    ///< positions an image
};
cudaError_t grid_sample(const GridSampleParams& params, Elem type, cudaStream_t stream);

/// y[n][p][row] = theta[n][row] · (centre of p, 1): centres of a grid, in [-1, 1] an axis, the last spatial axis first.
struct AffineGridParams {
  const void* theta = nullptr;  ///< [N, axes, axes + 1]
  void* y = nullptr;
  bool align_corners = false;
  int axes = 2;         ///< 2 or 3
  uint32_t points = 0;  ///< positions of the whole batch
  Divisor extent[3];    ///< of the spatial axes, the last first
};
cudaError_t affine_grid(const AffineGridParams& params, Elem type, cudaStream_t stream);

/// y [regions, channels, height, width].
struct RoiParams {
  const void *x = nullptr, *rois = nullptr;
  IndexTensor image;  ///< of each region
  void* y = nullptr;
  uint32_t count = 0;
  int images = 1, in_height = 1, in_width = 1, sampling_ratio = 0;
  Divisor channels, height, width;
  float spatial_scale = 1;
  bool half_pixel = true, max = false;
};
cudaError_t roi_align(const RoiParams& params, Elem type, cudaStream_t stream);
/// Regions have five numbers, the first the image.
cudaError_t max_roi_pool(const RoiParams& params, Elem type, cudaStream_t stream);

}  // namespace tenon::cuda
