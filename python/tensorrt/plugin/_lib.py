"""Where TensorRT keeps the plugins that functions made; programs look there for what a plugin has."""

import operator

from ._functions import Definition
from ._functions import _definitions as QDP_REGISTRY

__all__ = ["QDP_REGISTRY"]

# The names of an entry's functions there.
for _theirs, _ours in (("register_func", "function"), ("impl_func", "impl"), ("autotune_func", "autotune"),
                       ("aot_impl_func", "aot_impl")):
    setattr(Definition, _theirs, property(operator.attrgetter(_ours)))
