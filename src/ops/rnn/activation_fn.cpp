#include "ops/rnn/activation_fn.h"

#include <cctype>
#include <cmath>
#include <string_view>

#include "base/error.h"
#include "ops/math/softplus.h"

namespace tenon::ops {
namespace {

struct Entry {
  RnnFn kind;
  std::string_view name;
  double (*fn)(double, double, double);
  bool has_alpha, has_beta;
  double alpha, beta;
};

const Entry kTable[] = {
    {RnnFn::kRelu, "relu", [](double x, double, double) { return x > 0           ? x
                                                                 : std::isnan(x) ? x
                                                                                 : 0; }, false, false, 0,
     0},
    {RnnFn::kTanh, "tanh", [](double x, double, double) { return std::tanh(x); }, false, false, 0, 0},
    {RnnFn::kSigmoid, "sigmoid", [](double x, double, double) { return 1 / (1 + std::exp(-x)); }, false, false, 0, 0},
    {RnnFn::kAffine, "affine", [](double x, double a, double b) { return a * x + b; }, true, true, 1, 0},
    {RnnFn::kLeakyRelu, "leakyrelu", [](double x, double a, double) { return x >= 0 ? x : a * x; }, true, false, 0.01f,
     0},
    {RnnFn::kThresholdedRelu, "thresholdedrelu", [](double x, double a, double) { return x >= a ? x : 0; }, true, false,
     1, 0},
    {RnnFn::kScaledTanh, "scaledtanh", [](double x, double a, double b) { return a * std::tanh(b * x); }, true, true, 1,
     1},
    {RnnFn::kHardSigmoid, "hardsigmoid",
     [](double x, double a, double b) { return std::fmin(std::fmax(a * x + b, 0.0), 1.0); }, true, true, 0.2f, 0.5},
    {RnnFn::kElu, "elu", [](double x, double a, double) { return x >= 0 ? x : a * std::expm1(x); }, true, false, 1, 0},
    {RnnFn::kSoftsign, "softsign", [](double x, double, double) { return x / (1 + std::fabs(x)); }, false, false, 0, 0},
    {RnnFn::kSoftplus, "softplus", [](double x, double, double) { return softplus(x); }, false, false, 0, 0},
};

}  // namespace

std::vector<RnnActivation> rnn_activations(const std::vector<std::string>& names, const std::vector<float>& alphas,
                                           const std::vector<float>& betas) {
  std::vector<RnnActivation> out;
  size_t alpha = 0, beta = 0;
  for (const std::string& name : names) {
    std::string lower;
    for (char ch : name) lower += char(std::tolower(static_cast<unsigned char>(ch)));
    const Entry* found = nullptr;
    std::string accepted;
    for (const Entry& e : kTable) {
      if (e.name == lower) found = &e;
      accepted += cat(accepted.empty() ? "" : ", ", e.name);
    }
    require(found != nullptr, ErrorCode::kUnsupported, "activation '", name, "', accepted are ", accepted);
    RnnActivation a{found->kind, found->fn, found->alpha, found->beta};
    if (found->has_alpha && alpha < alphas.size()) a.alpha = double(alphas[alpha++]);
    if (found->has_beta && beta < betas.size()) a.beta = double(betas[beta++]);
    out.push_back(a);
  }
  return out;
}

}  // namespace tenon::ops
