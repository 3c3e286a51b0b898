// Pooling and transposed convolutions that no single layer does.
#include <algorithm>
#include <limits>

#include "base/checked.h"
#include "ops/nn/conv_transpose.h"
#include "ops/nn/pool.h"
#include "ops/trt/expand_context.h"

namespace tenon::ops::trt {
namespace {

/// (sum of |x|^p over windows)^(1 / p), from means that count the padding.
void expand_lp_pool(ExpandContext& c, const PoolAttrs& a) {
  if (a.ceil_mode || a.channels_last || a.p < 1 || a.p > 16 || c.rank(c.input(0)) < 3) return;
  const ValueId x = c.input(0);
  ValueId y = a.p == 2 ? c.elementwise("Mul", x, x) : c.unary("Abs", x);
  if (a.p > 2) y = c.elementwise("Pow", y, c.number_like(x, double(a.p)));
  if (a.kernel.empty()) {
    y = c.reduce(y, kSumOf, ((int64_t{1} << c.rank(x)) - 1) & ~int64_t{3});
  } else {
    const auto half = a.pads.begin() + std::ptrdiff_t(a.kernel.size());
    y = c.layer("trt.Pooling", {y},
                {{"pooling_type", int64_t{1}},
                 {"average_count_excludes_padding", false},
                 {"window_size", a.kernel},
                 {"stride", a.strides},
                 {"pre_padding", Ints(a.pads.begin(), half)},
                 {"post_padding", Ints(half, a.pads.end())}});
    y = c.elementwise("Mul", y, c.number_like(x, double(checked_product(a.kernel))));
  }
  if (a.p == 2) y = c.unary("Sqrt", y);
  if (a.p > 2) y = c.elementwise("Pow", y, c.number_like(x, 1 / double(a.p)));
  c.output(0, y);
}

/// The largest, or the sum, of strided slices, one for each element of the window.
void expand_dilated_pool(ExpandContext& c, const PoolAttrs& a) {
  const auto in = c.numbers(c.input(0));
  const bool average = a.kind == PoolKind::kAverage;
  const bool padded = std::any_of(a.pads.begin(), a.pads.end(), [](int64_t p) { return p != 0; });
  const int64_t elements = checked_product(a.kernel);
  if (!in || a.channels_last || a.ceil_mode || elements > 64 || c.outputs.size() != 1) return;
  if (!ir::is_float(c.dtype(c.input(0))) || (average && padded && !a.count_include_pad)) return;
  const size_t spatial = a.kernel.size();
  Ints size(in->begin(), in->begin() + 2);
  for (size_t i = 0; i < spatial; ++i) {
    const int64_t room = (*in)[2 + i] + a.pads[i] + a.pads[spatial + i] - a.dilations[i] * (a.kernel[i] - 1) - 1;
    size.push_back(room / a.strides[i] + 1);
  }
  Ints stride(2, 1), place(spatial, 0);
  stride.insert(stride.end(), a.strides.begin(), a.strides.end());
  const ValueId fill = c.number_of_rank(c.dtype(c.input(0)), 0, average ? 0 : -std::numeric_limits<double>::infinity());
  ValueId y = ir::kNone;
  for (int64_t e = 0; e < elements; ++e) {
    Ints start(2, 0);
    for (size_t i = 0; i < spatial; ++i) start.push_back(place[i] * a.dilations[i] - a.pads[i]);
    const ValueId part = c.layer("trt.Slice", {c.input(0), ir::kNone, ir::kNone, ir::kNone, fill},
                                 {{"start", start}, {"size", size}, {"stride", stride}, {"mode", int64_t{3}}});
    y = y == ir::kNone ? part : c.elementwise(average ? "Add" : "Max", y, part);
    for (size_t i = spatial; i-- > 0;) {
      if (++place[i] < a.kernel[i]) break;
      place[i] = 0;
    }
  }
  c.output(0, average ? c.elementwise("Div", y, c.number_like(y, double(elements))) : y);
}

void expand_pool(ExpandContext& c) {
  const auto& a = c.attrs<PoolAttrs>();
  if (a.kind == PoolKind::kLp && std::all_of(a.dilations.begin(), a.dilations.end(), [](int64_t d) { return d == 1; }))
    return expand_lp_pool(c, a);
  const bool dilated = std::any_of(a.dilations.begin(), a.dilations.end(), [](int64_t d) { return d != 1; });
  if (dilated && a.kind != PoolKind::kLp) expand_dilated_pool(c, a);
}

/// A transposed convolution whose output is longer than what the windows reach: zeros behind it, then the bias.
void expand_conv_transpose(ExpandContext& c) {
  const auto& a = c.attrs<ConvTransposeAttrs>();
  const ValueId x = c.input(0);
  const size_t rank = c.rank(x), spatial = a.output_padding.size();
  if (a.channels_last || !a.epilogue.empty()) return;
  Ints kernel, post(spatial), beyond(rank, 0);
  for (size_t i = 0; i < spatial; ++i) {
    kernel.push_back(c.number(c.input(1), 2 + i));
    const int64_t cut = a.pads[spatial + i] - a.output_padding[i];
    post[i] = std::max<int64_t>(cut, 0);
    beyond[2 + i] = std::max<int64_t>(-cut, 0);
  }
  Settings settings{{"nb_output_maps", c.number(c.input(1), 1) * a.group},
                    {"nb_groups", a.group},
                    {"kernel_size", kernel},
                    {"stride", a.strides},
                    {"dilation", a.dilations},
                    {"pre_padding", Ints(a.pads.begin(), a.pads.begin() + std::ptrdiff_t(spatial))},
                    {"post_padding", post}};
  if (c.constant_input(1)) settings.emplace_back("kernel_weights", *c.constant_input(1));
  ValueId y = c.layer("trt.Deconvolution", c.constant_input(1) ? std::vector{x} : std::vector{x, c.input(1)}, settings);
  if (spatial <= 2) {
    y = c.layer("trt.Padding", {y},
                {{"pre_padding", Ints{0, 0}}, {"post_padding", Ints(beyond.end() - 2, beyond.end())}});
  } else {
    const ValueId size = c.elementwise("Add", c.layer("trt.Shape", {y}), c.ints(beyond));
    y = c.layer("trt.Slice", {y, c.ints(Ints(rank, 0)), size},
                {{"stride", Ints(rank, 1)}, {"mode", int64_t(number_of(kPadModes, "constant"))}});
  }
  if (!c.has(2)) return c.output(0, y);
  Ints channels(rank, 1);
  channels[1] = -1;
  c.output(0, c.elementwise("Add", y, c.reshape(c.input(2), channels)));
}

}  // namespace

std::vector<ExpandRule> expand_window_rules() {
  return {{"Pool", expand_pool}, {"ConvTranspose", expand_conv_transpose}};
}

}  // namespace tenon::ops::trt
