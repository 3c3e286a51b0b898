// Handles of cuDNN and cuBLAS for plugins.
#pragma once
#include <NvInfer.h>

#include <memory>

namespace tenon::nvinfer {

/// Handles for the plugins of one execution context, made when they are first asked for. A plugin that computes with
/// one of these libraries has brought it into the process: null where none is there, or where it refuses.
class LibraryHandles {
 public:
  /// For the device that is current in the calling thread.
  cudnnContext* cudnn();
  cublasContext* cublas();

 private:
  struct Handle {
    bool tried = false;
    std::shared_ptr<void> value;
  };
  Handle cudnn_, cublas_;
};

}  // namespace tenon::nvinfer
