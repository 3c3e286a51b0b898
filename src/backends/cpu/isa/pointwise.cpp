#include "backends/cpu/isa/loops.h"
#include "backends/cpu/isa/vec_f16.h"
#include "backends/cpu/isa/vec_math_more.h"

namespace tenon::isa::TENON_ISA {
namespace {

constexpr int kUnroll = 4;

/// F::at(a, b, c) for every element. A set bit k in kForm: operand k is one value.
template <class F, int kForm>
void loop(float* y, const float* a, const float* b, const float* c, int64_t n) {
  constexpr bool kA = !(kForm & 1), kB = F::kArity > 1 && !(kForm & 2), kC = F::kArity > 2 && !(kForm & 4);
  const Vf a1 = kA ? Vf{} : splat(*a), b1 = F::kArity > 1 && !kB ? splat(*b) : Vf{},
           c1 = F::kArity > 2 && !kC ? splat(*c) : Vf{};
  int64_t i = 0;
  if constexpr (F::kCheap) {
    for (; i + kUnroll * kLanes <= n; i += kUnroll * kLanes) {
#pragma GCC unroll 4
      for (int u = 0; u < kUnroll; ++u) {
        const int64_t j = i + u * kLanes;
        store(y + j, F::at(kA ? load(a + j) : a1, kB ? load(b + j) : b1, kC ? load(c + j) : c1));
      }
    }
  }
  for (; i + kLanes <= n; i += kLanes)
    store(y + i, F::at(kA ? load(a + i) : a1, kB ? load(b + i) : b1, kC ? load(c + i) : c1));
  if (const int64_t rest = n - i; rest > 0)
    store_part(
        y + i,
        F::at(kA ? load_part(a + i, rest) : a1, kB ? load_part(b + i, rest) : b1, kC ? load_part(c + i, rest) : c1),
        rest);
}

TENON_INLINE Vf truth(Vi mask) { return floats(mask & bits(splat(1.f))); }
TENON_INLINE Vf nan_or(Vf x, Vf other) { return x == x ? other : x; }
TENON_INLINE Vf power(Vf x, Vf y) {
  Vf r = x;
  for (int i = 0; i < kLanes; ++i) r[i] = __builtin_powf(x[i], y[i]);
  return r;
}

#define TENON_FN(name, arity, cheap, expression)                                                         \
  struct name {                                                                                          \
    static constexpr int kArity = arity;                                                                 \
    static constexpr bool kCheap = cheap;                                                                \
    TENON_INLINE static Vf at(Vf a, [[maybe_unused]] Vf b, [[maybe_unused]] Vf c) { return expression; } \
  };
TENON_FN(Add, 2, true, a + b)
TENON_FN(Sub, 2, true, a - b)
TENON_FN(Mul, 2, true, a* b)
TENON_FN(Div, 2, true, a / b)
TENON_FN(Min, 2, true, nan_or(a, min_to(a, b)))
TENON_FN(Max, 2, true, nan_or(a, max_to(a, b)))
TENON_FN(Pow, 2, false, power(a, b))
TENON_FN(Relu, 1, true, max_to(Vf{}, a))
TENON_FN(Sigmoid, 1, false, sigmoid(a))
TENON_FN(Tanh, 1, false, tanh(a))
TENON_FN(Exp, 1, false, exp(a))
TENON_FN(Log, 1, false, log(a))
TENON_FN(Sqrt, 1, true, sqrt(a))
TENON_FN(Reciprocal, 1, true, splat(1.f) / a)
TENON_FN(Abs, 1, true, abs(a))
TENON_FN(Neg, 1, true, -a)
TENON_FN(Floor, 1, true, floor(a))
TENON_FN(Ceil, 1, true, ceil(a))
TENON_FN(Round, 1, true, round_even(a))
TENON_FN(Erf, 1, false, erf(a))
TENON_FN(Silu, 1, false, a / (splat(1.f) + exp(-a)))
TENON_FN(GeluErf, 1, false, gelu_erf(a))
TENON_FN(GeluTanh, 1, false, gelu_tanh(a))
TENON_FN(HardSwish, 1, true, a* clip(fma(a, splat(1.f / 6), splat(0.5f)), Vf{}, splat(1.f)))
TENON_FN(HardSigmoid, 3, true, clip(fma(a, b, c), Vf{}, splat(1.f)))
TENON_FN(Clip, 3, true, clip(a, b, c))
TENON_FN(LeakyRelu, 2, true, a < Vf{} ? a * b : a)
TENON_FN(Elu, 2, false, a < Vf{} ? b * expm1(a) : a)
TENON_FN(Softplus, 1, false, max_to(Vf{}, a) + log1p_unit(exp(-abs(a))))
TENON_FN(Mish, 1, false, activate<Act::kMish>(a, {a, a}))
TENON_FN(Select, 3, true, a != Vf{} ? b : c)
TENON_FN(Less, 2, true, truth(a < b))
TENON_FN(LessEqual, 2, true, truth(a <= b))
TENON_FN(Greater, 2, true, truth(a > b))
TENON_FN(GreaterEqual, 2, true, truth(a >= b))
TENON_FN(Equal, 2, true, truth(a == b))
TENON_FN(Not, 1, true, truth(a == Vf{}))
TENON_FN(And, 2, true, truth((a != Vf{}) & (b != Vf{})))
TENON_FN(Or, 2, true, truth((a != Vf{}) | (b != Vf{})))
TENON_FN(Sin, 1, false, sin_or_cos<0>(a))
TENON_FN(Cos, 1, false, sin_or_cos<1>(a))
TENON_FN(Sign, 1, true, a > Vf{} ? splat(1.f) : (a < Vf{} ? splat(-1.f) : a))
TENON_FN(Rsqrt, 1, true, splat(1.f) / sqrt(a))
TENON_FN(Square, 1, true, a* a)
TENON_FN(Fma, 3, true, fma(a, b, c))
TENON_FN(AddRelu, 2, true, max_to(Vf{}, a + b))
TENON_FN(FmaRelu, 3, true, max_to(Vf{}, fma(a, b, c)))
TENON_FN(Copy, 1, true, a)
#undef TENON_FN

template <class F>
void add(PointwiseLoops& t, PwOp op) {
  PwLoop* to = t.loops[int(op)];
  to[0] = loop<F, 0>;
  if constexpr (F::kArity == 2) {
    to[1] = loop<F, 1>;
    to[2] = loop<F, 2>;
  }
}
template <class F, int... kForms>
void add_forms(PointwiseLoops& t, PwOp op) {
  t.loops[int(op)][0] = loop<F, 0>;
  ((t.loops[int(op)][kForms] = loop<F, kForms>), ...);
}

void load_f32(const void* x, float* y, int64_t n) { std::memcpy(y, x, size_t(n) * 4); }
void store_f32(const float* x, void* y, int64_t n) { std::memcpy(y, x, size_t(n) * 4); }
void load_bf16(const void* x, float* y, int64_t n) {
  const uint16_t* p = static_cast<const uint16_t*>(x);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, load(p + i));
  if (i < n) store_part(y + i, load_part(p + i, n - i), n - i);
}
void store_bf16(const float* x, void* y, int64_t n) {
  uint16_t* p = static_cast<uint16_t*>(y);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(p + i, load(x + i));
  if (i < n) store_part(p + i, load_part(x + i, n - i), n - i);
}

void load_f16(const void* x, float* y, int64_t n) {
  const uint16_t* p = static_cast<const uint16_t*>(x);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, widen_f16(load_half(p + i)));
  if (i < n) {
    Vh h{};
    std::memcpy(&h, p + i, size_t(n - i) * 2);
    store_part(y + i, widen_f16(h), n - i);
  }
}
void store_f16(const float* x, void* y, int64_t n) {
  uint16_t* p = static_cast<uint16_t*>(y);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_half(p + i, narrow_f16(load(x + i)));
  if (i < n) {
    Vh h = narrow_f16(load_part(x + i, n - i));
    std::memcpy(p + i, &h, size_t(n - i) * 2);
  }
}

