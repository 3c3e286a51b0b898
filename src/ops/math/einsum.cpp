#include "ops/math/einsum.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "base/checked.h"
#include "ops/import.h"
#include "ops/op.h"

namespace tenon::ops {
namespace {

[[noreturn]] void bad(std::string_view equation, std::string_view what) {
  fail(ErrorCode::kInvalidModel, "equation '", equation, "': ", what);
}

/// Letters of one term, '.' for "...".
std::string term(std::string_view equation, std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const char ch = text[i];
    if (ch == ' ') continue;
    if (std::isalpha(static_cast<unsigned char>(ch))) {
      out += ch;
    } else if (text.substr(i, 3) == "..." && out.find('.') == std::string::npos) {
      out += '.';
      i += 2;
    } else {
      bad(equation, "terms consist of letters and at most one '...'");
    }
  }
  return out;
}

std::vector<std::string> split_terms(std::string_view equation, std::string_view text) {
  std::vector<std::string> terms;
  for (size_t begin = 0;;) {
    const size_t comma = text.find(',', begin);
    terms.push_back(term(equation, text.substr(begin, comma == std::string_view::npos ? comma : comma - begin)));
    if (comma == std::string_view::npos) return terms;
    begin = comma + 1;
  }
}

/// The result of an equation without "->".
std::string implied_result(const std::vector<std::string>& terms) {
  std::map<char, int> uses;
  for (const std::string& t : terms)
    for (char ch : t) ++uses[ch];
  std::string result = uses.count('.') ? "." : "";
  for (auto [ch, n] : uses)
    if (ch != '.' && n == 1) result += ch;
  return result;
}

}  // namespace

EinsumPlan parse_einsum(std::string_view equation, const std::vector<size_t>& ranks) {
  const size_t arrow = equation.find("->");
  const std::vector<std::string> terms = split_terms(equation, equation.substr(0, arrow));
  if (terms.size() != ranks.size())
    bad(equation, cat("it has ", terms.size(), " terms for ", ranks.size(), " operands"));
  const std::string result =
      arrow == std::string_view::npos ? implied_result(terms) : term(equation, equation.substr(arrow + 2));
  // Broadcast axes count from the back: label k is the k-th last one.
  size_t broadcast = 0;
  for (size_t i = 0; i < terms.size(); ++i) {
    const bool dots = terms[i].find('.') != std::string::npos;
    const size_t letters = terms[i].size() - dots;
    if (dots ? ranks[i] < letters : ranks[i] != letters)
      bad(equation, cat("term ", i, " has ", letters, " labels for an operand of rank ", ranks[i]));
    if (dots) broadcast = std::max(broadcast, ranks[i] - letters);
  }
  EinsumPlan plan;
  std::map<char, int> labels;
  plan.label_count = int(broadcast);
  auto number = [&](const std::string& text, size_t dots, bool known) {
    std::vector<int> out;
    for (char ch : text) {
      if (ch == '.') {
        for (size_t k = dots; k-- > 0;) out.push_back(int(k));
        continue;
      }
      if (known && !labels.count(ch)) bad(equation, cat("label '", ch, "' of the result is in no operand"));
      auto [it, added] = labels.try_emplace(ch, plan.label_count);
      if (added) ++plan.label_count;
      out.push_back(it->second);
    }
    return out;
  };
  for (size_t i = 0; i < terms.size(); ++i)
    plan.operands.push_back(number(terms[i], ranks[i] + 1 - terms[i].size(), false));
  plan.result = number(result, broadcast, true);
  std::vector<int> sorted = plan.result;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) bad(equation, "the result names a label twice");
  return plan;
}

