// Compress and Unique: some entries of an axis, or of the flattened input. How many depends on the data.
// Compress inputs: data, condition (bool vector). Unique outputs: y, first index, inverse index, counts.
#include "ops/data/compress.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/import.h"
#include "ops/op.h"
#include "ops/shape/move.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void infer_chosen(InferContext& c) {
  const auto& a = c.attrs<AxisOrFlatAttrs>();
  Shape y = c.shape(0);
  if (a.flatten)
    y = {c.unknown()};
  else
    y[c.axis(a.axis, y.size())] = c.unknown();
  c.output(0, c.dtype(0), std::move(y));
}

/// A tensor seen as [outer, entries, inner] around the chosen axis.
struct Entries {
  int64_t outer = 1, count = 0, inner = 1;
  size_t axis = 0;
  Dims dims;
  Entries(const Tensor& x, const AxisOrFlatAttrs& a) : dims(a.flatten ? Dims{x.count()} : x.dims()) {
    axis = a.flatten ? 0 : normalized_axis(a.axis, dims.size());
    outer = count_between(dims, 0, axis);
    count = dims[axis];
    inner = count_between(dims, axis + 1, dims.size());
  }
  /// Output 0: the entries listed in `chosen`.
  void take(EvalContext& c, const Dims& chosen) const {
    Dims yd = dims;
    yd[axis] = int64_t(chosen.size());
    const ElementMover move(c.input(0), c.output(0, yd));
    for (int64_t o = 0; o < outer; ++o)
      for (size_t i = 0; i < chosen.size(); ++i)
        move((o * count + chosen[i]) * inner, (o * yd[axis] + int64_t(i)) * inner, inner);
  }
};

void eval_compress(EvalContext& c) {
  const Entries entries(c.input(0), c.attrs<AxisOrFlatAttrs>());
  const Tensor& condition = c.input(1);
  Dims chosen;
  for (int64_t i = 0; i < condition.count(); ++i) {
    if (condition.get_int(i) == 0) continue;
    require(i < entries.count, ErrorCode::kInvalidArgument, "the condition selects entry ", i, " of ", entries.count);
    chosen.push_back(i);
  }
  entries.take(c, chosen);
}

int compare_elements(const Tensor& x, int64_t i, int64_t j) {
  if (x.dtype() == DType::kString) return x.strings()[size_t(i)].compare(x.strings()[size_t(j)]);
  if (!ir::is_float(x.dtype())) {
    const int64_t a = x.get_int(i), b = x.get_int(j);
    const bool less = x.dtype() == DType::kU64 ? uint64_t(a) < uint64_t(b) : a < b;
    return a == b ? 0 : less ? -1 : 1;
  }
  const double a = x.get(i), b = x.get(j);
  if (std::isnan(a) || std::isnan(b)) return int(std::isnan(a)) - int(std::isnan(b));
  return a < b ? -1 : a > b;
}

void infer_unique(InferContext& c) {
  infer_chosen(c);
  const auto& a = c.attrs<AxisOrFlatAttrs>();
  const Dim chosen = c.graph().value(c.node().outputs[0]).shape[a.flatten ? 0 : c.axis(a.axis, c.rank(0))];
  c.output(1, DType::kI64, {chosen});
  c.output(3, DType::kI64, {chosen});
  if (!a.flatten) return c.output(2, DType::kI64, {c.shape(0)[c.axis(a.axis, c.rank(0))]});
  Dim all = 1;
  for (Dim d : c.shape(0)) all = c.dims().mul(all, d);
  c.output(2, DType::kI64, {all});
}

void eval_unique(EvalContext& c) {
  const Tensor& x = c.input(0);
  const auto& a = c.attrs<AxisOrFlatAttrs>();
  const Entries entries(x, a);
  auto compare = [&](int64_t i, int64_t j) {
    for (int64_t o = 0; o < entries.outer; ++o)
      for (int64_t k = 0; k < entries.inner; ++k)
        if (int r = compare_elements(x, (o * entries.count + i) * entries.inner + k,
                                     (o * entries.count + j) * entries.inner + k))
          return r;
    return 0;
  };
  Dims order(static_cast<size_t>(entries.count));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) { return compare(i, j) < 0; });
  struct Group {
    int64_t first, size;
    Dims members;
  };
  std::vector<Group> groups;
  for (int64_t i : order) {
    if (groups.empty() || compare(groups.back().first, i) != 0) groups.push_back({i, 0, {}});
    ++groups.back().size;
    groups.back().members.push_back(i);
  }
  if (!a.sorted)
    std::sort(groups.begin(), groups.end(), [](const Group& g, const Group& h) { return g.first < h.first; });
  Dims firsts, sizes, inverse(order.size());
  for (size_t g = 0; g < groups.size(); ++g) {
    firsts.push_back(groups[g].first);
    sizes.push_back(groups[g].size);
    for (int64_t i : groups[g].members) inverse[size_t(i)] = int64_t(g);
  }
  entries.take(c, firsts);
  const Dims* extra[] = {nullptr, &firsts, &inverse, &sizes};
  for (size_t i = 1; i < c.outputs.size(); ++i)
    if (c.wants(i)) c.outputs[i] = Tensor::vector_i64(*extra[i]);
}

AxisOrFlatAttrs import_axis(ImportContext& c) {
  return {.axis = c.attr_int("axis", 0), .flatten = !c.has_attr("axis"), .sorted = c.attr_int("sorted", 1) != 0};
}

void import_compress(ImportContext& c) {
  c.output(0, c.add("Compress", {c.required(0), c.required(1)}, import_axis(c)));
}

void import_unique(ImportContext& c) {
  const auto outputs = c.add_n("Unique", {c.required(0)}, import_axis(c), c.output_count());
  for (size_t i = 0; i < outputs.size(); ++i) c.output(i, outputs[i]);
}

}  // namespace

OpSet compress() {
  return {{{.name = "Compress",
            .attrs = ir::schema_of<AxisOrFlatAttrs>(),
            .min_inputs = 2,
            .max_inputs = 2,
            .infer = infer_chosen,
            .eval = eval_compress,
            .data_dependent = true},
           {.name = "Unique",
            .attrs = ir::schema_of<AxisOrFlatAttrs>(),
            .infer = infer_unique,
            .eval = eval_unique,
            .data_dependent = true}},
          {{"", "Compress", 9, import_compress}, {"", "Unique", 11, import_unique}}};
}

}  // namespace tenon::ops
