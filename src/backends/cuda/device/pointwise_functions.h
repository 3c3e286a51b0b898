// Every function of pointwise programs over a scalar type: float, double or long long. Used by compiled kernels, and as
// text by kernels compiled at run time; so it includes nothing. With kFast, functions of floats are exact enough for
// results of 16 bits only.
#pragma once

namespace tenon::cuda {

template <bool kFast>
struct PointwiseFunctions {
  /// With kFast 0 where b lies beyond 2^126.
  static __device__ __forceinline__ float quotient(float a, float b) { return kFast ? __fdividef(a, b) : a / b; }
  static __device__ __forceinline__ double quotient(double a, double b) { return a / b; }
  static __device__ __forceinline__ long long quotient(long long a, long long b) {
    return b == 0 ? 0 : b == -1 ? (long long)(0ull - (unsigned long long)a) : a / b;
  }
  static __device__ __forceinline__ float exponential(float a) { return kFast ? __expf(a) : expf(a); }
  static __device__ __forceinline__ double exponential(double a) { return exp(a); }
  template <class S>
  static __device__ __forceinline__ S f_add(S a, S b) {
    return a + b;
  }
  template <class S>
  static __device__ __forceinline__ S f_sub(S a, S b) {
    return a - b;
  }
  template <class S>
  static __device__ __forceinline__ S f_mul(S a, S b) {
    return a * b;
  }
  static __device__ __forceinline__ float f_div(float a, float b) { return a / b; }
  template <class S>
  static __device__ __forceinline__ S f_div(S a, S b) {
    return quotient(a, b);
  }
  template <class S>
  static __device__ __forceinline__ S f_min(S a, S b) {
    return a < b || a != a ? a : b;
  }
  template <class S>
  static __device__ __forceinline__ S f_max(S a, S b) {
    return a > b || a != a ? a : b;
  }
  template <class S>
  static __device__ __forceinline__ S f_pow(S a, S b) {
    return pow(a, b);
  }
  template <class S>
  static __device__ __forceinline__ S f_relu(S a) {
    return a < S(0) ? S(0) : a;
  }
  template <class S>
  static __device__ __forceinline__ S f_sigmoid(S a) {
    return quotient(S(1), S(1) + exponential(-a));
  }
  static __device__ __forceinline__ double f_tanh(double a) { return tanh(a); }
  static __device__ __forceinline__ float f_tanh(float a) {
    if (!kFast) return tanhf(a);
    const float square = a * a, near = a * fmaf(square, fmaf(square, 2.f / 15, -1.f / 3), 1.f);
    return square < 0.0025f ? near : 1 - __fdividef(2.f, 1 + __expf(2 * a));
  }
  template <class S>
  static __device__ __forceinline__ S f_exp(S a) {
    return exponential(a);
  }
  template <class S>
  static __device__ __forceinline__ S f_log(S a) {
    return log(a);
  }
  template <class S>
  static __device__ __forceinline__ S f_sqrt(S a) {
    return sqrt(a);
  }
  template <class S>
  static __device__ __forceinline__ S f_reciprocal(S a) {
    return quotient(S(1), a);
  }
  template <class S>
  static __device__ __forceinline__ S f_abs(S a) {
    return a < S(0) ? -a : a == S(0) ? S(0) : a;
  }
  template <class S>
  static __device__ __forceinline__ S f_neg(S a) {
    return -a;
  }
  template <class S>
  static __device__ __forceinline__ S f_floor(S a) {
    return floor(a);
  }
  template <class S>
  static __device__ __forceinline__ S f_ceil(S a) {
    return ceil(a);
  }
  template <class S>
  static __device__ __forceinline__ S f_round(S a) {
    return rint(a);
  }
  static __device__ __forceinline__ double f_erf(double a) { return erf(a); }
  /// Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26: an error below 1.5e-7.
  static __device__ __forceinline__ float fast_erf(float a) {
    const float x = fabsf(a), t = __fdividef(1.f, fmaf(0.3275911f, x, 1.f));
    float p = fmaf(1.061405429f, t, -1.453152027f);
    p = fmaf(p, t, 1.421413741f);
    p = fmaf(p, t, -0.284496736f);
    p = fmaf(p, t, 0.254829592f) * t;
    return copysignf(1 - p * __expf(-x * x), a);
  }
  static __device__ __forceinline__ float f_erf(float a) {
    return kFast && !(fabsf(a) < 0.05f) ? fast_erf(a) : erff(a);
  }
  template <class S>
  static __device__ __forceinline__ S f_silu(S a) {
    return quotient(a, S(1) + exponential(-a));
  }
  static __device__ __forceinline__ double f_gelu_erf(double a) {
    return 0.5 * a * (1 + erf(a * 0.70710678118654752440));
  }
  static __device__ __forceinline__ float f_gelu_erf(float a) {
    const float x = a * 0.70710678118654752440f;
    return 0.5f * a * (1 + (kFast ? fast_erf(x) : erff(x)));
  }
  template <class S>
  static __device__ __forceinline__ S f_gelu_tanh(S a) {
    return S(0.5) * a * (S(1) + f_tanh(S(0.79788456080286535588) * (a + S(0.044715) * a * a * a)));
  }
  template <class S>
  static __device__ __forceinline__ S f_hard_swish(S a) {
    return a * fmin(fmax(a * S(1.0 / 6) + S(0.5), S(0)), S(1));
  }
  template <class S>
  static __device__ __forceinline__ S f_hard_sigmoid(S a, S b, S c) {
    return fmin(fmax(a * b + c, S(0)), S(1));
  }
  template <class S>
  static __device__ __forceinline__ S f_clip(S a, S b, S c) {
    const S low = a < b ? b : a;
    return low > c ? c : low;
  }
  template <class S>
  static __device__ __forceinline__ S f_leaky_relu(S a, S b) {
    return a < S(0) ? a * b : a;
  }
  template <class S>
  static __device__ __forceinline__ S f_elu(S a, S b) {
    return a < S(0) ? b * expm1(a) : a;
  }
  template <class S>
  static __device__ __forceinline__ S f_softplus(S a) {
    return a > S(0) ? a + log1p(exponential(-a)) : log1p(exponential(a));
  }
  template <class S>
  static __device__ __forceinline__ S f_mish(S a) {
    const S e = exponential(fmin(a, S(20))), n = e * (e + S(2));
    return a * quotient(n, n + S(2));
  }
  template <class S>
  static __device__ __forceinline__ S f_select(S a, S b, S c) {
    return a != S(0) ? b : c;
  }
  template <class S>
  static __device__ __forceinline__ S f_less(S a, S b) {
    return S(a < b);
  }
  template <class S>
  static __device__ __forceinline__ S f_less_equal(S a, S b) {
    return S(a <= b);
  }
  template <class S>
  static __device__ __forceinline__ S f_greater(S a, S b) {
    return S(a > b);
  }
  template <class S>
  static __device__ __forceinline__ S f_greater_equal(S a, S b) {
    return S(a >= b);
  }
  template <class S>
  static __device__ __forceinline__ S f_equal(S a, S b) {
    return S(a == b);
  }
  template <class S>
  static __device__ __forceinline__ S f_not(S a) {
    return S(a == S(0));
  }
  template <class S>
  static __device__ __forceinline__ S f_and(S a, S b) {
    return S(a != S(0) && b != S(0));
  }
  template <class S>
  static __device__ __forceinline__ S f_or(S a, S b) {
    return S(a != S(0) || b != S(0));
  }
  template <class S>
  static __device__ __forceinline__ S f_sin(S a) {
    return sin(a);
  }
  template <class S>
  static __device__ __forceinline__ S f_cos(S a) {
    return cos(a);
  }
  template <class S>
  static __device__ __forceinline__ S f_sign(S a) {
    return a > S(0) ? S(1) : a < S(0) ? S(-1) : a;
  }
  template <class S>
  static __device__ __forceinline__ S f_rsqrt(S a) {
    return rsqrt(a);
  }
  template <class S>
  static __device__ __forceinline__ S f_square(S a) {
    return a * a;
  }
};

}  // namespace tenon::cuda
