"""Times Tenon beside torch on a GPU, in one process, interleaved, and checks errors against double precision.

    python bench/gpu/bench.py [--models a,b] [--batches 1,32] [--precision fp16] [--peers] [--append docs/benchmarks.md]

    python bench/gpu/bench.py --peers max-autotune --peers-json bench/gpu_peers.json --jobs 6 [--seconds 300]

Every cell: the model in one precision, Tenon's and the peers' alike (fp32 without TF32, tf32 with it), random data on
the device, rotating inputs at batch 32, medians over graph replays. The library is `tenon_bench_engine`, built by
`make bench-gpu`. In fp16 peers that are on record count too (models.py, bench/gpu_peers.json); in the other precisions
the ratio needs --peers. An error above the precision's bound fails the run. With --jobs cells have processes of their
own which compile side by side; on the GPU they take turns (turns.py), so that what is timed is alone there.
"""

import argparse
import ctypes
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import torch

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import models  # noqa: E402
import record  # noqa: E402
import turns  # noqa: E402

warnings.filterwarnings("ignore")
PRECISIONS = {"fp16": torch.half, "bf16": torch.bfloat16, "fp32": torch.float, "tf32": torch.float}
# The most that ‖y − y64‖₂/‖y64‖₂ may be. TF32 rounds like half precision.
BOUNDS = {"fp16": 1e-2, "bf16": 3e-2, "fp32": 1e-5, "tf32": 1e-2}
PEERS = ("eager", "reduce-overhead", "max-autotune")
ERROR = ctypes.create_string_buffer(4096)


class Engine:
    """One model through the C interface of tenon_bench_engine."""

    DTYPES = {"f16": torch.half, "f32": torch.float, "i64": torch.int64, "bf16": torch.bfloat16}

    def __init__(self, library, path, precision, level, cache):
        self.lib = ctypes.CDLL(library)
        for name in ("open", "io", "profile", "report"):
            function = getattr(self.lib, f"tenon_bench_{name}")
            function.restype = ctypes.c_void_p if name == "open" else ctypes.c_char_p
        self.handle = self.lib.tenon_bench_open(path.encode(), precision.encode(), level, cache.encode(), ERROR)
        if not self.handle:
            raise RuntimeError(ERROR.value.decode())
        self.handle = ctypes.c_void_p(self.handle)
        lines = self.lib.tenon_bench_io(self.handle).decode().splitlines()
        self.io = [line.split("\t") for line in lines]
        dtype, dims = self.io[-1][1:]
        self.output = torch.empty([int(d) for d in dims.split("x")], dtype=self.DTYPES[dtype], device="cuda")

    def _check(self, code):
        if code != 0:
            raise RuntimeError(ERROR.value.decode())

    def bind(self, x):
        for io, tensor in enumerate((x, self.output)):
            self._check(self.lib.tenon_bench_bind(self.handle, io, ctypes.c_void_p(tensor.data_ptr()), ERROR))

    def __call__(self, x):
        self.bind(x)
        stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
        self._check(self.lib.tenon_bench_enqueue(self.handle, stream, ERROR))
        return self.output

    def facts(self):
        values = (ctypes.c_double * 4)()
        self.lib.tenon_bench_facts(self.handle, values)
        return dict(zip(("build", "cached", "memory", "peak"), values))

    def profile(self):
        text = self.lib.tenon_bench_profile(self.handle, ERROR)
        return (text or ERROR.value).decode()

    def report(self):
        return self.lib.tenon_bench_report(self.handle).decode()

    def close(self):
        self.lib.tenon_bench_close(self.handle)


def eager_graph(model, inputs):
    """torch eager in a CUDA graph for each input; returns a function that runs input `i`."""
    graphs = []
    stream = torch.cuda.Stream()
    with torch.no_grad(), torch.cuda.stream(stream):
        for x in inputs:
            for _ in range(3):
                model(x)
        for x in inputs:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=stream):
                model(x)
            graphs.append(graph)
    torch.cuda.synchronize()
    return lambda i: graphs[i].replay()


