"""Weak symbols of objects compiled for a newer instruction set.

An inline function of the standard library that is emitted in such an object may be the copy the linker keeps for the
whole library, and would then stop an older processor. These objects may define weak symbols only inside a namespace
of their own instruction set.
"""

import os
import re
import subprocess

ISA_FOLDER = "/backends/cpu/isa/"
ISA_NAMESPACE = re.compile(r"(isa|sse|avx|amx|vnni|neon|sve)\w*$|\w+_(sse|avx|amx|vnni)\w*$")


def nested_name(mangled):
    """The leading plain components of an Itanium-mangled nested name: _ZN5tenon3isa… -> [tenon, isa, …]."""
    match = re.match(r"_Z(?:GVZ|GV|TV|TI|TS|TT|Z)?N?K?", mangled)
    if not match:
        return []
    rest, names = mangled[match.end():], []
    while True:
        if rest.startswith("12_GLOBAL__N_1"):
            rest = rest[14:]
            continue
        digits = re.match(r"\d+", rest)
        if not digits:
            return names
        end = digits.end() + int(digits.group())
        names.append(rest[digits.end():end])
        rest = rest[end:]


def is_accepted(mangled):
    names = nested_name(mangled)
    return bool(names) and names[0] == "tenon" and any(ISA_NAMESPACE.match(n) for n in names[:-1])


def findings(build):
    for folder, _, files in os.walk(build):
        for name in sorted(files):
            path = os.path.join(folder, name)
            if not name.endswith(".o") or ISA_FOLDER not in path.replace(os.sep, "/"):
                continue
            source = "src" + path[path.index(ISA_FOLDER):-2]
            out = subprocess.run(["nm", path], check=True, capture_output=True, text=True).stdout
            for line in out.split("\n"):
                parts = line.split()
                if len(parts) == 3 and parts[1] in "WVu" and not is_accepted(parts[2]):
                    shown = subprocess.run(["c++filt", parts[2]], capture_output=True, text=True).stdout.strip()
                    yield f"{source}:1: weak symbol {shown}; accepted: weak symbols of a tenon isa namespace alone"
