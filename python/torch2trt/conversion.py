"""Hooks on torch's functions, and the context in which they add layers to a network."""

import tensorrt as trt
import torch
from torch.overrides import TorchFunctionMode, resolve_name

from .helpers import add_trt_constant, default_input_names, default_output_names, get_module_qualname, traced
from .shape_converter import _size_wrapper, use_shape_wrapping

CONVERTERS = {}
_SHAPE_READERS = {torch.Tensor.shape.__get__, torch.Tensor.size}
_current = None


class ConversionError(RuntimeError):
    """A call on the module's values has no converter."""


def get_conversion_context():
    return _current


def tensorrt_converter(method, is_real=True, enabled=True, imports=[]):
    """Registers a converter of a function, by its name ("torch.nn.functional.relu") or itself.

    The converter is called with the context after each call: method_args, method_kwargs, method_return. It gives what
    the call returned its tensor of the network as `_trt`. is_real=False: it only takes note.
    """
    name = method if isinstance(method, str) else f"{method.__module__}.{method.__qualname__}"

    def register(converter):
        if enabled:
            CONVERTERS[name] = {"converter": converter, "is_real": is_real, "method_str": name}
        return converter

    return register


def register_transparent(name):
    """Makes a function known by name whose parts are hooked themselves; another converter may take its place."""
    CONVERTERS[name] = {"converter": lambda ctx: None, "is_real": False, "method_str": name}


def _any_traced(value):
    if traced(value):
        return True
    if isinstance(value, (tuple, list)):
        return any(map(_any_traced, value))
    return isinstance(value, dict) and any(map(_any_traced, value.values()))


def attach_converter(ctx, method, converter, method_str):
    """A function that calls `method` and then, unless a converter is at work already, the converter."""

    def wrapper(*args, **kwargs):
        if ctx.lock or not (_any_traced(args) or _any_traced(kwargs)):
            return method(*args, **kwargs)
        ctx.lock = True
        try:
            prepare = getattr(converter["converter"], "prepare", None)
            ctx.method_args, ctx.method_kwargs, ctx.method_str = args, kwargs, method_str
            if prepare is not None:
                prepare(ctx)
            result = method(*args, **kwargs)
            ctx.method_return = result
            converter["converter"](ctx)
        finally:
            ctx.lock = False
            ctx.method_args = ctx.method_kwargs = ctx.method_return = None
        return result

    return wrapper


class ConversionHook:
    """Puts a wrapper in a function's place while the context is open."""

    def __init__(self, ctx, method, converter):
        self.ctx, self.converter, self.name = ctx, converter, method
        module, path = get_module_qualname(method)
        *owners, self.attribute = path.split(".")
        self.owner = module
        for part in owners:
            self.owner = getattr(self.owner, part)
        self.method = getattr(self.owner, self.attribute)

    def __enter__(self):
        # What a class inherits is deleted again instead of set back.
        self.own = not isinstance(self.owner, type) or self.attribute in vars(self.owner)
        setattr(self.owner, self.attribute, attach_converter(self.ctx, self.method, self.converter, self.name))

    def __exit__(self, *_):
        if self.own:
            setattr(self.owner, self.attribute, self.method)
        else:
            delattr(self.owner, self.attribute)


_HARMLESS = {"size", "shape", "dim", "ndim", "numel", "nelement", "stride", "dtype", "device", "layout", "type",
             "names", "element_size", "itemsize", "nbytes", "get_device", "storage_offset", "requires_grad", "grad",
             "grad_fn", "_version", "__len__", "__repr__", "__format__", "__hash__", "__setitem__", "__setattr__",
             "__set__"}


def _is_harmless(name):
    """Whether what a function returns besides tensors tells nothing of the tensor's values."""
    last = name.split(".")[-2] if name.endswith(".__get__") else name.split(".")[-1]
    return last in _HARMLESS or last.startswith("is_")


class _Watch(TorchFunctionMode):
    """Notes calls on the network's tensors whose results no converter made, and those that read values."""

    def __init__(self, ctx):
        super().__init__()
        self.ctx = ctx

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        hook = self.ctx.by_function.get(function)
        if function in _SHAPE_READERS and not self.ctx.lock and use_shape_wrapping.enabled and traced(args[0]):
            return _size_wrapper(*args, **(kwargs or {}))
        if hook is not None:  # called through a reference taken before the context was opened
            function = attach_converter(self.ctx, function, hook.converter, hook.name)
        result = function(*args, **kwargs)
        if not self.ctx.lock and (_any_traced(args) or _any_traced(kwargs)):
            results = result if isinstance(result, (tuple, list)) else (result,)
            name = resolve_name(function) or getattr(function, "__name__", str(function))
            if not any(isinstance(r, torch.Tensor) for r in results) and not _is_harmless(name):
                self.ctx.values_read.setdefault(name)
            lost = any(isinstance(r, torch.Tensor) and not traced(r) for r in results)
            if lost or name.endswith("__setitem__") and not traced(args[0]):
                self.ctx.unconverted.setdefault(name, len(self.ctx.unconverted))
        return result


