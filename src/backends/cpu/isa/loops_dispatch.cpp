#include "backends/cpu/isa/isa.h"
#include "backends/cpu/isa/loops.h"

namespace tenon::isa {

namespace loops_base {
const LoopTable& loops();
}
#ifdef TENON_X86_LEVELS
namespace loops_avx2 {
const LoopTable& loops();
}
namespace loops_avx512 {
const LoopTable& loops();
}
#endif

const LoopTable& loop_table() {
#ifdef TENON_X86_LEVELS
  const Isa isa = isa_table().isa;
  if (isa >= Isa::kAvx512) return loops_avx512::loops();
  if (isa >= Isa::kAvx2) return loops_avx2::loops();
#endif
  return loops_base::loops();
}

}  // namespace tenon::isa
