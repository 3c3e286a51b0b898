"""Models of PyTorch beside torch2trt and torch.compile(backend="tenon"): errors and times, with seeded weights.

    python bench/torch_models.py [--models resnet18,...] [--threads N] [--append docs/benchmarks.md]
    python bench/torch_models.py --device cuda --precision fp16 [...]      on a GPU; --together: in one process;
                                                   --jobs 5: five build side by side, each is timed alone
    python bench/torch_models.py --rows FILE [--append FILE]      the table of rows that were printed before
    python bench/torch_models.py --timm 100 [--append FILE]       how many of timm's architectures convert, and why not

Needs torch, torchvision, and for some models transformers or timm. Each model runs in a process of its own, unless
they run together.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import copy
import datetime
import fcntl
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

IMAGE = (1, 3, 224, 224)
MODELS = {"alexnet": IMAGE, "resnet18": IMAGE, "resnet50": IMAGE, "vgg16": IMAGE, "squeezenet1_1": IMAGE,
          "densenet121": IMAGE, "mobilenet_v2": IMAGE, "shufflenet_v2_x1_0": IMAGE, "googlenet": IMAGE,
          "mnasnet1_0": IMAGE, "inception_v3": (1, 3, 299, 299), "efficientnet_b0": IMAGE,
          "r3d_18": (1, 3, 8, 112, 112), "fcn_resnet50": (1, 3, 160, 160), "deeplabv3_resnet50": (1, 3, 160, 160),
          "bert_base": (1, 64)}


def torchvision():
    """torchvision, also where its operators in C++ can't be loaded: those its Python part describes are declared."""
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    while True:
        try:
            import torchvision

            return torchvision
        except RuntimeError as error:
            name = str(error).partition("torchvision::")[2].split(" ")[0]
            if not name:
                raise
            library.define(f"{name}(Tensor x) -> Tensor")


def settle(model, x, images=2):
    """Gives batch normalizations the statistics of random inputs, so that values keep their size through the model."""
    import torch

    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.momentum = None
        norm.train()
    if norms and x.is_floating_point():
        with torch.no_grad():
            model(torch.randn(images, *x.shape[1:]))
    return model.eval()


def residual_end(module):
    """The normalization that ends a residual branch of torchvision's models, or None."""
    kind = type(module).__name__
    if kind == "Bottleneck":
        return module.bn3
    if kind == "BasicBlock":
        return module.bn2 if hasattr(module, "bn2") else module.conv2[-1]
    if kind == "InvertedResidual" and getattr(module, "use_res_connect", False):
        return module.conv[-1]
    if kind == "_InvertedResidual" and module.apply_residual:
        return module.layers[-1]
    if kind == "MBConv" and module.use_res_connect:
        return module.block[-1][1]
    return None


def soften(model):
    """Sets normalizations so that random weights amplify rounding no more than trained ones do.

    Residual branches together weigh no more than their shortcut. The other normalizations have mean one: a rectifier
    that cuts half of its values multiplies a relative error by 1.2, one of mean one by 1.06, and there are fifty in a
    row.
    """
    import torch

    ends = {end for module in model.modules() if (end := residual_end(module)) is not None}
    for module in model.modules():
        if module in ends:
            torch.nn.init.constant_(module.weight, min(0.25, 1 / len(ends)))
        elif isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            torch.nn.init.ones_(module.bias)
    return model


