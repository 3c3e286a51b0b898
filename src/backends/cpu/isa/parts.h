// The pieces of one instruction set's table; TENON_ISA names the compilation.
#pragma once
#include "backends/cpu/isa/isa.h"

#define TENON_DECLARE_ISA(name)       \
  namespace tenon::isa::name {        \
  void fill_gemm(IsaTable& t);        \
  void fill_conv(IsaTable& t);        \
  void fill_depthwise(IsaTable& t);   \
  void fill_winograd(IsaTable& t);    \
  void fill_elementwise(IsaTable& t); \
  }
#ifdef TENON_ISA
TENON_DECLARE_ISA(TENON_ISA)
#endif
