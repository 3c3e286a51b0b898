"""TRTModule: an engine as a torch module."""

import tensorrt as trt
import torch

from .flattener import Flattener

_TYPES = {torch.float32: trt.float32, torch.float16: trt.float16, torch.bfloat16: trt.bfloat16, torch.int8: trt.int8,
          torch.uint8: trt.uint8, torch.int32: trt.int32, torch.int64: trt.int64, torch.bool: trt.bool}


def torch_dtype_to_trt(dtype):
    if dtype not in _TYPES:
        raise TypeError(f"{dtype} is not supported by TensorRT; accepted are {', '.join(map(str, _TYPES))}")
    return _TYPES[dtype]


def torch_dtype_from_trt(dtype):
    for name, other in _TYPES.items():
        if other == dtype:
            return name
    raise TypeError(f"{dtype} has no type in torch")


def torch_device_to_trt(device):
    return trt.TensorLocation.DEVICE if device.type == "cuda" else trt.TensorLocation.HOST


def torch_device_from_trt(location):
    if location == trt.TensorLocation.DEVICE and torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("cpu")


class TRTModule(torch.nn.Module):
    """Runs an engine on tensors. Its state dict holds the serialized engine, so torch.save and torch.load carry it."""

    def __init__(self, engine=None, input_names=None, output_names=None, input_flattener=None, output_flattener=None):
        super().__init__()
        self._register_state_dict_hook(TRTModule._on_state_dict)
        self.input_flattener, self.output_flattener = input_flattener, output_flattener
        self.input_names, self.output_names = input_names, output_names
        self.network = None
        self._set_engine(engine)

    def _set_engine(self, engine):
        self.engine = engine
        self.context = engine.create_execution_context() if engine is not None else None
        if engine is None:
            return
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        of = lambda mode: [n for n in names if engine.get_tensor_mode(n) == mode]
        self.input_names = self.input_names or of(trt.TensorIOMode.INPUT)
        self.output_names = self.output_names or of(trt.TensorIOMode.OUTPUT)
        self._types = {n: torch_dtype_from_trt(engine.get_tensor_dtype(n)) for n in names}

    def _on_state_dict(self, state_dict, prefix, local_metadata):
        state_dict[prefix + "engine"] = bytearray(self.engine.serialize())
        state_dict[prefix + "input_names"] = self.input_names
        state_dict[prefix + "output_names"] = self.output_names
        for which in ("input_flattener", "output_flattener"):
            flattener = getattr(self, which)
            state_dict[prefix + which] = None if flattener is None else [flattener.schema, flattener.size]

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
                              error_msgs):
        self.input_names = state_dict[prefix + "input_names"]
        self.output_names = state_dict[prefix + "output_names"]
        for which in ("input_flattener", "output_flattener"):
            saved = state_dict.get(prefix + which)
            setattr(self, which, None if saved is None else Flattener(*saved))
        with trt.Logger() as logger, trt.Runtime(logger) as runtime:
            engine = runtime.deserialize_cuda_engine(state_dict[prefix + "engine"])
        if engine is None:
            error_msgs.append("the engine in the state dict can't be loaded; the log says why")
        self._set_engine(engine)

    def forward(self, *inputs, **named):
        if self.engine is None:
            raise RuntimeError("this TRTModule has no engine; load a state dict first")
        if named:
            inputs = tuple(inputs) + tuple(named[n] for n in self.input_names[len(inputs):])
        flat = self.input_flattener.flatten(inputs) if self.input_flattener is not None else list(inputs)
        device = flat[0].device if flat else torch.device("cpu")
        keep = []
        for name, tensor in zip(self.input_names, flat):
            tensor = tensor.to(self._types[name]).contiguous()
            keep.append(tensor)
            if not self.context.set_input_shape(name, tuple(tensor.shape)):
                raise ValueError(f"input '{name}' has shape {tuple(tensor.shape)}, which the engine does not accept; "
                                 f"its range is {self.engine.get_tensor_profile_shape(name, 0)}")
            self.context.set_tensor_address(name, tensor.data_ptr())
        outputs = []
        for name in self.output_names:
            shape = tuple(self.context.get_tensor_shape(name))
            outputs.append(torch.empty(shape, dtype=self._types[name], device=device))
            self.context.set_tensor_address(name, outputs[-1].data_ptr())
        stream = torch.cuda.current_stream().cuda_stream if device.type == "cuda" else 0
        if not self.context.execute_async_v3(stream):
            raise RuntimeError("the engine failed; the log says why")
        if self.output_flattener is not None:
            return self.output_flattener.unflatten(outputs)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def enable_profiling(self):
        if self.context.profiler is None:
            self.context.profiler = trt.Profiler()


class FallbackModule(torch.nn.Module):
    """A module that could not be converted, run by PyTorch; `reason` says why."""

    def __init__(self, module, reason):
        super().__init__()
        self.module, self.reason = module, reason

    def forward(self, *inputs, **named):
        with torch.no_grad():
            return self.module(*inputs, **named)
