// Activations and conversions over plain arrays.
#include "backends/cpu/isa/vec_math.h"
#include "backends/cpu/isa/parts.h"

namespace {

struct ActivateAll {
  ActParams params;
  const float* x;
  float* y;
  int64_t count;

  template <Act kAct>
  void run() const {
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) store(y + i, ::activate<kAct>(load(x + i), params));
    if (i < count) store_part(y + i, ::activate<kAct>(load_part(x + i, count - i), params), count - i);
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

}  // namespace

namespace tenon::isa::TENON_ISA {

void fill_elementwise(IsaTable& t) {
  t.activate = activate_all;
  t.to_bf16 = to_bf16;
  t.from_bf16 = from_bf16;
}

}  // namespace tenon::isa::TENON_ISA
