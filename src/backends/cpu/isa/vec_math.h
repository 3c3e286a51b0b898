// Elementary functions on vectors, within 2 ulp of f32 (erf and GELU: 1e-7 of their range), and the activations.
#pragma once
#include "backends/cpu/isa/isa.h"
#include "backends/cpu/isa/vec.h"

namespace tenon::isa::TENON_ISA {

/// Evaluates c[0] + x (c[1] + x (...)).
template <int N>
TENON_INLINE Vf polynomial(Vf x, const float (&c)[N]) {
  Vf y = splat(c[N - 1]);
#pragma GCC unroll 16
  for (int i = N - 2; i >= 0; --i) y = fma(y, x, splat(c[i]));
  return y;
}

/// x = n ln 2 + r with |r| <= ln 2 / 2, and e^r - 1.
struct ExpParts {
  Vf n, expm1_r;
};
TENON_INLINE ExpParts exp_parts(Vf x) {
  const Vf magic = splat(12582912.f);  // 1.5 * 2^23: adding it rounds to an integer
  Vf n = fma(x, splat(1.44269504f), magic) - magic;
  Vf r = fnma(n, splat(0.693359375f), x);
  r = fnma(n, splat(-2.12194440e-4f), r);
  Vf q = polynomial(r, {0.499999996f, 0.16666577f, 0.0416668541f, 0.00836320029f, 0.00139013061f});
  return {n, fma(r * r, q, r)};
}
/// v * 2^n, |n| <= 252.
TENON_INLINE Vf scale_by_power(Vf v, Vf n) {
#if defined(__AVX512F__)
  return _mm512_scalef_ps(v, n);
#else
  Vi i = __builtin_convertvector(n, Vi), half = i >> 1, rest = i - half;
  return v * floats((half + 127) << 23) * floats((rest + 127) << 23);
#endif
}
TENON_INLINE Vf exp(Vf x) {
  ExpParts e = exp_parts(clip(x, splat(-104.f), splat(89.f)));
  return scale_by_power(e.expm1_r + splat(1.f), e.n);
}
TENON_INLINE Vf expm1(Vf x) {
  ExpParts e = exp_parts(clip(x, splat(-40.f), splat(80.f)));
  Vf s = scale_by_power(splat(1.f), e.n);
  return fma(s, e.expm1_r, s - splat(1.f));
}
/// log(1 + e), 0 <= e <= 1.
TENON_INLINE Vf log1p_unit(Vf e) {
  Vi big = e > splat(0.414213562f);
  Vf f = big ? (e - splat(1.f)) * splat(0.5f) : e;
  Vf p = polynomial(f, {1.f, -0.499999883f, 0.33333326f, -0.250015866f, 0.20001968f, -0.166090116f, 0.141818431f,
                        -0.132434795f, 0.12904621f, -0.0762102635f});
  return fma(f, p, big ? splat(0.693147181f) : Vf{});
}
TENON_INLINE Vf with_sign(Vf magnitude, Vf sign) {
  return floats(bits(magnitude) | (bits(sign) & splat_int(int32_t(0x80000000u))));
}
TENON_INLINE Vf tanh(Vf x) {
  Vf a = abs(x), u = x * x;
  Vf small =
      x * polynomial(u, {0.999999995f, -0.333332429f, 0.1333072f, -0.0536886246f, 0.0204870851f, -0.0055448619f});
  Vf large = splat(1.f) - splat(2.f) / (exp(a + a) + splat(1.f));
  return a < splat(0.64f) ? small : with_sign(large, x);
}
TENON_INLINE Vf sigmoid(Vf x) { return splat(1.f) / (splat(1.f) + exp(-x)); }

/// erf on |x| < 1, and erfc on x >= 1.
TENON_INLINE Vf erf_small(Vf x) {
  return x * polynomial(x * x, {1.12837917f, -0.376126258f, 0.112835851f, -0.0268538119f, 0.00518832763f,
                                -0.000801019285f, 7.85385798e-05f});
}
TENON_INLINE Vf erfc_large(Vf x) {
  Vf t = splat(1.f) / fma(x, splat(0.5f), splat(1.f));
  Vf p = polynomial(t, {-0.000136556233f, 0.284652022f, 0.261320521f, 0.342175475f, -0.0920950513f, 0.549271182f,
                        -0.46184366f, 0.116695106f});
  return p * exp(-x * x);
}
TENON_INLINE Vf gelu_erf(Vf x) {
  Vf z = x * splat(0.707106781f), a = abs(z);
  Vf small = fma(erf_small(z), splat(0.5f), splat(0.5f));
  Vf tail = erfc_large(a) * splat(0.5f);
  Vf large = x < Vf{} ? tail : splat(1.f) - tail;
  return x * (a < splat(1.f) ? small : large);
}
TENON_INLINE Vf gelu_tanh(Vf x) {
  Vf inner = x * splat(0.797884561f) * fma(x * x, splat(0.044715f), splat(1.f));
  return x * sigmoid(inner + inner);  // (1 + tanh(u)) / 2 = sigmoid(2 u)
}

struct ActParams {
  Vf a, b;
};
template <Act kAct>
TENON_INLINE Vf activate(Vf x, const ActParams& p) {
  const Vf zero{}, one = splat(1.f);
  if constexpr (kAct == Act::kClip) return clip(x, p.a, p.b);
  if constexpr (kAct == Act::kLeaky) return x < zero ? x * p.a : x;
  if constexpr (kAct == Act::kSigmoid) return sigmoid(x);
  if constexpr (kAct == Act::kSilu) return x / (one + exp(-(x * p.a)));
  if constexpr (kAct == Act::kTanh) return tanh(x);
  if constexpr (kAct == Act::kGeluErf) return gelu_erf(x);
  if constexpr (kAct == Act::kGeluTanh) return gelu_tanh(x);
  if constexpr (kAct == Act::kHardSigmoid) return clip(fma(x, p.a, p.b), zero, one);
  if constexpr (kAct == Act::kHardSwish) return x * clip(fma(x, p.a, p.b), zero, one);
  if constexpr (kAct == Act::kElu) return x < zero ? p.a * expm1(x) : x;
  if constexpr (kAct == Act::kMish) {
    Vf e = exp(min_to(splat(20.f), x)), t = e * (e + splat(2.f));
    return x * (t / (t + splat(2.f)));
  }
  if constexpr (kAct == Act::kSoftplus) return max_to(zero, x) + log1p_unit(exp(-abs(x)));
  return x;
}

#if defined(__AVX512F__)
/// 2^t within 2^-18 of it.
TENON_INLINE Vf power_rough(Vf t) {
  const Vf fraction = _mm512_reduce_ps(t, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
  return _mm512_scalef_ps(polynomial(fraction, {1.00000259f, 0.693003871f, 0.241442658f, 0.0520115372f, 0.0135341613f}),
                          t);
}
#endif
/// The same where bf16 is stored: relative errors of 2^-17, and 2^-15 absolute of gelu_erf, are small beside its
/// rounding.
template <Act kAct>
TENON_INLINE Vf activate_rough(Vf x, const ActParams& p) {
#if defined(__AVX512F__)
  const Vf one = splat(1.f);
  if constexpr (kAct == Act::kSigmoid) return one / (one + power_rough(x * splat(-1.44269504f)));
  if constexpr (kAct == Act::kSilu) return x / (one + power_rough(x * (p.a * splat(-1.44269504f))));
  if constexpr (kAct == Act::kGeluErf) {
    // The normal distribution's odds are close to 2^(x P(x^2)); beyond |x| = 8 they are 2^(5 x).
    const Vf u = min_to(splat(64.f), x * x);
    return x / (one + power_rough(x * polynomial(u, {-2.30112135f, -0.106775722f, 0.00101426553f})));
  }
  if constexpr (kAct == Act::kGeluTanh)
    return x / (one + power_rough(x * fma(x * x, splat(-0.102943240f), splat(-2.30220819f))));
#endif
  return activate<kAct>(x, p);
}

/// Calls f with the activation as a template argument, f.template run<Act>().
template <class F>
TENON_INLINE void with_act(Act act, const F& f) {
  switch (act) {
    case Act::kNone:
      return f.template run<Act::kNone>();
    case Act::kClip:
      return f.template run<Act::kClip>();
    case Act::kLeaky:
      return f.template run<Act::kLeaky>();
    case Act::kSigmoid:
      return f.template run<Act::kSigmoid>();
    case Act::kSilu:
      return f.template run<Act::kSilu>();
    case Act::kTanh:
      return f.template run<Act::kTanh>();
    case Act::kGeluErf:
      return f.template run<Act::kGeluErf>();
    case Act::kGeluTanh:
      return f.template run<Act::kGeluTanh>();
    case Act::kHardSigmoid:
      return f.template run<Act::kHardSigmoid>();
    case Act::kHardSwish:
      return f.template run<Act::kHardSwish>();
    case Act::kElu:
      return f.template run<Act::kElu>();
    case Act::kMish:
      return f.template run<Act::kMish>();
    case Act::kSoftplus:
      return f.template run<Act::kSoftplus>();
  }
}

}  // namespace tenon::isa::TENON_ISA
