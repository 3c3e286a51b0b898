// Stores finished sums: bias, residual, activation, conversion.
#pragma once
#include "backends/cpu/isa/isa.h"
#include "backends/cpu/isa/vec_math.h"

namespace tenon::isa::TENON_ISA {

/// What Post says, ready for the loops.
struct Plan {
  int64_t ldy, ldr;  ///< bytes between neighbouring rows of y and of the residual
  int64_t size;      ///< bytes an element of y
  int64_t step;      ///< rows of y between neighbouring rows here
  ActParams act_params;
  Vf lo, hi;  ///< the bounds where `in_registers`
  const Post* post;
  Act act;
  bool bf16;
  bool add_after;
  bool in_registers;  ///< the activation is a clip before which everything is added
};
/// Where a piece of y goes: its first row and column.
struct Sink {
  const Plan* plan;
  char* y;
  const char* residual;
  const float* bias;
  int64_t m, n;
};

TENON_INLINE Plan make_plan(const Post& post, int64_t ldy, Type type) {
  Plan p;
  p.size = type == Type::kBf16 ? 2 : 4;
  p.ldy = ldy * p.size;
  p.ldr = post.residual_pitch * p.size;
  p.step = post.step;
  p.act = post.act;
  p.act_params = {splat(post.a), splat(post.b)};
  p.bf16 = type == Type::kBf16;
  p.add_after = post.add_after && post.residual;
  p.in_registers = !post.apply && (post.act == Act::kNone || (post.act == Act::kClip && !p.add_after));
  const float infinity = __builtin_inff();
  p.lo = splat(post.act == Act::kClip ? post.a : -infinity);
  p.hi = splat(post.act == Act::kClip ? post.b : infinity);
  p.post = &post;
  return p;
}
TENON_INLINE Sink make_sink(const Plan& plan, void* y) {
  const Post& post = *plan.post;
  return {&plan, static_cast<char*>(y), static_cast<const char*>(post.residual), post.bias, post.row, post.column};
}
/// The sink moved by rows of y and columns.
TENON_INLINE Sink moved(const Sink& s, int64_t m, int64_t n) {
  const Plan& p = *s.plan;
  return {&p,
          s.y + m * p.ldy + n * p.size,
          s.residual ? s.residual + m * p.ldr + n * p.size : nullptr,
          s.bias ? s.bias + n : nullptr,
          s.m + m,
          s.n + n};
}

/// Stores M rows of V whole vectors where `in_registers`.
template <class T, int M, int V>
TENON_INLINE void store_registers(const Vf (&acc)[M][V], const Sink& s) {
  Vf bias[V];
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) bias[v] = s.bias ? load(s.bias + v * kLanes) : Vf{};
#pragma GCC unroll 16
  for (int r = 0; r < M; ++r) {
    T* y = reinterpret_cast<T*>(s.y + r * s.plan->ldy);
    Vf x[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      x[v] = acc[r][v] + bias[v];
      if (s.residual) x[v] += load(reinterpret_cast<const T*>(s.residual + r * s.plan->ldr) + v * kLanes);
      x[v] = clip(x[v], s.plan->lo, s.plan->hi);
    }
    if constexpr (V == 2) {
      store_two(y, x[0], x[1]);
    } else {
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) store(y + v * kLanes, x[v]);
    }
  }
}

/// Stores a buffer of sums with `pitch` floats a row; whole vectors of it are read, and may be written.
void store_rows(const Sink& s, float* sums, int64_t pitch, int64_t rows, int64_t columns);

}  // namespace tenon::isa::TENON_ISA
