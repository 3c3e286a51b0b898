// Stores finished sums: bias, residual, activation, conversion.
#pragma once
#include "backends/cpu/isa/isa.h"
#include "backends/cpu/isa/vec_math.h"

namespace {

using tenon::isa::Post;
using tenon::isa::Type;

/// Where a piece of y goes, with everything that Post says moved to its first row and column.
struct Sink {
  char* y;
  int64_t ldy;  ///< bytes
  const char* residual;
  int64_t ldr;  ///< bytes
  const float* bias;
  Act act;
  ActParams act_params;
  Vf lo, hi;       ///< the bounds where `in_registers`
  bool bf16;
  bool add_after;
  bool in_registers;  ///< the activation is a clip before which everything is added
  const Post* post;
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
  s.in_registers = (post.act == Act::kNone || post.act == Act::kClip) && !(s.add_after && post.act == Act::kClip);
  const float infinity = __builtin_inff();
  s.lo = splat(post.act == Act::kClip ? post.a : -infinity);
  s.hi = splat(post.act == Act::kClip ? post.b : infinity);
  s.post = &post;
  return s;
}
/// The sink moved by rows and columns.
TENON_INLINE Sink moved(const Sink& s, int64_t m, int64_t n) {
  Sink r = s;
  const int64_t size = s.bf16 ? 2 : 4;
  r.y += m * s.ldy + n * size;
  if (r.residual) r.residual += m * s.ldr + n * size;
  if (r.bias) r.bias += n;
  return r;
}

template <class T>
struct StoreRows {
  const Sink& s;
  const float* sums;
  int64_t pitch, rows, columns;

  template <Act kAct>
  void run() const {
    for (int64_t r = 0; r < rows; ++r) {
      T* y = reinterpret_cast<T*>(s.y + r * s.ldy);
      const T* residual = reinterpret_cast<const T*>(s.residual + r * s.ldr);
      int64_t i = 0;
      for (; i + kLanes <= columns; i += kLanes) {
        Vf v = load(sums + r * pitch + i);
        if (s.bias) v += load(s.bias + i);
        if (s.residual && !s.add_after) v += load(residual + i);
        v = activate<kAct>(v, s.act_params);
        if (s.add_after) v += load(residual + i);
        store(y + i, v);
      }
      if (int64_t left = columns - i; left > 0) {
        Vf v = load(sums + r * pitch + i);
        if (s.bias) v += load_part(s.bias + i, left);
        if (s.residual && !s.add_after) v += load_part(residual + i, left);
        v = activate<kAct>(v, s.act_params);
        if (s.add_after) v += load_part(residual + i, left);
        store_part(y + i, v, left);
      }
    }
  }
};

/// Stores a buffer of sums with `pitch` floats a row; whole vectors of it are read.
[[gnu::noinline]] void store_rows(const Sink& s, const float* sums, int64_t pitch, int64_t rows, int64_t columns) {
  if (s.bf16)
    with_act(s.act, StoreRows<uint16_t>{s, sums, pitch, rows, columns});
  else
    with_act(s.act, StoreRows<float>{s, sums, pitch, rows, columns});
}

}  // namespace
