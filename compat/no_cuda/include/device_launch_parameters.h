/* For includes; what it names in device code has no meaning on the host. */
#ifndef TENON_NO_CUDA_DEVICE_LAUNCH_PARAMETERS_H
#define TENON_NO_CUDA_DEVICE_LAUNCH_PARAMETERS_H
#include "vector_types.h"
#endif
