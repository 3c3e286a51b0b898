// GridSample: positions in blocks; what each reads is found once and used for every channel. RoiAlign: a task is a
// region and some channels.
#include <algorithm>

#include "backends/cpu/kernels/rows.h"
#include "backends/cpu/kernels/strides.h"
#include "base/half.h"
#include "base/thread_pool.h"
#include "ops/detect/grid_sample.h"
#include "ops/detect/roi.h"
#include "ops/shape/move.h"

namespace tenon::cpu {
namespace {

using ir::DType;

constexpr int64_t kBlock = 64;  // positions
constexpr size_t kMostAxes = 3;

float value(float x) { return x; }
float value(bf16 x) { return float(x); }
float value(f16 x) { return float(x); }

class GridSample final : public Kernel {
 public:
  explicit GridSample(const Problem& p)
      : attrs_(p.attrs<ops::GridSampleAttrs>()),
        type_(p.inputs[0].dtype),
        x_type_(p.inputs[0].dtype, isa::loop_table().pointwise),
        grid_type_(p.inputs[1].dtype, isa::loop_table().pointwise),
        threads_(p.threads) {
    const ir::Dims &x = p.inputs[0].dims, &grid = p.inputs[1].dims;
    images_ = x[0];
    channels_ = x[1];
    spatial_.assign(x.begin() + 2, x.end());
    strides_.assign(spatial_.size(), 1);
    for (size_t d = spatial_.size(); d-- > 0; pixels_ *= spatial_[d]) strides_[d] = pixels_;
    for (size_t d = 1; d + 1 < grid.size(); ++d) positions_ *= grid[d];
    blocks_ = (positions_ + kBlock - 1) / kBlock;
    const int64_t reach = attrs_.mode == ops::GridMode::kNearest ? 1 : attrs_.mode == ops::GridMode::kLinear ? 2 : 4;
    for (size_t d = 0; d < spatial_.size(); ++d) taps_ *= reach;
    tasks_ = task_count(double(p.outputs[0].count() * taps_) * 0.8 + double(images_ * positions_) * 40,
                        images_ * blocks_, threads_);
  }
  int64_t workspace_bytes() const override { return slot_bytes() * threads_; }
  void run(const RunArgs& args) const override {
    args.pool.parallel_for(tasks_, [&](int64_t task, int worker) {
      Slot slot(*this, static_cast<char*>(args.workspace) + slot_bytes() * worker);
      const int64_t all = images_ * blocks_;
      for (int64_t i = all * task / tasks_, end = all * (task + 1) / tasks_; i < end; ++i) {
        const int64_t first = i % blocks_ * kBlock, count = std::min(kBlock, positions_ - first);
        find_taps(args, i / blocks_ * positions_ + first, count, slot);
        if (type_ == DType::kF32)
          channels<float>(args, i / blocks_, first, count, slot);
        else if (type_ == DType::kBF16)
          channels<bf16>(args, i / blocks_, first, count, slot);
        else
          channels<f16>(args, i / blocks_, first, count, slot);
      }
    });
  }

 private:
  /// One thread's memory: for each position of a block its taps, those that read zero left out.
  struct Slot {
    Slot(const GridSample& k, char* at) : offsets(reinterpret_cast<int64_t*>(at)) {
      counts = offsets + kBlock * k.taps_;
      weights = reinterpret_cast<float*>(counts + kBlock);
      row = weights + kBlock * k.taps_;
      grid = row + kBlock;
    }
    int64_t *offsets, *counts;
    float *weights, *row, *grid;
  };
  int64_t slot_bytes() const { return (kBlock * (taps_ * 12 + 8 + 4 + int64_t(spatial_.size()) * 4) + 63) / 64 * 64; }

  void find_taps(const RunArgs& args, int64_t position, int64_t count, Slot& slot) const {
    const auto axes = int64_t(spatial_.size());
    const char* from = static_cast<const char*>(args.inputs[1]) + position * axes * grid_type_.size;
    const float* grid = grid_type_.in(from, slot.grid, count * axes);
    for (int64_t p = 0; p < count; ++p) {
      ops::GridTaps taps[kMostAxes];
      for (int64_t d = 0; d < axes; ++d)  // the grid names the last axis first
        taps[d] = ops::grid_taps(attrs_, double(grid[p * axes + axes - 1 - d]), spatial_[size_t(d)]);
      slot.counts[p] = 0;
      combine(taps, 0, 0, 1, p, slot);
    }
  }
  void combine(const ops::GridTaps* taps, size_t axis, int64_t at, double weight, int64_t p, Slot& slot) const {
    if (axis == spatial_.size()) {
      const int64_t i = p * taps_ + slot.counts[p]++;
      slot.offsets[i] = at;
      slot.weights[i] = float(weight);
      return;
    }
    for (int t = 0; t < taps[axis].count; ++t)
      if (taps[axis].index[t] >= 0)
        combine(taps, axis + 1, at + taps[axis].index[t] * strides_[axis], weight * taps[axis].weight[t], p, slot);
  }

