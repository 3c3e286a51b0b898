// Activation functions of recurrent operators, by name.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace tenon::ops {

enum class RnnFn : uint8_t {
  kRelu,
  kTanh,
  kSigmoid,
  kAffine,
  kLeakyRelu,
  kThresholdedRelu,
  kScaledTanh,
  kHardSigmoid,
  kElu,
  kSoftsign,
  kSoftplus,
};

/// One activation with its parameters.
struct RnnActivation {
  RnnFn kind = RnnFn::kTanh;
  double (*fn)(double x, double alpha, double beta) = nullptr;
  double alpha = 0, beta = 0;
  double operator()(double x) const { return fn(x, alpha, beta); }
};

/// Looks up `names`; parameters are taken from `alphas` and `betas` in order by the functions that have them, and have
/// ONNX's defaults after those. Names are matched without regard to case. Throws naming an unknown function.
std::vector<RnnActivation> rnn_activations(const std::vector<std::string>& names, const std::vector<float>& alphas,
                                           const std::vector<float>& betas);

}  // namespace tenon::ops
