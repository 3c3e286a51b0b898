"""Conversion of torch modules to engines: while the module runs once, hooks on torch's functions add layers."""

import warnings

import tensorrt as trt
import torch

from . import builder as _builder
from .calibration import DEFAULT_CALIBRATION_ALGORITHM
from .conversion import (CONVERTERS, ConversionContext, ConversionError, ConversionHook, NetworkWrapper,
                         attach_converter, get_conversion_context, tensorrt_converter)
from .flattener import Flattener
from .helpers import (add_missing_trt_tensors, add_trt_constant, broadcast_trt_tensors, check_torch_dtype,
                      default_input_names, default_output_names, device_type_str, get_arg, get_module_qualname,
                      infer_dynamic_axes, set_layer_precision, torch_dim_resolve_negative, torch_dim_to_trt_axes, trt_,
                      trt_num_inputs, trt_num_outputs)
from .trt_module import (FallbackModule, TRTModule, torch_device_from_trt, torch_device_to_trt, torch_dtype_from_trt,
                         torch_dtype_to_trt)
from .dataset import Dataset
from .shape_converter import (IntWrapper, SizeWrapper, _new_getattr, _size_wrapper, make_int_wrapper,
                              make_size_wrapper, use_shape_wrapping, wrap_ints)
from .version_utils import torch_version, trt_version

LayerNamingNetworkWrapper = NetworkWrapper


def _reference(module, inputs):
    """The module's own outputs, without gradients; what it writes to its inputs goes into copies."""
    structure = Flattener.from_value(tuple(inputs))
    with torch.no_grad():
        return module(*structure.unflatten([t.detach().clone() for t in structure.flatten(tuple(inputs))]))


def _rounds(inputs):
    """Whether PyTorch may take the module's products in TF32, so that its own results are rounded."""
    if not any(t.is_cuda for t in inputs):
        return False
    try:
        return torch.backends.cudnn.allow_tf32 or _builder.products_in_tf32()
    except RuntimeError:  # set by the newer names of this setting
        return True


def _is_half(outputs):
    """Whether any of the module's outputs has been rounded to 16 bits."""
    return any(t.dtype in (torch.float16, torch.bfloat16) for t in Flattener.from_value(outputs).flatten(outputs))


def _agrees(engine_module, inputs, expected, tolerance):
    """Whether the engine's outputs are the module's, in shape and type and, relative to their size, in value."""
    given = Flattener.from_value(expected).flatten(expected)
    found = engine_module(*inputs)
    found = Flattener.from_value(found).flatten(found)
    for a, b in zip(given, found):
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        a, b = a.detach().double(), b.detach().double()
        difference, size = (a - b).norm(), a.norm()
        if not difference <= tolerance * max(float(size), 1e-3):
            return False
    return True


def _resized(tensor, shape):
    """A tensor's values, cut or repeated to another shape."""
    for axis, size in enumerate(shape):
        if size != tensor.shape[axis]:
            tensor = tensor.index_select(axis, torch.arange(size, device=tensor.device) % tensor.shape[axis])
    return tensor


def _agrees_at_limits(module, engine_module, settings, inputs, tolerance):
    """Whether the outputs agree at the smallest and the largest shapes too, where shapes are dynamic."""
    if not settings.dynamic:
        return True
    structure = Flattener.from_value(tuple(inputs))
    for shapes in (settings.min_shapes, settings.max_shapes):
        if any(0 in s for s in shapes):
            continue
        other = structure.unflatten([_resized(t, s) for t, s in zip(settings.flat_inputs, shapes)])
        if not _agrees(engine_module, other, _reference(module, other), tolerance):
            return False
    return True


def _other_values(tensor, factor):
    """A tensor of the same values in other places, by a factor where they are floating-point."""
    moved = tensor.detach().flatten().roll(1).reshape(tensor.shape)
    return moved * factor if tensor.is_floating_point() else moved


def _agrees_elsewhere(module, engine_module, settings, inputs, tolerance, signs):
    """Whether the outputs agree for other values of the inputs, so that nothing computed from them became a constant;
    values that the module refuses, or that give no finite numbers, tell nothing."""
    structure = Flattener.from_value(tuple(inputs))
    for sign in signs:
        other = structure.unflatten([_other_values(t, 0.75 * sign) for t in settings.flat_inputs])
        try:
            expected = _reference(module, other)
        except Exception:  # of the user's code
            continue
        finite = all(bool(t.isfinite().all()) for t in Flattener.from_value(expected).flatten(expected))
        if finite and not _agrees(engine_module, other, expected, tolerance):
            return False
    return True


