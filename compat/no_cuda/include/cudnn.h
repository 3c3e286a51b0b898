/* For includes that only name handles; the calls behind them need a GPU. */
#ifndef TENON_NO_CUDA_CUDNN_H
#define TENON_NO_CUDA_CUDNN_H
#include "cuda_runtime_api.h"
typedef struct cudnnContext* cudnnHandle_t;
#endif
