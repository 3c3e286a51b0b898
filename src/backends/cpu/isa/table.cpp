// One instruction set's table.
#include "backends/cpu/isa/parts.h"

namespace tenon::isa::TENON_ISA {

const IsaTable& table() {
  static const IsaTable kTable = [] {
    IsaTable t{};
    t.isa = Isa::TENON_ISA_VALUE;
    t.name = isa_name(t.isa);
    fill_gemm(t);
    fill_conv(t);
    fill_depthwise(t);
    fill_winograd(t);
    fill_elementwise(t);
    return t;
  }();
  return kTable;
}

}  // namespace tenon::isa::TENON_ISA
