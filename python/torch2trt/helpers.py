"""What converters use: arguments, axes, constants and broadcasting."""

import tensorrt as trt
import torch


def get_arg(ctx, name, pos, default):
    """An argument of the hooked call by keyword, position or default."""
    if name in ctx.method_kwargs:
        return ctx.method_kwargs[name]
    return ctx.method_args[pos] if len(ctx.method_args) > pos else default


def trt_num_inputs(engine):
    return sum(engine.get_tensor_mode(engine.get_tensor_name(i)) == trt.TensorIOMode.INPUT
               for i in range(engine.num_io_tensors))


def trt_num_outputs(engine):
    return engine.num_io_tensors - trt_num_inputs(engine)


def torch_dim_resolve_negative(dim, ndim):
    dims = dim if isinstance(dim, (tuple, list, range)) else (dim,)
    return tuple(int(d) + ndim if d < 0 else int(d) for d in dims)


def torch_dim_to_trt_axes(dim, ndim=None):
    """A mask of axes; `ndim` resolves negative ones."""
    mask = 0
    for d in torch_dim_resolve_negative(dim, ndim or 0):
        mask |= 1 << d
    return mask


def add_trt_constant(network, tensor):
    """A constant layer's output with a tensor's values and shape."""
    return network.add_constant(tuple(tensor.shape), values(tensor)).get_output(0)


def check_torch_dtype(*tensors):
    """The first tensor's data type; numbers take it over."""
    for tensor in tensors:
        if isinstance(tensor, torch.Tensor):
            return tensor.dtype
    return torch.float32


def traced(value):
    return isinstance(value, torch.Tensor) and hasattr(value, "_trt")


def _trt_of(network, value, dtype):
    if traced(value):
        return value._trt
    if not isinstance(value, torch.Tensor):
        value = torch.as_tensor(value, dtype=dtype)
    return add_trt_constant(network, value)


def add_missing_trt_tensors(network, tensors):
    """The network's tensors of torch tensors and numbers; those that are not the network's become constants."""
    dtype = check_torch_dtype(*tensors)
    return [None if t is None else _trt_of(network, t, dtype) for t in tensors]


def broadcast_trt_tensors(network, trt_tensors, broadcast_ndim):
    """Tensors with leading dimensions of 1, up to a rank."""
    result = []
    for tensor in trt_tensors:
        missing = broadcast_ndim - len(tensor.shape)
        if missing > 0:
            layer = network.add_shuffle(tensor)
            layer.reshape_dims = (1,) * missing + tuple(tensor.shape)
            tensor = layer.get_output(0)
        result.append(tensor)
    return result


def trt_(network, *tensors):
    """The network's tensors, of one rank and one type where there are several."""
    if len(tensors) == 1:
        return add_missing_trt_tensors(network, tensors)[0]
    found = add_missing_trt_tensors(network, tensors)
    found = broadcast_trt_tensors(network, found, max(len(t.shape) for t in found))
    types = [t.dtype for t in tensors if isinstance(t, torch.Tensor)]
    if len(set(types)) > 1:
        from .trt_module import torch_dtype_to_trt

        common = types[0]
        for other in types[1:]:
            common = torch.promote_types(common, other)
        wanted = torch_dtype_to_trt(common)
        found = [t if t.dtype == wanted else network.add_cast(t, wanted).get_output(0) for t in found]
    return tuple(found)


def default_input_names(num_inputs):
    return [f"input_{i}" for i in range(num_inputs)]


def default_output_names(num_outputs):
    return [f"output_{i}" for i in range(num_outputs)]


def device_type_str(device_type):
    return {trt.DeviceType.GPU: "GPU", trt.DeviceType.DLA: "DLA"}[device_type]


def infer_dynamic_axes(min_shapes_flat, max_shapes_flat):
    """The axes of each input that differ between its smallest and its greatest shape."""
    return [[i for i, (a, b) in enumerate(zip(low, high)) if a != b]
            for low, high in zip(min_shapes_flat, max_shapes_flat)]


def get_module_qualname(name):
    """Splits "package.module.Class.method" into the module and the rest."""
    import importlib

    parts = name.split(".")
    for i in range(len(parts), 0, -1):
        try:
            return importlib.import_module(".".join(parts[:i])), ".".join(parts[i:])
        except ImportError:
            continue
    raise RuntimeError(f"no module in '{name}' can be imported")


def set_layer_precision(ctx, layer):
    """Applies the modes of the conversion to a layer of a converter."""
    kwargs = ctx.torch2trt_kwargs
    if kwargs.get("int8_mode"):
        layer.precision = trt.int8
        layer.set_output_type(0, trt.int8)
    elif kwargs.get("fp16_mode"):
        layer.precision = trt.float16
        layer.set_output_type(0, trt.float16)


def pair(value, count):
    """A number as a tuple of `count`; a sequence as a tuple."""
    return tuple(int(v) for v in value) if isinstance(value, (tuple, list)) else (int(value),) * count


def values(tensor):
    """A tensor's values for a layer."""
    if tensor is None:
        return None
    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype == torch.bfloat16:  # which numpy alone lacks
        import ml_dtypes

        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16)
    return tensor.numpy()


def reshaped(network, tensor, shape, like=None):
    """A tensor in another shape. `like`: the torch tensor it was, for the dimensions that are kept and stay dynamic."""
    shape = [int(d) for d in shape]
    if like is not None and -1 in tuple(tensor.shape):
        _keep_dynamic(shape, tuple(like.shape), tuple(tensor.shape))
    elif like is not None and shape and like.dim() and shape[0] == like.shape[0]:
        shape[0] = 0
    layer = network.add_shuffle(tensor)
    layer.reshape_dims = tuple(shape)
    return layer.get_output(0)


def _keep_dynamic(shape, sample, known):
    """Leading sizes that stay are copied (0); of the rest one is computed (-1) where something dynamic is left."""
    kept = 0
    while kept < min(len(shape), len(sample)) and shape[kept] == sample[kept]:
        shape[kept] = 0
        kept += 1
    if -1 in known[kept:] and kept < len(shape):
        own = list(sample[kept:])
        fresh = [i for i in range(kept, len(shape)) if shape[i] not in own]
        dynamic = [sample[i] for i in range(kept, len(sample)) if known[i] == -1]
        moved = [i for i in range(kept, len(shape)) if shape[i] in dynamic]
        at = (fresh if len(fresh) == 1 else moved or fresh or [len(shape) - 1])[0]
        shape[at] = -1
