"""Times tenon beside ONNX Runtime and OpenVINO on the CPU: one process, rounds interleaved, medians.

usage: cpu.py [--models a,b] [--batches 1,8] [--threads N] [--peers a,b] [--rounds N] [--seconds S] [--append FILE]

In each round every peer runs once to warm up, then for S seconds and at least three times; a figure is the median over
rounds of the round's median, in ms. Errors are ‖y − y64‖/‖y64‖ of the first row against double precision. Models are
written into .cache/models on first use. A markdown table is printed and, with --append, added to FILE.
"""

import argparse
import datetime
import math
import os
import statistics
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "bench"))
sys.path.insert(0, os.path.join(ROOT, "bench", "models"))
sys.path.insert(0, os.path.join(ROOT, "build", "python"))
import numpy as np
import onnx
import peers as peers_of_bench
import reference
import zoo

MODELS = "resnet50,mobilenet_v2,efficientnet_b0,vit_b_16,bert_base,alexnet,fcn_resnet101,squeezenet1_1,r3d_18"


def random_inputs(path):
    """One array for each input of the model: normal floats, integers below 2000."""
    rng = np.random.default_rng(0)
    arrays = []
    for value in onnx.load(path, load_external_data=False).graph.input:
        shape = [d.dim_value for d in value.type.tensor_type.shape.dim]
        if value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT:
            arrays.append(rng.standard_normal(shape, dtype=np.float32))
        else:
            arrays.append(rng.integers(0, 2000, shape))
    return arrays


def first_row_in_double(name):
    """The model's float64 outputs for the first row of the random inputs, which all batches share; kept in a file."""
    path = zoo.file(name, 1)
    kept = path[:-len(".onnx")] + ".npz"
    if not os.path.exists(kept):
        outputs = reference.run_in_double(path, random_inputs(path))
        with open(kept + ".part", "wb") as f:
            np.savez(f, *outputs)
        os.replace(kept + ".part", kept)
    with np.load(kept) as arrays:
        return [arrays[k] for k in arrays.files]


def load(names, path, inputs, threads):
    """Peers that load and run, with the time that took and their first outputs."""
    loaded = {}
    for name in names:
        start = time.perf_counter()
        try:
            run = peers_of_bench.PEERS[name][0](path, threads)
            outputs = [np.array(y) for y in run(inputs)]
            loaded[name] = (run, time.perf_counter() - start, outputs)
        except ImportError as error:
            print(f"  {name}: not installed ({error})", flush=True)
        except Exception as error:  # a peer that can't run a model must not end the run
            print(f"  {name}: {type(error).__name__}: {str(error)[:200]}", flush=True)
    return loaded


def time_round(run, inputs, seconds):
    run(inputs)
    times, start = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - start < seconds:
        begin = time.perf_counter()
        run(inputs)
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e3


def measure(name, batch, args):
    """One line of the table: medians, load times and errors by peer."""
    path = zoo.file(name, batch)
    inputs = random_inputs(path)
    loaded = load(args.peers, path, inputs, args.threads)
    expected = first_row_in_double(name)
    rounds = {p: [] for p in loaded}
    for _ in range(args.rounds):
        for p, (run, _, _) in loaded.items():
            time.sleep(0.02)  # idle threads of the peer before stop spinning
            rounds[p].append(time_round(run, inputs, args.seconds))
    errors = {p: peers_of_bench.relative_error([y[:1] for y in v[2]], expected) for p, v in loaded.items()}
    line = {"model": name, "batch": batch, "ms": {p: statistics.median(t) for p, t in rounds.items()},
            "load": {p: v[1] for p, v in loaded.items()}, "error": errors}
    print(f"{name} b{batch}: " + "  ".join(f"{p} {t:.2f} ms" for p, t in line["ms"].items()), flush=True)
    return line


def ratio(line, precision):
    """Time of the fastest peer over tenon's at one precision; None where either is missing."""
    times = {p: t for p, t in line["ms"].items() if peers_of_bench.PEERS[p][1] == precision}
    own = [t for p, t in times.items() if p.startswith("tenon")]
    others = [t for p, t in times.items() if not p.startswith("tenon")]
    return min(others) / own[0] if own and others else None


def geometric_mean(values):
    return math.exp(statistics.fmean(map(math.log, values))) if values else None


def table(lines, names):
    """Markdown: one row a model and batch; times in ms, ratios best peer / tenon, errors, load and first run in s."""
    errors = [p for p in names if any(p in line["error"] for line in lines)]
    head = (["model", "batch"] + list(names) + ["fp32 ratio", "bf16 ratio"] + ["error " + p for p in errors]
            + (["tenon first run s"] if "tenon" in names else []))
    rows = [head, ["---"] * 2 + ["---:"] * (len(head) - 2)]
    for line in lines:
        cells = [line["model"], str(line["batch"])]
        cells += [f"{line['ms'][p]:.2f}" if p in line["ms"] else "–" for p in names]
        cells += [f"{r:.2f}" if r else "–" for r in (ratio(line, "fp32"), ratio(line, "bf16"))]
        cells += [f"{line['error'][p]:.1e}" if p in line["error"] else "–" for p in errors]
        if "tenon" in names:
            cells.append(f"{line['load']['tenon']:.1f}" if "tenon" in line["load"] else "–")
        rows.append(cells)
    text = "\n".join("| " + " | ".join(cells) + " |" for cells in rows)
    for precision in ("fp32", "bf16"):
        ratios = [r for r in (ratio(line, precision) for line in lines) if r]
        if ratios:
            text += f"\n\n{precision}: geometric mean {geometric_mean(ratios):.2f}, lowest {min(ratios):.2f}"
    return text


def processor():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        fields = dict(line.split(":", 1) for line in f.read().split("\n\n")[0].split("\n") if ":" in line)
    fields = {k.strip(): v.strip() for k, v in fields.items()}
    wanted = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile")
    found = [w for w in wanted if w in fields.get("flags", "").split()]
    return f"{fields.get('model name', 'unknown')} (family {fields.get('cpu family', '?')}; {' '.join(found)})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--batches", default="1,8")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--peers", default=",".join(peers_of_bench.PEERS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.7)
    parser.add_argument("--append", metavar="FILE", help="markdown file to add the table to")
    args = parser.parse_args()
    args.peers = args.peers.split(",")
    for name in args.models.split(","):
        if name not in zoo.MODELS:
            parser.error(f"model {name}; accepted: {' '.join(zoo.MODELS)}")
    for name in args.peers:
        if name not in peers_of_bench.PEERS:
            parser.error(f"peer {name}; accepted: {' '.join(peers_of_bench.PEERS)}")
    lines = [measure(m, b, args) for m in args.models.split(",") for b in map(int, args.batches.split(","))]
    names = [p for p in args.peers if any(p in line["ms"] for line in lines)]
    text = (f"## {datetime.date.today()}, {args.threads} threads\n\n{processor()}, {os.cpu_count()} cores; "
            f"{', '.join(peers_of_bench.versions())}; `python bench/cpu.py {' '.join(sys.argv[1:])}`\n\n"
            f"{table(lines, names)}\n")
    print("\n" + text)
    if args.append:
        with open(args.append, "a", encoding="utf-8") as f:
            f.write("\n" + text)


if __name__ == "__main__":
    main()
