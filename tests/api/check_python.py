"""Compares the module `tensorrt` with every row of python_api.tsv: the name is there, is of its kind, and an enumerator
has the number that cpp_api.tsv tells for the level.

usage: check_python.py LEVEL        with TENON_TRT_API=LEVEL and the module on the path
"""
import csv
import enum
import pathlib
import re
import sys

import tensorrt as trt

VERSIONS = {"7": {"7.1"}, "8": {"8.2", "9.3"}, "10": {"10.13"}, "11": {"11.1"}}
FOLDER = pathlib.Path(__file__).parent
# Python's names of enumerations that C++ calls otherwise.
SCOPES = {"ErrorCodeTRT": "nvinfer1::ErrorCode", "ErrorCode": "nvonnxparser::ErrorCode",
          "Severity": "nvinfer1::ILogger::Severity"}

def rows(name):
    with open(FOLDER / name) as file:
        return list(csv.DictReader(file, delimiter="\t"))


def spelled(name):
    return re.sub(r"_", "", name).upper()


def numbers(level):
    """(scope, enumerator without k and underscores) -> numbers at the level."""
    found = {}
    for row in rows("cpp_api.tsv"):
        if row["kind"] == "enumerator" and row["signature"] and VERSIONS[level] & set(row["versions"].split()):
            key = row["scope"], spelled(re.sub("^k", "", row["name"]))
            found.setdefault(key, set()).add(int(row["signature"][1:]))
    return found


def problem(row, known):
    """What is wrong with a row's name in the module, or nothing."""
    owner = trt if row["class"] == "module" else getattr(trt, row["class"], None)
    if owner is None:
        return "missing"
    if not row["name"]:
        good = isinstance(owner, type) and (row["kind"] != "enum" or issubclass(owner, enum.Enum))
        return "" if good else f"is no {row['kind']}"
    if not hasattr(owner, row["name"]):
        return "missing"
    value = getattr(owner, row["name"])
    if row["kind"] == "enumerator":
        scope = SCOPES.get(row["class"], f"nvinfer1::{row['class']}")
        accepted = known.get((scope, spelled(row["name"])))
        return f"is {int(value)}, accepted: {accepted}" if accepted and int(value) not in accepted else ""
    if row["kind"] in ("method", "function") and not callable(value):
        return f"is no {row['kind']}"
    if row["kind"] == "property" and callable(value) and not isinstance(value, property):
        return "is no property"
    return ""


def main():
    known, table = numbers(sys.argv[1]), rows("python_api.tsv")
    wrong = 0
    for row in table:
        name = f"{row['class']}.{row['name']}"
        what = problem(row, known)
        if what:
            wrong += 1
            print(f"{name}: {what}")
    good = len(table) - wrong
    print(f"{good} of {len(table)} rows ({100 * good / len(table):.1f} %), {wrong} wrong")
    sys.exit(wrong != 0)


if __name__ == "__main__":
    main()
