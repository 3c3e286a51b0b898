"""Runs a program with Tenon's `tensorrt`, and stand-ins for CUDA's Python packages where those are missing:

    python -m tenon.tensorrt script.py ARGUMENTS...
    export PYTHONPATH=$(tenon python-path)      the same for every program of a shell

In the first form a torch without CUDA also takes "cuda" for the CPU.
"""

import os
import runpy
import sys

from tenon import _torch_cuda


def path():
    """The folder to put on PYTHONPATH."""
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "drop_in")


def install():
    """Makes `import tensorrt` find Tenon's in this process and its children."""
    if path() not in sys.path:
        sys.path.insert(0, path())
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [path(), os.environ.get("PYTHONPATH")]))


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-") and sys.argv[1] != "-m":
        sys.exit("usage: python -m tenon.tensorrt [-m MODULE | SCRIPT] [ARGUMENT...]")
    install()
    _torch_cuda.watch()
    del sys.argv[0]
    if sys.argv[0] == "-m":
        del sys.argv[0]
        sys.path.insert(0, "")
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        if not os.path.exists(sys.argv[0]):
            sys.exit(f"python -m tenon.tensorrt: there is no file '{sys.argv[0]}'")
        sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
