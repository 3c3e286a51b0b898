"""Networks and engines for torch2trt: by hooks or from ONNX."""

import io

import tensorrt as trt
import torch

from .calibration import make_calibrator
from .conversion import ConversionContext, ConversionError
from .flattener import Flattener
from .helpers import default_input_names, default_output_names, infer_dynamic_axes
from .trt_module import reason


class Settings:
    """torch2trt()'s arguments, with names and shapes completed."""

    def __init__(self, arguments, more):
        self.__dict__.update(arguments)
        self.more = more
        self.flat_inputs = Flattener.from_value(tuple(arguments["inputs"])).flatten(tuple(arguments["inputs"]))
        outputs = Flattener.from_value(self.expected)
        self.input_names = list(self.input_names or default_input_names(len(self.flat_inputs)))
        self.output_names = list(self.output_names or default_output_names(outputs.size))
        self.calibrator, self.values_read = None, {}
        self.shapes()
        self.check()

    def shapes(self):
        own = [tuple(t.shape) for t in self.flat_inputs]
        batch = self.max_batch_size
        flat = lambda given, other: [tuple(s) for s in given] if given is not None else other
        batched = lambda n: [(n,) + s[1:] for s in own] if batch and batch > 1 else own
        self.opt_shapes = flat(self.opt_shapes, own)
        self.min_shapes = flat(self.min_shapes, batched(1))
        self.max_shapes = flat(self.max_shapes, batched(max(batch or 1, own[0][0] if own and own[0] else 1)))
        self._check_shapes()
        self.dynamic_axes = infer_dynamic_axes(self.min_shapes, self.max_shapes)

    def _check_shapes(self):
        for what in ("min_shapes", "opt_shapes", "max_shapes"):
            given = getattr(self, what)
            if len(given) != len(self.flat_inputs):
                raise ValueError(f"{what} has {len(given)} shapes for {len(self.flat_inputs)} inputs")
        for name, tensor, *shapes in zip(self.input_names, self.flat_inputs, self.min_shapes, self.opt_shapes,
                                         self.max_shapes):
            ranks = {len(s) for s in shapes} == {tensor.dim()}
            if not ranks or any(not 0 <= a <= b <= c for a, b, c in zip(*shapes)):
                raise ValueError(f"input '{name}' {tuple(tensor.shape)} has min, opt and max shapes {shapes[0]}, "
                                 f"{shapes[1]}, {shapes[2]}; they need its rank, and min <= opt <= max")

    def check(self):
        """Raises ValueError or TypeError for arguments that no module can be converted with."""
        for what, count in (("input_names", len(self.flat_inputs)),
                            ("output_names", Flattener.from_value(self.expected).size)):
            names = getattr(self, what)
            if len(names) != count or len(set(names)) != count:
                raise ValueError(f"{what} are {names}, accepted are {count} different names")
        if not isinstance(self.log_level, trt.Logger.Severity):
            raise TypeError(f"log_level is {self.log_level!r}, accepted are trt.Logger.ERROR and its like")
        if self.max_workspace_size < 0:
            raise ValueError(f"max_workspace_size is {self.max_workspace_size}")
        for module, device in self.device_types.items():
            if not isinstance(module, torch.nn.Module) or not isinstance(device, trt.DeviceType):
                raise TypeError(f"device_types has {module!r}: {device!r}, accepted are modules with a trt.DeviceType")
        if self.int8_mode:
            self.calibrator = make_calibrator(self)

    @property
    def dynamic(self):
        return any(self.dynamic_axes)


def _hook_network(settings, builder, logger, inputs, config):
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
    flat = [t.detach().clone() for t in settings.flat_inputs]
    arguments = Flattener.from_value(tuple(inputs)).unflatten(flat)
    keywords = dict(fp16_mode=settings.fp16_mode, int8_mode=settings.int8_mode, **settings.more)
    with torch.no_grad(), ConversionContext(network, torch2trt_kwargs=keywords, builder_config=config, logger=logger,
                                            device_types=settings.device_types,
                                            gpu_fallback=settings.gpu_fallback) as context:
        settings.values_read = context.values_read
        context.add_inputs(flat, settings.input_names, settings.dynamic_axes)
        outputs = settings.module(*arguments)
        context.lock = True
        flattened = Flattener.from_value(outputs).flatten(outputs)
        context.mark_outputs(flattened, settings.output_names)
    return network


