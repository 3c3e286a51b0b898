"""Engines over torch's tensors, which are passed by address."""

import numpy as np
import torch

_NAMES = {torch.float32: "f32", torch.float64: "f64", torch.float16: "f16", torch.bfloat16: "bf16", torch.int8: "i8",
          torch.uint8: "u8", torch.int16: "i16", torch.int32: "i32", torch.int64: "i64", torch.bool: "bool"}
_TYPES = {name: dtype for dtype, name in _NAMES.items()}


class CpuEngine:
    """Takes and returns contiguous tensors of the CPU; neither is copied."""

    def __init__(self, model, options, ranges):
        from tenon import compile

        self._engine = compile(model, precision=options.precision, threads=options.threads or torch.get_num_threads(),
                               level=options.level, shapes=ranges)
        self._core = self._engine._core

    def __call__(self, inputs):
        from tenon import _core

        inputs = [t if t.is_contiguous() else t.contiguous() for t in inputs]
        borrowed = [_core.borrow(t.data_ptr(), t.shape, _NAMES[t.dtype]) for t in inputs]
        outputs = []
        for made in self._core.run(borrowed):
            dims, dtype = made.dims, _TYPES[made.dtype]
            raw = made.bytes()
            outputs.append(torch.from_numpy(raw).view(dtype).view(dims) if raw.size else torch.empty(dims, dtype=dtype))
        return outputs


class CudaEngine:
    """The same on a GPU, through the package `tensorrt`; work goes to torch's current stream."""

    def __init__(self, model, options, ranges):
        import tenon.tensorrt

        tenon.tensorrt.install()
        import tensorrt as trt

        self._logger = trt.Logger(trt.Logger.ERROR)
        builder = trt.Builder(self._logger)
        network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
        parser = trt.OnnxParser(network, self._logger)
        if not parser.parse(model):
            raise RuntimeError("; ".join(str(parser.get_error(i)) for i in range(parser.num_errors)))
        config = builder.create_builder_config()
        flag = {"fp16": trt.BuilderFlag.FP16, "bf16": trt.BuilderFlag.BF16}.get(options.precision)
        if flag is not None:
            config.set_flag(flag)
        profile = builder.create_optimization_profile()
        for name, (low, middle, high) in ranges.items():
            profile.set_shape(name, low, middle, high)
        config.add_optimization_profile(profile)
        plan = builder.build_serialized_network(network, config)
        if plan is None:
            raise RuntimeError("the build failed; the log says why")
        self._runtime = trt.Runtime(self._logger)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        self._context = self._engine.create_execution_context()
        names = [self._engine.get_tensor_name(i) for i in range(self._engine.num_io_tensors)]
        is_input = lambda n: self._engine.get_tensor_mode(n) == trt.TensorIOMode.INPUT
        self._inputs, self._outputs = [n for n in names if is_input(n)], [n for n in names if not is_input(n)]
        numpy_type = lambda n: np.dtype(trt.nptype(self._engine.get_tensor_dtype(n))).name
        self._types = {n: getattr(torch, numpy_type(n)) for n in self._outputs}

    def __call__(self, inputs):
        inputs = [t if t.is_contiguous() else t.contiguous() for t in inputs]
        for name, t in zip(self._inputs, inputs):
            self._context.set_input_shape(name, tuple(t.shape))
            self._context.set_tensor_address(name, t.data_ptr())
        outputs = []
        for name in self._outputs:
            shape = tuple(self._context.get_tensor_shape(name))
            outputs.append(torch.empty(shape, dtype=self._types[name], device=inputs[0].device))
            self._context.set_tensor_address(name, outputs[-1].data_ptr())
        if not self._context.execute_async_v3(torch.cuda.current_stream().cuda_stream):
            raise RuntimeError("the engine failed; the log says why")
        return outputs
