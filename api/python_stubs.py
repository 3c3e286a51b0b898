"""Writes the type stub of the extension that python_bindings.py describes: python_stubs.py FOLDER_OF_TENSORRT OUTPUT

Signatures and docstrings come from the built module through nanobind; enumerations, which Python makes when the module
is imported, are put in the module that the stub is of. The stub is of release 10.
"""
import enum
import os
import pathlib
import re
import sys

os.environ["TENON_TRT_API"] = "10"
FOLDER, OUTPUT = pathlib.Path(sys.argv[1]).absolute(), pathlib.Path(sys.argv[2])
sys.path.insert(0, str(FOLDER.parent))

from nanobind.stubgen import StubGen  # noqa: E402
from tensorrt import _trt  # noqa: E402


def enumerations():
    return [value for value in vars(_trt).values() if isinstance(value, type) and issubclass(value, enum.Enum)]


def written(cls):
    """The class of an enumeration, with its members' numbers."""
    members = [f"    {name} = {int(member)}" for name, member in cls.__members__.items()]
    further = {"log": "    def log(self, msg: str) -> None: ...",
               "itemsize": "    @property\n    def itemsize(self) -> float: ..."}
    methods = ["\n" + text for name, text in further.items() if hasattr(cls, name)]
    return "\n".join([f"class {cls.__name__}(_Number):"] + members + methods)


def with_severity(match):
    """The text of a class that has Severity as an attribute: inside, the enumeration needs another name."""
    head, body = match[0].split("\n", 1)
    return f"{head}\n    Severity: type[_Severity]\n\n" + re.sub(r"\bSeverity\b", "_Severity", body)


def main():
    stub = StubGen(module=_trt, quiet=True, include_private=True)
    stub.put(_trt)
    text = stub.get()
    # Enumerations are of the package for their users; here they are the module's own.
    text = re.sub(r"^from tensorrt import \(.*?^\)\n", "", text, flags=re.S | re.M)
    text = re.sub(r"^import tensorrt\n", "", text, flags=re.M)
    text = re.sub(r"<(\w+)\.(\w+): \d+>", r"\1.\2", text)
    text = re.sub(r"\btensorrt\.(_trt\.)?(?=[A-Z])", "", text)
    text = re.sub(r"^(    \w+: (\w+)) = \2\.\w+$", r"\1", text, flags=re.M)
    # A layer's `type` is another enumeration than ILayer's.
    text = re.sub(r"    @property(\n    def type\(self\) -> (?:Activation|Pooling)Type:)",
                  r"    @property  # type: ignore[override]\1", text)
    text = re.sub(r"^class I?Logger\(.*?(?=^class )", with_severity, text, flags=re.S | re.M)
    head = "from ._enum import Number as _Number\n"
    place = re.search(r"^(?:class|def|\w+:) ", text, flags=re.M).start()
    enums = "\n\n\n".join(written(cls) for cls in enumerations()) + "\n\n\n_Severity = Severity"
    OUTPUT.write_text(text[:place].rstrip() + "\n" + head + "\n\n" + enums + "\n\n\n" + text[place:])


if __name__ == "__main__":
    main()
