# Writes the public headers of every TensorRT level into <build>/trt-<level>/include from the description in api/.
# Level `all`, which has every release's interface at once, is for our own programs and modules.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
file(GLOB tenon_api_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/api/*.api ${PROJECT_SOURCE_DIR}/api/*.py)
# A machine with a CUDA toolkit uses its headers; others use the host-memory stand-in's.
find_path(TENON_CUDA_INCLUDE_DIR cuda_runtime_api.h PATHS /usr/local/cuda/include ENV CUDA_PATH PATH_SUFFIXES include
          NO_DEFAULT_PATH DOC "folder of cuda_runtime_api.h")
if(NOT TENON_CUDA_INCLUDE_DIR)
  set(TENON_CUDA_INCLUDE_DIR ${PROJECT_SOURCE_DIR}/compat/no_cuda/include CACHE PATH "folder of cuda_runtime_api.h" FORCE)
endif()
# Every file that is written is known to the build, so that one pass sees a change; the stamp alone is touched when the
# text stays the same.
foreach(generator generate facade)
  execute_process(COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/api/${generator}.py --list
                  OUTPUT_VARIABLE ${generator}_files OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE "\n" ";" ${generator}_files "${${generator}_files}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/api/${generator}.py)
endforeach()
foreach(level 7 8 10 11 all)
  set(prefix ${CMAKE_BINARY_DIR}/trt-${level})
  set(written ${generate_files})
  list(FILTER written INCLUDE REGEX "^${level}/")
  list(TRANSFORM written REPLACE "^${level}/" "${prefix}/include/")
  list(TRANSFORM facade_files PREPEND "${prefix}/facade/" OUTPUT_VARIABLE facade_written)
  add_custom_command(
    OUTPUT ${prefix}/headers.stamp BYPRODUCTS ${written} ${facade_written}
    COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/api/generate.py ${level} ${prefix}/include
    COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/api/facade.py ${level} ${prefix}/facade
    COMMAND ${CMAKE_COMMAND} -E touch ${prefix}/headers.stamp
    DEPENDS ${tenon_api_files} COMMENT "TensorRT ${level} headers" VERBATIM)
  add_custom_target(trt_headers_${level} ALL DEPENDS ${prefix}/headers.stamp)
  # Links against nothing: gives a client of this level its headers.
  add_library(trt_interface_${level} INTERFACE)
  target_include_directories(trt_interface_${level} SYSTEM INTERFACE ${prefix}/include ${TENON_CUDA_INCLUDE_DIR})
  add_dependencies(trt_interface_${level} trt_headers_${level})
endforeach()

# The release that a level reports, as in the names of files that some programs load: libnvinfer.so.8.6.1.
function(tenon_level_version result level)
  file(STRINGS ${PROJECT_SOURCE_DIR}/api/generate.py line REGEX "^VERSIONS = ")
  string(REGEX MATCH "\"${level}\": \\(([0-9]+), ([0-9]+), ([0-9]+)\\)" line "${line}")
  set(${result} ${CMAKE_MATCH_1}.${CMAKE_MATCH_2}.${CMAKE_MATCH_3} PARENT_SCOPE)
endfunction()
