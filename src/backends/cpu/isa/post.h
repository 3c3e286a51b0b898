// Stores finished sums: bias, residual, activation, conversion.
#pragma once
#include "backends/cpu/isa/isa.h"
#include "backends/cpu/isa/vec_math.h"

namespace tenon::isa::TENON_ISA {

/// Where a piece of y goes, with everything that Post says moved to its first row and column.
struct Sink {
  char* y;
  int64_t ldy;  ///< bytes
  const char* residual;
  int64_t ldr;  ///< bytes
  const float* bias;
  Act act;
  ActParams act_params;
  Vf lo, hi;  ///< the bounds where `in_registers`
  bool bf16;
  bool add_after;
  bool in_registers;  ///< the activation is a clip before which everything is added
  const Post* post;
  int64_t m, n;      ///< the first row and column
  int64_t step = 1;  ///< rows of y between neighbouring rows here
};

TENON_INLINE Sink make_sink(const Post& post, void* y, int64_t ldy, Type type) {
  Sink s;
  const int64_t size = type == Type::kBf16 ? 2 : 4;
  s.y = static_cast<char*>(y);
  s.ldy = ldy * size;
  s.residual = static_cast<const char*>(post.residual);
  s.ldr = post.residual_pitch * size;
  s.bias = post.bias;
  s.act = post.act;
  s.act_params = {splat(post.a), splat(post.b)};
  s.bf16 = type == Type::kBf16;
  s.add_after = post.add_after && post.residual;
  s.in_registers =
      !post.apply && (post.act == Act::kNone || post.act == Act::kClip) && !(s.add_after && post.act == Act::kClip);
  const float infinity = __builtin_inff();
  s.lo = splat(post.act == Act::kClip ? post.a : -infinity);
  s.hi = splat(post.act == Act::kClip ? post.b : infinity);
  s.post = &post;
  s.m = post.row;
  s.n = post.column;
  s.step = 1;
  return s;
}
/// The sink moved by rows and columns.
TENON_INLINE Sink moved(const Sink& s, int64_t m, int64_t n) {
  Sink r = s;
  const int64_t size = s.bf16 ? 2 : 4;
  r.y += m * s.ldy + n * size;
  if (r.residual) r.residual += m * s.ldr + n * size;
  if (r.bias) r.bias += n;
  r.m += m;
  r.n += n;
  return r;
}

/// Stores a buffer of sums with `pitch` floats a row; whole vectors of it are read, and may be written.
void store_rows(const Sink& s, float* sums, int64_t pitch, int64_t rows, int64_t columns);

}  // namespace tenon::isa::TENON_ISA
