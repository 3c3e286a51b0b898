#include "ops/fused/pointwise_program.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <map>

#include "base/error.h"
#include "ops/math/softplus.h"

namespace tenon::ops {

namespace {

double sigmoid(double v) { return 1 / (1 + std::exp(-v)); }
double nan_aware(double (*pick)(double, double), double a, double b) {
  return std::isnan(a) || std::isnan(b) ? std::nan("") : pick(a, b);
}

using F = PointwiseFn;
using A = const double*;
const PointwiseFnInfo kFunctions[] = {
    {"add", F::kAdd, 2, [](A a) { return a[0] + a[1]; }},
    {"sub", F::kSub, 2, [](A a) { return a[0] - a[1]; }},
    {"mul", F::kMul, 2, [](A a) { return a[0] * a[1]; }},
    {"div", F::kDiv, 2, [](A a) { return a[0] / a[1]; }},
    {"min", F::kMin, 2, [](A a) { return nan_aware(std::fmin, a[0], a[1]); }},
    {"max", F::kMax, 2, [](A a) { return nan_aware(std::fmax, a[0], a[1]); }},
    {"pow", F::kPow, 2, [](A a) { return std::pow(a[0], a[1]); }},
    {"relu", F::kRelu, 1, [](A a) { return std::isnan(a[0]) ? a[0] : std::fmax(a[0], 0.0); }},
    {"sigmoid", F::kSigmoid, 1, [](A a) { return sigmoid(a[0]); }},
    {"tanh", F::kTanh, 1, [](A a) { return std::tanh(a[0]); }},
    {"exp", F::kExp, 1, [](A a) { return std::exp(a[0]); }},
    {"log", F::kLog, 1, [](A a) { return std::log(a[0]); }},
    {"sqrt", F::kSqrt, 1, [](A a) { return std::sqrt(a[0]); }},
    {"reciprocal", F::kReciprocal, 1, [](A a) { return 1 / a[0]; }},
    {"abs", F::kAbs, 1, [](A a) { return std::fabs(a[0]); }},
    {"neg", F::kNeg, 1, [](A a) { return -a[0]; }},
    {"floor", F::kFloor, 1, [](A a) { return std::floor(a[0]); }},
    {"ceil", F::kCeil, 1, [](A a) { return std::ceil(a[0]); }},
    {"round", F::kRound, 1, [](A a) { return std::nearbyint(a[0]); }},
    {"erf", F::kErf, 1, [](A a) { return std::erf(a[0]); }},
    {"silu", F::kSilu, 1, [](A a) { return a[0] * sigmoid(a[0]); }},
    {"gelu_erf", F::kGeluErf, 1, [](A a) { return 0.5 * a[0] * (1 + std::erf(a[0] * 0.70710678118654752440)); }},
    {"gelu_tanh", F::kGeluTanh, 1,
     [](A a) { return 0.5 * a[0] * (1 + std::tanh(0.79788456080286535588 * (a[0] + 0.044715 * a[0] * a[0] * a[0]))); }},
    {"hard_swish", F::kHardSwish, 1, [](A a) { return a[0] * std::fmin(std::fmax(a[0] / 6 + 0.5, 0.0), 1.0); }},
    {"hard_sigmoid", F::kHardSigmoid, 3, [](A a) { return std::fmin(std::fmax(a[0] * a[1] + a[2], 0.0), 1.0); }},
    {"clip", F::kClip, 3, [](A a) { return std::isnan(a[0]) ? a[0] : std::fmin(std::fmax(a[0], a[1]), a[2]); }},
    {"leaky_relu", F::kLeakyRelu, 2, [](A a) { return a[0] < 0 ? a[0] * a[1] : a[0]; }},
    {"elu", F::kElu, 2, [](A a) { return a[0] < 0 ? a[1] * std::expm1(a[0]) : a[0]; }},
    {"softplus", F::kSoftplus, 1, [](A a) { return softplus(a[0]); }},
    {"mish", F::kMish, 1, [](A a) { return a[0] * std::tanh(softplus(a[0])); }},
    {"select", F::kSelect, 3, [](A a) { return a[0] != 0 ? a[1] : a[2]; }},
    {"less", F::kLess, 2, [](A a) { return double(a[0] < a[1]); }},
    {"less_equal", F::kLessEqual, 2, [](A a) { return double(a[0] <= a[1]); }},
    {"greater", F::kGreater, 2, [](A a) { return double(a[0] > a[1]); }},
    {"greater_equal", F::kGreaterEqual, 2, [](A a) { return double(a[0] >= a[1]); }},
    {"equal", F::kEqual, 2, [](A a) { return double(a[0] == a[1]); }},
    {"not", F::kNot, 1, [](A a) { return double(a[0] == 0); }},
    {"and", F::kAnd, 2, [](A a) { return double(a[0] != 0 && a[1] != 0); }},
    {"or", F::kOr, 2, [](A a) { return double(a[0] != 0 || a[1] != 0); }},
    {"sin", F::kSin, 1, [](A a) { return std::sin(a[0]); }},
    {"cos", F::kCos, 1, [](A a) { return std::cos(a[0]); }},
    {"sign", F::kSign, 1, [](A a) { return a[0] > 0   ? 1.0
                                           : a[0] < 0 ? -1.0
                                                      : a[0]; }},
    {"rsqrt", F::kRsqrt, 1, [](A a) { return 1 / std::sqrt(a[0]); }},
    {"square", F::kSquare, 1, [](A a) { return a[0] * a[0]; }},
};

}  // namespace

const std::vector<PointwiseFnInfo>& pointwise_functions() {
  static const std::vector<PointwiseFnInfo> table(std::begin(kFunctions), std::end(kFunctions));
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
  void skip() {
    while (at < s.size() && s[at] == ' ') ++at;
  }
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
      } else if (int k = 0; w[0] == 'i' &&
                            std::from_chars(w.data() + 1, w.data() + w.size(), k).ptr == w.data() + w.size() &&
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
  auto count = [&](const PointwiseArg& a) {
    if (a.kind == PointwiseArg::Kind::kTemp) ++uses[size_t(a.index)];
  };
  for (const auto& i : p.instrs)
    for (const auto& a : i.args) count(a);
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

double apply_pointwise(PointwiseFn fn, const double* args) { return kFunctions[size_t(fn)].eval(args); }

void eval_pointwise(const PointwiseProgram& p, const double* inputs, double* temps, double* results) {
  auto get = [&](const PointwiseArg& a) {
    return a.kind == PointwiseArg::Kind::kInput  ? inputs[a.index]
           : a.kind == PointwiseArg::Kind::kTemp ? temps[a.index]
                                                 : double(a.value);
  };
  for (size_t k = 0; k < p.instrs.size(); ++k) {
    double args[3];
    for (size_t j = 0; j < p.instrs[k].args.size(); ++j) args[j] = get(p.instrs[k].args[j]);
    temps[k] = apply_pointwise(p.instrs[k].fn, args);
  }
  for (size_t k = 0; k < p.results.size(); ++k) results[k] = get(p.results[k]);
}

}  // namespace tenon::ops