class _OnDefaultDevice(torch.nn.Module):
    """A module that makes its own tensors on a device, whatever the default is around it."""

    def __init__(self, module, device):
        super().__init__()
        self.module, self.device, self.training = module, device, module.training

    def forward(self, *inputs):
        with torch.device(self.device):
            return self.module(*inputs)


def _export(settings, inputs, data, axes):
    """torch.onnx.export with its own constants in host memory: the exporter reads them there, and a process ends where
    the default device put them on a GPU."""
    module, device = settings.module, torch.empty(0).device
    if device.type != "cpu":
        module = _OnDefaultDevice(module, device)
    with torch.device("cpu"):
        torch.onnx.export(module, tuple(inputs), data, input_names=settings.input_names,
                          output_names=settings.output_names, dynamic_axes=axes or None,
                          opset_version=settings.onnx_opset or 17, dynamo=False)


def _onnx_network(settings, builder, logger, inputs, config):
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
    axes = {name: {a: f"{name}_{a}" for a in axes} for name, axes in zip(settings.input_names, settings.dynamic_axes)
            if axes}
    if settings.dynamic:
        axes.update({name: {0: f"{name}_batch"} for name in settings.output_names})
    data = io.BytesIO()
    _export(settings, inputs, data, axes)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(data.getvalue()):
        errors = [str(parser.get_error(i)) for i in range(parser.num_errors)]
        raise ConversionError("; ".join(errors) or "the ONNX model is refused")
    return network


def products_in_tf32():
    """Whether PyTorch may round the factors of matrix products to TF32; it does not by default."""
    try:
        return torch.backends.cuda.matmul.allow_tf32
    except RuntimeError:  # set by the newer names of this setting
        return torch.backends.cuda.matmul.fp32_precision == "tf32"


def _complete(config, settings, builder):
    """Sets what the arguments ask for."""
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, settings.max_workspace_size)
    if settings.fp16_mode:
        config.set_flag(trt.BuilderFlag.FP16)
    if not products_in_tf32():
        config.clear_flag(trt.BuilderFlag.TF32)
    if settings.strict_type_constraints:
        config.set_flag(trt.BuilderFlag.STRICT_TYPES)
    if settings.avg_timing_iterations is not None:
        config.avg_timing_iterations = settings.avg_timing_iterations
    if settings.more.get("builder_optimization_level") is not None:
        config.builder_optimization_level = settings.more["builder_optimization_level"]
    profile = builder.create_optimization_profile()
    for name, low, middle, high in zip(settings.input_names, settings.min_shapes, settings.opt_shapes,
                                       settings.max_shapes):
        profile.set_shape(name, low, middle, high)
    config.add_optimization_profile(profile)
    if settings.int8_mode:
        config.set_flag(trt.BuilderFlag.INT8)
        settings.calibrator.rewind()
        config.int8_calibrator = settings.calibrator
        config.set_calibration_profile(profile)
    if settings.gpu_fallback:
        config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
    config.default_device_type, config.DLA_core = settings.default_device_type, settings.dla_core


def build(settings, inputs, way):
    """The engine and the network of a module, `way`: "hooks" or "onnx". Raises where it can't be converted."""
    logger = trt.Logger(settings.log_level)
    builder = trt.Builder(logger)
    config = builder.create_builder_config()
    network = (_hook_network if way == "hooks" else _onnx_network)(settings, builder, logger, inputs, config)
    _complete(config, settings, builder)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        if settings.calibrator is not None and settings.calibrator.failure is not None:
            raise settings.calibrator.failure
        raise ConversionError(f"the build failed: {reason()}")
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    if engine is None:
        raise ConversionError(f"the engine cannot be loaded: {reason()}")
    return engine, network
