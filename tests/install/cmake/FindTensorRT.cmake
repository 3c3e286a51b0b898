# Finds TensorRT below TensorRT_ROOT by header and library names, and reads the version from the header's lines.
find_path(TensorRT_INCLUDE_DIR NvInfer.h HINTS ${TensorRT_ROOT} PATH_SUFFIXES include)
find_library(TensorRT_LIBRARY nvinfer HINTS ${TensorRT_ROOT} PATH_SUFFIXES lib)
find_library(TensorRT_ONNX_LIBRARY nvonnxparser HINTS ${TensorRT_ROOT} PATH_SUFFIXES lib)
foreach(part MAJOR MINOR PATCH)
  file(STRINGS "${TensorRT_INCLUDE_DIR}/NvInferVersion.h" line REGEX "^#define NV_TENSORRT_${part} [0-9]+.*$")
  string(REGEX REPLACE "^#define NV_TENSORRT_${part} ([0-9]+).*$" "\\1" TensorRT_${part} "${line}")
endforeach()
set(TensorRT_VERSION ${TensorRT_MAJOR}.${TensorRT_MINOR}.${TensorRT_PATCH})
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(TensorRT REQUIRED_VARS TensorRT_LIBRARY TensorRT_INCLUDE_DIR VERSION_VAR
                                  TensorRT_VERSION)
set(TensorRT_INCLUDE_DIRS ${TensorRT_INCLUDE_DIR})
set(TensorRT_LIBRARIES ${TensorRT_LIBRARY} ${TensorRT_ONNX_LIBRARY})
