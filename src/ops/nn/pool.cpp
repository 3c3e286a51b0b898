// MaxPool, AveragePool, LpPool and their global forms.
#include "ops/nn/pool.h"

#include <cmath>

#include "base/checked.h"
#include "ops/import.h"
#include "ops/math/cast.h"
#include "ops/nn/window.h"
#include "ops/op.h"

namespace tenon::ops {

std::span<const std::string_view> enum_names(PoolKind) {
  static constexpr std::string_view names[] = {"max", "average", "lp"};
  return names;
}

namespace {

void check_attrs(InferContext& c, const PoolAttrs& a, size_t rank) {
  c.expect(rank >= 3, "the input has rank ", rank, ", accepted are ranks from 3");
  const size_t n = a.kernel.size();
  c.expect(n == 0 || n == rank - 2, "kernel ", a.kernel, " must have ", rank - 2, " entries");
  c.expect(a.strides.size() == n && a.dilations.size() == n && a.pads.size() == 2 * n,
           "strides, dilations and pads must have ", n, ", ", n, " and ", 2 * n, " entries");
  for (int64_t p : a.pads) c.expect(p >= 0, "pads ", a.pads, ", accepted are numbers from 0");
  c.expect(a.kind != PoolKind::kLp || a.p >= 1, "p is ", a.p, ", accepted are numbers from 1");
}

void infer_pool(InferContext& c) {
  const PoolAttrs& a = c.attrs<PoolAttrs>();
  const Shape& x = c.shape(0);
  check_attrs(c, a, x.size());
  const size_t spatial = x.size() - 2, first = a.channels_last ? 1 : 2;
  Shape y = x;
  for (size_t i = 0; i < spatial; ++i) {
    if (a.kernel.empty()) {
      y[first + i] = 1;
      continue;
    }
    const WindowAxis w{x[first + i], a.kernel[i], a.strides[i], a.dilations[i], a.pads[i], a.pads[spatial + i]};
    y[first + i] = window_output(c.dims(), w, a.ceil_mode, i);
  }
  c.expect(c.output_count() > 0 && c.node().outputs[0] != ir::kNone, "output 0, the pooled values, is required");
  c.output(0, c.dtype(0), y);
  c.expect(c.output_count() < 2 || a.kind == PoolKind::kMax, "only maximum pooling has an output of indices");
  c.output(1, DType::kI64, y);
}

/// Geometry with concrete numbers; a global pool is one window over everything.
struct Geometry {
  size_t spatial, first;
  Dims in, out, kernel, strides, dilations, begin, end, x_strides, y_strides, xd, yd;