namespace {

void infer_einsum(InferContext& c) {
  std::vector<size_t> ranks;
  for (size_t i = 0; i < c.input_count(); ++i) {
    ranks.push_back(c.rank(i));
    c.expect(c.dtype(i) == c.dtype(0), "operands have the types ", ir::name(c.dtype(0)), " and ", ir::name(c.dtype(i)),
             ", accepted are equal types");
  }
  const EinsumPlan plan = parse_einsum(c.attrs<EinsumAttrs>().equation, ranks);
  Shape extents(size_t(plan.label_count), Dim(1));
  for (size_t i = 0; i < ranks.size(); ++i)
    for (size_t k = 0; k < ranks[i]; ++k) {
      Dim& e = extents[size_t(plan.operands[i][k])];
      e = c.broadcast({e}, {c.shape(i)[k]})[0];
    }
  Shape y;
  for (int label : plan.result) y.push_back(extents[size_t(label)]);
  c.output(0, c.dtype(0), y);
}

/// One loop over every label, those of the result outermost.
struct Loops {
  std::vector<int64_t> extents;               // in loop order
  std::vector<std::vector<int64_t>> strides;  // of each operand, in loop order
  int64_t inner = 1, outer = 1;
};

Loops loops_of(const EinsumPlan& plan, const std::vector<Dims>& dims) {
  std::vector<int64_t> extents(size_t(plan.label_count), 1);
  for (size_t i = 0; i < dims.size(); ++i)
    for (size_t k = 0; k < dims[i].size(); ++k) {
      int64_t& e = extents[size_t(plan.operands[i][k])];
      require(e == 1 || dims[i][k] == 1 || e == dims[i][k], ErrorCode::kShapeMismatch, "sizes ", e, " and ", dims[i][k],
              " of one label differ");
      e = e == 1 ? dims[i][k] : e;
    }
  std::vector<int> order = plan.result;
  for (int label = 0; label < plan.label_count; ++label)
    if (std::find(plan.result.begin(), plan.result.end(), label) == plan.result.end()) order.push_back(label);
  Loops loops;
  for (size_t n = 0; n < order.size(); ++n) {
    loops.extents.push_back(extents[size_t(order[n])]);
    int64_t& total = n < plan.result.size() ? loops.outer : loops.inner;
    total = checked_mul(total, loops.extents.back());
  }
  for (size_t i = 0; i < dims.size(); ++i) {
    const Dims s = ir::strides_of(dims[i]);
    std::vector<int64_t> of(order.size(), 0);
    for (size_t k = 0; k < dims[i].size(); ++k) {
      const auto at = std::find(order.begin(), order.end(), plan.operands[i][k]) - order.begin();
      if (dims[i][k] != 1) of[size_t(at)] += s[k];
    }
    loops.strides.push_back(std::move(of));
  }
  return loops;
}

template <class T>
std::vector<T> contract(const Loops& loops, const std::vector<std::vector<T>>& operands) {
  std::vector<T> y(size_t(loops.outer), T(0));
  if (loops.outer == 0 || loops.inner == 0) return y;
  std::vector<int64_t> index(loops.extents.size(), 0), at(operands.size(), 0);
  for (T& sum : y)
    for (int64_t n = 0; n < loops.inner; ++n) {
      T product = 1;
      for (size_t i = 0; i < operands.size(); ++i) product *= operands[i][size_t(at[i])];
      sum += product;
      for (size_t k = index.size(); k-- > 0;) {
        for (size_t i = 0; i < at.size(); ++i) at[i] += loops.strides[i][k];
        if (++index[k] < loops.extents[k]) break;
        for (size_t i = 0; i < at.size(); ++i) at[i] -= loops.strides[i][k] * loops.extents[k];
        index[k] = 0;
      }
    }
  return y;
}

void eval_einsum(EvalContext& c) {
  std::vector<size_t> ranks;
  std::vector<Dims> dims;
  for (size_t i = 0; i < c.input_count(); ++i) {
    dims.push_back(c.input(i).dims());
    ranks.push_back(dims.back().size());
  }
  const EinsumPlan plan = parse_einsum(c.attrs<EinsumAttrs>().equation, ranks);
  const Loops loops = loops_of(plan, dims);
  Tensor& y = c.output(0, Dims(loops.extents.begin(), loops.extents.begin() + int64_t(plan.result.size())));
  if (ir::is_float(c.input(0).dtype())) {
    std::vector<std::vector<double>> v;
    for (size_t i = 0; i < dims.size(); ++i) v.push_back(c.input(i).to_doubles());
    const auto sums = contract(loops, v);
    for (int64_t i = 0; i < y.count(); ++i) y.set(i, sums[size_t(i)]);
  } else {
    std::vector<std::vector<uint64_t>> v;
    for (size_t i = 0; i < dims.size(); ++i) {
      const auto n = c.input(i).to_ints();
      v.emplace_back(n.begin(), n.end());
    }
    const auto sums = contract(loops, v);
    for (int64_t i = 0; i < y.count(); ++i) y.set_int(i, int64_t(sums[size_t(i)]));
  }
}

void import_einsum(ImportContext& c) {
  std::vector<ir::ValueId> in;
  for (size_t i = 0; i < c.input_count(); ++i) in.push_back(c.required(i));
  c.output(0, c.add("Einsum", in, EinsumAttrs{c.attr_string("equation", "")}));
}

}  // namespace

OpSet einsum() {
  return {{{.name = "Einsum",
            .attrs = ir::schema_of<EinsumAttrs>(),
            .min_inputs = 1,
            .max_inputs = SIZE_MAX,
            .infer = infer_einsum,
            .eval = eval_einsum}},
          {{"", "Einsum", 12, import_einsum}}};
}

}  // namespace tenon::ops
