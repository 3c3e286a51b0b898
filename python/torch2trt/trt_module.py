"""TRTModule: an engine as a torch module."""

import tensorrt as trt
import torch
from _tenon_turns import Turns

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


def reason():
    """Why the last call of this thread that failed did so."""
    told = getattr(getattr(trt, "_trt", None), "_reason", str)()
    return told or "the log says why"


def load_engine(plan):
    """The engine of a plan, or None; reason() says why."""
    with trt.Logger() as logger, trt.Runtime(logger) as runtime:
        return runtime.deserialize_cuda_engine(plan)


class TRTModule(torch.nn.Module):
    """Runs an engine on tensors. Its state dict holds the serialized engine, so torch.save and torch.load carry it, and
    the module itself can be pickled and copied. Threads take turns.

    Inputs come by position or name, with any strides, and are converted to the engine's types. Runs go to torch's
    current stream, after those that went to another. Raises TypeError for other inputs than the engine has, ValueError
    for shapes that it does not accept, RuntimeError where it fails.
    """

    def __init__(self, engine=None, input_names=None, output_names=None, input_flattener=None, output_flattener=None):
        super().__init__()
        self._register_state_dict_hook(TRTModule._on_state_dict)
        self.input_flattener, self.output_flattener = input_flattener, output_flattener
        self.input_names, self.output_names = input_names, output_names
        self.network = None
        self._turns = Turns()
        self._set_engine(engine)

    def _set_engine(self, engine):
        self.engine = engine
        self.context = engine.create_execution_context() if engine is not None else None
        if engine is None:
            return
        if self.context is None:
            raise RuntimeError(f"the engine cannot be prepared: {reason()}")
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        of = lambda mode: [n for n in names if engine.get_tensor_mode(n) == mode]
        self.input_names = self.input_names or of(trt.TensorIOMode.INPUT)
        self.output_names = self.output_names or of(trt.TensorIOMode.OUTPUT)
        self._types = {n: torch_dtype_from_trt(engine.get_tensor_dtype(n)) for n in names}

    def __getstate__(self):
        own = ("engine", "context", "network", "_turns")
        state = {k: v for k, v in self.__dict__.items() if k not in own}
        return dict(state, _plan=None if self.engine is None else bytes(self.engine.serialize()))

    def __setstate__(self, state):
        plan = state.pop("_plan")
        super().__setstate__(state)
        self.network, self._turns = None, Turns()
        engine = None if plan is None else load_engine(plan)
        if plan is not None and engine is None:
            raise RuntimeError(f"the engine cannot be loaded: {reason()}")
        self._set_engine(engine)

    def _on_state_dict(self, state_dict, prefix, local_metadata):
        if self.engine is None:
            return
        state_dict[prefix + "engine"] = bytearray(self.engine.serialize())
        state_dict[prefix + "input_names"] = self.input_names
        state_dict[prefix + "output_names"] = self.output_names
        for which in ("input_flattener", "output_flattener"):
            flattener = getattr(self, which)
            state_dict[prefix + which] = None if flattener is None else [flattener.schema, flattener.size]

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys,
                              error_msgs):
        missing = [prefix + k for k in ("engine", "input_names", "output_names") if prefix + k not in state_dict]
        missing_keys.extend(missing)
        if missing:
            return
        engine = load_engine(state_dict[prefix + "engine"])
        if engine is None:
            error_msgs.append(f"the engine in the state dict cannot be loaded: {reason()}")
            return
        self.input_names = state_dict[prefix + "input_names"]
        self.output_names = state_dict[prefix + "output_names"]
        for which in ("input_flattener", "output_flattener"):
            saved = state_dict.get(prefix + which)
            setattr(self, which, None if saved is None else Flattener(*saved))
        self._set_engine(engine)

    def _flat_inputs(self, inputs, named):
        """The inputs in the engine's order."""
        if named:
            given = Flattener.from_value(inputs).flatten(inputs)
            missing = [n for n in self.input_names[len(given):] if n not in named]
            unknown = sorted(set(named) - set(self.input_names[len(given):]))
            if missing or unknown:
                raise TypeError(f"inputs are {list(self.input_names)}; missing {missing}, unknown or twice {unknown}")
            return given + [named[n] for n in self.input_names[len(given):]]
        if self.input_flattener is not None:
            return self.input_flattener.flatten(inputs)
        if len(inputs) != len(self.input_names):
            raise TypeError(f"inputs are {list(self.input_names)}, given are {len(inputs)}")
        return list(inputs)

    def _checked(self, name, tensor, device):
        """An input in the engine's type, row-major."""
        if not isinstance(tensor, torch.Tensor):
            raise TypeError(f"input '{name}' is a {type(tensor).__name__}, accepted is torch.Tensor")
        if tensor.device != device or device.type not in ("cpu", "cuda"):
            raise TypeError(f"input '{name}' is on {tensor.device}; accepted are the CPU or a GPU, one for all inputs")
        if tensor.is_complex():
            raise TypeError(f"input '{name}' is {tensor.dtype}, which {self._types[name]} does not hold")
        return tensor.detach().to(self._types[name]).contiguous()

    def forward(self, *inputs, **named):
        if self.engine is None:
            raise RuntimeError("this TRTModule has no engine; load a state dict first")
        if torch.jit.is_tracing():
            raise RuntimeError("a TRTModule cannot be traced: an engine's outputs would become constants")
        flat = self._flat_inputs(inputs, named)
        device = getattr(flat[0], "device", None) if flat else torch.device("cpu")
        flat = [self._checked(name, tensor, device) for name, tensor in zip(self.input_names, flat)]
        with self._turns:
            outputs = self._run(flat, device)
        if self.output_flattener is not None:
            return self.output_flattener.unflatten(outputs)
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _run(self, inputs, device):
        for name, tensor in zip(self.input_names, inputs):
            if not self.context.set_input_shape(name, tuple(tensor.shape)):
                raise ValueError(f"input '{name}' has shape {tuple(tensor.shape)}, which the engine does not accept; "
                                 f"its range is {self.engine.get_tensor_profile_shape(name, 0)}")
            if not self.context.set_tensor_address(name, tensor.data_ptr()):
                raise TypeError(f"input '{name}' on {device} is refused: {reason()}")
        outputs = []
        for name in self.output_names:
            shape = self.context.get_tensor_shape(name)
            if shape is None or any(d < 0 for d in shape):
                told = reason() if shape is None else "its shape depends on data"
                raise RuntimeError(f"output '{name}' has no shape for inputs of {[tuple(t.shape) for t in inputs]}: "
                                   f"{told}")
            outputs.append(torch.empty(tuple(shape), dtype=self._types[name], device=device))
            if not self.context.set_tensor_address(name, outputs[-1].data_ptr()):
                raise RuntimeError(f"output '{name}' on {device} is refused: {reason()}")
        if not self.context.execute_async_v3(self._turns.stream(device)):
            raise RuntimeError(f"the engine failed: {reason()}")
        return outputs

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
