"""Runs mypy's stubtest over the module `tensorrt` and its stub: names, signatures and kinds agree.

usage: check_stub.py FOLDER_WITH_TENSORRT        exits with 77 where mypy is not installed
"""
import importlib.util
import os
import re
import subprocess
import sys

# What a nanobind type always shows and a stub cannot say: its metaclass, its layout, functions that are objects of
# nanobind's own type, and constructors that only raise.
OF_NANOBIND = re.compile(r"metaclass differs$|is a disjoint base at runtime|is not a function$|"
                         r"stub is a staticmethod but runtime is not$|"
                         r"__init__ is inconsistent, stub does not have \*args")


def main():
    if importlib.util.find_spec("mypy") is None:
        print("mypy is not installed")
        sys.exit(77)
    folder = os.path.abspath(sys.argv[1])
    environment = dict(os.environ, PYTHONPATH=folder, MYPYPATH=folder, TENON_TRT_API="10")
    done = subprocess.run([sys.executable, "-m", "mypy.stubtest", "tensorrt", "--concise"], capture_output=True,
                          text=True, cwd=folder, env=environment)
    lines = done.stdout.splitlines() + done.stderr.splitlines()
    wrong = [line for line in lines if not OF_NANOBIND.search(line)]
    print("\n".join(wrong))
    print(f"{len(lines) - len(wrong)} findings of nanobind's types, {len(wrong)} others")
    sys.exit(bool(wrong) or done.returncode not in (0, 1))


if __name__ == "__main__":
    main()
