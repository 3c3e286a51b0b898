"""Weak symbols of objects compiled for a newer instruction set.

An inline function of the standard library that is emitted in such an object may be the copy the linker keeps for the
whole library, and would then stop an older processor. These objects may define weak symbols only inside the namespace
of their own level, tenon::isa::LEVEL.
"""

import os
import re
import subprocess

OBJECT = re.compile(r"tenon_isa_(\w+)\.dir/(backends/cpu/isa/.*)\.o$")
PORTABLE = "base"  # the level that every processor runs


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


def is_accepted(mangled, level):
    """DW.ref.*: a pointer to an exception-handling routine, no code."""
    return mangled.startswith("DW.ref.") or nested_name(mangled)[:3] == ["tenon", "isa", level]


def findings(build):
    for folder, _, files in os.walk(build):
        for name in sorted(files):
            path = os.path.join(folder, name)
            match = OBJECT.search(path.replace(os.sep, "/"))
            if not match or match.group(1) == PORTABLE:
                continue
            level, source = match.groups()
            out = subprocess.run(["nm", path], check=True, capture_output=True, text=True).stdout
            for line in out.split("\n"):
                parts = line.split()
                if len(parts) == 3 and parts[1] in "WVu" and not is_accepted(parts[2], level):
                    shown = subprocess.run(["c++filt", parts[2]], capture_output=True, text=True).stdout.strip()
                    yield (f"src/{source}:1: weak symbol {shown} compiled for {level}; "
                           f"accepted: weak symbols of namespace tenon::isa::{level} alone")
