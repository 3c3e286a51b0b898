// Slice. Inputs: data, starts, ends, axes (optional), steps (optional); integer vectors of one length. Starts and ends
// count from the back where negative and are clamped to the axis; steps may be negative, not zero.
#include <algorithm>
#include <limits>

#include "base/checked.h"
#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/bounds.h"
#include "ops/shape/move.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

constexpr int64_t kHuge = std::numeric_limits<int32_t>::max();  // exporters write "to the end" as this or more

struct Span {
  int64_t start, count;
};

Span resolve(int64_t start, int64_t end, int64_t step, int64_t extent) {
  require(step != 0, ErrorCode::kShapeMismatch, "a step of 0 is not accepted");
  step = std::max(step, -std::numeric_limits<int64_t>::max());
  if (extent == 0) return {0, 0};
  if (start < 0) start = start < -extent ? -1 : start + extent;
  if (end < 0) end = end < -extent ? -1 : end + extent;
  if (step > 0) {
    start = std::clamp<int64_t>(start, 0, extent);
    end = std::clamp<int64_t>(end, 0, extent);
    return {start, end > start ? (end - start - 1) / step + 1 : 0};
  }
  start = std::clamp<int64_t>(start, 0, extent - 1);
  end = std::clamp<int64_t>(end, -1, extent - 1);
  return {start, start > end ? (start - end - 1) / -step + 1 : 0};
}

/// A position on a symbolic axis, clamped to [0, extent].
Dim clamp_position(ir::SymbolTable& dims, Dim p, Dim extent) {
  if (p.is_const() && p.constant() >= kHuge) return extent;
  if (p.is_const() && p.constant() <= -kHuge) return 0;
  if (p.is_const() && p.constant() < 0) return tight_max(dims, dims.add(extent, p), 0);
  return tight_min(dims, p, extent);
}

/// Number of entries that a slice takes, symbolic or constant; nullopt where it cannot be told.
std::optional<Dim> slice_count(ir::SymbolTable& dims, Dim start, Dim end, int64_t step, Dim extent) {
  if (start.is_const() && end.is_const() && extent.is_const())
    return resolve(start.constant(), end.constant(), step, extent.constant()).count;
  if (step > 0) {
    const Dim from = clamp_position(dims, start, extent), to = clamp_position(dims, end, extent);
    if (start.is_const() && start.constant() >= 0 && start.constant() < kHuge && to == extent)
      return dims.ceil_div(tight_max(dims, dims.sub(extent, start), 0), step);
    if (start.is_const() && start.constant() > -kHuge && start.constant() < 0 && to == extent)
      return dims.ceil_div(tight_min(dims, extent, -start.constant()), step);
    return dims.ceil_div(tight_max(dims, dims.sub(to, from), 0), step);
  }
  const bool whole = start.is_const() && (start.constant() == -1 || start.constant() >= kHuge) && end.is_const() &&
                     end.constant() <= -kHuge;
  if (!whole || step < -kHuge) return std::nullopt;
  return dims.ceil_div(extent, -step);
}

/// Starts or ends. Constants are clamped, since the lowest numbers cannot be told from symbols.
std::optional<std::vector<Dim>> positions(const InferContext& c, size_t i) {
  const auto ints = c.ints(i);
  if (!ints) return c.contents(i);
  constexpr int64_t kFar = int64_t(1) << 62;
  std::vector<Dim> clamped;
  for (int64_t p : *ints) clamped.emplace_back(std::clamp(p, -kFar, kFar));
  return clamped;
}

/// What a node asks for, as far as it is known.
struct Request {
  std::optional<std::vector<Dim>> starts, ends;
  std::optional<std::vector<int64_t>> axes, steps;
  size_t count = 0;  ///< of sliced axes, at most the rank
  bool known = false;
};

Request request(InferContext& c, size_t rank) {
  Request r{positions(c, 1), positions(c, 2), c.ints(3), c.ints(4)};
  const Shape& length = c.shape(1);
  c.expect(length.size() == 1, "starts ", c.text(length), " must have rank 1");
  r.count = r.starts               ? r.starts->size()
            : r.axes               ? r.axes->size()
            : length[0].is_const() ? size_t(length[0].constant())
                                   : rank;
  auto fits = [&](const auto& list) { return !list || list->size() == r.count; };
  c.expect(fits(r.starts) && fits(r.ends) && fits(r.axes) && fits(r.steps) && r.count <= rank,
           "starts, ends, axes and steps must have one length, at most the rank ", rank);
  r.known = r.starts && r.ends && (!c.has(4) || r.steps);
  return r;
}