def build(name):
    import torch

    vision = torchvision().models if name != "bert_base" else None
    torch.manual_seed(0)
    if name == "bert_base":
        import transformers

        class Bert(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.bert = transformers.BertModel(transformers.BertConfig(attn_implementation="sdpa"))

            def forward(self, ids):
                return self.bert(ids).last_hidden_state

        return Bert().eval(), torch.randint(0, 30000, MODELS[name])
    x = torch.randn(MODELS[name])
    if name == "r3d_18":
        model = vision.video.r3d_18(weights=None)
    elif name.startswith(("fcn", "deeplab")):
        class Out(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = getattr(vision.segmentation, name)(weights=None, weights_backbone=None)

            def forward(self, x):
                return self.inner(x)["out"]

        model = Out()
    else:
        more = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
        model = getattr(vision, name)(weights=None, **more)
    return settle(soften(model).eval(), x, images=4), x


def difference(expected, found):
    return float((expected.double() - found.double()).norm() / expected.double().norm().clamp_min(1e-30))


def timed(functions, seconds, device, clock):
    """Milliseconds of each by a clock, run in turns; on a GPU of ten calls in a row."""
    import torch

    calls, wait = (10, torch.cuda.synchronize) if device == "cuda" else (1, lambda: None)
    for function in functions:
        function()
    times, begin = [[] for _ in functions], time.perf_counter()
    while len(times[0]) < 5 or time.perf_counter() - begin < seconds and len(times[0]) < 100:
        for samples, function in zip(times, functions):
            wait()
            start = clock()
            for _ in range(calls):
                function()
            wait()
            samples.append(1e3 * (clock() - start) / calls)
    return times


@contextlib.contextmanager
def alone(path, kind):
    """Holds a lock beside other models' processes: they build together (LOCK_SH) and are timed alone (LOCK_EX)."""
    if not path:
        yield
        return
    with open(path) as lock:
        fcntl.flock(lock, kind)
        yield


def convert(model, x, **settings):
    """What torch2trt makes of a model, and the way it went."""
    from torch2trt import torch2trt

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        converted = torch2trt(model, [x], **settings)
    notes = [str(w.message) for w in caught if "torch2trt:" in str(w.message)]
    way = "hooks" if not notes else "PyTorch" if hasattr(converted, "reason") else "ONNX"
    return converted, way, notes


def measure(name, arguments):
    import tenon.torch
    import torch

    device, precision = arguments.device, arguments.precision
    torch.backends.cudnn.allow_tf32 = False
    torch._dynamo.reset()
    tenon.torch.report(clear=True)
    model, x = build(name)
    model, x = model.to(device), x.to(device)
    row = {"model": name, "input": "x".join(map(str, x.shape)), "torch": torch.__version__, "precision": precision,
           "device": torch.cuda.get_device_name() if device == "cuda" else f"{arguments.threads} thread(s)",
           "clock": arguments.clock}
    with torch.no_grad(), alone(arguments.lock, fcntl.LOCK_SH):
        expected = model(x)
        begin = time.perf_counter()
        converted, row["way"], row["notes"] = convert(model, x, fp16_mode=precision == "fp16")
        row["build"] = time.perf_counter() - begin
        row["error"] = difference(expected, converted(x))
        row["max_error"] = float((expected - converted(x)).abs().max())
        begin = time.perf_counter()
        compiled = torch.compile(model, backend="tenon", options={"precision": precision})
        compiled(x)
        row["first"] = time.perf_counter() - begin
        row["compile_error"] = difference(expected, compiled(x))
        graphs = tenon.torch.report().graphs
        row["engines"], row["graphs"] = sum(g.engines for g in graphs), len(graphs)
        row["in_pytorch"] = sum(sum(g.in_pytorch.values()) for g in graphs)
        row["reasons"] = [r for g in graphs for r in (g.reason, *(p.reason for p in g.parts)) if r]
    with torch.no_grad(), alone(arguments.lock, fcntl.LOCK_EX):
        plain, given = model, x
        if precision == "fp16":
            plain = copy.deepcopy(model).half()
            given = x.half() if x.is_floating_point() else x
        clock = time.process_time if arguments.clock == "processor" else time.perf_counter
        functions = [lambda: plain(given), lambda: converted(x), lambda: compiled(x)]
        times = timed(functions, arguments.seconds, device, clock)
    row["eager_ms"], row["ms"], row["compile_ms"] = map(min, times)
    row["speedup"], row["compile_speedup"] = (
        statistics.median(eager / other for eager, other in zip(times[0], samples)) for samples in times[1:])
    return row


def architectures(count):
    import timm

    return timm.list_models()[:count]


def parameters(name, **settings):
    """The count of an architecture's parameters, without their memory."""
    import timm
    import torch

    with torch.device("meta"):
        return sum(p.numel() for p in timm.create_model(name, pretrained=False, **settings).parameters())


def timm_settings(name, most=8e7):
    """The smallest image that the definition allows, and fewer blocks where the weights would not fit in memory: the
    arguments of create_model, the image's size and what was changed."""
    import timm
    import torch

    with torch.device("meta"):
        size = timm.create_model(name, pretrained=False).default_cfg.get("input_size", (3, 224, 224))
    settings = {}
    for side in (56, 64, 96, 112, 128, 160):
        if side >= size[-1]:
            break
        for more in ({"img_size": side}, {}):
            if runs(name, side, more):
                settings, size = more, (size[0], side, side)
                break
        if size[-1] == side:
            break
    notes, chosen = [], {}
    if parameters(name, **settings) > most:
        for fewer in ({"depth": 4}, {"depth": 2}, {"depth": 1}, {"depths": (1, 1, 2, 1)}, {"depths": (1, 1, 1, 1)}):
            try:
                count = parameters(name, **settings, **fewer)
            except TypeError:
                continue
            notes = [f"{next(iter(fewer))} {next(iter(fewer.values()))}, {count / 1e6:.0f} M parameters"]
            chosen = fewer
            if count <= most:
                break
        settings.update(chosen)
    return settings, size, notes


def runs(name, side, settings):
    """Whether an architecture takes images of a side; nothing is computed."""
    import timm
    import torch

    try:
        with torch.device("meta"), torch.no_grad():
            timm.create_model(name, pretrained=False, **settings).eval()(torch.empty(1, 3, side, side))
        return True
    except Exception:  # definitions refuse sizes in ways of their own
        return False


def try_timm(name):
    import torch

    torchvision()
    import timm

    settings, size, reduced = timm_settings(name)
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, **settings).eval()
    x = torch.randn(1, *size)
    settle(model, x)
    with torch.no_grad():
        expected = model(x)
        converted, way, notes = convert(model, x, builder_optimization_level=0)
        error = difference(expected, converted(x))
    return {"model": name, "way": way, "error": error, "notes": notes, "input": "x".join(map(str, size)),
            "reduced": reduced, "parameters": sum(p.numel() for p in model.parameters())}


def row_of(arguments, kind, name):
    return try_timm(name) if kind == "timm" else measure(name, arguments)


def here(arguments, kind, name):
    """The row of one model in this process, or why there is none."""
    try:
        return row_of(arguments, kind, name)
    except Exception as error:  # of whatever part of the model
        return {"model": name, "failed": f"{type(error).__name__}: {error}"[:200]}


def in_process(arguments, kind, name):
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--one", f"{kind}:{name}"]
    for setting in ("threads", "seconds", "device", "precision", "clock", "lock"):
        command += [f"--{setting}", str(getattr(arguments, setting))]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=arguments.timeout)
    except subprocess.TimeoutExpired:
        return {"model": name, "failed": f"no result in {arguments.timeout} s"}
    for line in run.stdout.splitlines():
        if line.startswith("{"):
            return json.loads(line)
    return {"model": name, "failed": (run.stderr.strip().splitlines() or [f"status {run.returncode}"])[-1][:200]}


