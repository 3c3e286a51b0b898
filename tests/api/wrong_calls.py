"""Writes, compiles and runs a program that makes every slip a careless user can make: every method of the classes that
a level's libraries make, called on a live object with each argument wrong in turn (null, out of range, overflowing,
of another network), and what is left used on. Nothing may crash, and what is wrong must be told.

usage: wrong_calls.py LEVEL BUILD CUDA_INCLUDE [--every N] [--flags FLAGS]
"""
import argparse
import collections
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import live_calls
import use_rows

HERE = pathlib.Path(__file__).parent
# A parameter behind one of these tells the size of the caller's memory; a lie about it cannot be found out.
MEMORY = re.compile(r"(void|char|uint8_t|float|int32_t|int64_t|cudaStream_t) ?(const)? ?\*|ITensor \*const \*"
                    r"|const (void|float|int32_t|int64_t|uint8_t) \*|char const \*|const char \*const \*")
COUNT = re.compile(r"(nb|count|size|length|capacity)|\w*(Nb|Count|Size|Length|_size)\w*", re.IGNORECASE)

INDEX = re.compile(r"\w*[iI]ndex")
# Parameters that may be null or anything, as class.method.parameter, and why.
OPTIONAL = [
    r"\w+\.set(ErrorRecorder|Profiler|GpuAllocator|ProgressMonitor|Int8Calibrator|AlgorithmSelector|DebugListener"
    r"|TemporaryStorageAllocator|OutputAllocator|CalibrationProfile|PluginFactory\w*|ProfileStream|BuilderConfig"
    r"|\w+Formula|ExecutionContext)\.\w+",  # null takes the object away
    r"IExecutionContext\.(enqueue|enqueueV2)\.inputConsumed",  # nobody waits for it
    r"IExecutionContext\.set(DeviceMemory\w*|\w*TensorAddress)\.\w+",  # null takes it away; the next run tells
    r"IRefitter\.(getAll|getMissing)\w*\.\w+",  # null asks for the number alone
    r"IRuntime\.setTemporaryDirectory\.path",  # null is the system's
    r"IBuilderConfig\.set(RemoteAutoTuningConfig|BuildRoute)\.\w+",  # null is none
    r"INetworkDefinition\.addSqueeze\.axes",  # null is every axis of size 1
    r"I(Caffe|Uff)Parser\.setPluginNamespace\.\w+",  # nothing is parsed
    r"IOnnxConfig\.\w+\.\w+",  # a record without a logger
]


def parameters(row):
    """(type, whether it counts memory) of each parameter."""
    text = use_rows.signature(row["signature"])[2]
    kinds, names = live_calls.types(text), use_rows.parameters(text)[1]
    has_memory = any("*" in k and "ITensor *" != k and not re.search(r"\bI[A-Z]\w+ \*$", k) for k in kinds)
    for kind, name in zip(kinds, names):
        kind = "int32_t" if kind == "Verbosity" else re.sub(r"\s*\bconst$", "", kind)
        plain = re.sub(r"^const (\w+)$", r"\1", kind)
        yield plain, has_memory and bool(COUNT.fullmatch(name)) and "&" not in kind


def must(scope, row, number, kind):
    """The mask of the values of a parameter that have to be refused or told."""
    name = use_rows.parameters(use_rows.signature(row["signature"])[2])[1][number]
    short = f"{scope.split('::')[-1]}.{row['name']}"
    if any(re.fullmatch(pattern, f"{short}.{name}") for pattern in OPTIONAL):
        return "0U"
    return "14U" if INDEX.fullmatch(name) and "int" in kind else f"Wrong<{kind}>::must"


