"""Times of torch's peers that are kept in a file, since some take minutes to compile: bench/gpu_peers.json."""

import json
import os
import time

import torch

import models

RECORD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "gpu_peers.json")


def read(path):
    """Peers' times on this GPU: {"gpu": …, "cells": {"resnet50 1": {"date", "torch", "cudnn", "milliseconds"}}}."""
    gpu = torch.cuda.get_device_name()
    try:
        with open(path) as f:
            kept = json.load(f)
    except FileNotFoundError:
        kept = {}
    return kept if kept.get("gpu") == gpu else {"gpu": gpu, "cells": {}}


def times(name, batch):
    """Times of peers that are on record for this GPU, slow ones among them."""
    known = [models.KNOWN[name][0 if batch == 1 else 1]] if batch in (1, 32) else []
    return known + list(read(RECORD)["cells"].get(f"{name} {batch}", {}).get("milliseconds", {}).values())


def write(path, row, peers):
    """Puts a row's peers on record, with date and versions. One that could not run has no time."""
    kept = read(path)
    key = f"{row['model']} {row['batch']}"
    measured = {"date": time.strftime("%Y-%m-%d"), "torch": torch.__version__, "cudnn": torch.backends.cudnn.version()}
    before = kept["cells"].get(key, {})
    if {k: before.get(k) for k in measured} != measured:
        before = {}
    kept["cells"][key] = {
        **measured,
        "asked": sorted({*before.get("asked", []), *peers}),
        "milliseconds": {**before.get("milliseconds", {}), **{p: round(row[p], 4) for p in peers if p in row}},
    }
    with open(path + ".new", "w") as f:
        json.dump(kept, f, indent=1)
        f.write("\n")
    os.replace(path + ".new", path)


def has(path, name, batch, peers):
    """Whether these peers have been asked with the torch and cuDNN at hand."""
    cell = read(path)["cells"].get(f"{name} {batch}", {})
    versions = torch.__version__, torch.backends.cudnn.version()
    return (cell.get("torch"), cell.get("cudnn")) == versions and set(peers) <= set(cell.get("asked", []))