class NetworkWrapper:
    """The network, naming each layer after the call that made it."""

    def __init__(self, ctx, network):
        self._ctx, self._network = ctx, network

    def __getattr__(self, name):
        attribute = getattr(self._network, name)
        if not name.startswith("add_") or not callable(attribute):
            return attribute

        def add(*args, **kwargs):
            layer = attribute(*args, **kwargs)
            if layer is None:
                from .trt_module import reason

                raise ConversionError(f"{self._ctx.method_str}: {name} failed: {reason()}")
            if name not in ("add_input", "add_loop", "add_if_conditional"):
                self._ctx.name_layer(layer)
                self._ctx.place_layer(layer)
            return layer

        return add


class ConversionContext:
    """While open, calls of torch add layers to a network."""

    def __init__(self, network, converters=None, torch2trt_kwargs=None, builder_config=None, logger=None,
                 device_types=None, gpu_fallback=True):
        self.network = NetworkWrapper(self, network)
        self.torch2trt_kwargs = torch2trt_kwargs or {}
        self.builder_config, self.logger = builder_config, logger
        self.lock, self.method_str, self.unconverted, self._names = False, "input", {}, {}
        self.values_read = {}
        self.method_args = self.method_kwargs = self.method_return = None
        self.hooks, self._watch = [], _Watch(self)
        self.device_types, self.gpu_fallback = dict(device_types or {}), gpu_fallback
        self._devices, self._handles = [], []
        for name, converter in (CONVERTERS if converters is None else converters).items():
            if not converter["is_real"]:
                continue
            try:
                self.hooks.append(ConversionHook(self, name, converter))
            except (AttributeError, RuntimeError):
                continue  # this release of torch has no such function
        self.by_function = {hook.method: hook for hook in self.hooks}

    def name_layer(self, layer):
        count = self._names[self.method_str] = self._names.get(self.method_str, -1) + 1
        layer.name = f"{self.method_str}:{count}"

    def place_layer(self, layer):
        """Gives a layer the device type of the innermost module that has one."""
        if not self._devices or self.builder_config is None:
            return
        device = self._devices[-1]
        if device == trt.DeviceType.DLA and not self.builder_config.can_run_on_DLA(layer):
            if not self.gpu_fallback:
                raise ConversionError(f"layer '{layer.name}' cannot run on a DLA, and gpu_fallback is off")
            device = trt.DeviceType.GPU
        self.builder_config.set_device_type(layer, device)

    def _follow_modules(self):
        def enter(device):
            return lambda *_: self._devices.append(device)

        for module, device in self.device_types.items():
            self._handles.append(module.register_forward_pre_hook(enter(device)))
            self._handles.append(module.register_forward_hook(lambda *_: self._devices.pop() and None))

    def __enter__(self):
        global _current
        _current = self
        self._follow_modules()
        for hook in self.hooks:
            hook.__enter__()
        self._watch.__enter__()
        return self

    def __exit__(self, *error):
        global _current
        self._watch.__exit__(*error)
        for hook in reversed(self.hooks):
            hook.__exit__(*error)
        for handle in self._handles:
            handle.remove()
        _current = None

    def add_inputs(self, torch_inputs, names=None, dynamic_axes=None):
        from .trt_module import torch_dtype_to_trt

        names = names or default_input_names(len(torch_inputs))
        self.input_names = names
        for i, (name, tensor) in enumerate(zip(names, torch_inputs)):
            shape = list(tensor.shape)
            for axis in (dynamic_axes[i] if dynamic_axes else []):
                shape[axis] = -1
            tensor._trt = self.network.add_input(name=name, shape=tuple(shape), dtype=torch_dtype_to_trt(tensor.dtype))

    def mark_outputs(self, torch_outputs, names=None):
        from .trt_module import torch_dtype_to_trt

        if self.unconverted:
            raise ConversionError("no converter for " + ", ".join(self.unconverted))
        names = names or default_output_names(len(torch_outputs))
        self.output_names = names
        for name, tensor in zip(names, torch_outputs):
            # An output of its own: a tensor may be an input, a constant, or an output twice.
            value = tensor._trt if traced(tensor) else add_trt_constant(self.network, tensor)
            output, wanted = self.network.add_identity(value).get_output(0), torch_dtype_to_trt(tensor.dtype)
            if output.dtype != wanted:
                output = self.network.add_cast(output, wanted).get_output(0)
            output.name = name
            self.network.mark_output(output)
