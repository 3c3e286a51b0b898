"""What the names of the module `tensorrt` say of themselves."""

import enum
import inspect
import re

import tenon.tensorrt

tenon.tensorrt.install()
import tensorrt as trt  # noqa: E402


def own_text(name, thing):
    """A docstring without the signatures that stand in front of it."""
    lines = (thing.__doc__ or "").splitlines()
    signature = re.compile(rf"(\d+\. ``)?{re.escape(name)}\(.*|\(self.*|Overloaded function\.")
    return " ".join(line for line in lines if not signature.fullmatch(line)).strip()


def members(name, kind):
    for key, value in vars(kind).items():
        shown = isinstance(value, property) or callable(value) or inspect.isgetsetdescriptor(value)
        if not key.startswith("_") and shown and not inspect.isclass(value):
            yield f"{name}.{key}", own_text(key, value)


def texts():
    for name, thing in vars(trt).items():
        if name.startswith("_") or not callable(thing):
            continue
        yield name, own_text(name, thing)
        if inspect.isclass(thing) and not issubclass(thing, enum.Enum):
            yield from members(name, thing)


def test_every_class_function_method_and_property_says_what_it_is():
    found = dict(texts())
    assert len(found) > 1000 and "ITensor.shape" in found and "ICudaEngine.get_tensor_shape" in found
    assert [name for name, text in found.items() if not text] == []
