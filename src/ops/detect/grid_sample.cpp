#include "ops/detect/grid_sample.h"

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/move.h"

namespace tenon::ops {
namespace {

void infer_grid_sample(InferContext& c) {
  const Shape &x = c.shape(0), &grid = c.shape(1);
  c.expect(x.size() >= 3 && grid.size() == x.size(), "input ", c.text(x), " and grid ", c.text(grid),
           " must have one rank, at least 3");
  c.expect(!grid.back().is_const() || grid.back() == int64_t(x.size()) - 2, "the grid ", c.text(grid),
           " must hold one position a spatial axis");
  Shape y{x[0], x[1]};
  y.insert(y.end(), grid.begin() + 1, grid.end() - 1);
  c.output(0, c.dtype(0), std::move(y));
}

double reflect(double x, double low, double high) {
  const double range = high - low;
  if (range <= 0) return low;
  const double folded = std::fmod(std::fabs(x - low), 2 * range);
  return low + (folded <= range ? folded : 2 * range - folded);
}

/// The element on an axis that position `p` reads, or -1 for zero.
int64_t pixel(const GridSampleAttrs& a, double p, int64_t extent) {
  const auto last = double(extent - 1);
  if (p >= 0 && p <= last) return int64_t(p);
  if (a.padding == GridPadding::kZeros || extent == 0) return -1;
  if (a.padding == GridPadding::kReflection) p = a.align_corners ? reflect(p, 0, last) : reflect(p, -0.5, last + 0.5);
  return int64_t(std::clamp(p, 0.0, last));
}

double cubic_kernel(double x) {
  constexpr double a = -0.75;
  x = std::fabs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

}  // namespace

GridTaps grid_taps(const GridSampleAttrs& a, double normalized, int64_t extent) {
  const auto n = double(extent);
  GridTaps taps;
  double x = a.align_corners ? (normalized + 1) / 2 * (n - 1) : ((normalized + 1) * n - 1) / 2;
  if (!std::isfinite(x)) x = x > 0 ? 1e9 : -1e9;
  if (a.mode == GridMode::kNearest) x = std::nearbyint(x);
  if (a.padding == GridPadding::kBorder) x = std::clamp(x, 0.0, std::max(n - 1, 0.0));
  if (a.padding == GridPadding::kReflection) x = a.align_corners ? reflect(x, 0, n - 1) : reflect(x, -0.5, n - 0.5);
  const auto add = [&](int64_t index, double weight) {
    taps.index[taps.count] = index;
    taps.weight[taps.count++] = weight;
  };
  if (a.mode == GridMode::kNearest) {
    add(pixel(a, std::nearbyint(x), extent), 1);
    return taps;
  }
  const double base = std::floor(x);
  const int reach = a.mode == GridMode::kLinear ? 0 : 1;
  for (int i = -reach; i <= 1 + reach; ++i) {
    const double d = base + i - x;
    add(pixel(a, base + i, extent), reach == 0 ? 1 - std::fabs(d) : cubic_kernel(d));
  }
  return taps;
}

namespace {

/// Sum over the product of the axes' taps.
double sample(const Tensor& x, int64_t plane, const Dims& strides, const std::vector<GridTaps>& taps, size_t axis,
              int64_t at) {
  if (axis == taps.size()) return x.get(plane + at);
  double sum = 0;
  for (int t = 0; t < taps[axis].count; ++t) {
    const int64_t i = taps[axis].index[t];
    if (i >= 0) sum += taps[axis].weight[t] * sample(x, plane, strides, taps, axis + 1, at + i * strides[axis]);
  }
  return sum;
}

void eval_grid_sample(EvalContext& c) {
  const auto& a = c.attrs<GridSampleAttrs>();
  const Tensor &x = c.input(0), &grid = c.input(1);
  const Dims &xd = x.dims(), &gd = grid.dims();
  const size_t r = xd.size() - 2;
  require(gd.back() == int64_t(r) && gd[0] == xd[0], ErrorCode::kShapeMismatch, "the grid ", gd, " does not fit input ",
          xd);
  Dims yd{xd[0], xd[1]};
  yd.insert(yd.end(), gd.begin() + 1, gd.end() - 1);
  Tensor& y = c.output(0, yd);
  const Dims spatial(xd.begin() + 2, xd.end()), strides = ir::strides_of(spatial);
  const int64_t pixels = checked_product(spatial), positions = count_between(gd, 1, gd.size() - 1);
  for (int64_t n = 0; n < xd[0]; ++n)
    for (int64_t p = 0; p < positions; ++p) {
      std::vector<GridTaps> taps(r);
      for (size_t d = 0; d < r; ++d)
        taps[d] = grid_taps(a, grid.get((n * positions + p) * int64_t(r) + int64_t(r - 1 - d)), spatial[d]);
      for (int64_t ch = n * xd[1]; ch < (n + 1) * xd[1]; ++ch)
        y.set(ch * positions + p, sample(x, ch * pixels, strides, taps, 0, 0));
    }
}

void import_grid_sample(ImportContext& c) {
  GridSampleAttrs a;
  const std::string mode = c.attr_string("mode", "linear"), padding = c.attr_string("padding_mode", "zeros");
  if (mode == "nearest")
    a.mode = GridMode::kNearest;
  else if (mode == "cubic" || mode == "bicubic")
    a.mode = GridMode::kCubic;
  else if (mode != "linear" && mode != "bilinear")
    c.fail("mode is '", mode, "', accepted are linear, nearest, cubic");
  if (padding == "border")
    a.padding = GridPadding::kBorder;
  else if (padding == "reflection")
    a.padding = GridPadding::kReflection;
  else if (padding != "zeros")
    c.fail("padding_mode is '", padding, "', accepted are zeros, border, reflection");
  a.align_corners = c.attr_int("align_corners", 0) != 0;
  c.output(0, c.add("GridSample", {c.required(0), c.required(1)}, a));
}

void infer_affine_grid(InferContext& c) {
  const Shape theta = c.shape(0), length = c.shape(1);
  c.expect(theta.size() == 3, "theta ", c.text(theta), " must have rank 3");
  c.expect(length.size() == 1 && (length[0] == 4 || length[0] == 5), "size must have 4 or 5 entries");
  const auto size = c.contents(1);
  const int64_t r = length[0].constant() - 2;
  Shape y{theta[0]};
  for (int64_t i = 0; i < r; ++i) y.push_back(size ? (*size)[size_t(2 + i)] : c.unknown());
  y.push_back(r);
  c.output(0, c.dtype(0), std::move(y));
}

void eval_affine_grid(EvalContext& c) {
  const bool align = c.attrs<AffineGridAttrs>().align_corners;
  const Tensor& theta = c.input(0);
  const Dims size = c.input(1).to_ints();
  const auto r = int64_t(size.size()) - 2;
  require(theta.dims() == Dims{size[0], r, r + 1}, ErrorCode::kShapeMismatch, "theta ", theta.dims(),
          " does not fit size ", size);
  Dims yd{size[0]}, spatial(size.begin() + 2, size.end());
  yd.insert(yd.end(), spatial.begin(), spatial.end());
  yd.push_back(r);
  Tensor& y = c.output(0, yd);
  const int64_t positions = checked_product(spatial);
  Dims index(spatial.size(), 0);
  for (int64_t n = 0; n < size[0]; ++n)
    for (int64_t p = 0; p < positions; ++p, advance(index, spatial))
      for (int64_t row = 0; row < r; ++row) {
        double sum = theta.get((n * r + row) * (r + 1) + r);
        for (int64_t k = 0; k < r; ++k) {
          const auto i = double(index[size_t(r - 1 - k)]), e = double(spatial[size_t(r - 1 - k)]);
          const double at = !align ? (2 * i + 1) / e - 1 : e > 1 ? 2 * i / (e - 1) - 1 : 0;
          sum += theta.get((n * r + row) * (r + 1) + k) * at;
        }
        y.set((n * positions + p) * r + row, sum);
      }
}

void import_affine_grid(ImportContext& c) {
  c.output(0,
           c.add("AffineGrid", {c.required(0), c.required(1)}, AffineGridAttrs{c.attr_int("align_corners", 0) != 0}));
}

}  // namespace

OpSet grid_sample() {
  return {{{.name = "GridSample",
            .attrs = ir::schema_of<GridSampleAttrs>(),
            .min_inputs = 2,
            .max_inputs = 2,
            .infer = infer_grid_sample,
            .eval = eval_grid_sample},
           {.name = "AffineGrid",
            .attrs = ir::schema_of<AffineGridAttrs>(),
            .min_inputs = 2,
            .max_inputs = 2,
            .infer = infer_affine_grid,
            .eval = eval_affine_grid}},
          {{"", "GridSample", 16, import_grid_sample}, {"", "AffineGrid", 20, import_affine_grid}}};
}

}  // namespace tenon::ops
