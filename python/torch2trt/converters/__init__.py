"""Converters by family. A file of one's own that registers converters with @tensorrt_converter is imported as well."""

import importlib
import pkgutil
import sys

# The families in their order, each with the names that the original's files of its functions have.
_FILES = {
    "activation": "gelu prelu relu relu6 sigmoid silu softmax tanh LogSoftmax",
    "attention": "",
    "convolution": "Conv Conv1d Conv2d ConvTranspose ConvTranspose2d Linear conv_functional einsum matmul",
    "elementwise": "add clamp compare div floordiv mod mul ne pow sub",
    "indexing": "",
    "modules": "dummy_converters example_plugin tensor",
    "normalization": "BatchNorm1d BatchNorm2d BatchNorm3d batch_norm group_norm instance_norm layer_norm normalize",
    "pooling": "AdaptiveAvgPool2d AdaptiveAvgPool3d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool2d "
    "adaptive_max_pool3d avg_pool interpolate max_pool1d max_pool2d max_pool3d native_converters",
    "quantization": "QuantConv QuantConvBN QuantRelu",
    "reduction": "max mean min prod sum",
    "shape": "cat chunk clone expand getitem identity narrow pad permute reflection_pad_2d roll split squeeze stack "
    "transpose unsqueeze view",
    "statistics": "",
    "unary": "",
}
for _family in _FILES:
    importlib.import_module(f"{__name__}.{_family}")
for _module in sorted(m.name for m in pkgutil.iter_modules(__path__)):  # further files take their functions over
    importlib.import_module(f"{__name__}.{_module}")
for _family, _names in _FILES.items():
    for _name in _names.split():
        if f"{__name__}.{_name}" not in sys.modules:  # a file of that name comes first
            globals()[_name] = sys.modules[f"{__name__}.{_name}"] = sys.modules[f"{__name__}.{_family}"]
