# The vector loops, compiled once for each instruction set. These files include plain headers only, and everything in
# them is in a namespace of the instruction set: an inline function compiled for AVX-512 must not become the one that everybody calls.
set(isa_folder ${CMAKE_CURRENT_SOURCE_DIR}/backends/cpu/isa)
# Sanitizers instrument one level, lightly optimised: every level is the same source, and at -O3 each takes minutes.
set(isa_optimisation -O3)
set(isa_x86_levels OFF)
if(TENON_SANITIZE)
  # Lanes hold bit patterns of floats, whose integer arithmetic wraps.
  set(isa_optimisation -O1 -fwrapv)
  # Its many inlined windows take 113 s at -O1 with checks, 7 s without optimisation; its tests then take a second more.
  set_property(SOURCE ${isa_folder}/depthwise.cpp PROPERTY COMPILE_OPTIONS -O0)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(isa_x86_levels ON)
endif()

function(tenon_isa name value)
  set(target tenon_isa_${name})
  add_library(${target} OBJECT ${isa_folder}/tile.cpp ${isa_folder}/gemm.cpp ${isa_folder}/conv.cpp ${isa_folder}/depthwise.cpp
              ${isa_folder}/winograd.cpp ${isa_folder}/elementwise.cpp ${isa_folder}/table.cpp)
  target_include_directories(${target} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE tenon_flags)
  target_compile_definitions(${target} PRIVATE TENON_ISA=${name} TENON_ISA_VALUE=${value})
  # g++ 12 warns of its own intrinsics' undefined operands.
  target_compile_options(${target} PRIVATE ${isa_optimisation} -ffp-contract=fast -Wno-psabi -Wno-uninitialized -Wno-maybe-uninitialized
                         ${ARGN})
  set_property(GLOBAL APPEND PROPERTY TENON_LAYERS ${target})
endfunction()

add_library(tenon_isa OBJECT ${isa_folder}/dispatch.cpp)
target_include_directories(tenon_isa PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(tenon_isa PRIVATE tenon_flags)
set_property(GLOBAL APPEND PROPERTY TENON_LAYERS tenon_isa)

tenon_isa(base kBase)
if(isa_x86_levels)
  target_compile_definitions(tenon_isa PRIVATE TENON_X86_LEVELS)
  set(avx512 -march=x86-64-v4 -mprefer-vector-width=512)
  tenon_isa(avx2 kAvx2 -march=x86-64-v3)
  tenon_isa(avx512 kAvx512 ${avx512})
  tenon_isa(avx512_bf16 kAvx512Bf16 ${avx512} -mavx512bf16)
endif()
