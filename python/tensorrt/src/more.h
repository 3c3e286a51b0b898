// Methods that follow no rule, added to generated classes.
#pragma once
#include "common.h"

namespace tenon::py {

void more(nb::class_<nvinfer1::ITensor>& c);
void more(nb::class_<nvinfer1::ILayer>& c);
void more(nb::class_<nvinfer1::IDimensionExpr>& c);
void more(nb::class_<nvinfer1::IMatrixMultiplyLayer, nvinfer1::ILayer>& c);
void more(nb::class_<nvinfer1::IResizeLayer, nvinfer1::ILayer>& c);
void more(nb::class_<nvinfer1::IFillLayer, nvinfer1::ILayer>& c);
void more(nb::class_<nvinfer1::IPluginV2Layer, nvinfer1::ILayer>& c);
void more(nb::class_<nvinfer1::IPluginV3Layer, nvinfer1::ILayer>& c);
void more(nb::class_<nvinfer1::INetworkDefinition>& c);
void more(nb::class_<nvinfer1::IBuilder>& c);
void more(nb::class_<nvinfer1::IBuilderConfig>& c);
void more(nb::class_<nvinfer1::IOptimizationProfile>& c);
void more(nb::class_<nvinfer1::ITimingCache>& c);
void more(nb::class_<nvinfer1::IAlgorithmContext>& c);
void more(nb::class_<nvinfer1::IHostMemory>& c);
/// The buffer protocol.
const PyType_Slot* slots_of_IHostMemory();
void more(nb::class_<nvinfer1::IRuntime>& c);
void more(nb::class_<nvinfer1::IRefitter>& c);
void more(nb::class_<nvinfer1::IPluginRegistry>& c);
void more(nb::class_<nvinfer1::ICudaEngine>& c);
void more(nb::class_<nvinfer1::IExecutionContext>& c);

}  // namespace tenon::py
