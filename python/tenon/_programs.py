"""The command-line programs that travel inside the package; each call is replaced by the program."""

import os
import sys


def _run(name):
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", name)
    os.execv(program, [name] + sys.argv[1:])


def tenon():
    if sys.argv[1:] == ["python-path"]:
        from . import tensorrt

        print(tensorrt.path())
        return
    _run("tenon")


def trtexec():
    _run("trtexec")
