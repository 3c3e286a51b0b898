// The process-wide plugin registry.
#pragma once
#include <NvInfer.h>

extern "C" TENSORRTAPI nvinfer1::IPluginRegistry* getPluginRegistry();
