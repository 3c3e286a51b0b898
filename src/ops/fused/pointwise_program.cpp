#include "ops/fused/pointwise_program.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <map>

#include "base/error.h"

namespace tenon::ops {

const std::vector<PointwiseFnInfo>& pointwise_functions() {
  using F = PointwiseFn;
  static const std::vector<PointwiseFnInfo> table{
      {"add", F::kAdd, 2}, {"sub", F::kSub, 2}, {"mul", F::kMul, 2}, {"div", F::kDiv, 2}, {"min", F::kMin, 2},
      {"max", F::kMax, 2}, {"pow", F::kPow, 2}, {"relu", F::kRelu, 1}, {"sigmoid", F::kSigmoid, 1},
      {"tanh", F::kTanh, 1}, {"exp", F::kExp, 1}, {"log", F::kLog, 1}, {"sqrt", F::kSqrt, 1},
      {"reciprocal", F::kReciprocal, 1}, {"abs", F::kAbs, 1}, {"neg", F::kNeg, 1}, {"floor", F::kFloor, 1},
      {"ceil", F::kCeil, 1}, {"round", F::kRound, 1}, {"erf", F::kErf, 1}, {"silu", F::kSilu, 1},
      {"gelu_erf", F::kGeluErf, 1}, {"gelu_tanh", F::kGeluTanh, 1}, {"hard_swish", F::kHardSwish, 1},
      {"hard_sigmoid", F::kHardSigmoid, 3}, {"clip", F::kClip, 3}, {"leaky_relu", F::kLeakyRelu, 2}, {"elu", F::kElu, 2},
      {"softplus", F::kSoftplus, 1}, {"mish", F::kMish, 1}, {"select", F::kSelect, 3}, {"less", F::kLess, 2},
      {"less_equal", F::kLessEqual, 2}, {"greater", F::kGreater, 2}, {"greater_equal", F::kGreaterEqual, 2},
      {"equal", F::kEqual, 2}, {"not", F::kNot, 1}, {"and", F::kAnd, 2}, {"or", F::kOr, 2}, {"sin", F::kSin, 1},
      {"cos", F::kCos, 1}, {"sign", F::kSign, 1}, {"rsqrt", F::kRsqrt, 1}, {"square", F::kSquare, 1}};
  return table;
}

namespace {

constexpr size_t kMaxInstrs = 256;
constexpr int kMaxInputs = 64;

struct Parser {
  std::string_view s;
  PointwiseProgram program;
  std::map<std::string, PointwiseArg, std::less<>> names;
  size_t at = 0;
  int depth = 0;

