/* For includes that only name handles of the driver's interface; its calls need a GPU. */
#ifndef TENON_NO_CUDA_CUDA_H
#define TENON_NO_CUDA_CUDA_H
#include "driver_types.h"
#define CUDA_VERSION CUDART_VERSION
typedef enum cudaError_enum { CUDA_SUCCESS = 0, CUDA_ERROR_NO_DEVICE = 100 } CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;
typedef struct CUctx_st* CUcontext;
typedef cudaStream_t CUstream;
typedef cudaEvent_t CUevent;
#endif
