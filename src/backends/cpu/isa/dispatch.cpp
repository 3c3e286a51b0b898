// Which instruction set this process uses.
#include <string>

#include "backends/cpu/isa/isa.h"
#include "base/error.h"
#include "base/knobs.h"

namespace tenon::isa {

namespace base {
const IsaTable& table();
}
#ifdef TENON_X86_LEVELS
namespace avx2 {
const IsaTable& table();
}
namespace avx512 {
const IsaTable& table();
}
namespace avx512_bf16 {
const IsaTable& table();
}
#endif

namespace {

bool supported(Isa isa) {
#ifdef TENON_X86_LEVELS
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512cd");
  switch (isa) {
    case Isa::kBase:
      return true;
    case Isa::kAvx2:
      return avx2;
    case Isa::kAvx512:
      return avx512;
    case Isa::kAvx512Bf16:
      return avx512 && __builtin_cpu_supports("avx512bf16");
    case Isa::kAmx:
      return false;
  }
  return false;
#else
  return isa == Isa::kBase;
#endif
}

/// The highest level that TENON_CPU_ISA allows.
Isa cap() {
  const std::string text = knob_text(Knob::kCpuIsa);
  if (text == "native") return Isa::kAmx;
  if (text == "avx512_vnni") return Isa::kAvx512;
  for (int i = 0; i < kIsaCount; ++i)
    if (text == isa_name(Isa(i))) return Isa(i);
  fail(ErrorCode::kInvalidArgument, info(Knob::kCpuIsa).name, " is '", text,
       "', expected sse2, avx2, avx512, avx512_vnni, avx512_bf16, amx or native");
}

}  // namespace

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::kBase:
      return "sse2";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAvx512Bf16:
      return "avx512_bf16";
    case Isa::kAmx:
      return "amx";
  }
  return "?";
}

const IsaTable* isa_table(Isa isa) {
  if (!supported(isa)) return nullptr;
  switch (isa) {
#ifdef TENON_X86_LEVELS
    case Isa::kAvx2:
      return &avx2::table();
    case Isa::kAvx512:
      return &avx512::table();
    case Isa::kAvx512Bf16:
      return &avx512_bf16::table();
#endif
    case Isa::kBase:
      return &base::table();
    default:
      return nullptr;
  }
}

const IsaTable& isa_table() {
  for (int i = int(cap()); i > 0; --i)
    if (const IsaTable* t = isa_table(Isa(i))) return *t;
  return base::table();
}

}  // namespace tenon::isa
