#include "backends/cuda/device/tensor_maps.h"

#include <algorithm>

#include "backends/cuda/device/gemm_tma.h"
#include "backends/cuda/device/gemm_tma_f32.h"
#include "backends/cuda/driver.h"

namespace tenon::cuda {
decltype(&cuTensorMapEncodeTiled) tensor_map_encoder() {
  static const auto encode = driver_function<decltype(cuTensorMapEncodeTiled)>("cuTensorMapEncodeTiled");
  return encode;
}
CUtensorMapDataType tensor_map_type(Elem type) {
  if (type == Elem::kF32) return CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
  return type == Elem::kF16 ? CU_TENSOR_MAP_DATA_TYPE_FLOAT16 : CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
}

namespace {

int bytes_of(Elem type) { return type == Elem::kF32 ? 4 : 2; }
/// Elements of a row of a stage: 128 bytes.
int depth_of(Elem type) { return 128 / bytes_of(type); }

/// A tensor of three axes, the first fastest, with elements between neighbours along the others; read or written in
/// boxes of 128 bytes of it.
struct Lines {
  const void* data;
  int64_t sizes[3], steps[2];
  int box[2];
};
cudaError_t map_lines(const Lines& t, Elem type, CUtensorMap& to) {
  const auto encode = tensor_map_encoder();
  if (!encode) return cudaErrorNotSupported;
  const cuuint64_t sizes[] = {cuuint64_t(t.sizes[0]), cuuint64_t(t.sizes[1]), cuuint64_t(t.sizes[2])};
  const cuuint64_t unit = cuuint64_t(bytes_of(type)),
                   steps[] = {cuuint64_t(t.steps[0]) * unit, cuuint64_t(t.steps[1]) * unit};
  const cuuint32_t box[] = {cuuint32_t(depth_of(type)), cuuint32_t(t.box[0]), cuuint32_t(t.box[1])}, ones[] = {1, 1, 1};
  const CUresult code = encode(&to, tensor_map_type(type), 3, const_cast<void*>(t.data), sizes, steps, box, ones,
                               CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                               CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return code == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}

int image_axes(const GemmArgs& a) { return a.in[0] == 1 && a.kernel[0] == 1 && a.out[0].value == 1 ? 2 : 3; }
/// Where the windows' last start lies, counted from the last pixel.
int last_start(const GemmArgs& a, int axis) {
  return (int(a.out[axis].value) - 1) * a.stride[axis] - a.pad[axis] + 1 - a.in[axis];
}

cudaError_t map_windows(const GemmArgs& a, Elem type, int pixels, CUtensorMap& to) {
  static const auto encode = driver_function<decltype(cuTensorMapEncodeIm2col)>("cuTensorMapEncodeIm2col");
  if (!encode) return cudaErrorNotSupported;
  const int axes = image_axes(a);
  const int64_t images = a.rows / (int64_t(a.out[0].value) * a.out[1].value * a.out[2].value);
  const cuuint64_t unit = cuuint64_t(bytes_of(type));
  cuuint64_t sizes[5] = {cuuint64_t(a.chunks) * 16 / unit}, steps[4] = {cuuint64_t(a.a_pitch) * unit};
  cuuint32_t strides[5] = {1, 1, 1, 1, 1};
  int first[3] = {}, last[3] = {};
  for (int i = 0; i < axes; ++i) {  // from the fastest axis on
    const int axis = 2 - i;
    sizes[i + 1] = cuuint64_t(a.in[axis]);
    steps[i + 1] = steps[i] * sizes[i + 1];
    strides[i + 1] = cuuint32_t(a.stride[axis]);
    first[i] = -a.pad[axis];
    last[i] = last_start(a, axis);
  }
  sizes[axes + 1] = cuuint64_t(images);
  const CUresult code =
      encode(&to, tensor_map_type(type), cuuint32_t(axes + 2), const_cast<void*>(a.a), sizes, steps, first, last,
             cuuint32_t(depth_of(type)), cuuint32_t(pixels), strides, CU_TENSOR_MAP_INTERLEAVE_NONE,
             CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return code == CUDA_SUCCESS ? cudaSuccess : cudaErrorInvalidValue;
}

bool aligned(const void* address) { return reinterpret_cast<uintptr_t>(address) % 16 == 0; }
int divided(int64_t a, int64_t b) { return int((a + b - 1) / b); }

/// What a cluster of two shares: a, whose blocks are neighbours along the columns, or b. Copied bytes and idle blocks
/// decide.
bool should_share_a(const GemmArgs& a, int rows, int columns) {
  const int64_t down = divided(a.rows, rows), across = divided(a.columns, columns);
  const int64_t if_a = (across + across % 2) * down * (rows / 2 + columns);
  const int64_t if_b = across * (down + down % 2) * (rows + columns / 2);
  return if_a < if_b;
}

/// Whether the copy engine walks through these windows.
bool takes_windows(const GemmArgs& a) {
  const int axes = image_axes(a), limit = axes == 2 ? 128 : 16;
  for (int i = 3 - axes; i < 3; ++i) {
    const int last = last_start(a, i);
    if (a.stride[i] > 8 || a.pad[i] > limit || last >= limit || last < -limit) return false;
    if ((a.kernel[i] - 1) * a.dilation[i] >= 2 * limit) return false;
  }
  return true;
}

}  // namespace

bool gemm_tma_does(const Epilogue& e) {
  if (e.join != Join::kNone) {
    const bool first = e.join == Join::kAddFirst && (e.act == Act::kNone || e.act == Act::kRelu);
    return e.extra_step == 1 && e.extra_rows.value == 1 && (first || (e.join == Join::kAdd && e.act == Act::kNone));
  }
  return e.act == Act::kNone || e.act == Act::kRelu || e.act == Act::kClip || e.act == Act::kSilu ||
         e.act == Act::kGeluErf || e.act == Act::kGeluTanh;
}

bool gemm_tma_takes(const GemmArgs& a, bool conv) {
  if (a.sums || a.groups != 1 || !aligned(a.a) || !aligned(a.b) || !aligned(a.y) || !aligned(a.epilogue.extra) ||
      !aligned(a.epilogue.bias))
    return false;
  if (a.columns % 8 != 0 || a.a_pitch % 8 != 0 || a.b_pitch % 8 != 0 || a.y_pitch % 8 != 0) return false;
  if (a.epilogue.join != Join::kNone && a.epilogue.extra_pitch % 8 != 0) return false;
  return conv ? takes_windows(a) : a.a_step[2] % 8 == 0 && a.b_step[2] % 8 == 0;
}

bool gemm_tma_f32_takes(const GemmArgs& a, bool conv) {
  const float* const y = a.sums ? a.sums : static_cast<const float*>(a.y);
  const int64_t y_pitch = a.sums ? a.sums_pitch : a.y_pitch;
  // Results and the other operand go in pairs.
  const auto in_pairs = [](const void* address, int64_t pitch) {
    return reinterpret_cast<uintptr_t>(address) % 8 == 0 && pitch % 2 == 0;
  };
  if (a.groups != 1 || a.columns % 2 != 0 || !in_pairs(y, y_pitch) || !in_pairs(a.epilogue.bias, 0)) return false;
  if (a.epilogue.join != Join::kNone && a.epilogue.extra_step != 0 &&
      !in_pairs(a.epilogue.extra, a.epilogue.extra_pitch))
    return false;
  if (!aligned(a.a) || !aligned(a.b) || a.a_pitch % 4 != 0 || a.b_pitch % 4 != 0) return false;
  return conv ? takes_windows(a) : a.a_step[2] % 4 == 0 && a.b_step[2] % 4 == 0;
}

cudaError_t gemm_tma(const GemmArgs& a, Elem type, bool conv, int tile, int cluster, int blocks, cudaStream_t stream) {
  if (type == Elem::kF16) return gemm_tma_f16(a, conv, tile, cluster, blocks, stream);
  if (type == Elem::kBF16) return gemm_tma_bf16(a, conv, tile, cluster, blocks, stream);
  return cudaErrorInvalidValue;
}

cudaError_t make_tma_args(const GemmArgs& a, Elem type, bool conv, int rows, int columns, int cluster, TmaArgs& to) {
  const int taps = a.kernel[0] * a.kernel[1] * a.kernel[2], channels = conv ? a.chunks * 16 / bytes_of(type) : a.depth;
  to.axes = conv ? image_axes(a) : 0;
  to.steps = divided(channels, depth_of(type)) * (conv ? taps : 1);
  to.rows = a.rows;
  to.columns = a.columns;
  to.cluster = cluster;
  to.shares_a = cluster > 1 && should_share_a(a, rows, columns);
  const int lines_a = to.shares_a ? rows / cluster : rows, lines_b = to.shares_a ? columns : columns / cluster;
  to.tiles_across = divided(divided(a.columns, columns), to.shares_a ? cluster : 1);
  to.tiles_down = divided(divided(a.rows, rows), to.shares_a ? 1 : cluster);
  to.tiles = to.tiles_across * to.tiles_down * a.batch;
  to.a_batched = !conv && a.batch > 1 && a.a_step[2] != 0;
  to.b_batched = !conv && a.batch > 1 && a.b_step[2] != 0;
  to.b_constant = a.b_constant;
  for (int i = 0; i < 3; ++i) {
    to.kernel[i] = a.kernel[i];
    to.stride[i] = a.stride[i];
    to.dilation[i] = a.dilation[i];
    to.pad[i] = a.pad[i];
    to.out[i] = a.out[i];
  }
  to.alpha = a.alpha;
  to.epilogue = a.epilogue;
  const auto matrix = [&](const void* data, int64_t size, int64_t lines, int64_t pitch, int64_t count, int64_t step,
                          int box) {
    return Lines{data, {size, lines, count}, {pitch, count > 1 ? step : pitch}, {box, 1}};
  };
  const int64_t batch = a.batch;
  cudaError_t code =
      conv ? map_windows(a, type, lines_a, to.maps.a)
           : map_lines(matrix(a.a, a.depth, a.rows, a.a_pitch, to.a_batched ? batch : 1, a.a_step[2], lines_a), type,
                       to.maps.a);
  if (code != cudaSuccess) return code;
  code = map_lines(conv ? Lines{a.b, {channels, taps, a.columns}, {channels, a.b_pitch}, {1, lines_b}}
                        : matrix(a.b, a.depth, a.columns, a.b_pitch, to.b_batched ? batch : 1, a.b_step[2], lines_b),
                   type, to.maps.b);
  if (code != cudaSuccess || type == Elem::kF32) return code;
  code = map_lines(matrix(a.y, a.columns, a.rows, a.y_pitch, batch, a.rows * a.y_pitch, 64), type, to.maps.y);
  if (code != cudaSuccess || a.epilogue.join == Join::kNone) return code;
  const int64_t pitch = a.epilogue.extra_pitch;
  return map_lines(matrix(a.epilogue.extra, a.columns, a.rows, pitch, batch, a.rows * pitch, 64), type, to.maps.extra);
}

}  // namespace tenon::cuda
