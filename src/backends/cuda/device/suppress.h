// Non-maximum suppression: boxes of a class in the order of their scores, but those that overlap one taken before.
#pragma once
#include "backends/cuda/device/cast.h"
#include "backends/cuda/device/index.h"

namespace tenon::cuda {

/// A number that is known, or lies in device memory.
struct Number {
  const void* data = nullptr;
  Plain type = Plain::kF32;
  double value = 0;
};

/// boxes [images, boxes, 4] and scores [images, classes, boxes] in f32, f16 or bf16. A row is a class of an image.
struct SuppressParams {
  const void *boxes = nullptr, *scores = nullptr;
  Plain box_type = Plain::kF32, score_type = Plain::kF32;
  bool center = false;  ///< boxes are centres and sizes instead of corners
  Number most;          ///< boxes that a row takes
  Number overlap;       ///< most intersection over union of two that are taken
  Number least;         ///< scores are greater
  int rows = 0, count = 0;
  Divisor classes;
  int room = 0;              ///< most that `most` can be, at most `count`
  int64_t* y = nullptr;      ///< image, class and box of each taken; room for rows x room
  int64_t* found = nullptr;  ///< gets how many; -1 if `overlap` is not from 0 to 1
  void* space = nullptr;     ///< suppress_space() bytes
};
constexpr int kMostSuppressRows = 1 << 14, kMostSuppressBoxes = 1 << 23;
int64_t suppress_space(const SuppressParams& params);
cudaError_t suppress(const SuppressParams& params, cudaStream_t stream);

}  // namespace tenon::cuda