  [[noreturn]] void bad(std::string_view what) const {
    fail(ErrorCode::kInvalidModel, "pointwise program '", s, "': ", what, " at character ", at);
  }
  void skip() { while (at < s.size() && s[at] == ' ') ++at; }
  bool eat(char c) {
    skip();
    if (at >= s.size() || s[at] != c) return false;
    ++at;
    return true;
  }
  std::string_view word() {
    skip();
    size_t begin = at;
    while (at < s.size() && (std::isalnum(static_cast<unsigned char>(s[at])) || s[at] == '_')) ++at;
    return s.substr(begin, at - begin);
  }
  PointwiseArg number() {
    float v = 0;
    auto [end, error] = std::from_chars(s.data() + at, s.data() + s.size(), v);
    if (error != std::errc()) bad("a number is expected");
    at = size_t(end - s.data());
    return {PointwiseArg::Kind::kConstant, 0, v};
  }
  PointwiseArg expression() {
    if (++depth > 100) bad("nesting is deeper than 100");
    skip();
    PointwiseArg result;
    const size_t begin = at;
    if (at < s.size() && (std::isdigit(static_cast<unsigned char>(s[at])) || s[at] == '-')) {
      result = number();
    } else {
      std::string_view w = word();
      if (w.empty()) bad("an expression is expected");
      if (eat('(')) {
        result = call(w);
      } else if (auto it = names.find(w); it != names.end()) {
        result = it->second;
      } else if (int k = 0; w[0] == 'i' && std::from_chars(w.data() + 1, w.data() + w.size(), k).ptr == w.data() + w.size() &&
                            w.size() > 1 && k >= 0 && k < kMaxInputs) {
        program.input_count = std::max(program.input_count, k + 1);
        result = {PointwiseArg::Kind::kInput, k, 0};
      } else if (w == "inf" || w == "nan") {
        at = begin;
        result = number();
      } else {
        at = begin;
        bad("an unknown name");
      }
    }
    --depth;
    return result;
  }
  PointwiseArg call(std::string_view function) {
    for (const PointwiseFnInfo& info : pointwise_functions()) {
      if (info.name != function) continue;
      PointwiseInstr instr{info.fn, {}};
      for (int k = 0; k < info.arity; ++k) {
        if (k && !eat(',')) bad("',' is expected");
        instr.args.push_back(expression());
      }
      if (!eat(')')) bad("')' is expected");
      if (program.instrs.size() >= kMaxInstrs) bad("more than 256 instructions");
      program.instrs.push_back(std::move(instr));
      return {PointwiseArg::Kind::kTemp, int(program.instrs.size()) - 1, 0};
    }
    bad("an unknown function");
  }
  PointwiseProgram run() {
    for (;;) {
      const size_t begin = at;
      std::string name(word());
      if (!name.empty() && name[0] == 't' && eat('=')) {
        names[name] = expression();
        if (!eat(';')) bad("';' is expected");
        continue;
      }
      at = begin;
      break;
    }
    do program.results.push_back(expression());
    while (eat(','));
    skip();
    if (at != s.size()) bad("the end is expected");
    return std::move(program);
  }
};

}  // namespace

PointwiseProgram parse_pointwise(std::string_view text) { return Parser{text, {}, {}, 0, 0}.run(); }

std::string print_pointwise(const PointwiseProgram& p) {
  std::vector<int> uses(p.instrs.size(), 0);
  auto count = [&](const PointwiseArg& a) { if (a.kind == PointwiseArg::Kind::kTemp) ++uses[size_t(a.index)]; };
  for (const auto& i : p.instrs) for (const auto& a : i.args) count(a);
  for (const auto& a : p.results) count(a);
  std::vector<std::string> texts(p.instrs.size());
  auto arg = [&](const PointwiseArg& a) {
    if (a.kind == PointwiseArg::Kind::kInput) return cat("i", a.index);
    if (a.kind == PointwiseArg::Kind::kConstant) return cat(a.value);
    return uses[size_t(a.index)] > 1 ? cat("t", a.index) : texts[size_t(a.index)];
  };
  std::string out;
  for (size_t k = 0; k < p.instrs.size(); ++k) {
    std::string args;
    for (const auto& a : p.instrs[k].args) args += cat(args.empty() ? "" : ", ", arg(a));
    texts[k] = cat(pointwise_functions()[size_t(p.instrs[k].fn)].name, "(", args, ")");
    if (uses[k] > 1) out += cat("t", k, " = ", texts[k], "; ");
  }
  for (size_t k = 0; k < p.results.size(); ++k) out += cat(k ? ", " : "", arg(p.results[k]));
  return out;
}

double apply_pointwise(PointwiseFn fn, const double* a) {
  const double x = a[0];
  auto sigmoid = [](double v) { return 1 / (1 + std::exp(-v)); };
  auto softplus = [](double v) { return v > 0 ? v + std::log1p(std::exp(-v)) : std::log1p(std::exp(v)); };
  switch (fn) {
    case PointwiseFn::kAdd: return x + a[1];
    case PointwiseFn::kSub: return x - a[1];
    case PointwiseFn::kMul: return x * a[1];
    case PointwiseFn::kDiv: return x / a[1];
    case PointwiseFn::kMin: return std::isnan(x) || std::isnan(a[1]) ? std::nan("") : std::fmin(x, a[1]);
    case PointwiseFn::kMax: return std::isnan(x) || std::isnan(a[1]) ? std::nan("") : std::fmax(x, a[1]);
    case PointwiseFn::kPow: return std::pow(x, a[1]);
    case PointwiseFn::kRelu: return std::isnan(x) ? x : std::fmax(x, 0.0);
    case PointwiseFn::kSigmoid: return sigmoid(x);
    case PointwiseFn::kTanh: return std::tanh(x);
    case PointwiseFn::kExp: return std::exp(x);
    case PointwiseFn::kLog: return std::log(x);
    case PointwiseFn::kSqrt: return std::sqrt(x);
    case PointwiseFn::kReciprocal: return 1 / x;
    case PointwiseFn::kAbs: return std::fabs(x);
    case PointwiseFn::kNeg: return -x;
    case PointwiseFn::kFloor: return std::floor(x);
    case PointwiseFn::kCeil: return std::ceil(x);
    case PointwiseFn::kRound: return std::nearbyint(x);
    case PointwiseFn::kErf: return std::erf(x);
    case PointwiseFn::kSilu: return x * sigmoid(x);
    case PointwiseFn::kGeluErf: return 0.5 * x * (1 + std::erf(x * 0.70710678118654752440));
    case PointwiseFn::kGeluTanh: return 0.5 * x * (1 + std::tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
    case PointwiseFn::kHardSwish: return x * std::fmin(std::fmax(x / 6 + 0.5, 0.0), 1.0);
    case PointwiseFn::kHardSigmoid: return std::fmin(std::fmax(x * a[1] + a[2], 0.0), 1.0);
    case PointwiseFn::kClip: return std::isnan(x) ? x : std::fmin(std::fmax(x, a[1]), a[2]);
    case PointwiseFn::kLeakyRelu: return x < 0 ? x * a[1] : x;
    case PointwiseFn::kElu: return x < 0 ? a[1] * std::expm1(x) : x;
    case PointwiseFn::kSoftplus: return softplus(x);
    case PointwiseFn::kMish: return x * std::tanh(softplus(x));
    case PointwiseFn::kSelect: return x != 0 ? a[1] : a[2];
    case PointwiseFn::kLess: return x < a[1];
    case PointwiseFn::kLessEqual: return x <= a[1];
    case PointwiseFn::kGreater: return x > a[1];
    case PointwiseFn::kGreaterEqual: return x >= a[1];
    case PointwiseFn::kEqual: return x == a[1];
    case PointwiseFn::kNot: return x == 0;
    case PointwiseFn::kAnd: return x != 0 && a[1] != 0;
    case PointwiseFn::kOr: return x != 0 || a[1] != 0;
    case PointwiseFn::kSin: return std::sin(x);
    case PointwiseFn::kCos: return std::cos(x);
    case PointwiseFn::kSign: return x > 0 ? 1 : x < 0 ? -1 : x;
    case PointwiseFn::kRsqrt: return 1 / std::sqrt(x);
    case PointwiseFn::kSquare: return x * x;
  }
  return 0;
}

void eval_pointwise(const PointwiseProgram& p, const double* inputs, double* temps, double* results) {
  auto get = [&](const PointwiseArg& a) {
    return a.kind == PointwiseArg::Kind::kInput ? inputs[a.index] : a.kind == PointwiseArg::Kind::kTemp ? temps[a.index] : double(a.value);
  };
  for (size_t k = 0; k < p.instrs.size(); ++k) {
    double args[3];
    for (size_t j = 0; j < p.instrs[k].args.size(); ++j) args[j] = get(p.instrs[k].args[j]);
    temps[k] = apply_pointwise(p.instrs[k].fn, args);
  }
  for (size_t k = 0; k < p.results.size(); ++k) results[k] = get(p.results[k]);
}

}  // namespace tenon::ops
