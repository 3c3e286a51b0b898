"""Tenon: builds fast inference engines from ONNX models and runs them.

    engine = tenon.compile("model.onnx", precision="fp32", threads=2)
    outputs = engine.run([image])
    engine.save("model.plan"); engine = tenon.load("model.plan")
"""
import os

import numpy as np

from . import _core
from ._core import TenonError
from .drop_in._tenon_turns import Turns

__all__ = ["compile", "load", "Engine", "IO", "TenonError"]

_NUMPY = {"f32": "float32", "f64": "float64", "f16": "float16", "i8": "int8", "u8": "uint8", "i16": "int16",
          "u16": "uint16", "i32": "int32", "u32": "uint32", "i64": "int64", "u64": "uint64", "bool": "bool",
          "c64": "complex64", "c128": "complex128"}
_ML = {"bf16": "bfloat16", "f8e4m3fn": "float8_e4m3fn", "f8e5m2": "float8_e5m2", "f8e4m3fnuz": "float8_e4m3fnuz",
       "f8e5m2fnuz": "float8_e5m2fnuz", "f8e8m0": "float8_e8m0fnu", "i4": "int4", "u4": "uint4",
       "f4e2m1": "float4_e2m1fn", "i2": "int2", "u2": "uint2"}
_NAMES = {v: k for k, v in {**_NUMPY, **_ML}.items()}
_PACKED = {"i4": 4, "u4": 4, "f4e2m1": 4, "i2": 2, "u2": 2}


class IO:
    """An input or output: `name`, `dtype` ("f32", …) and `shape`, whose dynamic dimensions are texts."""

    def __init__(self, name, dtype, shape):
        self.name, self.dtype, self.shape = name, dtype, shape

    @property
    def numpy_dtype(self):
        """The numpy dtype; ml_dtypes' for types that numpy lacks, object for strings."""
        return _numpy_dtype(self.dtype)

    def __repr__(self):
        return f"IO({self.name!r}, {self.dtype}, {self.shape})"


def _numpy_dtype(name):
    if name == "string":
        return np.dtype(object)
    if name in _NUMPY:
        return np.dtype(_NUMPY[name])
    import ml_dtypes
    return np.dtype(getattr(ml_dtypes, _ML[name]))


def _pack(array, bits):
    codes = array.reshape(-1).view(np.uint8) & ((1 << bits) - 1)
    per_byte = 8 // bits
    codes = np.pad(codes, (0, -len(codes) % per_byte)).reshape(-1, per_byte)
    return np.bitwise_or.reduce(codes << (np.arange(per_byte, dtype=np.uint8) * bits), axis=1).astype(np.uint8)


def _unpack(packed, dims, dtype, bits):
    per_byte, mask = 8 // bits, (1 << bits) - 1
    codes = (packed[:, None] >> (np.arange(per_byte, dtype=np.uint8) * bits)) & mask
    codes = codes.reshape(-1)[: int(np.prod(dims, dtype=np.int64))]
    if dtype in ("i4", "i2"):
        codes = np.where(codes >> (bits - 1), codes | (0xFF & ~mask), codes)
    return codes.astype(np.uint8).view(_numpy_dtype(dtype)).reshape(dims)


def _to_array(value):
    if isinstance(value, np.ndarray):
        return value
    if hasattr(value, "__dlpack__"):
        try:
            return np.from_dlpack(value)
        except (BufferError, TypeError, RuntimeError):
            if str(getattr(value, "dtype", "")) == "torch.bfloat16":
                import ml_dtypes
                import torch
                return np.from_dlpack(value.view(torch.int16)).view(ml_dtypes.bfloat16)
            raise
    return np.asarray(value)


def _to_tensor(value, io, keep):
    array = _to_array(value)
    if io.dtype == "string":
        return _core.of_strings(list(array.shape), [v if isinstance(v, str) else v.decode() for v in array.reshape(-1)])
    array = np.asarray(array, dtype=array.dtype.newbyteorder("="), order="C")
    name = _NAMES.get(array.dtype.name)
    if name is None:
        raise TypeError(f"input '{io.name}' is given dtype {array.dtype}, accepted is {io.numpy_dtype}")
    shape = list(array.shape)
    if name in _PACKED:
        array = _pack(array, _PACKED[name])
    keep.append(array)
    return _core.borrow(array.__array_interface__["data"][0], shape, name)


def _from_tensor(tensor):
    dtype, dims = tensor.dtype, tensor.dims
    if dtype == "string":
        return np.array(tensor.strings(), dtype=object).reshape(dims)
    raw = tensor.bytes()
    if dtype in _PACKED:
        return _unpack(raw, dims, dtype, _PACKED[dtype])
    return raw.view(_numpy_dtype(dtype)).reshape(dims)