def _why_not(module, engine_module, settings, inputs, tolerance, way):
    """Why the engine may not stand for the module; empty if it may."""
    if not _agrees(engine_module, inputs, settings.expected, tolerance) or not _agrees_at_limits(
            module, engine_module, settings, inputs, tolerance):
        return "the engine's outputs differ from the module's"
    read = ", ".join(settings.values_read)
    signs = (1, -1) if read or way == "onnx" else (1,)
    if _agrees_elsewhere(module, engine_module, settings, inputs, tolerance, signs):
        return ""
    return "for other values its outputs differ from the module's" + (f", which reads values by {read}" if read else "")


def _first_line(error):
    """What an exception says, in a line; the binding's own texts begin with a line that says nothing."""
    text = str(error)
    if "incompatible function arguments" in text:
        return f"{type(error).__name__}: " + " ".join(text.split())
    return f"{type(error).__name__}: {text}".split("\n")[0]


def _convert(settings, inputs, way):
    engine, network = _builder.build(settings, inputs, way)
    input_flattener = Flattener.from_value(tuple(inputs))
    output_flattener = Flattener.from_value(settings.expected)
    result = TRTModule(engine, settings.input_names, settings.output_names, input_flattener, output_flattener)
    if settings.keep_network:
        result.network = network
    return result


def torch2trt(module, inputs, input_names=None, output_names=None, log_level=trt.Logger.ERROR, fp16_mode=False,
              max_workspace_size=1 << 25, strict_type_constraints=False, keep_network=True, int8_mode=False,
              int8_calib_dataset=None, int8_calib_algorithm=DEFAULT_CALIBRATION_ALGORITHM, use_onnx=False,
              default_device_type=trt.DeviceType.GPU, dla_core=0, gpu_fallback=True, device_types={}, min_shapes=None,
              max_shapes=None, opt_shapes=None, onnx_opset=None, max_batch_size=None, avg_timing_iterations=None,
              int8_calib_batch_size=1, **kwargs):
    """Converts a module in eval mode to a TRTModule, from one run on `inputs` (a list of tensors, nested if need be).

    max_batch_size: batches from 1 to it run through the engine. min_shapes, opt_shapes, max_shapes: lists of shapes,
    one an input; `inputs` may be a Dataset, which tells them. int8_calib_dataset: a sequence of lists of inputs;
    without it `inputs` calibrate. use_onnx: through torch.onnx instead of hooks. device_types: {module: DeviceType} of
    what such a module's calls add. builder_optimization_level, 0 to 5: how much is timed; not an argument of the
    original. What hooks can't convert goes through ONNX, and what that can't runs in PyTorch; both with a warning that
    says why. Raises ValueError or TypeError for arguments that disagree with the inputs, and what a data set raised.
    """
    if isinstance(inputs, Dataset):
        min_shapes, max_shapes = min_shapes or inputs.min_shapes(flat=True), max_shapes or inputs.max_shapes(flat=True)
        opt_shapes = opt_shapes or inputs.median_numel_shapes(flat=True)
        int8_calib_dataset, inputs = int8_calib_dataset or inputs, inputs[0]
    inputs = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    expected = _reference(module, inputs)
    settings = _builder.Settings({k: v for k, v in locals().items() if k not in ("kwargs",)}, kwargs)
    tolerance = 1e-1 if fp16_mode or _is_half(expected) else 5e-2 if _rounds(settings.flat_inputs) else 1e-3
    reason = ""
    ways = ["onnx"] if use_onnx else ["hooks", "onnx"]
    for way in ways:
        try:
            result = _convert(settings, inputs, way)
            reason = "" if int8_mode else _why_not(module, result, settings, inputs, tolerance, way)
            if not reason:
                return result
        except Exception as error:  # of any converter, exporter or build: the next way remains
            if settings.calibrator is not None and error is settings.calibrator.failure:
                raise
            reason = _first_line(error)
        following = "through ONNX" if way == "hooks" and "onnx" in ways else "in PyTorch"
        warnings.warn(f"torch2trt: not converted by {way} ({reason}); it runs {following}", stacklevel=2)
    return FallbackModule(module, reason)