def zoo_table(rows, command):
    known = next((r for r in rows if "torch" in r), {"torch": "", "precision": "", "device": ""})
    beside = "" if known["precision"] != "fp16" else " in half precision"
    clock = ", processor time" if known.get("clock") == "processor" else ""
    text = [f"\n## {datetime.date.today()}, PyTorch beside torch2trt and torch.compile, {known['device']}\n",
            f"torch {known['torch']}, {known['precision']}, batch 1, `{command}`. Best times in ms{clock} of runs in "
            f"turns; speed-ups are medians of pairs, over PyTorch's own execution{beside}, without TF32. Errors are "
            "‖y − y_torch‖/‖y_torch‖, with seeded weights. `way`: how torch2trt converted; `engines + n`: engines of "
            "torch.compile, and functions left in PyTorch.\n",
            "| model | input | PyTorch | torch2trt | speed-up | error | largest error | way | torch.compile | "
            "speed-up | error | engines |",
            "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: | ---: | --- |"]
    for r in rows:
        if "failed" in r:
            text.append(f"| {r['model']} | {r['failed']} |" + " |" * 10)
            continue
        text.append(f"| {r['model']} | {r['input']} | {r['eager_ms']:.2f} | {r['ms']:.2f} | "
                    f"{r.get('speedup', r['eager_ms'] / r['ms']):.2f} | {r['error']:.1e} | {r['max_error']:.1e} | "
                    f"{r['way']} | {r['compile_ms']:.2f} | "
                    f"{r.get('compile_speedup', r['eager_ms'] / r['compile_ms']):.2f} | "
                    f"{r['compile_error']:.1e} | "
                    f"{r['engines']} + {r['in_pytorch']} |")
    text += [f"\n{r['model']} in PyTorch: {'; '.join(notes)}." for r in rows
             if (notes := [*r.get("notes", ()), *r.get("reasons", ())])]
    return text


