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
  TENON_INLINE static Vf act(Vf v, const ActParams& params) {
    if constexpr (sizeof(T) == 2) return activate_rough<kAct>(v, params);
    return activate<kAct>(v, params);
  }
  template <Act kAct>
  void run() const {
    // Copies: what is stored may lie anywhere, as far as the compiler knows.
    const ActParams params = s.plan->act_params;
    const float *bias = s.bias, *from = sums;
    const int64_t ldy = s.plan->ldy, ldr = s.plan->ldr, step = pitch, n = columns, whole = n / kLanes * kLanes;
    const bool after = s.plan->add_after;
    char* to = s.y;
    const char* extra = s.residual;
    for (int64_t r = rows; r > 0; --r, to += ldy, extra += ldr, from += step) {
      T* y = reinterpret_cast<T*>(to);
      if (!s.residual) {
        for (int64_t i = 0; i < whole; i += kLanes)
          store(y + i, act<kAct>(bias ? load(from + i) + load(bias + i) : load(from + i), params));
        if (const int64_t left = n - whole; left > 0) {
          Vf v = load(from + whole);
          if (bias) v += load_part(bias + whole, left);
          store_part(y + whole, act<kAct>(v, params), left);
        }
        continue;
      }
      const T* residual = reinterpret_cast<const T*>(extra);
      for (int64_t i = 0; i < n; i += kLanes) {
        const int64_t left = n - i < kLanes ? n - i : kLanes;
        Vf v = load(from + i);
        const Vf x = load_part(residual + i, left);
        if (bias) v += load_part(bias + i, left);
        v = after ? act<kAct>(v, params) + x : act<kAct>(v + x, params);
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
