/* For includes that only name handles; the calls behind them need a GPU. */
#ifndef TENON_NO_CUDA_CUDA_PROFILER_API_H
#define TENON_NO_CUDA_CUDA_PROFILER_API_H
#include "cuda_runtime_api.h"

#endif