def program(level):
    lines, table = ['#include "wrong_values.h"'], []
    rows = list(live_calls.methods(level))
    by_class = live_calls.state_texts(rows)
    for scope, parts in by_class.items():
        lines.append(f"namespace {scope.split('::')[0]} {{ static std::string state_of_{scope.split('::')[-1]}"
                     f"(World& w, ::{scope}& object) {{ std::string text; {' '.join(parts)} return text; }} }}")
    lines += ["struct Kind { int many; bool counts_memory; unsigned must; };",
              "struct Step { char const* name; bool (*run)(Careless&, Slip const&); int parameters;"
              " Kind const* wrongs; };"]
    for number, (scope, row) in enumerate(rows):
        kinds = list(parameters(row))
        if not kinds:
            continue
        space = scope.split("::")[0]
        result = use_rows.signature(row["signature"])[1].strip()
        names = use_rows.parameters(use_rows.signature(row["signature"])[2])[1]
        arguments = ", ".join(f"given<{kind}>(w, slip, {i}{', 0' if INDEX.fullmatch(name) and 'int' in kind else ''})"
                              for i, ((kind, _), name) in enumerate(zip(kinds, names)))
        call = f"object.{row['name']}({arguments})"
        call = f"{call}; bool const no = false;" if result == "void" else f"bool const no = says_no({call});"
        state = f"state_of_{scope.split('::')[-1]}(w, object);" if scope in by_class else ""
        wrongs = ", ".join(f"{{Wrong<{kind}>::many, {str(counts).lower()}, {must(scope, row, i, kind)}}}"
                           for i, (kind, counts) in enumerate(kinds))
        lines.append(f"namespace {space} {{ static bool step{number}(Careless& w, Slip const& slip) "
                     f"{{ auto& object = live<::{scope}>(w); {call} {state} return no; }}\n"
                     f"static Kind const kinds{number}[] = {{{wrongs}}}; }}")
        table.append(f'  {{"{scope.split("::")[-1]}.{row["name"]}", {space}::step{number}, {len(kinds)}, '
                     f"{space}::kinds{number}}},")
    return "\n".join([*lines, "static Step const kSteps[] = {", *table, "};", '#include "wrong_main.h"', ""])


def build(level, prefix, libraries, cuda, folder, flags):
    source, binary = pathlib.Path(folder, f"wrong_{level}.cpp"), pathlib.Path(folder, "wrong")
    source.write_text(program(level))
    found = [f"-l{name}" for name in use_rows.LIBRARIES if (prefix / f"lib/lib{name}.so").exists()]
    headers = [f"-I{folder}" for folder in (HERE, HERE.parent / "clients", prefix / "include", cuda)]
    subprocess.run(["g++", "-std=c++17", "-O0", "-w", "-fmax-errors=20", *flags, *headers, str(source),
                    f"-L{prefix}/lib", *found, f"-Wl,-rpath,{libraries}", f"-Wl,-rpath-link,{libraries}",
                    "-o", str(binary)], check=True)
    return binary


def run(binary, every):
    """Every slip's outcome by its text; a program that died goes on behind the slip that killed it."""
    outcomes, first, total = {}, 0, None
    environment = dict(os.environ, ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1",
                       UBSAN_OPTIONS="print_stacktrace=1")
    while total is None:
        done = subprocess.run([str(binary), str(first), str(every)], capture_output=True, text=True, errors="replace",
                              env=environment)
        for line in done.stdout.splitlines():
            if match := re.match(r"(\d+ \w+\.\w+ \d+ \d+) ?(.*)", line):
                slip, outcome = match.groups()
                outcomes[slip] = outcome
            elif match := re.match(r"(\d+) slips", line):
                total = int(match.group(1))
            else:
                print(line)
        if total is None:
            cause = re.search(r"(SUMMARY|runtime error|terminate called).*", done.stderr)
            outcomes[slip] = f"died: {done.returncode} {cause.group(0) if cause else ''}"
            print(slip, outcomes[slip], done.stderr if os.environ.get("WRONG_VERBOSE") else "", flush=True)
            first = int(slip.split()[0]) + 1
    return outcomes, total


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("level")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("cuda")
    parser.add_argument("--every", type=int, default=1, help="make only each Nth slip")
    parser.add_argument("--flags", default="", help="of the compiler")
    parser.add_argument("--list", action="store_true", help="print every slip's outcome")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        binary = build(args.level, args.build / f"trt-{args.level}", args.build / "lib", args.cuda, folder,
                       args.flags.split())
        outcomes, total = run(binary, args.every)
    kinds = collections.Counter(outcome.split(":")[0].strip() for outcome in outcomes.values())
    if args.list:
        print("\n".join(f"{slip}: {outcome}" for slip, outcome in outcomes.items()))
    for slip, outcome in outcomes.items():
        if outcome == "silent must" and not args.list:
            print(f"{slip}: neither refused nor told")
    print(f"level {args.level}: {len(outcomes)} of {total} slips:", ", ".join(f"{n} {k}" for k, n in kinds.items()))
    sys.exit(any(kinds[bad] for bad in ("died", "absent", "silent must")))


if __name__ == "__main__":
    main()
