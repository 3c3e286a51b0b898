"""Converters by family. A file of one's own that registers converters with @tensorrt_converter is imported as well."""

import importlib
import pkgutil

for _module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
    importlib.import_module(f"{__name__}.{_module}")
