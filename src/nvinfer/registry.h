// The process-wide plugin registry.
#pragma once
#include <NvInfer.h>
