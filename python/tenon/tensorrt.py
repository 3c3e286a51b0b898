"""Runs a program with Tenon's `tensorrt`, and stand-ins for CUDA's Python packages where those are missing:

    python -m tenon.tensorrt script.py ARGUMENTS...     or a command of PATH that is a Python program, or -m MODULE
    export PYTHONPATH=$(tenon python-path)              the same for every program of a shell

In the first form a torch without CUDA also takes "cuda" for the CPU.
"""

import os
import runpy
import shutil
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


def _program(name):
    """The file of a script, or of a command that pip installed."""
    if os.path.exists(name):
        return name
    command = None if os.path.dirname(name) else shutil.which(name)
    if command is not None:
        with open(command, "rb") as file:
            begin = file.readline(256)
        if begin.startswith(b"#!") and b"python" in begin:
            return command
        sys.exit(f"python -m tenon.tensorrt: the command '{name}' ({command}) is no Python program")
    sys.exit(f"python -m tenon.tensorrt: there is no file '{name}'{'' if os.path.dirname(name) else ' and no command'}")


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-") and sys.argv[1] != "-m":
        sys.exit("usage: python -m tenon.tensorrt [-m MODULE | SCRIPT | COMMAND] [ARGUMENT...]")
    install()
    import _tenon_cuda

    _tenon_cuda.serve_ctypes()
    _torch_cuda.watch()
    del sys.argv[0]
    if sys.argv[0] == "-m":
        del sys.argv[0]
        sys.path.insert(0, "")
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.argv[0] = _program(sys.argv[0])
        sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