class Engine:
    """A prepared model. Safe to call from several threads; calls take turns."""

    def __init__(self, core):
        self._core = core
        self.inputs = [IO(*io) for io in core.io(True)]
        self.outputs = [IO(*io) for io in core.io(False)]
        self._types, self._turns = None, Turns()

    def run(self, inputs):
        """Runs on arrays in the order of `inputs` and returns a list of numpy arrays in the order of `outputs`.

        Arrays may be numpy's or anything with DLPack on the CPU; C-contiguous ones are not copied. Raises TenonError
        where a shape lies outside the profile or a data type differs.
        """
        if len(inputs) != len(self.inputs):
            raise TypeError(f"the engine has {len(self.inputs)} inputs, {len(inputs)} were given")
        keep = []
        tensors = [_to_tensor(value, io, keep) for value, io in zip(inputs, self.inputs)]
        return [_from_tensor(t) for t in self._core.run(tensors)]

    def run_torch(self, inputs):
        """Runs on torch tensors of the engine's device, without copies, in the order of the current CUDA stream.

        Returns new tensors on the same device. Raises TenonError where shapes disagree or outputs depend on data,
        TypeError where a tensor has another type or device.
        """
        import torch

        if len(inputs) != len(self.inputs):
            raise TypeError(f"the engine has {len(self.inputs)} inputs, {len(inputs)} were given")
        if self._types is None:
            self._types = [[_torch_dtype(io.dtype) for io in ios] for ios in (self.inputs, self.outputs)]
        kind = self._core.device
        device = getattr(inputs[0], "device", None) if inputs else torch.device(kind)
        given = []
        for x, io, dtype in zip(inputs, self.inputs, self._types[0]):
            if not isinstance(x, torch.Tensor):
                raise TypeError(f"input '{io.name}' is a {type(x).__name__}, accepted is torch.Tensor")
            if x.device.type != kind or x.device != device or x.dtype != dtype:
                raise TypeError(f"input '{io.name}' is {x.dtype} on {x.device}, accepted is {dtype} on "
                                f"{device if device.type == kind else kind}")
            given.append(x.detach().contiguous())
        dims = [x.shape for x in given]
        outputs = [torch.empty(d, dtype=dtype, device=device)
                   for d, dtype in zip(self._core.prepare(dims), self._types[1])]
        with self._turns:
            self._core.enqueue(dims, [t.data_ptr() for t in given + outputs], self._turns.stream(device))
        return outputs

    def __call__(self, *args, **named):
        """Runs on inputs by position or name. One output comes as an array, more as a dict by name."""
        values = dict(zip((io.name for io in self.inputs), args), **named)
        missing = [io.name for io in self.inputs if io.name not in values]
        unknown = sorted(set(values) - {io.name for io in self.inputs})
        if missing or unknown or len(args) > len(self.inputs):
            raise TypeError(f"inputs are {[io.name for io in self.inputs]}; missing {missing}, unknown {unknown}")
        outputs = self.run([values[io.name] for io in self.inputs])
        return outputs[0] if len(outputs) == 1 else {io.name: y for io, y in zip(self.outputs, outputs)}

    def layers(self):
        """One dict a layer: name, op, origin (names in the model), type, kernel, us (time measured when built)."""
        return self._core.layers()

    def save(self, path):
        """Writes the plan, whole or not at all."""
        self._core.save(os.fspath(path))

    def serialize(self):
        """The plan as bytes."""
        return self._core.serialize()

    @property
    def report(self):
        """How the engine was built: passes, candidates, times and refusals. Empty for a loaded plan."""
        return self._core.report

    @property
    def threads(self):
        return self._core.threads


def _torch_dtype(name):
    import torch

    types = {"f32": torch.float32, "f64": torch.float64, "f16": torch.float16, "bf16": torch.bfloat16,
             "i8": torch.int8, "u8": torch.uint8, "i16": torch.int16, "i32": torch.int32, "i64": torch.int64,
             "bool": torch.bool}
    if name not in types:
        raise TypeError(f"torch has no tensors of type {name}")
    return types[name]


def _ranges(shapes):
    ranges = {}
    for name, spec in (shapes or {}).items():
        triple = spec if len(spec) == 3 and not isinstance(spec[0], (int, np.integer)) else (spec, spec, spec)
        ranges[name] = tuple([int(d) for d in dims] for dims in triple)
    return ranges


def compile(model, device="cpu", precision="fp32", shapes=None, threads=None, level=3, timing_cache=None,
            base_directory=""):
    """Builds an engine from an ONNX file or its bytes.

    device: "cpu", "cuda" or "cuda:N".
    precision: "fp32", or "tf32", "bf16" or "fp16", which layers may then use where it is faster.
    shapes: {input: dims} or {input: (min, opt, max)}; without it any shape runs.
    threads: to run with; default TENON_THREADS, else all processors. level: 0 (no timing) to 5 (time every kernel).
    timing_cache: file of measured times, read and updated. base_directory: of external data, for a model in bytes.
    """
    if precision not in ("fp32", "tf32", "bf16", "fp16"):
        raise ValueError(f"precision is {precision!r}, accepted are 'fp32', 'tf32', 'bf16', 'fp16'")
    if not 0 <= level <= 5:
        raise ValueError(f"level is {level}, accepted are 0 to 5")
    options = _core.CompileOptions()
    options.precision, options.threads, options.level = precision, int(threads or 0), int(level)
    options.device = device
    options.timing_cache, options.shapes = os.fspath(timing_cache or ""), _ranges(shapes)
    from_bytes = isinstance(model, (bytes, bytearray, memoryview))
    return Engine(_core.compile("" if from_bytes else os.fspath(model), bytes(model) if from_bytes else None,
                                os.fspath(base_directory), options))


def load(plan, device="cpu", threads=None):
    """Loads a plan from a file or its bytes; the device need not be the one it was built for."""
    if isinstance(plan, (bytes, bytearray, memoryview)):
        return Engine(_core.load_bytes(bytes(plan), device, int(threads or 0)))
    return Engine(_core.load(os.fspath(plan), device, int(threads or 0)))
