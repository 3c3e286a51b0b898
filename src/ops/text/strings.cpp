// StringConcat and StringSplit.
#include "ops/text/strings.h"

#include "ops/import.h"
#include "ops/op.h"
#include "ops/support.h"

namespace tenon::ops {
namespace {

void expect_strings(InferContext& c, size_t i) {
  c.expect(c.dtype(i) == DType::kString, "input ", i, " has type ", c.dtype(i), ", accepted are strings");
}

void infer_concat(InferContext& c) {
  expect_strings(c, 0);
  expect_strings(c, 1);
  c.output(0, DType::kString, c.broadcast(c.shape(0), c.shape(1)));
}

void eval_concat(EvalContext& c) {
  const Tensor &a = c.input(0), &b = c.input(1);
  const Dims yd = broadcast_dims(a.dims(), b.dims());
  const BroadcastIndex from_a(a.dims(), yd), from_b(b.dims(), yd);
  Tensor& y = c.output(0, yd);
  for (int64_t i = 0; i < y.count(); ++i)
    y.mutable_strings()[size_t(i)] = a.strings()[size_t(from_a(i))] + b.strings()[size_t(from_b(i))];
}

void import_concat(ImportContext& c) { c.output(0, c.add("StringConcat", {c.required(0), c.required(1)})); }

void infer_split(InferContext& c) {
  expect_strings(c, 0);
  const Shape x = c.shape(0);
  Shape y = x;
  y.push_back(c.unknown());
  c.output(0, DType::kString, std::move(y));
  c.output(1, DType::kI64, x);
}

/// At most `most` cuts. Without a delimiter runs of white space separate and those at the ends are dropped.
std::vector<std::string> split_text(std::string_view text, std::string_view delimiter, int64_t most) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  std::vector<std::string> parts;
  const bool words = delimiter.empty();
  for (;;) {
    if (words) {
      const size_t begin = text.find_first_not_of(kSpace);
      if (begin == std::string_view::npos) return parts;
      text.remove_prefix(begin);
    }
    const size_t cut = int64_t(parts.size()) >= most ? std::string_view::npos
                       : words                       ? text.find_first_of(kSpace)
                                                     : text.find(delimiter);
    if (cut == std::string_view::npos) break;
    parts.emplace_back(text.substr(0, cut));
    text.remove_prefix(cut + (words ? 1 : delimiter.size()));
  }
  if (words) text = text.substr(0, text.find_last_not_of(kSpace) + 1);
  parts.emplace_back(text);
  return parts;
}

void eval_split(EvalContext& c) {
  const auto& a = c.attrs<StringSplitAttrs>();
  const Tensor& x = c.input(0);
  std::vector<std::vector<std::string>> all;
  size_t longest = 0;
  for (const std::string& s : x.strings()) {
    all.push_back(split_text(s, a.delimiter, a.maxsplit < 0 ? INT64_MAX : a.maxsplit));
    longest = std::max(longest, all.back().size());
  }
  Dims yd = x.dims();
  yd.push_back(int64_t(longest));
  Tensor& y = c.output(0, yd);
  Tensor counts(DType::kI64, x.dims());
  for (size_t i = 0; i < all.size(); ++i) {
    counts.set_int(int64_t(i), int64_t(all[i].size()));
    for (size_t k = 0; k < all[i].size(); ++k) y.mutable_strings()[i * longest + k] = all[i][k];
  }
  if (c.wants(1)) c.outputs[1] = counts;
}

void import_split(ImportContext& c) {
  StringSplitAttrs a{c.attr_string("delimiter", ""), c.attr_int("maxsplit", -1)};
  const auto outputs = c.add_n("StringSplit", {c.required(0)}, a, c.output_count());
  for (size_t i = 0; i < outputs.size(); ++i) c.output(i, outputs[i]);
}

}  // namespace

OpSet strings() {
  return {{{.name = "StringConcat", .min_inputs = 2, .max_inputs = 2, .infer = infer_concat, .eval = eval_concat},
           {.name = "StringSplit",
            .attrs = ir::schema_of<StringSplitAttrs>(),
            .infer = infer_split,
            .eval = eval_split,
            .data_dependent = true}},
          {{"", "StringConcat", 20, import_concat}, {"", "StringSplit", 20, import_split}}};
}

}  // namespace tenon::ops
