/* For includes that only name handles; the calls behind them need a GPU. */
#ifndef TENON_NO_CUDA_CUBLAS_V2_H
#define TENON_NO_CUDA_CUBLAS_V2_H
#include "cuda_runtime_api.h"
typedef struct cublasContext* cublasHandle_t;
#endif
