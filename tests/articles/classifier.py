"""A wrapper that loads a classifier and predicts batches of numpy arrays with list bindings."""

import sys

import numpy as np
import pycuda.autoinit  # noqa: F401
import pycuda.driver as cuda
import tensorrt as trt


class Classifier:
    def __init__(self, path, shape, target_dtype=np.float32):
        self.target_dtype, self.shape, self.stream = target_dtype, shape, None
        runtime = trt.Runtime(trt.Logger(trt.Logger.WARNING))
        with open(path, "rb") as plan:
            self.engine = runtime.deserialize_cuda_engine(plan.read())
        self.context = self.engine.create_execution_context()

    def allocate(self, batch):
        self.output = np.empty(self.shape, dtype=self.target_dtype)
        self.device_input, self.device_output = cuda.mem_alloc(1 * batch.nbytes), cuda.mem_alloc(1 * self.output.nbytes)
        self.bindings = [int(self.device_input), int(self.device_output)]
        self.stream = cuda.Stream()

    def predict(self, batch):
        if self.stream is None:
            self.allocate(batch)
        cuda.memcpy_htod_async(self.device_input, batch, self.stream)
        self.context.execute_async_v2(self.bindings, self.stream.handle, None)
        cuda.memcpy_dtoh_async(self.output, self.device_output, self.stream)
        self.stream.synchronize()
        return self.output


if __name__ == "__main__":
    batch = np.load(sys.argv[2])
    np.save(sys.argv[3], Classifier(sys.argv[1], [batch.shape[0], int(sys.argv[4])]).predict(batch))