  template <class T>
  void channels(const RunArgs& args, int64_t image, int64_t first, int64_t count, Slot& slot) const {
    for (int64_t ch = image * channels_; ch < (image + 1) * channels_; ++ch) {
      const T* x = static_cast<const T*>(args.inputs[0]) + ch * pixels_;
      T* y = static_cast<T*>(args.outputs[0]) + ch * positions_ + first;
      float* row = x_type_.out(y, slot.row);
      for (int64_t p = 0; p < count; ++p) {
        float sum = 0;
        for (int64_t i = p * taps_, end = i + slot.counts[p]; i < end; ++i)
          sum += slot.weights[i] * value(x[slot.offsets[i]]);
        row[p] = sum;
      }
      x_type_.done(row, y, count);
    }
  }

  ops::GridSampleAttrs attrs_;
  DType type_;
  RowType x_type_, grid_type_;
  int threads_;
  int64_t images_ = 1, channels_ = 1, pixels_ = 1, positions_ = 1, blocks_ = 1, taps_ = 1, tasks_ = 1;
  ir::Dims spatial_, strides_;
};

Support supports(const Problem& p) {
  const TensorDesc &x = p.inputs[0], &grid = p.inputs[1];
  if (!float_type(x.dtype) || !float_type(grid.dtype))
    return Support::no("x is ", x.dtype, " and the grid ", grid.dtype, ", accepted are f32, bf16 and f16");
  if (x.dims.size() > 2 + kMostAxes) return Support::no("x is ", x.dims, ", accepted are 1 to 3 spatial axes");
  if (grid.dims.back() != int64_t(x.dims.size()) - 2 || grid.dims[0] != x.dims[0])
    return Support::no("the grid ", grid.dims, " does not fit x ", x.dims);
  const double out = double(p.outputs[0].count());
  return Support::yes(streaming_us(out * 8, out * double(1 << (x.dims.size() - 2)) * 0.8, p.threads));
}

class RoiAlign final : public Kernel {
 public:
  explicit RoiAlign(const Problem& p)
      : attrs_(p.attrs<ops::RoiAlignAttrs>()), x_(p.inputs[0].dims), wide_(p.inputs[2].dtype == DType::kI64) {
    count_ = p.inputs[1].dims[0];
    blocks_ = (x_[1] + kChannels - 1) / kChannels;
    tasks_ = task_count(double(p.outputs[0].count()) * kBinNs, count_ * blocks_, p.threads);
  }
  void run(const RunArgs& args) const override {
    args.pool.parallel_for(tasks_, [&](int64_t task, int) {
      const int64_t all = count_ * blocks_;
      for (int64_t i = all * task / tasks_, end = all * (task + 1) / tasks_; i < end; ++i)
        region(args, i / blocks_, i % blocks_ * kChannels);
    });
  }
  static constexpr double kBinNs = 20;

 private:
  static constexpr int64_t kChannels = 64;  ///< for which the samples of a region are found once

  void region(const RunArgs& args, int64_t r, int64_t first) const {
    const float* at = static_cast<const float*>(args.inputs[1]) + r * 4;
    const double corners[4] = {double(at[0]), double(at[1]), double(at[2]), double(at[3])};
    const ops::RoiRegion region = ops::roi_region(attrs_, corners, x_[2], x_[3]);
    const int64_t index =
        wide_ ? static_cast<const int64_t*>(args.inputs[2])[r] : static_cast<const int32_t*>(args.inputs[2])[r];
    const int64_t plane = x_[2] * x_[3], bins = attrs_.height * attrs_.width;
    const float* image = static_cast<const float*>(args.inputs[0]) + ops::front_index(index, x_[0]) * x_[1] * plane;
    float* y = static_cast<float*>(args.outputs[0]) + (r * x_[1] + first) * bins;
    for (int64_t ch = first; ch < std::min(first + kChannels, x_[1]); ++ch)
      for (size_t v = 0; v < size_t(attrs_.height); ++v)
        for (size_t u = 0; u < size_t(attrs_.width); ++u)
          *y++ = float(ops::roi_bin(attrs_, region, v, u, image + ch * plane, x_[3]));
  }

  ops::RoiAlignAttrs attrs_;
  ir::Dims x_;
  bool wide_;
  int64_t count_ = 0, blocks_ = 1, tasks_ = 1;
};

Support supports_roi_align(const Problem& p) {
  const TensorDesc &x = p.inputs[0], &rois = p.inputs[1], &batch = p.inputs[2];
  if (x.dtype != DType::kF32 || rois.dtype != DType::kF32)
    return Support::no("x is ", x.dtype, " and the regions ", rois.dtype, ", accepted is f32");
  if (batch.dtype != DType::kI64 && batch.dtype != DType::kI32)
    return Support::no("batch indices are ", batch.dtype, ", accepted are i32 and i64");
  if (!p.all_dense()) return Support::no("operands must be dense");
  if (rois.dims.size() != 2 || rois.dims[1] != 4 || batch.count() != rois.dims[0])
    return Support::no("regions ", rois.dims, " and batch indices ", batch.dims, " do not fit");
  const double out = double(p.outputs[0].count());
  return Support::yes(streaming_us(out * 8, out * RoiAlign::kBinNs, p.threads));
}

}  // namespace

std::vector<KernelDef> sample() {
  return {{"grid_sample_taps", "GridSample", supports,
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<GridSample>(p); }},
          {"roi_align_bins", "RoiAlign", supports_roi_align,
           [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<RoiAlign>(p); }}};
}

}  // namespace tenon::cpu