  Geometry(const PoolAttrs& a, const Dims& x) : spatial(x.size() - 2), first(a.channels_last ? 1 : 2), xd(x), yd(x) {
    ir::SymbolTable none;
    for (size_t i = 0; i < spatial; ++i) {
      const bool global = a.kernel.empty();
      const int64_t n = x[first + i];
      in.push_back(n);
      kernel.push_back(global ? n : a.kernel[i]);
      strides.push_back(global ? 1 : a.strides[i]);
      dilations.push_back(global ? 1 : a.dilations[i]);
      begin.push_back(global ? 0 : a.pads[i]);
      end.push_back(global ? 0 : a.pads[spatial + i]);
      const WindowAxis w{n, kernel[i], strides[i], dilations[i], begin[i], end[i]};
      out.push_back(global ? 1 : window_output(none, w, a.ceil_mode, i).constant());
      yd[first + i] = out[i];
    }
    x_strides = ir::strides_of(xd);
    y_strides = ir::strides_of(yd);
  }
};

/// Calls visit(offset into the channel's plane, column-major spatial offset) for each element of window `o`. Returns
/// how many taps lie inside the padded input.
template <class Visit>
int64_t for_each_tap(const Geometry& g, const Dims& o, Visit visit) {
  int64_t padded = 1;
  Dims lo(g.spatial), first(g.spatial), end(g.spatial);  // taps [first, end) lie inside the input
  bool inside = true;
  for (size_t i = 0; i < g.spatial; ++i) {
    const int64_t step = g.dilations[i];
    lo[i] = o[i] * g.strides[i] - g.begin[i];
    const auto taps_below = [&](int64_t bound) {
      return bound <= lo[i] ? 0 : std::min(g.kernel[i], (bound - lo[i] - 1) / step + 1);
    };
    padded *= taps_below(g.in[i] + g.end[i]);
    first[i] = taps_below(0);
    end[i] = taps_below(g.in[i]);
    inside = inside && first[i] < end[i];
  }
  if (!inside) return padded;
  for (Dims tap = first;;) {
    int64_t offset = 0, column = 0, column_stride = 1;
    for (size_t i = 0; i < g.spatial; ++i) {
      const int64_t at = lo[i] + tap[i] * g.dilations[i];
      offset += at * g.x_strides[g.first + i];
      column += at * column_stride;
      column_stride *= g.in[i];
    }
    visit(offset, column);
    size_t i = g.spatial;
    while (i > 0 && ++tap[i - 1] == end[i - 1]) --i, tap[i] = first[i];
    if (i == 0) return padded;
  }
}

struct Result {
  double value;
  int64_t index;
};

Result pool_window(const PoolAttrs& a, const Geometry& g, const Dims& o, const double* x, int64_t plane) {
  double best = -std::numeric_limits<double>::infinity(), sum = 0;
  int64_t index = plane, count = 0;
  const int64_t padded = for_each_tap(g, o, [&](int64_t offset, int64_t column) {
    const double v = x[offset];
    const bool wins = count == 0 || v > best || (std::isnan(v) && !std::isnan(best));
    if (wins) {
      best = v;
      index = plane + (a.storage_order == 1 ? column : offset);
    }
    sum += a.kind == PoolKind::kLp ? std::pow(std::fabs(v), double(a.p)) : v;
    ++count;
  });
  if (a.kind == PoolKind::kMax) return {best, index};
  if (a.kind == PoolKind::kLp) return {std::pow(sum, 1.0 / double(a.p)), 0};
  return {sum / double(a.count_include_pad ? padded : count), 0};
}

void eval_pool(EvalContext& c) {
  const PoolAttrs& a = c.attrs<PoolAttrs>();
  const std::vector<double> x = c.input(0).to_doubles();
  const Geometry g(a, c.input(0).dims());
  Tensor& y = c.output(0, g.yd);
  Tensor indices;
  if (c.wants(1)) indices = Tensor(DType::kI64, g.yd);
  const size_t channel_axis = a.channels_last ? g.xd.size() - 1 : 1;
  const int64_t positions = checked_product(g.out);
  for (int64_t n = 0; n < g.xd[0] && y.count() > 0; ++n)
    for (int64_t ch = 0; ch < g.xd[channel_axis]; ++ch)
      for (int64_t p = 0; p < positions; ++p) {
        Dims o(g.spatial);
        int64_t rest = p, y_at = n * g.y_strides[0] + ch * g.y_strides[channel_axis];
        for (size_t i = g.spatial; i-- > 0; rest /= g.out[i]) {
          o[i] = rest % g.out[i];
          y_at += o[i] * g.y_strides[g.first + i];
        }
        const int64_t plane = n * g.x_strides[0] + ch * g.x_strides[channel_axis];
        const Result r = pool_window(a, g, o, x.data() + plane, plane);
        y.set(y_at, r.value);
        if (indices.defined()) indices.set_int(y_at, r.index);
      }
  if (c.wants(1)) c.outputs[1] = indices;
}

void import_pool(ImportContext& c, PoolKind kind) {
  PoolAttrs a;
  a.kind = kind;
  a.kernel = c.attr_ints("kernel_shape");
  if (a.kernel.empty()) c.fail("the attribute kernel_shape is missing");
  WindowAttrs window = import_window(c, ir::to_shape(a.kernel));
  a.strides = std::move(window.strides);
  a.dilations = std::move(window.dilations);
  a.pads = std::move(window.pads);
  a.ceil_mode = c.attr_int("ceil_mode", 0) != 0;
  a.count_include_pad = c.attr_int("count_include_pad", 0) != 0;
  a.storage_order = c.attr_int("storage_order", 0);
  a.p = c.attr_int("p", 2);
  const size_t outputs = kind == PoolKind::kMax && c.output_count() > 1 ? 2 : 1;
  if (needs_pad_same(c, a.strides) && ((kind == PoolKind::kAverage && !a.count_include_pad) || outputs > 1))
    c.fail("SAME padding of a symbolic size with stride ", a.strides,
           ", accepted are maxima without indices, p-norms, and "
           "averages that count the padding");
  const double fill = kind == PoolKind::kMax ? -INFINITY : 0;
  const DType type = c.dtype(c.required(0));
  const bool bytes = type == DType::kI8 || type == DType::kU8;  // f32 holds them all, and the padding
  const ir::ValueId x = bytes ? c.add("Cast", {c.required(0)}, CastAttrs{DType::kF32}) : c.required(0);
  auto y = c.add_n("Pool", {pad_same(c, x, ir::to_shape(a.kernel), a.strides, a.dilations, fill)}, a, outputs);
  if (bytes) y[0] = c.add("Cast", {y[0]}, CastAttrs{type});
  for (size_t i = 0; i < outputs; ++i) c.output(i, y[i]);
}

void import_max_pool(ImportContext& c) { import_pool(c, PoolKind::kMax); }
void import_average_pool(ImportContext& c) { import_pool(c, PoolKind::kAverage); }
void import_lp_pool(ImportContext& c) { import_pool(c, PoolKind::kLp); }

template <PoolKind Kind>
void import_global(ImportContext& c) {
  PoolAttrs a;
  a.kind = Kind;
  a.p = c.attr_int("p", 2);
  c.output(0, c.add("Pool", {c.required(0)}, a));
}

}  // namespace

OpSet pool() {
  return {{{.name = "Pool", .attrs = ir::schema_of<PoolAttrs>(), .infer = infer_pool, .eval = eval_pool}},
          {{"", "MaxPool", 1, import_max_pool},
           {"", "AveragePool", 1, import_average_pool},
           {"", "LpPool", 2, import_lp_pool},
           {"", "GlobalMaxPool", 1, import_global<PoolKind::kMax>},
           {"", "GlobalAveragePool", 1, import_global<PoolKind::kAverage>},
           {"", "GlobalLpPool", 2, import_global<PoolKind::kLp>}}};
}

}  // namespace tenon::ops