def compiled(model, inputs, mode):
    fn = torch.compile(model, mode=mode)
    with torch.no_grad():
        for _ in range(3):
            for x in inputs:
                fn(x)

    def run(i):
        with torch.no_grad():
            fn(inputs[i])

    return run


def times_of(run, count, replays):
    """Milliseconds of each of `replays` calls, with the inputs in turn."""
    events = []
    for i in range(replays):
        a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        a.record()
        run(i % count)
        b.record()
        events.append((a, b))
    torch.cuda.synchronize()
    return [a.elapsed_time(b) for a, b in events]


def interleave(runs, count, replays):
    """Median milliseconds of each of `runs` (functions of an input number), in rounds that take turns. What takes so
    long that the replays asked for would not end soon is repeated less often."""
    rounds, most_ms = 10, 8000
    times = {name: [] for name in runs}
    shares = {}
    for name, run in runs.items():
        once = statistics.median(times_of(run, count, 3))
        shares[name] = max(3, min(replays // rounds, int(most_ms / rounds / once)))
    for _ in range(rounds):
        for name, run in runs.items():
            times[name] += times_of(run, count, shares[name])
    return {name: statistics.median(t) for name, t in times.items()}


def in_fastest_layout(model, inputs, precision):
    """The inputs in the layout that torch is fastest with, and the model converted to it. Half precision is for tensor
    cores, which read channels last; for the others both layouts are tried."""
    last = torch.channels_last_3d if inputs[0].dim() == 5 else torch.channels_last
    layouts = [last] if precision in ("fp16", "bf16") else [torch.contiguous_format, last]
    best = None
    for layout in layouts:
        model.to(memory_format=layout)
        moved = [x.to(memory_format=layout) for x in inputs]
        if len(layouts) > 1:
            with torch.no_grad():
                for x in moved * 2:
                    model(x)
                ms = statistics.median(times_of(lambda i: model(moved[i]), len(moved), 5))
        else:
            ms = 0
        if best is None or ms < best[0]:
            best = ms, layout, moved
    model.to(memory_format=best[1])
    return best[2]


def open_engine(row, name, batch, args, folder, reference, x, want):
    """Tenon's engine, with its error and its facts in `row`; the reference is of the precision afterwards."""
    path = os.path.join(folder, f"{name}_{batch}.onnx")
    models.export(reference, name, batch, path, PRECISIONS[args.precision])
    start = time.time()
    engine = Engine(args.library, path, args.precision, args.level, args.timing_cache)
    y = engine(x).double()
    torch.cuda.synchronize()
    got = y[: want.shape[0]]
    row.update(opened=time.time() - start, **engine.facts(), error=((got - want).norm() / want.norm()).item())
    return engine


def peer_runs(model, inputs, args, turn):
    """The peers that can run the model: {name: function of an input number}."""
    runs = {}
    if args.peers and inputs[0].is_floating_point():
        with turn.taken():
            inputs = in_fastest_layout(model, inputs, args.precision)
    for peer in filter(None, args.peers.split(",")):
        try:
            runs[peer] = eager_graph(model, inputs) if peer == "eager" else compiled(model, inputs, peer)
        except Exception as e:  # a peer that cannot run the model is not a peer
            print(f"  {peer}: {str(e).splitlines()[0][:150]}", flush=True)
    return runs


def cell(name, batch, args, folder, turn):
    dtype = PRECISIONS[args.precision]
    model = models.make(name)
    count = 3 if batch >= 32 else 1
    inputs = [models.make_input(name, batch, 10 + i) for i in range(count)]
    floating = inputs[0].is_floating_point()
    with torch.no_grad(), turn.taken():
        x64 = inputs[0].to(dtype).double() if floating else inputs[0]
        want = torch.cat([model(x64[i : i + 1]) for i in range(min(batch, 2))])
    if floating:
        inputs = [x.to(dtype) for x in inputs]
    row = {"model": name, "batch": batch}
    runs = {}
    if args.library:
        ours = [x.contiguous() for x in inputs]
        with turn.taken():
            engine = open_engine(row, name, batch, args, folder, model, ours[0], want)
            runs["tenon"] = lambda i: engine(ours[i])
            for x in ours * 2:
                engine(x)
    model.to(dtype)
    with torch.no_grad(), turn.taken():
        z = model(inputs[0]).double()[: want.shape[0]]
    row["torch_error"] = ((z - want).norm() / want.norm()).item()
    runs.update(peer_runs(model, inputs, args, turn))
    with turn.taken():
        row.update(interleave(runs, count, args.replays))
    if not args.library:
        return row
    if args.profile:
        os.makedirs(args.profile, exist_ok=True)
        with open(os.path.join(args.profile, f"{name}_{batch}.txt"), "w") as f:
            f.write(engine.profile() + "\n" + engine.report())
    engine.close()
    known = record.times(name, batch) if args.precision == "fp16" else []
    row["best"] = min([row[p] for p in runs if p != "tenon"] + known, default=math.nan)
    row["ratio"] = row["tenon"] / row["best"]
    narrow_floor = args.precision in ("fp16", "bf16")  # floors are known for half precision alone
    row["floors"] = row["tenon"] / models.FLOOR[name][0 if batch == 1 else 1] if narrow_floor else math.nan
    return row


def table(rows):
    lines = ["| model | batch | ms | best peer ms | ratio | floors | error | build s | cached s | memory/peak |",
             "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for r in rows:
        memory = r["memory"] / max(r["peak"], 1)
        floors = "" if math.isnan(r["floors"]) else f"{r['floors']:.1f}"
        lines.append(
            f"| {r['model']} | {r['batch']} | {r['tenon']:.3f} | {r['best']:.3f} | {r['ratio']:.2f} "
            f"| {floors} | {r['error']:.1e} | {r['build']:.1f} | {r['cached']:.2f} | {memory:.2f} |"
        )
    if rows:
        lines.append(f"\ngeometric mean {math.exp(sum(math.log(r['ratio']) for r in rows) / len(rows)):.3f}, "
                     f"highest {max(r['ratio'] for r in rows):.2f}")
    return "\n".join(lines)


def summary(row, args, seconds):
    """One line about a cell, and whether its error is above the bound."""
    peers = " ".join(f"{p}={row[p]:.3f}" for p in PEERS if p in row)
    if "tenon" not in row:
        return f"{row['model']} b{row['batch']}: {peers}, error {row['torch_error']:.1e} ({seconds:.0f} s)", False
    bound = BOUNDS[args.precision]
    wrong = not row["error"] <= bound
    above = f" ABOVE {bound:.0e}" if wrong else ""
    return (f"{row['model']} b{row['batch']}: {row['tenon']:.3f} ms, ratio {row['ratio']:.2f}, "
            f"error {row['error']:.1e}{above} (torch {row['torch_error']:.1e}), "
            f"build {row['build']:.1f} s, cached {row['cached']:.2f} s {peers} ({seconds:.0f} s)"), wrong


def in_turn(cells, args):
    """Yields (row or None, what to say, whether it failed), cell after cell."""
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = args.precision == "tf32"
    turn = turns.Turns(args.turns)
    turn.time_candidates_alone()
    began = time.time()
    with tempfile.TemporaryDirectory() as folder:
        for name, batch in cells:
            begin = time.time()
            if begin - began > args.seconds:
                yield None, f"{name} b{batch}: left for the next run", False
                continue
            try:
                row = cell(name, batch, args, folder, turn)
                yield row, *summary(row, args, time.time() - begin)
            except Exception as e:
                yield None, f"{name} b{batch}: FAILED {str(e)[:600]}", True
            torch._dynamo.reset()
            torch.cuda.empty_cache()


def side_by_side(cells, args):
    """As in_turn, with a process for each cell, args.jobs at a time. When args.seconds have gone by, those that still
    run are ended."""
    end = time.time() + args.seconds
    waiting, running = list(cells), {}
    environment = dict(os.environ)
    environment.setdefault("TORCHINDUCTOR_COMPILE_THREADS", str(max(2, (os.cpu_count() or 2) // args.jobs)))
    keep = {"--precision": args.precision, "--peers": args.peers, "--library": args.library, "--level": args.level,
            "--replays": args.replays, "--timing-cache": args.timing_cache, "--profile": args.profile}
    command = [sys.executable, os.path.abspath(__file__)] + [str(x) for pair in keep.items() for x in pair]
    with tempfile.TemporaryDirectory() as folder:
        while waiting or running:
            while waiting and len(running) < args.jobs and time.time() < end:
                name, batch = waiting.pop(0)
                out = os.path.join(folder, f"{name}_{batch}")
                with open(out + ".txt", "w") as log:
                    own = ["--cells", f"{name}:{batch}", "--turns", os.path.join(folder, "turns"), "--json", out]
                    running[name, batch] = out, time.time(), subprocess.Popen(
                        command + own, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True)
            time.sleep(0.2)
            for (name, batch), (out, begin, process) in list(running.items()):
                late = time.time() >= end
                if process.poll() is None and not late:
                    continue
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                del running[name, batch]
                try:
                    with open(out) as f:
                        row = json.load(f)[0]
                    yield row, *summary(row, args, time.time() - begin)
                except (OSError, ValueError, IndexError):
                    with open(out + ".txt") as f:
                        said = " ".join(f.read().split())[-600:]
                    yield None, f"{name} b{batch}: {'did not end' if late else 'FAILED ' + said}", not late
            if time.time() >= end:
                for name, batch in waiting:
                    yield None, f"{name} b{batch}: left for the next run", False
                waiting = []


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join(models.MODELS))
    parser.add_argument("--batches", default="1,32")
    parser.add_argument("--cells", default="", help="model:batch,… in this order, in place of models and batches")
    parser.add_argument("--peers", default="", help="of: eager, reduce-overhead, max-autotune")
    parser.add_argument("--library", default="build/lib/libtenon_bench_engine.so", help="empty: the peers alone")
    parser.add_argument("--precision", default="fp16", choices=PRECISIONS)
    parser.add_argument("--level", type=int, default=3)
    parser.add_argument("--replays", type=int, default=200)
    parser.add_argument("--timing-cache", default="")
    parser.add_argument("--profile", default="", help="folder for each cell's layer times and candidates")
    parser.add_argument("--peers-json", default="",
                        help="file that keeps the times of the peers, cell by cell; what it has is not measured again")
    parser.add_argument("--seconds", type=float, default=math.inf,
                        help="no cell begins later than this; with --jobs those that still run then are ended")
    parser.add_argument("--jobs", type=int, default=1, help="processes that compile side by side")
    parser.add_argument("--turns", default="", help="file that processes lock while they use the GPU")
    parser.add_argument("--json", default="", help="file for the rows")
    parser.add_argument("--append", default="", help="Markdown file that the table is added to")
    args = parser.parse_args()
    if args.peers_json and args.precision != "fp16":
        parser.error("the record of peers is of fp16")
    peers = [p for p in args.peers.split(",") if p]
    cells = [(name, int(batch)) for name in args.models.split(",") for batch in args.batches.split(",")]
    if args.cells:
        cells = [(name, int(batch)) for name, batch in (c.split(":") for c in args.cells.split(","))]
    for name, batch in list(cells):
        if args.peers_json and record.has(args.peers_json, name, batch, peers):
            print(f"{name} b{batch}: on record", flush=True)
            cells.remove((name, batch))
    rows, failures = [], 0
    for row, said, failed in (side_by_side if args.jobs > 1 else in_turn)(cells, args):
        print(said, flush=True)
        failures += failed
        if row:
            rows.append(row)
            if args.peers_json:
                record.write(args.peers_json, row, peers)
            if args.json:
                with open(args.json, "w") as f:
                    json.dump(rows, f, indent=1)
    if args.library:
        print(table(rows))
    if args.append:
        with open(args.append, "a") as f:
            f.write(f"\n{torch.cuda.get_device_name()}, torch {torch.__version__}, {time.strftime('%Y-%m-%d')}, "
                    f"`{' '.join(sys.argv)}`\n\n{table(rows)}\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
