// The network's methods in the order that programs compiled against TensorRT 10.8 call them in.
#pragma once
#include <NvInfer.h>

namespace tenon::nvinfer {

#if NV_TENSORRT_MAJOR == 10
/// The interface of 10.8 alone has addCumulative() before getBuilder(); every other release of 10 has it behind
/// addDynamicQuantize(). Gives the object 10.8's order, for callers from outside: the façade calls the methods of its
/// own class, which are bound when it is compiled.
void take_order_of_10_8(nvinfer1::apiv::VNetworkDefinition& network);
#endif

}  // namespace tenon::nvinfer
