#include "backends/cpu/isa/loops.h"

namespace tenon::isa::TENON_ISA {

const LoopTable& loops() {
  static const LoopTable table = [] {
    LoopTable t{};
    fill_pointwise(t.pointwise);
    fill_move(t.move);
    fill_rows(t.rows);
    fill_pool(t.pool);
    fill_rnn(t.rnn);
    fill_integer(t.integer);
    return t;
  }();
  return table;
}

}  // namespace tenon::isa::TENON_ISA