template <class T>
void load_int(const void* x, float* y, int64_t n) {
  typedef T Narrow __attribute__((vector_size(kLanes * sizeof(T))));
  const T* p = static_cast<const T*>(x);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Narrow v;
    std::memcpy(&v, p + i, sizeof v);
    store(y + i, __builtin_convertvector(__builtin_convertvector(v, Vi), Vf));
  }
  for (; i < n; ++i) y[i] = float(p[i]);
}
void store_bool(const float* x, void* y, int64_t n) {
  typedef uint8_t Narrow __attribute__((vector_size(kLanes)));
  uint8_t* p = static_cast<uint8_t*>(y);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Narrow v = __builtin_convertvector((load(x + i) != Vf{}) & 1, Narrow);
    std::memcpy(p + i, &v, sizeof v);
  }
  for (; i < n; ++i) p[i] = x[i] != 0;
}

void fill_arithmetic(PointwiseLoops& t) {
  add<Add>(t, PwOp::kAdd);
  add<Sub>(t, PwOp::kSub);
  add<Mul>(t, PwOp::kMul);
  add<Div>(t, PwOp::kDiv);
  add<Min>(t, PwOp::kMin);
  add<Max>(t, PwOp::kMax);
  add<Less>(t, PwOp::kLess);
  add<LessEqual>(t, PwOp::kLessEqual);
  add<Greater>(t, PwOp::kGreater);
  add<GreaterEqual>(t, PwOp::kGreaterEqual);
  add<Equal>(t, PwOp::kEqual);
  add<And>(t, PwOp::kAnd);
  add<Or>(t, PwOp::kOr);
  add<AddRelu>(t, PwOp::kAddRelu);
  add_forms<Pow>(t, PwOp::kPow);
  add_forms<LeakyRelu, 2>(t, PwOp::kLeakyRelu);
  add_forms<Elu, 2>(t, PwOp::kElu);
  add_forms<HardSigmoid, 6>(t, PwOp::kHardSigmoid);
  add_forms<Clip, 6>(t, PwOp::kClip);
  add_forms<Select, 2, 4, 6>(t, PwOp::kSelect);
  add_forms<Fma, 2, 4, 6>(t, PwOp::kFma);
  add_forms<FmaRelu, 2, 4, 6>(t, PwOp::kFmaRelu);
  add_forms<Copy, 1>(t, PwOp::kCopy);
}
void fill_functions(PointwiseLoops& t) {
  add<Relu>(t, PwOp::kRelu);
  add<Sigmoid>(t, PwOp::kSigmoid);
  add<Tanh>(t, PwOp::kTanh);
  add<Exp>(t, PwOp::kExp);
  add<Log>(t, PwOp::kLog);
  add<Sqrt>(t, PwOp::kSqrt);
  add<Reciprocal>(t, PwOp::kReciprocal);
  add<Abs>(t, PwOp::kAbs);
  add<Neg>(t, PwOp::kNeg);
  add<Floor>(t, PwOp::kFloor);
  add<Ceil>(t, PwOp::kCeil);
  add<Round>(t, PwOp::kRound);
  add<Erf>(t, PwOp::kErf);
  add<Silu>(t, PwOp::kSilu);
  add<GeluErf>(t, PwOp::kGeluErf);
  add<GeluTanh>(t, PwOp::kGeluTanh);
  add<HardSwish>(t, PwOp::kHardSwish);
  add<Softplus>(t, PwOp::kSoftplus);
  add<Mish>(t, PwOp::kMish);
  add<Not>(t, PwOp::kNot);
  add<Sin>(t, PwOp::kSin);
  add<Cos>(t, PwOp::kCos);
  add<Sign>(t, PwOp::kSign);
  add<Rsqrt>(t, PwOp::kRsqrt);
  add<Square>(t, PwOp::kSquare);
}

}  // namespace

void fill_pointwise(PointwiseLoops& t) {
  t = PointwiseLoops{};
  fill_arithmetic(t);
  fill_functions(t);
  t.load[int(PwType::kF32)] = load_f32;
  t.load[int(PwType::kBf16)] = load_bf16;
  t.load[int(PwType::kF16)] = load_f16;
  t.load[int(PwType::kBool)] = load_int<uint8_t>;
  t.load[int(PwType::kI8)] = load_int<int8_t>;
  t.load[int(PwType::kU8)] = load_int<uint8_t>;
  t.load[int(PwType::kI16)] = load_int<int16_t>;
  t.load[int(PwType::kU16)] = load_int<uint16_t>;
  t.store[int(PwType::kF32)] = store_f32;
  t.store[int(PwType::kBf16)] = store_bf16;
  t.store[int(PwType::kF16)] = store_f16;
  t.store[int(PwType::kBool)] = store_bool;
}

}  // namespace tenon::isa::TENON_ISA
