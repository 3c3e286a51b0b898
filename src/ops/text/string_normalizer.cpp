#include <algorithm>

#include "ops/import.h"
#include "ops/op.h"
#include "ops/text/strings.h"

namespace tenon::ops {
namespace {

void infer_normalizer(InferContext& c) {
  Shape y = c.shape(0);
  c.expect(c.dtype(0) == DType::kString, "the input has type ", c.dtype(0), ", accepted are strings");
  c.expect(y.size() == 1 || (y.size() == 2 && (!y[0].is_const() || y[0] == 1)), "the input ", c.text(y),
           " must be [C] or [1, C]");
  y.back() = c.unknown();
  c.output(0, DType::kString, std::move(y));
}

std::string with_case(std::string s, bool upper) {
  for (char& ch : s) {
    if (upper && ch >= 'a' && ch <= 'z') ch = char(ch - 'a' + 'A');
    if (!upper && ch >= 'A' && ch <= 'Z') ch = char(ch - 'A' + 'a');
  }
  return s;
}

void eval_normalizer(EvalContext& c) {
  const auto& a = c.attrs<StringNormalizerAttrs>();
  auto stop = [&](const std::string& s) {
    return std::any_of(a.stopwords.begin(), a.stopwords.end(), [&](const std::string& word) {
      return a.case_sensitive ? word == s : with_case(word, false) == with_case(s, false);
    });
  };
  std::vector<std::string> kept;
  for (const std::string& s : c.input(0).strings())
    if (!stop(s)) kept.push_back(a.lower || a.upper ? with_case(s, a.upper) : s);
  if (kept.empty()) kept.emplace_back();  // ONNX gives one empty string then
  Dims yd = c.input(0).dims();
  yd.back() = int64_t(kept.size());
  c.outputs[0] = Tensor::of_strings(std::move(yd), std::move(kept));
}

void import_normalizer(ImportContext& c) {
  const std::string action = c.attr_string("case_change_action", "NONE");
  if (action != "NONE" && action != "LOWER" && action != "UPPER")
    c.fail("case_change_action is '", action, "', accepted are NONE, LOWER, UPPER");
  StringNormalizerAttrs a{action == "LOWER", action == "UPPER", c.attr_int("is_case_sensitive", 0) != 0,
                          c.attr_strings("stopwords")};
  c.output(0, c.add("StringNormalizer", {c.required(0)}, a));
}

}  // namespace

OpSet string_normalizer() {
  return {{{.name = "StringNormalizer",
            .attrs = ir::schema_of<StringNormalizerAttrs>(),
            .infer = infer_normalizer,
            .eval = eval_normalizer,
            .data_dependent = true}},
          {{"", "StringNormalizer", 10, import_normalizer}}};
}

}  // namespace tenon::ops
