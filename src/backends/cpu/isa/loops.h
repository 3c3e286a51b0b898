// Vector loops of the kernels that are not products: one table an instruction set, chosen with isa_table().
#pragma once
#include "backends/cpu/isa/integer_loops.h"
#include "backends/cpu/isa/move_loops.h"
#include "backends/cpu/isa/pointwise_loops.h"
#include "backends/cpu/isa/pool_loops.h"
#include "backends/cpu/isa/rnn_loops.h"
#include "backends/cpu/isa/row_loops.h"

namespace tenon::isa {

struct LoopTable {
  PointwiseLoops pointwise;
  MoveLoops move;
  RowLoops rows;
  PoolLoops pool;
  RnnLoops rnn;
  IntegerLoops integer;
};

/// The table of the level that isa_table() gives.
const LoopTable& loop_table();

}  // namespace tenon::isa

#ifdef TENON_ISA
namespace tenon::isa::TENON_ISA {
void fill_pointwise(PointwiseLoops& t);
void fill_move(MoveLoops& t);
void fill_rows(RowLoops& t);
void fill_pool(PoolLoops& t);
void fill_rnn(RnnLoops& t);
void fill_integer(IntegerLoops& t);
}  // namespace tenon::isa::TENON_ISA
#endif