/// The known elements of the output, where all of the slice is constant.
void slice_elements(InferContext& c, const Request& r, const Shape& x, const std::vector<size_t>& axes) {
  const auto from = c.elements(0);
  if (!from || !r.known || !ir::is_static(x)) return;
  Dims yd = ir::static_dims(x), strides = ir::strides_of(yd);
  int64_t origin = 0;
  for (size_t i = 0; i < r.count; ++i) {
    if (!(*r.starts)[i].is_const() || !(*r.ends)[i].is_const()) return;
    const int64_t step = r.steps ? (*r.steps)[i] : 1;
    const Span s = resolve((*r.starts)[i].constant(), (*r.ends)[i].constant(), step, yd[axes[i]]);
    yd[axes[i]] = s.count;
    origin += s.start * strides[axes[i]];
    strides[axes[i]] *= s.count > 1 ? step : 1;
  }
  std::vector<Dim> taken;
  Dims index(yd.size(), 0);
  for (int64_t i = checked_product(yd); i > 0; --i, advance(index, yd))
    taken.push_back((*from)[size_t(origin + offset_of(index, strides))]);
  c.output_elements(0, std::move(taken));
}

void infer_slice(InferContext& c) {
  const Shape x = c.shape(0);
  Shape y = x;
  if (c.has(3) && !c.ints(3)) {
    for (Dim& d : y) d = c.unknown();
    return c.output(0, c.dtype(0), std::move(y));
  }
  const Request r = request(c, x.size());
  std::vector<size_t> axes;
  for (size_t i = 0; i < r.count; ++i) {
    axes.push_back(c.axis(r.axes ? (*r.axes)[i] : int64_t(i), x.size()));
    c.expect(std::count(axes.begin(), axes.end(), axes[i]) == 1, "axis ", axes[i], " is sliced twice");
    const int64_t step = r.steps ? (*r.steps)[i] : 1;
    c.expect(step != 0, "a step of 0 is not accepted");
    std::optional<Dim> count;
    if (r.known) count = slice_count(c.dims(), (*r.starts)[i], (*r.ends)[i], step, x[axes[i]]);
    y[axes[i]] = count ? *count : c.unknown();
  }
  c.output(0, c.dtype(0), std::move(y));
  slice_elements(c, r, x, axes);
}

void eval_slice(EvalContext& c) {
  const Tensor& x = c.input(0);
  const std::vector<int64_t> starts = c.input(1).to_ints(), ends = c.input(2).to_ints();
  const std::vector<int64_t> axes = c.has(3) ? c.input(3).to_ints() : std::vector<int64_t>();
  const std::vector<int64_t> steps = c.has(4) ? c.input(4).to_ints() : std::vector<int64_t>(starts.size(), 1);
  const size_t n = starts.size();
  require(ends.size() == n && steps.size() == n && (!c.has(3) || axes.size() == n) && n <= x.dims().size(),
          ErrorCode::kShapeMismatch, "starts, ends, axes and steps must have one length, at most the rank ",
          x.dims().size());
  Dims yd = x.dims(), strides = ir::strides_of(x.dims());
  std::vector<bool> seen(yd.size(), false);
  int64_t origin = 0;
  for (size_t i = 0; i < n; ++i) {
    const size_t axis = normalized_axis(c.has(3) ? axes[i] : int64_t(i), yd.size());
    require(!seen[axis], ErrorCode::kShapeMismatch, "axis ", axis, " is sliced twice");
    seen[axis] = true;
    const Span s = resolve(starts[i], ends[i], steps[i], yd[axis]);
    yd[axis] = s.count;
    origin += s.start * strides[axis];
    strides[axis] *= s.count > 1 ? steps[i] : 1;
  }
  Tensor& y = c.output(0, yd);
  const ElementMover move(x, y);
  Dims index(yd.size(), 0);
  for (int64_t i = 0; i < y.count(); ++i, advance(index, yd)) move(origin + offset_of(index, strides), i);
}

void import_attributes(ImportContext& c) {
  auto vector = [&](std::string_view name) { return c.constant(Tensor::vector_i64(c.attr_ints(name))); };
  std::vector<ir::ValueId> inputs{c.required(0), vector("starts"), vector("ends")};
  if (c.has_attr("axes")) inputs.push_back(vector("axes"));
  c.output(0, c.add("Slice", std::move(inputs)));
}

void import_inputs(ImportContext& c) {
  std::vector<ir::ValueId> inputs{c.required(0), c.required(1), c.required(2)};
  if (c.has(3) || c.has(4)) inputs.push_back(c.has(3) ? c.input(3) : ir::kNone);
  if (c.has(4)) inputs.push_back(c.input(4));
  c.output(0, c.add("Slice", std::move(inputs)));
}

}  // namespace

OpSet slice() {
  return {{{.name = "Slice", .min_inputs = 3, .max_inputs = 5, .infer = infer_slice, .eval = eval_slice}},
          {{"", "Slice", 1, import_attributes}, {"", "Slice", 10, import_inputs}}};
}

}  // namespace tenon::ops
