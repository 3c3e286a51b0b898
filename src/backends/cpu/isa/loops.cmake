# The loops of kernels that are not products, compiled as isa.cmake says; avx512_bf16 and amx share those of avx512.
set(loops_folder ${CMAKE_CURRENT_SOURCE_DIR}/backends/cpu/isa)
set(loops_sources integer loops_table move pointwise pool rnn rows)
list(TRANSFORM loops_sources PREPEND ${loops_folder}/)
list(TRANSFORM loops_sources APPEND .cpp)

set(loops_sanitized)
if(TENON_SANITIZE)
  set(loops_sanitized ${isa_optimisation})
endif()

function(tenon_loops name)
  set(target tenon_isa_loops_${name})
  add_library(${target} OBJECT ${loops_sources})
  target_include_directories(${target} PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(${target} PRIVATE tenon_flags)
  target_compile_definitions(${target} PRIVATE TENON_ISA=loops_${name})
  target_compile_options(${target} PRIVATE -Wno-psabi -Wno-uninitialized
                         -Wno-maybe-uninitialized ${loops_sanitized} ${ARGN})
  set_property(GLOBAL APPEND PROPERTY TENON_LAYERS ${target})
endfunction()

add_library(tenon_loops OBJECT ${loops_folder}/loops_dispatch.cpp)
target_include_directories(tenon_loops PUBLIC ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(tenon_loops PRIVATE tenon_flags)
set_property(GLOBAL APPEND PROPERTY TENON_LAYERS tenon_loops)

tenon_loops(base)
if(isa_x86_levels)
  target_compile_definitions(tenon_loops PRIVATE TENON_X86_LEVELS)
  tenon_loops(avx2 -march=x86-64-v3)
  tenon_loops(avx512 -march=x86-64-v4 -mprefer-vector-width=512)
endif()
