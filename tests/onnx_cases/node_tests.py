#!/usr/bin/env python3
"""Runs ONNX's backend node tests through import and the reference; prints the failures and a table by operator.

    python tests/onnx_cases/node_tests.py build/bin/onnx_cases            # all cases
    python tests/onnx_cases/node_tests.py build/bin/onnx_cases resize     # those whose name contains "resize"
    python tests/onnx_cases/node_tests.py build/bin/onnx_cases --write docs/operators.md
"""
import argparse
import collections
import datetime
import pathlib
import subprocess
import sys
import tempfile
import warnings

import numpy as np
import onnx
from onnx import numpy_helper

MIN_OPSET, MAX_OPSET = 7, 25
RANDOM = "test_bernoulli"  # expects the numbers of one generator
NOT_TENSORS = ("sequence_type", "optional_type", "map_type", "sparse_tensor_type")



def collect():
    warnings.filterwarnings("ignore")
    from onnx.backend.test.case.node import collect_testcases
    return [c for c in collect_testcases(None) if c.model is not None]


def to_tensor(value, type_proto, name):
    array = value if isinstance(value, onnx.TensorProto) else None
    if array is None:
        array = numpy_helper.from_array(np.asarray(value), name)
    array.name = name
    return array


def write_case(folder, case):
    """None, or why the case cannot be written as tensors."""
    graph = case.model.graph
    if case.name.startswith(RANDOM):
        return "random"
    if any(v.type.HasField(k) for v in [*graph.input, *graph.output] for k in NOT_TENSORS):
        return "not tensors"
    (inputs, outputs), = case.data_sets[:1]
    tensors = [to_tensor(v, i.type, "in_" + i.name) for v, i in zip(inputs, graph.input)]
    tensors += [to_tensor(v, o.type, f"out{k}") for k, (v, o) in enumerate(zip(outputs, graph.output))]
    for opset in case.model.opset_import:  # a newer package writes newer numbers on operators that did not change
        if opset.domain == "":
            opset.version = max(MIN_OPSET, min(opset.version, MAX_OPSET))
    data = onnx.helper.make_model(onnx.helper.make_graph([], "data", [], [], tensors))
    (folder / f"{case.name}.onnx").write_bytes(case.model.SerializeToString())
    (folder / f"{case.name}.data.onnx").write_bytes(data.SerializeToString())
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runner")
    parser.add_argument("part", nargs="?", default="", help="of the names of the cases to run")
    parser.add_argument("--write", help="Markdown file to write the table to")
    parser.add_argument("--keep", help="folder for the cases, made once and used again")
    args = parser.parse_args()
    cases = collect()
    by_name = {c.name: c for c in cases}
    folder = pathlib.Path(args.keep or tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    skipped, lines = collections.Counter(), []
    for case in cases:
        base = by_name.get(case.name.split("_expanded")[0], case)
        op = base.model.graph.node[-1].op_type
        done = (folder / f"{case.name}.data.onnx").exists()
        why = None if done else write_case(folder, case)
        if why:
            skipped[op] += 1
            continue
        rtol = case.rtol if case.rtol is not None else 1e-3
        atol = case.atol if case.atol is not None else 1e-7
        lines.append(f"{case.name} {op} {rtol} {atol}")
    (folder / "cases.txt").write_text("\n".join(lines) + "\n")
    result = subprocess.run([args.runner, str(folder), args.part], capture_output=True, text=True)
    passed, failed = collections.Counter(), collections.defaultdict(list)
    for line in result.stdout.splitlines():
        state, op, name, *message = line.split(" ", 3)
        if state == "pass":
            passed[op] += 1
        else:
            failed[op].append((name, message[0] if message else ""))
            print(f"{name}: {message[0] if message else ''}")
    if result.returncode not in (0, 1):
        print(f"the runner ended with {result.returncode}: {result.stderr[-500:]}")
    total = sum(passed.values()) + sum(map(len, failed.values()))
    print(f"{sum(passed.values())} of {total} cases pass; {sum(skipped.values())} are not run "
          "(sequences, optionals, maps, random numbers)")
    if args.write:
        write_table(args.write, passed, failed, skipped)
    sys.exit(result.returncode)


def write_table(path, passed, failed, skipped):
    total = sum(passed.values()) + sum(map(len, failed.values()))
    out = ["# Operators", "",
           f"ONNX's backend node tests (onnx {onnx.__version__}, functions expanded and not, operator sets above "
           f"{MAX_OPSET} read as {MAX_OPSET}),",
           f"run through import and the reference on {datetime.date.today()}:",
           f"{sum(passed.values())} of {total} pass, {sum(skipped.values())} are not run because they take or give "
           "sequences, optionals or maps",
           "or expect one generator's random numbers. Written by", "",
           "    python tests/onnx_cases/node_tests.py build/bin/onnx_cases --write docs/operators.md", "",
           "| operator | pass | fail | not run |", "| --- | ---: | ---: | ---: |"]
    for op in sorted(set(passed) | set(failed) | set(skipped)):
        out.append(f"| {op} | {passed[op]} | {len(failed[op]) or ''} | {skipped[op] or ''} |")
    out += ["", "## What fails", ""]
    for op in sorted(op for op in failed if failed[op]):
        text = failed[op][0][1].split(": ", 1)[-1][:100]
        out.append(f"- {op}: {text}")
    pathlib.Path(path).write_text("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
