#include "ops/math/einsum.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "base/checked.h"
#include "ops/import.h"
#include "ops/nn/matmul.h"
#include "ops/op.h"
#include "ops/shape/axis_attrs.h"
#include "ops/shape/transpose.h"

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

/// Labels by where they stand in a product of two operands.
struct ProductLabels {
  std::vector<int> batch, left, right, inner;
  bool plain = true;  ///< no label repeats within a term or is summed over one operand alone
};

ProductLabels product_labels(const EinsumPlan& plan) {
  ProductLabels out;
  auto in = [](const std::vector<int>& v, int label) { return std::count(v.begin(), v.end(), label); };
  for (int label = 0; label < plan.label_count; ++label) {
    const auto a = in(plan.operands[0], label), b = in(plan.operands[1], label);
    const bool kept = in(plan.result, label) > 0;
    out.plain = out.plain && a <= 1 && b <= 1 && (kept || (a && b));
    (a && b ? (kept ? out.batch : out.inner) : a ? out.left : out.right).push_back(label);
  }
  auto by_result = [&](int x, int y) {
    auto at = [&](int v) { return std::find(plan.result.begin(), plan.result.end(), v); };
    return at(x) < at(y);
  };
  std::sort(out.batch.begin(), out.batch.end(), by_result);
  return out;
}

std::vector<int64_t> permutation(const std::vector<int>& from, const std::vector<int>& to) {
  std::vector<int64_t> perm;
  for (int label : to) perm.push_back(std::find(from.begin(), from.end(), label) - from.begin());
  return perm;
}

ir::ValueId arranged(ImportContext& c, ir::ValueId v, const std::vector<int>& from, const std::vector<int>& to) {
  return from == to ? v : c.add("Transpose", {v}, TransposeAttrs{permutation(from, to)});
}

// A product of two operands with at most one label of each kind beside the batch is a MatMul between transpositions.
// Equal sizes of shared labels are required there, so an axis that might broadcast stays with Einsum.
bool import_as_matmul(ImportContext& c, const EinsumPlan& plan) {
  const ir::ValueId a = c.required(0), b = c.required(1);
  ProductLabels p = product_labels(plan);
  if (!p.plain || p.left.size() > 1 || p.right.size() > 1 || p.inner.size() != 1) return false;
  const auto ka = permutation(plan.operands[0], p.inner)[0], kb = permutation(plan.operands[1], p.inner)[0];
  if (!(c.shape(a)[size_t(ka)] == c.shape(b)[size_t(kb)])) return false;
  auto join_labels = [](std::vector<int> x, const std::vector<int>& y, const std::vector<int>& z) {
    x.insert(x.end(), y.begin(), y.end());
    x.insert(x.end(), z.begin(), z.end());
    return x;
  };
  ir::ValueId left = arranged(c, a, plan.operands[0], join_labels(p.batch, p.left, p.inner));
  ir::ValueId right = arranged(c, b, plan.operands[1], join_labels(p.batch, p.inner, p.right));
  std::vector<int64_t> gone;
  if (p.left.empty()) left = c.add("Unsqueeze", {left}, AxesAttrs{{-2}}), gone.push_back(-2);
  if (p.right.empty()) right = c.add("Unsqueeze", {right}, AxesAttrs{{-1}}), gone.push_back(-1);
  ir::ValueId y = c.add("MatMul", {left, right}, MatMulAttrs{});
  if (!gone.empty()) y = c.add("Squeeze", {y}, AxesAttrs{gone});
  c.output(0, arranged(c, y, join_labels(p.batch, p.left, p.right), plan.result));
  return true;
}

void import_einsum(ImportContext& c) {
  EinsumAttrs a{c.attr_string("equation", "")};
  std::vector<ir::ValueId> in;
  std::vector<size_t> ranks;
  for (size_t i = 0; i < c.input_count(); ++i) {
    in.push_back(c.required(i));
    ranks.push_back(c.shape(in.back()).size());
  }
  const EinsumPlan plan = parse_einsum(a.equation, ranks);
  if (in.size() == 2 && import_as_matmul(c, plan)) return;
  c.output(0, c.add("Einsum", in, a));
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
