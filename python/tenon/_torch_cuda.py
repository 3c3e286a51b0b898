"""A torch without CUDA that takes "cuda" for the CPU, for programs that were written for a GPU."""

import contextlib
import functools
import importlib.abc
import importlib.machinery
import os
import sys
import threading
import time
import types


class _Loader(importlib.abc.Loader):
    """Loads a module as always, and then changes it."""

    def __init__(self, loader, change):
        self._loader, self._change = loader, change

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        self._change(module)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name not in _CHANGES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, _CHANGES[name])
        return spec


def watch():
    """Changes torch when the program imports it, if it finds no GPU then."""
    sys.meta_path.insert(0, _Finder())


def _without_gpu(torch):
    if not torch.cuda.is_available():
        apply(torch)


def _declare_operators(extension):
    """Lets torchvision be imported where its operators, built for CUDA, don't load into this torch: it describes two of
    them while it is imported."""
    if extension._has_ops():
        return
    from torch.library import Library

    _kept.append(Library("torchvision", "FRAGMENT"))
    for name in ("nms", "qnms"):
        _kept[-1].define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


_kept: list = []
_CHANGES = {"torch": _without_gpu, "torchvision.extension": _declare_operators}


def _is_cuda(torch, value):
    if isinstance(value, str):
        return value == "cuda" or value.startswith("cuda:")
    return isinstance(value, torch.device) and value.type == "cuda"


def _on_cpu(torch, value):
    """An argument with the CPU in the GPU's place; torch.cuda.FloatTensor and its like by name too."""
    if isinstance(value, str) and value.startswith("torch.cuda."):
        return value.replace("torch.cuda.", "torch.", 1)
    return "cpu" if _is_cuda(torch, value) else value


class Stream:
    """The one stream that there is: work is done when a call returns."""

    cuda_stream = 0

    def __init__(self, *_, **__):
        pass

    def synchronize(self):
        pass

    def wait_stream(self, stream):
        pass

    def wait_event(self, event):
        pass

    def record_event(self, event=None):
        event = event or Event()
        event.record()
        return event

    def query(self):
        return True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


class Event:
    """A moment of the host's clock."""

    def __init__(self, *_, **__):
        self._time = None

    def record(self, stream=None):
        self._time = time.perf_counter()

    def synchronize(self):
        pass

    def query(self):
        return True

    def elapsed_time(self, end):
        return (end._time - self._time) * 1e3


# Those that have to see where tensors really are.
_LIBRARIES = {"torch", "torchvision", "tenon", "torch2trt", "tensorrt"}


def _mode(torch):
    from torch.overrides import TorchFunctionMode

    is_cuda = torch.Tensor.is_cuda

    class OnCpu(TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            if getattr(function, "__self__", None) is is_cuda:
                asks = sys._getframe(1).f_globals.get("__name__", "")
                return asks.partition(".")[0] not in _LIBRARIES
            kwargs = kwargs or {}
            device = kwargs.get("device")
            if _is_cuda(torch, device) or isinstance(device, int) and not isinstance(device, bool):
                kwargs = dict(kwargs, device="cpu")
            if function is torch.device and args and isinstance(args[0], int):
                args = ("cpu",)
            if any(isinstance(a, (str, torch.device)) for a in args):
                args = tuple(_on_cpu(torch, a) for a in args)
            return function(*args, **kwargs)

    return OnCpu()


def _in_every_thread(torch):
    """Has threads that are started from now on take "cuda" for the CPU: a mode is a thread's own."""
    begin = threading.Thread._bootstrap_inner

    def bootstrap(self):
        with _mode(torch):
            begin(self)

    threading.Thread._bootstrap_inner = bootstrap


def _in_custom_operators(torch):
    """Has operators that Python defines from now on take "cuda" for the CPU: the mode ends where torch calls them."""
    begin = torch.library.Library.impl

    def impl(self, name, function, *args, **kwargs):
        if isinstance(function, types.FunctionType):
            inner = function

            @functools.wraps(inner)
            def function(*given, **named):
                with _mode(torch):
                    return inner(*given, **named)

        return begin(self, name, function, *args, **kwargs)

    torch.library.Library.impl = impl


def _memory():
    """Free and all bytes of the host's memory."""
    page = os.sysconf("SC_PAGE_SIZE")
    return os.sysconf("SC_AVPHYS_PAGES") * page, os.sysconf("SC_PHYS_PAGES") * page


def _properties(*_):
    """What torch.cuda.get_device_properties() tells."""
    return types.SimpleNamespace(name=_NAME, major=7, minor=5, total_memory=_memory()[1], multi_processor_count=1)


_NAME = "CPU (Tenon, no GPU driver)"


def apply(torch):
    """Maps the device "cuda" to the CPU in this process."""
    cuda, original = torch.cuda, torch.nn.Module.to
    torch.Tensor.cuda = lambda self, *_, **__: self
    torch.nn.Module.cuda = lambda self, *_, **__: self

    def to(self, *args, **kwargs):
        args = tuple(_on_cpu(torch, a) for a in args)
        if _is_cuda(torch, kwargs.get("device")):
            kwargs["device"] = "cpu"
        return original(self, *args, **kwargs)

    torch.nn.Module.to = to
    cuda.is_available, cuda.device_count, cuda.current_device = lambda: True, lambda: 1, lambda: 0
    cuda.synchronize, cuda.empty_cache, cuda.ipc_collect = lambda *_, **__: None, lambda: None, lambda: None
    cuda.Stream = cuda.ExternalStream = Stream
    cuda.Event = Event
    cuda.current_stream = cuda.default_stream = lambda *_: Stream()
    cuda.stream, cuda.set_device, cuda.init = (lambda stream: stream or Stream()), lambda *_: None, lambda: None
    cuda.get_device_name, cuda.get_device_capability = (lambda *_: _NAME), lambda *_: (7, 5)
    cuda.get_device_properties, cuda.mem_get_info = _properties, lambda *_: _memory()
    torch._C._CudaDeviceProperties = types.SimpleNamespace  # which programs annotate with
    cuda.is_current_stream_capturing = lambda: False
    cuda.device = lambda *_: contextlib.nullcontext()
    torch.Tensor.pin_memory = lambda self, *_: self
    for name in ("range_push", "range_pop", "mark"):
        setattr(cuda.nvtx, name, lambda *_, **__: 0)
    # The state of random numbers of a device that has none.
    cuda.get_rng_state = lambda *_, **__: torch.empty(0, dtype=torch.uint8)
    cuda.get_rng_state_all = lambda: []
    for name in ("set_rng_state", "set_rng_state_all", "manual_seed", "manual_seed_all", "seed", "seed_all"):
        setattr(cuda, name, lambda *_, **__: None)
    for name in ("memory_allocated", "max_memory_allocated", "memory_reserved", "max_memory_reserved"):
        setattr(cuda, name, lambda *_: 0)
    cuda.reset_peak_memory_stats = cuda.reset_accumulated_memory_stats = lambda *_: None
    cuda.memory_stats, cuda.is_bf16_supported = (lambda *_: {}), lambda *_, **__: True
    for name in ("Float", "Half", "Double", "Int", "Long", "Bool", "Byte", "Char", "Short", "BFloat16"):
        setattr(cuda, f"{name}Tensor", getattr(torch, f"{name}Tensor"))
    # Entered for good: every call of torch passes it.
    mode = _mode(torch)
    mode.__enter__()
    torch._tenon_cuda_mode = mode
    _in_every_thread(torch)
    _in_custom_operators(torch)