def timm_table(rows, command):
    import timm

    ways = collections.Counter(r.get("way", "failed") for r in rows)
    text = [f"\n## {datetime.date.today()}, timm's first {len(rows)} architectures through torch2trt\n",
            f"timm {timm.__version__}, `{command}`: " + ", ".join(f"{n} by {w}" for w, n in ways.most_common()) +
            ". Largest error of those in engines: "
            f"{max((r['error'] for r in rows if r.get('way') in ('hooks', 'ONNX')), default=0):.1e}.\n"]
    reasons = collections.defaultdict(list)
    for r in rows:
        if r.get("way") not in ("hooks",):
            reasons[(r.get("way", "failed"), (r.get("notes") or [r.get("failed", "")])[-1])].append(r["model"])
    text += ["| runs in | reason | architectures |", "| --- | --- | --- |"]
    text += [f"| {way} | {reason} | {', '.join(models)} |" for (way, reason), models in sorted(reasons.items())]
    return text


def prepare(threads):
    """Of this process, for models to run in it."""
    os.environ["TENON_THREADS"] = str(threads)
    import tenon.tensorrt
    import torch

    tenon.tensorrt.install()
    torch.set_num_threads(threads)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--timm", type=int, default=0, metavar="N")
    parser.add_argument("--skip", type=int, default=0, help="architectures of timm to leave out first")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("fp32", "fp16"), default="fp32")
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall", help="processor: on a busy machine")
    parser.add_argument("--together", action="store_true")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--lock", default="", help=argparse.SUPPRESS)
    parser.add_argument("--rows", metavar="FILE")
    parser.add_argument("--append", metavar="FILE")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one or arguments.together:
        prepare(arguments.threads)
    if arguments.one:
        kind, _, name = arguments.one.partition(":")
        print(json.dumps(row_of(arguments, kind, name)))
        return
    names = arguments.models.split(",")
    if arguments.timm:
        torchvision()
        names = architectures(arguments.timm)[arguments.skip:]
    rows = []
    if arguments.rows:
        with open(arguments.rows) as file:
            rows, names = [json.loads(line) for line in file if line.startswith("{")], []
    kind = "timm" if arguments.timm else "zoo"
    with contextlib.ExitStack() as stack:
        results = ((here if arguments.together else in_process)(arguments, kind, name) for name in names)
        if arguments.jobs > 1:
            arguments.lock = stack.enter_context(tempfile.NamedTemporaryFile()).name
            pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(arguments.jobs))
            waiting = [pool.submit(in_process, arguments, kind, name) for name in names]
            results = (done.result() for done in concurrent.futures.as_completed(waiting))
        for row in results:
            rows.append(row)
            print(json.dumps(row), flush=True)
    rows.sort(key=lambda r: names.index(r["model"]) if r["model"] in names else -1)
    command = " ".join(["python", "bench/torch_models.py", *sys.argv[1:]])
    text = timm_table(rows, command) if arguments.timm else zoo_table(rows, command)
    print("\n".join(text))
    if arguments.append:
        with open(arguments.append, "a") as file:
            file.write("\n".join(text) + "\n")


if __name__ == "__main__":
    main()
