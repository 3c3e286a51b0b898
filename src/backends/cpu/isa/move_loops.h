// Loops that move elements of 1, 2, 4, 8 or 16 bytes without looking at them.
#pragma once
#include <cstdint>

namespace tenon::isa {

struct MoveLoops {
  /// to[c][r] = from[r][c] for `rows` x `columns` elements of `size` bytes (1, 2, 4, 8, 16); rows of `from` lie
  /// `from_pitch` bytes apart, rows of `to` `to_pitch` bytes. The elements need no alignment.
  void (*transpose)(const void* from, int64_t from_pitch, void* to, int64_t to_pitch, int64_t rows, int64_t columns,
                    int64_t size);
  /// to[i] = from[i * step], step in elements, negative or 0 allowed.
  void (*gather)(const void* from, int64_t step, void* to, int64_t count, int64_t size);
  /// to[i * step] = from[i].
  void (*scatter)(const void* from, void* to, int64_t step, int64_t count, int64_t size);
};

}  // namespace tenon::isa
