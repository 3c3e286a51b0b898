#include "backends/cpu/isa/loops.h"
#include "backends/cpu/isa/vec.h"

namespace tenon::isa::TENON_ISA {
namespace {

struct Wide {
  uint64_t part[2];
};

/// A square of n x n elements transposed in n vectors: log2 n rounds swap blocks off the diagonal.
template <class T, int kN>
struct Square {
  typedef T Row __attribute__((vector_size(kN * sizeof(T))));
  TENON_INLINE static Row mask(int step, bool high) {
    Row m{};
    for (int j = 0; j < kN; ++j) {
      const bool second = j & step;
      m[j] = T(high ? (second ? kN + j : j + step) : (second ? kN + j - step : j));
    }
    return m;
  }
  template <int kStep>
  TENON_INLINE static void round(Row (&v)[kN]) {
    if constexpr (kStep < kN) {
      const Row low = mask(kStep, false), high = mask(kStep, true);
#pragma GCC unroll 16
      for (int i = 0; i < kN; ++i) {
        if (i & kStep) continue;
        const Row a = v[i], b = v[i + kStep];
        v[i] = __builtin_shuffle(a, b, low);
        v[i + kStep] = __builtin_shuffle(a, b, high);
      }
    }
  }
  TENON_INLINE static void move(const char* from, int64_t from_pitch, char* to, int64_t to_pitch) {
    Row v[kN];
#pragma GCC unroll 16
    for (int i = 0; i < kN; ++i) std::memcpy(&v[i], from + i * from_pitch, sizeof(Row));
    round<1>(v);
    round<2>(v);
    round<4>(v);
    round<8>(v);
#pragma GCC unroll 16
    for (int i = 0; i < kN; ++i) std::memcpy(to + i * to_pitch, &v[i], sizeof(Row));
  }
};

template <class T>
TENON_INLINE void copy_one(const char* from, char* to) {
  T v;
  std::memcpy(&v, from, sizeof(T));
  std::memcpy(to, &v, sizeof(T));
}

/// Two to four rows whose elements alternate in a dense result: to[c * kRows + r] = from[r][c].
template <class T, int kRows>
struct Interleave {
  static constexpr int kN = kLanes * 4 / int(sizeof(T));
  typedef T Row __attribute__((vector_size(kLanes * 4)));
  /// Lane e of result k comes from lane (k * kN + e) / kRows of row (k * kN + e) % kRows. Rows join one by one: those
  /// before `row` are in their lanes already.
  TENON_INLINE static Row mask(int k, int row) {
    Row m{};
    for (int e = 0; e < kN; ++e) {
      const int from = (k * kN + e) % kRows, lane = (k * kN + e) / kRows;
      if (row == 1)
        m[e] = T(from == 0 ? lane : from == 1 ? kN + lane : e);
      else
        m[e] = T(from == row ? kN + lane : e);
    }
    return m;
  }
  static void move(const char* from, int64_t from_pitch, char* to, int64_t columns) {
    int64_t c = 0;
    for (; c + kN <= columns; c += kN) {
      Row v[kRows];
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) std::memcpy(&v[r], from + r * from_pitch + c * int64_t(sizeof(T)), sizeof(Row));
#pragma GCC unroll 4
      for (int k = 0; k < kRows; ++k) {
        Row y = __builtin_shuffle(v[0], v[1], mask(k, 1));
#pragma GCC unroll 4
        for (int r = 2; r < kRows; ++r) y = __builtin_shuffle(y, v[r], mask(k, r));
        std::memcpy(to + (c * kRows + k * kN) * int64_t(sizeof(T)), &y, sizeof(Row));
      }
    }
    for (; c < columns; ++c)
      for (int64_t r = 0; r < kRows; ++r)
        copy_one<T>(from + r * from_pitch + c * int64_t(sizeof(T)), to + (c * kRows + r) * int64_t(sizeof(T)));
  }
};
template <class T>
TENON_INLINE bool interleave(const char* from, int64_t from_pitch, char* to, int64_t to_pitch, int64_t rows,
                             int64_t columns) {
  if (rows < 2 || rows > 4 || to_pitch != rows * int64_t(sizeof(T))) return false;
  if (rows == 2)
    Interleave<T, 2>::move(from, from_pitch, to, columns);
  else if (rows == 3)
    Interleave<T, 3>::move(from, from_pitch, to, columns);
  else
    Interleave<T, 4>::move(from, from_pitch, to, columns);
  return true;
}

template <class T, int kN>
void transpose_of(const char* from, int64_t from_pitch, char* to, int64_t to_pitch, int64_t rows, int64_t columns) {
  constexpr int64_t kSize = sizeof(T);
  int64_t r = 0;
  for (; r + kN <= rows; r += kN) {
    int64_t c = 0;
    for (; c + kN <= columns; c += kN)
      Square<T, kN>::move(from + r * from_pitch + c * kSize, from_pitch, to + c * to_pitch + r * kSize, to_pitch);
    for (; c < columns; ++c)
      for (int64_t i = r; i < r + kN; ++i)
        copy_one<T>(from + i * from_pitch + c * kSize, to + c * to_pitch + i * kSize);
  }
  for (; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) copy_one<T>(from + r * from_pitch + c * kSize, to + c * to_pitch + r * kSize);
}

void transpose(const void* from, int64_t from_pitch, void* to, int64_t to_pitch, int64_t rows, int64_t columns,
               int64_t size) {
  const char* f = static_cast<const char*>(from);
  char* t = static_cast<char*>(to);
  if (size == 4 && interleave<uint32_t>(f, from_pitch, t, to_pitch, rows, columns)) return;
  if (size == 2 && interleave<uint16_t>(f, from_pitch, t, to_pitch, rows, columns)) return;
  switch (size) {
    case 1:
      return transpose_of<uint8_t, 16>(f, from_pitch, t, to_pitch, rows, columns);
    case 2:
      return transpose_of < uint16_t, kLanes < 8 ? 8 : 16 > (f, from_pitch, t, to_pitch, rows, columns);
    case 4:
      return transpose_of<uint32_t, kLanes>(f, from_pitch, t, to_pitch, rows, columns);
    case 8:
      return transpose_of<uint64_t, kLanes / 2>(f, from_pitch, t, to_pitch, rows, columns);
    default:
      for (int64_t c = 0; c < columns; ++c)
        for (int64_t r = 0; r < rows; ++r) copy_one<Wide>(f + r * from_pitch + c * 16, t + c * to_pitch + r * 16);
  }
}

template <class T>
void strided(const char* from, int64_t from_step, char* to, int64_t to_step, int64_t count) {
  constexpr int64_t kSize = sizeof(T);
  if (from_step == 0 && to_step == 1) {
    T v;
    std::memcpy(&v, from, sizeof(T));
    for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * kSize, &v, sizeof(T));
    return;
  }
  for (int64_t i = 0; i < count; ++i) copy_one<T>(from + i * from_step * kSize, to + i * to_step * kSize);
}
void any_strided(const void* from, int64_t from_step, void* to, int64_t to_step, int64_t count, int64_t size) {
  const char* f = static_cast<const char*>(from);
  char* t = static_cast<char*>(to);
  switch (size) {
    case 1:
      return strided<uint8_t>(f, from_step, t, to_step, count);
    case 2:
      return strided<uint16_t>(f, from_step, t, to_step, count);
    case 4:
      return strided<uint32_t>(f, from_step, t, to_step, count);
    case 8:
      return strided<uint64_t>(f, from_step, t, to_step, count);
    default:
      return strided<Wide>(f, from_step, t, to_step, count);
  }
}
void gather(const void* from, int64_t step, void* to, int64_t count, int64_t size) {
  any_strided(from, step, to, 1, count, size);
}
void scatter(const void* from, void* to, int64_t step, int64_t count, int64_t size) {
  any_strided(from, 1, to, step, count, size);
}

}  // namespace

void fill_move(MoveLoops& t) { t = {transpose, gather, scatter}; }

}  // namespace tenon::isa::TENON_ISA
