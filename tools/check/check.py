"""Source checks of `make check`: formatting, direction of includes, sizes, words, symbols of instruction-set objects.

usage: check.py [--build DIR] [CHECK ...]      CHECK is one of: format layers sizes words symbols; default: all

Every finding is one line, `file:line: what was found; accepted: what is`. Exit status 1 when there is any.
"""

import argparse
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cpp_functions
import isa_symbols
import layers

CPP = (".cpp", ".h", ".hpp", ".cu", ".cuh")
TEXT = CPP + (".py", ".sh", ".cmake", ".inc", ".txt", ".md", ".json")
WORDS = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X{3})\b")
MAX_FILE, MAX_LONG_FILE, MAX_FUNCTION, MAX_LINE = 400, 800, 60, 120
MAX_DEVICE_FUNCTION = 100  # the phases of a GPU kernel share registers and shared memory


def tracked_files():
    out = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], check=True,
                         capture_output=True, text=True).stdout
    return sorted(f for f in out.split("\0") if f and os.path.isfile(f))


def read_lines(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read().split("\n")


def is_test(path):
    return path.startswith("tests/") or "/tests/" in path or os.path.splitext(path)[0].endswith("_test")


def may_be_long(path):
    return is_test(path) or path.startswith("bench/") or "/kernels/" in path or "/isa/" in path or path.endswith(".md")


def check_format(files, _):
    """Reports the first differing line of each C++ file that clang-format would change."""
    tool = ".venv/bin/clang-format" if os.path.exists(".venv/bin/clang-format") else "clang-format"
    names = [f for f in files if f.endswith(CPP)]
    for i in range(0, len(names), 50):
        run = subprocess.run([tool, "--dry-run", "--ferror-limit=1", "--style=file"] + names[i:i + 50],
                             capture_output=True, text=True)
        for line in run.stderr.split("\n"):
            if "-Wclang-format-violations" in line:
                yield ":".join(line.split(":")[:2]) + ": format differs; accepted: the output of clang-format 14"
        if run.returncode != 0 and not run.stderr:
            yield f"{tool}:1: exit status {run.returncode}; accepted: 0"


def check_layers(files, _):
    for path in files:
        if path.endswith(CPP):
            yield from layers.findings(path, read_lines(path), is_test(path))


def check_sizes(files, _):
    for path in files:
        if not path.endswith(TEXT) and os.path.basename(path) not in ("Makefile", "CMakeLists.txt"):
            continue
        lines = read_lines(path)
        limit = MAX_LONG_FILE if may_be_long(path) else MAX_FILE
        if len(lines) - 1 > limit and not is_table(path):
            yield f"{path}:{limit + 1}: the file has {len(lines) - 1} lines; accepted: at most {limit}"
        if path.endswith(CPP + (".py",)) and not (path.endswith(CPP) and is_test(path)):  # tests hold long golden text
            for number, line in enumerate(lines, 1):
                if len(line) > MAX_LINE:
                    yield f"{path}:{number}: the line has {len(line)} columns; accepted: at most {MAX_LINE}"
        if path.endswith(CPP) and not is_test(path):
            most = MAX_DEVICE_FUNCTION if "/cuda/device/" in path else MAX_FUNCTION
            for first, last, name in cpp_functions.functions("\n".join(lines)):
                if last - first + 1 > most:
                    yield f"{path}:{first}: {name} has {last - first + 1} lines; accepted: at most {most}"


def is_table(path):
    """Data in text form: golden files and tables that tests or generators read."""
    return "/testdata/" in path or "/data/" in path or path.endswith((".json", "-labels.txt"))


def check_words(files, _):
    for path in files:
        if path.endswith(TEXT):
            for number, line in enumerate(read_lines(path), 1):
                match = WORDS.search(line)
                if match:
                    yield f"{path}:{number}: the word {match.group()}; accepted: an issue in the tracker"


def check_symbols(_, build):
    yield from isa_symbols.findings(build)


CHECKS = {"format": check_format, "layers": check_layers, "sizes": check_sizes, "words": check_words,
          "symbols": check_symbols}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build", default="build", help="build folder whose objects are looked at")
    parser.add_argument("checks", nargs="*", metavar="CHECK", help="one of: " + " ".join(CHECKS))
    args = parser.parse_args()
    unknown = [c for c in args.checks if c not in CHECKS]
    if unknown:
        parser.error(f"unknown check {unknown[0]}; accepted: {' '.join(CHECKS)}")
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    files = tracked_files()
    total = 0
    for name in args.checks or CHECKS:
        found = list(CHECKS[name](files, args.build))
        for line in found:
            print(line)
        print(f"check {name}: " + (f"{len(found)} findings" if found else "ok"))
        total += len(found)
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
