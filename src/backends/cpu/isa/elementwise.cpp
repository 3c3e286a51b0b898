// Activations and conversions over plain arrays and finished sums.
#include "backends/cpu/isa/parts.h"
#include "backends/cpu/isa/post.h"

namespace tenon::isa::TENON_ISA {
namespace {

struct ActivateAll {
  ActParams params;
  const float* x;
  float* y;
  int64_t count;

  template <Act kAct>
  void run() const {
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) store(y + i, activate<kAct>(load(x + i), params));
    if (i < count) store_part(y + i, activate<kAct>(load_part(x + i, count - i), params), count - i);
  }
};
void activate_all(Act act, float a, float b, const float* x, float* y, int64_t count) {
  with_act(act, ActivateAll{{splat(a), splat(b)}, x, y, count});
}
void to_bf16(const float* x, uint16_t* y, int64_t count) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(y + i, load(x + i));
  if (i < count) store_part(y + i, load_part(x + i, count - i), count - i);
}
void from_bf16(const uint16_t* x, float* y, int64_t count) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(y + i, load(x + i));
  if (i < count) store_part(y + i, load_part(x + i, count - i), count - i);
}

template <class T>
struct StoreRows {
  const Sink& s;
  const float* sums;
  int64_t pitch, rows, columns;

  template <Act kAct>
  void run() const {
    for (int64_t r = 0; r < rows; ++r) {
      T* y = reinterpret_cast<T*>(s.y + r * s.plan->ldy);
      const T* residual = reinterpret_cast<const T*>(s.residual + r * s.plan->ldr);
      int64_t i = 0;
      for (; i + kLanes <= columns; i += kLanes) {
        Vf v = load(sums + r * pitch + i);
        if (s.bias) v += load(s.bias + i);
        if (s.residual && !s.plan->add_after) v += load(residual + i);
        v = activate<kAct>(v, s.plan->act_params);
        if (s.plan->add_after) v += load(residual + i);
        store(y + i, v);
      }
      if (int64_t left = columns - i; left > 0) {
        Vf v = load(sums + r * pitch + i);
        if (s.bias) v += load_part(s.bias + i, left);
        if (s.residual && !s.plan->add_after) v += load_part(residual + i, left);
        v = activate<kAct>(v, s.plan->act_params);
        if (s.plan->add_after) v += load_part(residual + i, left);
        store_part(y + i, v, left);
      }
    }
  }
};

}  // namespace

/// Adds the bias and lets the user's function change the sums; nothing is left to do but to store them.
static void apply(const Sink& s, float* sums, int64_t pitch, int64_t rows, int64_t columns) {
  if (s.bias)
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < columns; ++i) sums[r * pitch + i] += s.bias[i];
  const Post& post = *s.plan->post;
  post.apply(post.user, sums, pitch, s.m, s.plan->step, rows, s.n, columns);
}

void store_rows(const Sink& s, float* sums, int64_t pitch, int64_t rows, int64_t columns) {
  if (s.plan->post->apply) {
    apply(s, sums, pitch, rows, columns);
    Plan plain = *s.plan;
    plain.add_after = false;
    const Sink rest{&plain, s.y, nullptr, nullptr, s.m, s.n};
    if (plain.bf16)
      StoreRows<uint16_t>{rest, sums, pitch, rows, columns}.template run<Act::kNone>();
    else
      StoreRows<float>{rest, sums, pitch, rows, columns}.template run<Act::kNone>();
  } else if (s.plan->bf16) {
    with_act(s.plan->act, StoreRows<uint16_t>{s, sums, pitch, rows, columns});
  } else {
    with_act(s.plan->act, StoreRows<float>{s, sums, pitch, rows, columns});
  }
}

void fill_elementwise(IsaTable& t) {
  t.activate = activate_all;
  t.to_bf16 = to_bf16;
  t.from_bf16 = from_bf16;
}

}  // namespace tenon::isa::TENON_ISA
